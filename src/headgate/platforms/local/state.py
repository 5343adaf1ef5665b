"""What the runtime remembers over restarts: runtimes, versions, endpoints and the answers to client tokens, in one
SQLite file.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headgate.platforms.local.documents import Documents

_SCHEMA = """
create table if not exists runtime (
    id text primary key, name text not null unique, created real not null, updated real not null,
    last integer not null);
create table if not exists version (
    runtime text not null, number integer not null, config text not null, digest text not null, created real not null,
    port integer not null default 0, primary key (runtime, number));
create table if not exists endpoint (
    runtime text not null, name text not null, live text, target text not null, status text not null,
    reason text not null, description text, created real not null, updated real not null, primary key (runtime, name));
create table if not exists token (
    operation text not null, token text not null, request text not null, response text not null, at real not null,
    primary key (operation, token));
"""
_TOKEN_LIFE_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Runtime:
    """An agent runtime. `last` is the number of its latest version; numbers are never used twice. Times are Unix
    seconds.
    """

    id: str
    name: str
    created: float
    updated: float
    last: int


@dataclass(frozen=True, slots=True)
class BuiltVersion:
    """An immutable version: `config` as the request gave it, `port` the one its process last had (0: none yet)."""

    runtime: str
    number: int
    config: dict[str, Any]
    digest: str
    created: float
    port: int = 0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A named pointer. `live` serves now (None: nothing yet), `target` is what it is moving to, `reason` why the move
    failed.
    """

    runtime: str
    name: str
    live: str | None
    target: str
    status: str
    reason: str
    description: str | None
    created: float
    updated: float

    def moved(self, status: str, **members: Any) -> Endpoint:
        return replace(self, status=status, updated=time.time(), **members)


class State:
    """Every method is one transaction, or part of the one around it; called from the event loop's thread only."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=5)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        self._db.close()

    def documents(self) -> Documents:
        """What is kept of gateways, in the same file and the same transactions."""
        return Documents(self._db)

    # --- runtimes and versions

    def runtimes(self) -> list[Runtime]:
        return [Runtime(*row) for row in self._db.execute("select * from runtime order by created, id")]

    def runtime(self, id: str) -> Runtime | None:
        row = self._db.execute("select * from runtime where id = ?", (id,)).fetchone()
        return Runtime(*row) if row else None

    def add_runtime(self, runtime: Runtime) -> None:
        """Raises sqlite3.IntegrityError where the name is taken."""
        row = (runtime.id, runtime.name, runtime.created, runtime.updated, runtime.last)
        self._db.execute("insert into runtime values (?, ?, ?, ?, ?)", row)

    def add_version(self, runtime: str, config: Mapping[str, Any], digest: str, now: float) -> BuiltVersion:
        """The next version of a runtime; DEFAULT moves to it in the same transaction, as on AWS."""
        with self.transaction():
            query = "update runtime set last = last + 1, updated = ? where id = ? returning last"
            number = int(self._db.execute(query, (now, runtime)).fetchone()[0])
            built = BuiltVersion(runtime, number, dict(config), digest, now)
            row = (runtime, number, json.dumps(built.config), digest, now, 0)
            self._db.execute("insert into version values (?, ?, ?, ?, ?, ?)", row)
            before = self.endpoint(runtime, "DEFAULT")
            text = str(number)
            self._put(
                Endpoint(runtime, "DEFAULT", text, text, "READY", "", None, before.created if before else now, now)
            )
        return built

    def versions(self, runtime: str) -> list[BuiltVersion]:
        rows = self._db.execute("select * from version where runtime = ? order by number desc", (runtime,))
        return [_version(row) for row in rows]

    def version(self, runtime: str, number: str) -> BuiltVersion | None:
        row = self._db.execute(
            "select * from version where runtime = ? and number = ?", (runtime, int(number))
        ).fetchone()
        return _version(row) if row else None

    def keep_port(self, runtime: str, number: str, port: int) -> None:
        self._db.execute("update version set port = ? where runtime = ? and number = ?", (port, runtime, int(number)))

    def remove_version(self, runtime: str, number: str) -> None:
        self._db.execute("delete from version where runtime = ? and number = ?", (runtime, int(number)))

    def remove_runtime(self, runtime: str) -> None:
        with self.transaction():
            self._db.execute("delete from endpoint where runtime = ?", (runtime,))
            self._db.execute("delete from version where runtime = ?", (runtime,))
            self._db.execute("delete from runtime where id = ?", (runtime,))

    # --- endpoints

    def endpoints(self, runtime: str = "") -> list[Endpoint]:
        rows = self._db.execute(
            "select * from endpoint where ? in ('', runtime) order by runtime, created, name", (runtime,)
        )
        return [Endpoint(*row) for row in rows]

    def endpoint(self, runtime: str, name: str) -> Endpoint | None:
        row = self._db.execute("select * from endpoint where runtime = ? and name = ?", (runtime, name)).fetchone()
        return Endpoint(*row) if row else None

    def put_endpoint(self, endpoint: Endpoint) -> None:
        with self.transaction():
            self._put(endpoint)

    def remove_endpoint(self, runtime: str, name: str) -> None:
        self._db.execute("delete from endpoint where runtime = ? and name = ?", (runtime, name))

    def _put(self, e: Endpoint) -> None:
        row = (e.runtime, e.name, e.live, e.target, e.status, e.reason, e.description, e.created, e.updated)
        self._db.execute("insert or replace into endpoint values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    # --- client tokens

    def answered(self, operation: str, token: str) -> tuple[str, dict[str, Any]] | None:
        """The (digest of the request, response) that a client token got before."""
        query = "select request, response from token where operation = ? and token = ?"
        row = self._db.execute(query, (operation, token)).fetchone()
        return (row[0], json.loads(row[1])) if row else None

    def keep_answer(self, operation: str, token: str, request: str, response: Mapping[str, Any], now: float) -> None:
        with self.transaction():
            self._db.execute("delete from token where at < ?", (now - _TOKEN_LIFE_S,))
            row = (operation, token, request, json.dumps(response), now)
            self._db.execute("insert or replace into token values (?, ?, ?, ?, ?)", row)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; one inside another belongs to the outer one."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")


def _version(row: tuple[Any, ...]) -> BuiltVersion:
    return BuiltVersion(row[0], int(row[1]), json.loads(row[2]), row[3], row[4], row[5])
