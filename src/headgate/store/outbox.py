"""The outbox in SQL: messages put in once, claimed by one sender at a time, settled by that one. And spent links."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from headgate.core.codec import to_data
from headgate.ports import Delivery, Entry, Message
from headgate.store import rules
from headgate.store.chain import text_of
from headgate.store.database import Database
from headgate.store.ledger import append

OF_ALL = "select body, state, attempts, next_at, error from outbox where "


class SqlOutbox:
    """The port `Outbox` of a store whose `database` is SQLite."""

    database: Database

    def _value(self, kind: Any, body: str, **members: Any) -> Any:
        """A value of the store from its text."""
        raise NotImplementedError

    def undelivered(self) -> list[Delivery]:
        """Messages that wait or are being sent, oldest first."""
        return self._deliveries("state in ('waiting', 'sending')", ())

    def deliveries(self, rollout: str | None = None) -> list[Delivery]:
        """All messages of a rollout, or of all, oldest first."""
        return self._deliveries("(? is null or rollout = ?)", (rollout, rollout))

    def _deliveries(self, which: str, values: tuple[str | None, ...]) -> list[Delivery]:
        with self.database.read() as connection:
            rows = connection.execute(OF_ALL + which + " order by position", values).fetchall()
        return [
            Delivery(self._value(Message, body), state, attempts, next_at, json.loads(error))
            for body, state, attempts, next_at, error in rows
        ]

    def claim(self, key: str, attempts: int, now: float) -> bool:
        """Whether the caller may send: false where another has begun the attempt after `attempts`, or it is settled."""
        with self.database.write() as connection:
            return claim(connection, key, attempts, now)

    def settle(self, done: Delivery, entries: Sequence[Entry], now: float) -> bool:
        """How attempt `done.attempts` ended. False, and nothing is written, where a later attempt has begun."""
        with self.database.write() as connection:
            settled = settle(connection, done)
            if settled:
                append(connection, entries, now)
            return settled

    def again(self, was: Delivery, entries: Sequence[Entry], now: float) -> bool:
        """An ended delivery waits once more. False, and nothing is written, where it is not as `was` says any more."""
        with self.database.write() as connection:
            waits = connection.execute(
                "update outbox set state = 'waiting', next_at = 0, error = '\"\"'"
                " where key = ? and attempts = ? and state = ? and state not in ('waiting', 'sending')",
                (was.message.key, was.attempts, was.state),
            )
            if waits.rowcount == 1:
                append(connection, entries, now)
            return waits.rowcount == 1


def put(connection: sqlite3.Connection, messages: Sequence[Message]) -> None:
    """A message whose key is there already is that message."""
    connection.executemany(
        "insert into outbox (key, rollout, body) values (?, ?, ?) on conflict (key) do nothing",
        [(message.key, message.rollout, text_of(to_data(message))) for message in messages],
    )


def claim(connection: sqlite3.Connection, key: str, attempts: int, now: float) -> bool:
    taken = connection.execute(
        "update outbox set state = 'sending', attempts = attempts + 1, next_at = ?"
        " where key = ? and attempts = ? and state in ('waiting', 'sending')",
        (now, key, attempts),
    )
    return taken.rowcount == 1


def settle(connection: sqlite3.Connection, done: Delivery) -> bool:
    told = connection.execute(
        "update outbox set state = ?, next_at = ?, error = ? where key = ? and attempts = ? and state = 'sending'",
        (done.state, done.next_at, text_of(done.error), done.message.key, done.attempts),
    )
    return told.rowcount == 1


def spend(connection: sqlite3.Connection, link: str, now: float) -> None:
    """RefusedError where this link was used before; "" is no link."""
    if not link:
        return
    spent = connection.execute(
        "insert into spent_links (id, at) values (?, ?) on conflict (id) do nothing", (link, now)
    )
    if spent.rowcount != 1:
        raise rules.spent_link()
