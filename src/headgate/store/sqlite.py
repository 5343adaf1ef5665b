"""The store in one SQLite file: every port of `ports.Store`, for many threads and many processes.

Everything is in one file at synchronous=FULL, observations too. Measured with a poll's batch per transaction they come
in as fast as at NORMAL (the rows cost, not the fsync), and one file is one thing to copy, to hold and to lose.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from headgate.core.codec import from_data, to_data
from headgate.core.effects import Effect
from headgate.core.model import FINISHED, Rollout
from headgate.errors import LedgerBroken, Rejected
from headgate.ports import (
    Agent,
    Change,
    Command,
    Entry,
    Lease,
    Message,
    PendingEffect,
    Record,
    Spent,
    Store,
)
from headgate.stats.observations import Row, Second, Session, row_from_data
from headgate.store import outbox, rules
from headgate.store.chain import Link, Verification, record_of, text_of, verify_links
from headgate.store.database import Database
from headgate.store.ledger import append, head
from headgate.store.outbox import SqlOutbox
from headgate.store.scores import SqlScores

BUSY_TIMEOUT_S = 5.0

_OF_ALL = """
select seq, at, rollout, kind, body, previous, hash from ledger
where seq > :after and (:kinds = '[]' or kind in (select value from json_each(:kinds))) order by seq
"""
_OF_ROLLOUT = """
select seq, at, rollout, kind, body, previous, hash from ledger
where rollout = :rollout and seq > :after and (:kinds = '[]' or kind in (select value from json_each(:kinds)))
order by seq
"""


class SqliteStore(SqlOutbox, SqlScores, Store):
    """A store in the file `path`, made if it is not there. `busy_timeout`: seconds to wait for another process.

    Every method may raise Unavailable (held by another process, disk full, read-only), Rejected (not ours, or of a
    newer Headgate) or LedgerBroken (the file is damaged); then nothing was written.
    """

    def __init__(self, path: str | Path, *, busy_timeout: float = BUSY_TIMEOUT_S) -> None:
        self.database = Database(Path(path), busy_timeout)

    def close(self) -> None:
        """Let the file go."""
        self.database.close()

    # --- rollouts --------------------------------------------------------------------------------------------

    def create(self, rollout: Rollout, entries: Sequence[Entry], now: float) -> list[Record]:
        """Put a new rollout in. RefusedError: its agent has an active one, or its id is taken."""
        with self.database.write() as connection:
            if connection.execute("select 1 from rollouts where id = ?", (rollout.id,)).fetchone():
                raise rules.same_id(rollout.id)
            try:
                connection.execute(
                    "insert into rollouts (id, agent, active, body) values (?, ?, ?, ?)",
                    (rollout.id, rollout.agent, rollout.phase not in FINISHED, _text(rollout)),
                )
            except sqlite3.IntegrityError as error:
                raise self._second(connection, rollout, error) from error
            return append(connection, entries, now)

    def load(self, rollout: str) -> Rollout:
        """The rollout of this id, or of the only id that begins so. NotFound names the near ones."""
        with self.database.read() as connection:
            known = [row[0] for row in connection.execute("select id from rollouts order by position")]
            found = rules.which_rollout(rollout, known)
            (body,) = connection.execute("select body from rollouts where id = ?", (found,)).fetchone()
        return self._rollout(body)

    def all(self, *, active: bool = False, agent: str = "") -> list[Rollout]:
        """Rollouts in the order of their creation; only the unfinished, only an agent's."""
        with self.database.read() as connection:
            rows = connection.execute(
                "select body from rollouts where active >= ? and (? = '' or agent = ?) order by position",
                (active, agent, agent),
            ).fetchall()
        return [self._rollout(body) for (body,) in rows]

    def agents(self) -> list[Agent]:
        """The agents that are served, by name."""
        with self.database.read() as connection:
            rows = connection.execute("select body from agents order by name").fetchall()
        return [self._value(Agent, body) for (body,) in rows]

    def pending(self, rollout: str) -> list[PendingEffect]:
        """Effects asked and not settled, oldest first."""
        with self.database.read() as connection:
            rows = connection.execute(
                "select key, body, asked_at, attempts, next_at, error from effects"
                " where rollout = ? and settled_at is null order by position",
                (rollout,),
            ).fetchall()
        return [
            PendingEffect(key, self._value(Effect, body), asked_at, attempts, next_at, json.loads(error))
            for key, body, asked_at, attempts, next_at, error in rows
        ]

    def commit(self, change: Change, lease: Lease, now: float) -> list[Record]:
        """All of a decision or nothing. StaleTermError: the lease has passed on. Returns the entries' records."""
        with self.database.write() as connection:
            rules.check_term(lease, _lease(connection, lease.name))
            if change.rollout is not None:
                self._update(connection, change.rollout)
            if change.agent is not None:
                connection.execute(
                    "insert into agents (name, body) values (?, ?)"
                    " on conflict (name) do update set body = excluded.body",
                    (change.agent.name, _text(change.agent)),
                )
            for effect in change.asked:
                _ask(connection, effect, change.rollout, now)
            connection.executemany(
                "update effects set settled_at = ? where key = ? and settled_at is null",
                [(now, key) for key in change.settled],
            )
            for command in change.consumed:
                spent = "update commands set consumed_at = ? where id = ? and consumed_at is null"
                if connection.execute(spent, (now, command)).rowcount != 1:
                    raise rules.spent_command(command)
            outbox.put(connection, change.messages)
            return append(connection, change.entries, now)

    def _update(self, connection: sqlite3.Connection, rollout: Rollout) -> None:
        try:
            done = connection.execute(
                "update rollouts set active = ?, body = ? where id = ? and agent = ?",
                (rollout.phase not in FINISHED, _text(rollout), rollout.id, rollout.agent),
            )
        except sqlite3.IntegrityError as error:
            raise self._second(connection, rollout, error) from error
        if done.rowcount != 1:
            raise rules.never_created(rollout)

    def _second(self, connection: sqlite3.Connection, rollout: Rollout, error: Exception) -> Exception:
        """What a broken `one_active_rollout_per_agent` stands for; any other broken constraint is itself."""
        row = connection.execute(
            "select body from rollouts where agent = ? and active = 1 and id <> ?", (rollout.agent, rollout.id)
        ).fetchone()
        return rules.second_rollout(self._rollout(row[0])) if row else error

    # --- ledger ----------------------------------------------------------------------------------------------

    def append(self, entries: Sequence[Entry], now: float, messages: Sequence[Message] = ()) -> list[Record]:
        """Put entries at the end of the ledger, and into the outbox what people are told of them."""
        with self.database.write() as connection:
            outbox.put(connection, messages)
            return append(connection, entries, now)

    def read(self, rollout: str = "", *, after: int = 0, kinds: Sequence[str] = ()) -> list[Record]:
        """Records after `after` in order; only a rollout's, only of some kinds, where these are given."""
        with self.database.read() as connection:
            rows = connection.execute(
                _OF_ROLLOUT if rollout else _OF_ALL,
                {"after": after, "rollout": rollout, "kinds": json.dumps(list(kinds))},
            ).fetchall()
        return [self._record(Link(*row)) for row in rows]

    def head(self) -> tuple[int, str]:
        """How many records there are, and the hash of the last one."""
        with self.database.read() as connection:
            return head(connection)

    def verify(self, expected_head: str = "") -> Verification:
        """Read the whole ledger and find what is not as it was written; writers go on meanwhile.

        `expected_head` is a hash that was noted earlier, e.g. in a report: the ledger must still contain it.
        """
        try:
            return self._verify(expected_head)
        except sqlite3.OperationalError:  # SQLite's own errors are in our words by now: some text here is not UTF-8
            return self._verify(expected_head, damaged=True)

    def _verify(self, expected_head: str, *, damaged: bool = False) -> Verification:
        with self.database.snapshot(damaged=damaged) as connection:
            head = connection.execute("select count, hash from ledger_head").fetchone() or (0, "")
            rows = connection.execute(_OF_ALL, {"after": -(2**63), "kinds": "[]"})
            return verify_links(map(Link._make, rows), head, expected_head)

    # --- leases ----------------------------------------------------------------------------------------------

    def acquire(self, name: str, holder: str, ttl: float, now: float) -> Lease | None:
        """Take or renew a lease for `ttl` seconds; None while another holds it."""
        with self.database.write() as connection:
            lease = rules.next_lease(_lease(connection, name), name, holder, ttl, now)
            if lease is not None:
                _keep(connection, lease)
            return lease

    def release(self, lease: Lease) -> None:
        """Give a lease back. One that has passed to another stays with that one."""
        with self.database.write() as connection:
            current = _lease(connection, lease.name)
            if current is not None and (current.term, current.holder) == (lease.term, lease.holder):
                _keep(connection, rules.released(current))

    # --- inbox -----------------------------------------------------------------------------------------------

    def post(self, command: Command, link: str = "") -> int:
        """Leave a person's word; the id that it got is returned (the command's own is ignored)."""
        with self.database.write() as connection:
            outbox.spend(connection, link, command.at)
            posted = connection.execute(
                "insert into commands (rollout, body) values (?, ?)", (command.rollout, _text(command))
            )
            return int(posted.lastrowid or 0)

    def spend(self, link: str, entries: Sequence[Entry], now: float) -> list[Record]:
        """What a signed link says that is no command: once, and on the ledger."""
        with self.database.write() as connection:
            outbox.spend(connection, link, now)
            return append(connection, entries, now)

    def waiting(self, rollout: str | None = None) -> list[Command]:
        """Words that were not consumed, oldest first: a rollout's, or all."""
        with self.database.read() as connection:
            rows = connection.execute(
                "select id, body from commands where consumed_at is null and (? is null or rollout = ?) order by id",
                (rollout, rollout),
            ).fetchall()
        return [self._value(Command, body, id=number) for number, body in rows]

    def delay(self, key: str, next_at: float, error: str) -> None:
        """One attempt at an effect failed: do not try before `next_at`. A settled one stays settled."""
        with self.database.write() as connection:
            delayed = connection.execute(
                "update effects set attempts = attempts + 1, next_at = ?, error = ? where key = ?",
                (next_at, text_of(error), key),
            )
            if delayed.rowcount != 1:
                raise rules.unknown_effect(key)

    # --- observations ----------------------------------------------------------------------------------------

    def ingest(self, agent: str, rows: Sequence[Row], cursor: str) -> None:
        """Keep rows and the cursor after them. A row that is there already (agent, log, seq) is not kept twice."""
        log = rules.log_of(cursor)
        members = [(agent, log, row.seq, type(row).__name__.lower(), row.t, _row_text(row)) for row in rows]
        with self.database.write() as connection:
            connection.executemany(
                "insert into observations (agent, log, seq, kind, t, body) values (?, ?, ?, ?, ?, ?)"
                " on conflict (agent, log, seq) do nothing",
                members,
            )
            connection.execute(
                "insert into cursors (agent, cursor) values (?, ?)"
                " on conflict (agent) do update set cursor = excluded.cursor",
                (agent, cursor),
            )

    def cursor(self, agent: str) -> str:
        """The cursor after the last ingested rows; "" before the first."""
        with self.database.read() as connection:
            row = connection.execute("select cursor from cursors where agent = ?", (agent,)).fetchone()
        return str(row[0]) if row else ""

    def sessions(self, agent: str, *, after: int = 0, since: float = 0.0) -> list[tuple[int, Session]]:
        """(position, session) in the order they came in: positions above `after`, closed at `since` or later."""
        with self.database.read() as connection:
            rows = connection.execute(
                "select position, body from observations"
                " where agent = ? and kind = 'session' and position > ? and t >= ? order by position",
                (agent, after, since),
            ).fetchall()
        return [(position, self._row(Session, body)) for position, body in rows]

    def seconds(self, agent: str, *, since: float = 0.0, until: float | None = None) -> list[Second]:
        """Per-second rows with since <= t < until (Unix s), by time; rows of the same second are not merged."""
        with self.database.read() as connection:
            rows = connection.execute(
                "select body from observations where agent = ? and kind = 'second' and t >= ? and t < ?"
                " order by t, position",
                (agent, since, float("inf") if until is None else until),
            ).fetchall()
        return [self._row(Second, body) for (body,) in rows]

    def spent(self, agent: str, *, since: float, until: float, version: str = "") -> Spent:
        """What was spent with since <= t < until (Unix s), by one version or by all; summed in the database."""
        with self.database.read() as connection:
            usd, tokens, requests, first = connection.execute(
                "select total(json_extract(body, '$.cost_usd')),"
                " total(json_extract(body, '$.tokens_in') + json_extract(body, '$.tokens_out')),"
                " total(json_extract(body, '$.requests')), min(t)"
                " from observations where agent = ? and kind = 'second' and t >= ? and t < ?"
                " and (? = '' or json_extract(body, '$.version') = ?)",
                (agent, since, until, version, version),
            ).fetchone()
        return Spent(float(usd), int(tokens), int(requests), first)

    # --- values ----------------------------------------------------------------------------------------------

    def _rollout(self, body: str) -> Rollout:
        value: Rollout = self._value(Rollout, body)
        return value

    def _value(self, kind: Any, body: str, **members: Any) -> Any:
        try:
            return from_data(kind, {**json.loads(body), **members})
        except ValueError as error:
            raise self._unreadable(getattr(kind, "__name__", "effect"), error) from error

    def _row(self, kind: type[Any], body: str) -> Any:
        try:
            return row_from_data({"kind": kind.__name__.lower(), **json.loads(body)})
        except ValueError as error:
            raise self._unreadable(kind.__name__, error) from error

    def _record(self, link: Link) -> Record:
        try:
            return record_of(link)
        except ValueError as error:
            raise LedgerBroken(
                f"{self.database.path}: record L{link.seq} is not what was written: {error}",
                "`headgate verify` says what else is broken; restore the last good copy",
            ) from error

    def _unreadable(self, kind: str, error: ValueError) -> Rejected:
        return Rejected(
            f"{self.database.path}: a stored {kind.lower()} cannot be read: {error}",
            "it was written by another version of Headgate, or changed by hand: use that version, or restore a copy",
        )


