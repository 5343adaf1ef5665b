"""Recorded sessions on disk, redacted: `home/recordings.db`, readable by its owner only. Old ones are dropped.

Every method blocks; they are called from the one thread that may wait for the disk. A disk that refuses loses
recordings, never a request.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headgate.gateway.pins import connect

LIMIT = 1000  # recordings of one answer at most
_TRIM = 1000

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS recordings (seq INTEGER PRIMARY KEY AUTOINCREMENT, agent TEXT NOT NULL,"
    " t REAL NOT NULL, version TEXT NOT NULL, body TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS recordings_agent ON recordings (agent, seq)",
)


class Recordings:
    """The database of recordings."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.touch(mode=0o600)
        self._database = connect(path, *_SCHEMA)
        self.lost = 0  # recordings that the disk refused

    def write(self, agent: str, recordings: Sequence[tuple[float, dict[str, Any]]]) -> None:
        """Keeps these."""
        rows = [(agent, t, str(body["version"]), json.dumps(body, ensure_ascii=False)) for t, body in recordings]
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT INTO recordings (agent, t, version, body) VALUES (?, ?, ?, ?)", rows)
            self._database.execute("COMMIT")
        except sqlite3.Error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self.lost += len(rows)

    def after(self, agent: str, seq: int, limit: int) -> list[dict[str, Any]]:
        """Recordings after this number, oldest first, each with its `seq`."""
        query = "SELECT seq, body FROM recordings WHERE agent = ? AND seq > ? ORDER BY seq LIMIT ?"
        return _bodies(self._database.execute(query, (agent, seq, min(limit, LIMIT))))

    def latest(self, agent: str, version: str, limit: int) -> list[dict[str, Any]]:
        """The newest recordings of a version ("" for any), newest first."""
        query = "SELECT seq, body FROM recordings WHERE agent = ? AND (? = '' OR version = ?) ORDER BY seq DESC LIMIT ?"
        return _bodies(self._database.execute(query, (agent, version, version, min(limit, LIMIT))))

    def trim(self, agent: str, before: float) -> None:
        """Drops an agent's recordings from before a time, a bounded number of them."""
        query = (
            "DELETE FROM recordings WHERE seq IN"
            " (SELECT seq FROM recordings WHERE agent = ? AND t < ? ORDER BY seq LIMIT ?)"
        )
        with contextlib.suppress(sqlite3.Error):
            self._database.execute(query, (agent, before, _TRIM))

    def close(self) -> None:
        """Closes the database."""
        self._database.close()


def _bodies(rows: Any) -> list[dict[str, Any]]:
    return [{"seq": seq, **json.loads(body)} for seq, body in rows]
