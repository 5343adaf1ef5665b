"""What the runtime keeps of its gateways: JSON documents by kind, parent and id, in the file of its state."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

_SCHEMA = """
create table if not exists document (
    kind text not null, parent text not null, id text not null, data text not null, primary key (kind, parent, id));
"""


class Documents:
    """Called from the event loop's thread only; each method is one transaction, or part of the one around it."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database
        self._db.executescript(_SCHEMA)

    def all(self, kind: str, parent: str = "") -> list[dict[str, Any]]:
        """In the order in which they were made."""
        query = "select data from document where kind = ? and parent = ? order by rowid"
        return [json.loads(row[0]) for row in self._db.execute(query, (kind, parent))]

    def get(self, kind: str, parent: str, id: str) -> dict[str, Any] | None:
        query = "select data from document where kind = ? and parent = ? and id = ?"
        row = self._db.execute(query, (kind, parent, id)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, kind: str, parent: str, id: str, data: dict[str, Any]) -> None:
        query = "insert into document values (?, ?, ?, ?) on conflict do update set data = excluded.data"
        self._db.execute(query, (kind, parent, id, json.dumps(data)))

    def remove(self, kind: str, parent: str, id: str) -> None:
        self._db.execute("delete from document where kind = ? and parent = ? and id = ?", (kind, parent, id))
