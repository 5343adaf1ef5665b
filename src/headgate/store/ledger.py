"""The ledger in SQL: its head, and entries put at its end within a transaction that is open."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from headgate.errors import LedgerBroken
from headgate.ports import Entry, Record
from headgate.store.chain import extend, record_of


def head(connection: sqlite3.Connection) -> tuple[int, str]:
    row = connection.execute("select count, hash from ledger_head").fetchone()
    if row is None:
        raise LedgerBroken("the head of the ledger is gone", "`headgate verify` says what else; restore a good copy")
    return int(row[0]), str(row[1])


def append(connection: sqlite3.Connection, entries: Sequence[Entry], now: float) -> list[Record]:
    if not entries:
        return []
    links = extend(head(connection), entries, now)
    connection.executemany(
        "insert into ledger (seq, at, rollout, kind, body, previous, hash) values (?, ?, ?, ?, ?, ?, ?)", links
    )
    connection.execute("update ledger_head set count = ?, hash = ?", (links[-1].seq, links[-1].hash))
    return [record_of(link) for link in links]