def _text(value: Any) -> str:
    return text_of(to_data(value))


def _row_text(row: Row) -> str:
    # not canonical: nothing hashes it, and the names come from one class, so their order is always the same
    return json.dumps({f.name: getattr(row, f.name) for f in fields(row)}, separators=(",", ":"), allow_nan=False)


def _lease(connection: sqlite3.Connection, name: str) -> Lease | None:
    row = connection.execute("select name, holder, term, until from leases where name = ?", (name,)).fetchone()
    return Lease(*row) if row else None


def _keep(connection: sqlite3.Connection, lease: Lease) -> None:
    connection.execute(
        "insert into leases (name, holder, term, until) values (?, ?, ?, ?) on conflict (name)"
        " do update set holder = excluded.holder, term = excluded.term, until = excluded.until",
        (lease.name, lease.holder, lease.term, lease.until),
    )


def _ask(connection: sqlite3.Connection, effect: Effect, rollout: Rollout | None, now: float) -> None:
    if rollout is None:
        raise rules.ownerless_effects()
    asked = connection.execute(
        "insert into effects (key, rollout, body, asked_at) values (?, ?, ?, ?) on conflict (key) do nothing",
        (effect.key, rollout.id, _text(effect), now),
    )
    if asked.rowcount != 1:
        (owner,) = connection.execute("select rollout from effects where key = ?", (effect.key,)).fetchone()
        if owner != rollout.id:
            raise rules.foreign_key(effect.key, owner)
