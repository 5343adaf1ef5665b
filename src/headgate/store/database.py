"""One SQLite file: opening it, bringing its schema up to date, whole transactions, and its errors in our words.

WAL, so that a dashboard reads while the controller writes; synchronous=FULL, so that what was committed survives a
power cut. A store has one connection and one lock: threads take turns, processes are kept apart by SQLite itself.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

from headgate.errors import HeadgateError, LedgerBroken, Rejected, Unavailable

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
_UNWRITABLE = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM})
_RETRY_EVERY_S = 0.02

T = TypeVar("T")


class Database:
    """`path` is made if it is not there (its directory must be). `busy_timeout`: seconds to wait for others."""

    def __init__(self, path: Path, busy_timeout: float) -> None:
        self.path = path
        self.busy_timeout = busy_timeout
        self._lock = threading.RLock()
        with self._errors():
            self.connection = self._connect()
        try:
            with self._errors():
                self._migrate()
        except BaseException:
            self.connection.close()
            raise

    def close(self) -> None:
        """Let the file go. Closing twice is closing once."""
        with self._lock:
            self.connection.close()

    @contextlib.contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """One transaction, committed whole or not at all. No other process writes meanwhile."""
        with self._lock, self._errors():
            connection = self.connection
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:  # SQLite itself rolls back when the disk is full
                    connection.execute("rollback")
                raise

    @contextlib.contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """For one query: what it sees is one state of the file."""
        with self._lock, self._errors():
            yield self.connection

    @contextlib.contextmanager
    def snapshot(self, *, damaged: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection of its own on one state of the file, for long reads that must not keep other threads waiting.

        `damaged`: also read text that is not UTF-8, which costs speed.
        """
        with self._errors():
            connection = self._connect()
            if damaged:
                connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
            try:
                connection.execute("begin")
                yield connection
            finally:
                connection.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            self._patiently(lambda: self._schema(connection))  # is it ours? asked before anything is changed
            (mode,) = self._patiently(lambda: connection.execute("pragma journal_mode = wal").fetchone())
            if mode != "wal":
                raise Rejected(
                    f"{self.path}: SQLite cannot keep a write-ahead log here (it offers {mode!r})",
                    "put the store on a local disk; network file systems and memory will not do",
                )
            connection.execute(f"pragma busy_timeout = {int(self.busy_timeout * 1000)}")
            connection.execute("pragma synchronous = full")
        except BaseException:
            connection.close()
            raise
        return connection

    def _patiently(self, call: Callable[[], T]) -> T:
        """SQLite does not wait for its turn when processes switch a new file to WAL, so the waiting is done here."""
        for _ in range(int(self.busy_timeout / _RETRY_EVERY_S)):
            try:
                return call()
            except sqlite3.OperationalError as error:
                if _code(error) not in _BUSY:
                    raise
                time.sleep(_RETRY_EVERY_S)
        return call()

    def _migrate(self) -> None:
        known = migrations()
        if self._schema(self.connection) == len(known):
            return
        with self.write() as connection:
            done = self._schema(connection)  # asked again inside: another process may have been first
            for number, (name, statements) in enumerate(known[done:], done + 1):
                for statement in statements:
                    connection.execute(statement)
                connection.execute("insert into headgate_migrations (number, name) values (?, ?)", (number, name))

    def _schema(self, connection: sqlite3.Connection) -> int:
        """The number of the last migration that this file has had. Rejected where it is not ours, or newer."""
        tables = {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}
        if not tables:
            return 0
        if "headgate_migrations" not in tables:
            raise Rejected(
                f"{self.path} is another program's database: it has the tables {', '.join(sorted(tables)[:3])}",
                "name another file for the store",
            )
        number, name = connection.execute("select coalesce(max(number), 0), name from headgate_migrations").fetchone()
        known = len(migrations())
        if number > known:
            raise Rejected(
                f"{self.path} was written by a newer Headgate: its schema is {number} ({name}), "
                f"and this one knows up to {known}",
                "upgrade this Headgate; a store is never taken back to an older schema",
            )
        return int(number)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            ours = self._in_our_words(error)
            if ours is None:
                raise
            raise ours from error

    def _in_our_words(self, error: sqlite3.Error) -> HeadgateError | None:
        code = _code(error)
        if code in _BUSY:
            return Unavailable(
                f"{self.path}: another process holds it, and did not let go within {self.busy_timeout:g} s",
                f"try again; if it stays so, see who has it open (`fuser {self.path}`) and stop that",
            )
        if code == sqlite3.SQLITE_FULL:
            return Unavailable(
                f"{self.path}: the disk is full; nothing of this change was written",
                "free some space on its file system and try again",
            )
        if code in _UNWRITABLE:
            return Unavailable(
                f"{self.path} is read-only for this user",
                "give this user write permission on the file and on its directory",
            )
        if code == sqlite3.SQLITE_CANTOPEN:
            return Unavailable(
                f"{self.path} cannot be opened or made",
                f"make the directory {self.path.parent} if it is not there, and let this user write in it",
            )
        if code == sqlite3.SQLITE_IOERR:
            return Unavailable(
                f"{self.path}: the disk failed ({error}); nothing of this change was written",
                "look for a full disk, a quota or a file size limit, and at the system's log; then try again",
            )
        if code == sqlite3.SQLITE_CORRUPT:
            return LedgerBroken(
                f"{self.path} is damaged: {error}",
                "keep the file as it is, and restore the last good copy in its place",
            )
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CONSTRAINT_TRIGGER:
            return LedgerBroken(f"{self.path}: {error}", "`headgate verify` says what is broken; restore a good copy")
        if code == sqlite3.SQLITE_NOTADB:
            return Rejected(f"{self.path} is not a store of Headgate: {error}", "name another file for the store")
        return None


def _code(error: sqlite3.Error) -> int:
    """The primary result code; 0 where the error came from the module and not from SQLite."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


@cache
def migrations() -> list[tuple[str, list[str]]]:
    """Every migration's name and statements, in order."""
    folder = files("headgate.store") / "migrations"
    scripts = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=lambda f: f.name)
    return [(script.name.removesuffix(".sql"), _statements(script.read_text(encoding="utf-8"))) for script in scripts]


def _statements(script: str) -> list[str]:
    """A script's statements one by one: `executescript` would commit in the middle of our transaction."""
    statements, lines = [], ""
    for line in script.splitlines(keepends=True):
        lines += line
        if sqlite3.complete_statement(lines):
            statements.append(lines)
            lines = ""
    return statements
