"""Pins on disk: a new pin is committed before the first byte goes to a version, so that `kill -9` forgets none.

SQLite in WAL mode with synchronous=NORMAL: what is committed survives the death of this process (not a power cut of
the machine). Checkpoints, which fsync, are left to `checkpoint`, called from a thread; the event loop only ever
appends to the log, some 10 microseconds a pin. A store that cannot write never fails a request: the pin is kept in
memory, counted as `unpinned`, and written later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from headgate.errors import Unavailable
from headgate.gateway.router import Pin

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pins (
  agent TEXT NOT NULL, session TEXT NOT NULL, version TEXT NOT NULL, variant TEXT NOT NULL,
  weight REAL NOT NULL, epoch INTEGER NOT NULL, started REAL NOT NULL, seen REAL NOT NULL,
  PRIMARY KEY (agent, session)
) WITHOUT ROWID
"""
_PUT = "INSERT OR REPLACE INTO pins VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_DROP = "DELETE FROM pins WHERE agent = ? AND session = ?"
_SLICE = 500  # rows of one flush: about a millisecond of the event loop

Key = tuple[str, str]  # agent, session


def connect(path: Path, *schema: str) -> sqlite3.Connection:
    """A database of the gateway, in WAL mode. Raises Unavailable where it cannot be opened, is damaged or is locked."""
    try:
        database = sqlite3.connect(path, timeout=2.0, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            for statement in schema:
                database.execute(statement)
        except sqlite3.Error:
            database.close()
            raise
    except sqlite3.Error as error:
        raise Unavailable(
            f"the gateway cannot use its database {path}: {error}",
            "check that the directory is writable, the disk is not full and no other gateway has this home;"
            " a damaged file may be moved away, then its pins (or telemetry) are lost",
        ) from error
    return database


class PinStore:
    """The pins of all agents. Used from the event loop only, but for `checkpoint`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database = connect(path, _SCHEMA, "PRAGMA wal_autocheckpoint = 0", "PRAGMA busy_timeout = 0")
        self._dirty: dict[Key, Pin | None] = {}  # to be written by `flush`; None: to be deleted
        self._writes = 0
        self.unpinned = 0  # sessions that were served before their pin was on disk

    def load(self, agent: str) -> Iterator[tuple[str, Pin]]:
        """The agent's pins, oldest turn first."""
        query = "SELECT session, version, variant, weight, epoch, started, seen FROM pins WHERE agent = ? ORDER BY seen"
        for session, *rest in self._database.execute(query, (agent,)):
            yield session, Pin(*rest)

    def put(self, agent: str, session: str, pin: Pin) -> bool:
        """Commits a new pin, or says False and counts it."""
        try:
            self._database.execute(_PUT, _row(agent, session, pin))
        except sqlite3.Error:
            self.unpinned += 1
            self._dirty[agent, session] = pin
            return False
        self._writes += 1
        self._dirty.pop((agent, session), None)  # whatever waited, even a deletion, is older than this
        return True

    def touch(self, agent: str, session: str, pin: Pin) -> None:
        """The pin changed (its last turn, its version): to be written with the next flush."""
        self._dirty[agent, session] = pin

    def drop(self, agent: str, session: str) -> None:
        """The session has ended: its pin is deleted with the next flush."""
        self._dirty[agent, session] = None

    def flush(self) -> bool:
        """Writes some of what waits in one commit; True where more is left.

        What cannot be written waits for the next call.
        """
        batch = list(islice(self._dirty.items(), _SLICE))
        if not batch:
            return False
        try:
            self._write(batch)
        except sqlite3.Error:
            return False
        self._writes += len(batch)
        for key, pin in batch:
            del self._dirty[key]
            if pin is not None:
                pin.saved = pin.seen
        return bool(self._dirty)

    def _write(self, batch: Iterable[tuple[Key, Pin | None]]) -> None:
        batch = list(batch)
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._database.executemany(_PUT, [_row(*key, pin) for key, pin in batch if pin is not None])
            self._database.executemany(_DROP, [key for key, pin in batch if pin is None])
            self._database.execute("COMMIT")
        except sqlite3.Error:
            # a full disk may have ended the transaction already
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    @property
    def wants_checkpoint(self) -> bool:
        """Whether enough was written since the last one."""
        return self._writes >= 2000

    def checkpoint(self) -> None:
        """Moves the log into the database file; to be called from a thread, for it waits for the disk."""
        self._writes = 0
        try:
            database = sqlite3.connect(self._path, timeout=0.1)
        except sqlite3.Error:
            return  # the log only grows until the next try
        try:
            database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error:
            return
        finally:
            database.close()

    def close(self) -> None:
        """Writes what waits, as far as the disk allows, and closes."""
        while self.flush():
            pass
        self._database.close()


def _row(agent: str, session: str, pin: Pin) -> tuple[object, ...]:
    return agent, session, pin.version, pin.variant, pin.weight, pin.epoch, pin.started, pin.seen
