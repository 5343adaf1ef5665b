"""The telemetry log on disk: rows with a growing number, and how far open sessions are, in one commit per second.

One commit holds a session's summary and the mark that it was summarised, so a session bets once whatever kills this
process; what is lost then is the last second. All of it runs in one worker thread, away from the event loop.
`home/telemetry.db` carries a random id made at its creation: a cursor names it, and so a lost log is noticed rather
than skipped.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

from headgate.gateway.meter import Batch
from headgate.gateway.pins import connect

KEEP_S = 7 * 86400.0  # rows older than this are dropped
_TRIM = 5000  # rows dropped at most per call
_WAITING = 200_000  # rows kept in memory while the disk refuses them; beyond it the oldest are lost, and counted
LIMIT = 10_000  # rows of one answer at most

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS rows"
    " (seq INTEGER PRIMARY KEY AUTOINCREMENT, agent TEXT NOT NULL, t REAL NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS rows_agent ON rows (agent, seq)",
    "CREATE INDEX IF NOT EXISTS rows_t ON rows (t)",
    "CREATE TABLE IF NOT EXISTS sessions"
    " (agent TEXT NOT NULL, session TEXT NOT NULL, body TEXT, PRIMARY KEY (agent, session)) WITHOUT ROWID",
)


class BadCursor(Exception):
    """A cursor that no gateway can have given."""


class Journal:
    """The telemetry database. Every method blocks; call them from one thread."""

    def __init__(self, path: Path) -> None:
        self._database = connect(path, *_SCHEMA)
        self._database.execute("INSERT OR IGNORE INTO meta VALUES ('log', ?)", (uuid4().hex[:12],))
        self.log: str = self._database.execute("SELECT value FROM meta WHERE name = 'log'").fetchone()[0]
        self._waiting: list[Batch] = []
        self.lost = 0  # rows that were given up because the disk refused them for too long

    def write(self, batch: Batch) -> bool:
        """Commits the batch and whatever waits; False where the disk refuses, then they wait for the next call."""
        if batch:
            self._waiting.append(batch)
        if not self._waiting:
            return True
        try:
            self._commit()
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._give_up_oldest()
            return False
        self._waiting.clear()
        return True

    def _commit(self) -> None:
        execute, many = self._database.execute, self._database.executemany
        execute("BEGIN IMMEDIATE")
        for batch in self._waiting:
            rows = [(agent, t, _text(body)) for agent, t, body in batch.rows]
            many("INSERT INTO rows (agent, t, body) VALUES (?, ?, ?)", rows)
            sessions = [
                (agent, session, None if body is None else _text(body)) for agent, session, body in batch.sessions
            ]
            many("INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)", sessions)
            many("DELETE FROM sessions WHERE agent = ? AND session = ?", batch.forgotten)
        execute("COMMIT")

    def _give_up_oldest(self) -> None:
        waiting = sum(len(batch.rows) for batch in self._waiting)
        for batch in self._waiting:
            if waiting <= _WAITING:
                return
            waiting -= len(batch.rows)
            self.lost += len(batch.rows)
            batch.rows.clear()

    def sessions(self, agent: str) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """How far the agent's sessions were: data of an open one, None for a closed one."""
        query = "SELECT session, body FROM sessions WHERE agent = ?"
        for session, body in self._database.execute(query, (agent,)):
            yield session, None if body is None else json.loads(body)

    def read(self, agent: str, after: str, limit: int) -> tuple[list[dict[str, Any]], str]:
        """Rows after the cursor, oldest first, and the cursor after them.

        A cursor of another log begins at this one's start.
        """
        seq = self._after(after)
        query = "SELECT seq, body FROM rows WHERE agent = ? AND seq > ? ORDER BY seq LIMIT ?"
        rows = []
        for number, body in self._database.execute(query, (agent, seq, min(limit, LIMIT))):
            rows.append({"seq": number, **json.loads(body)})
            seq = number
        return rows, f"{self.log}:{seq}"

    def _after(self, cursor: str) -> int:
        if not cursor:
            return 0
        log, colon, seq = cursor.partition(":")
        if not colon or not (seq.isascii() and seq.isdigit() and len(seq) < 19):
            raise BadCursor(f"the cursor {cursor!r} is not of the form LOG:NUMBER")
        return int(seq) if log == self.log else 0

    def trim(self, now: float) -> None:
        """Drops rows older than 7 days, a bounded number of them; where the disk refuses, the next call does."""
        query = "DELETE FROM rows WHERE seq IN (SELECT seq FROM rows WHERE t < ? ORDER BY t LIMIT ?)"
        with contextlib.suppress(sqlite3.Error):
            self._database.execute(query, (now - KEEP_S, _TRIM))

    def close(self) -> None:
        """Closes the database."""
        self._database.close()


def _text(body: dict[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))
