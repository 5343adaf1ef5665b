"""Headgate's own registry of sessions, and the rows that come of them: AgentCore lists no sessions, tells no version.

One SQLite file. What was read up to a minute, the sessions so far and the rows are one commit, so a turn counts once
whatever kills the process; a cursor names the file by its random id, so that a lost one is noticed.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from headgate.errors import Unavailable
from headgate.stats.histogram import bucket_of
from headgate.stats.observations import CLIENT_FAULT, Row, Second, Session, hashed, row_from_data
from headgate.telemetry.cloudwatch.prices import Prices
from headgate.telemetry.cloudwatch.spans import Turn, Usage

KEEP_S = 16 * 86_400.0  # AWS keeps a session's decision for 15 days
LIMIT = 5000  # rows of one answer

_SCHEMA = """
create table if not exists meta (name text primary key, value text not null);
create table if not exists row (seq integer primary key autoincrement, agent text not null, t real not null,
    body text not null);
create table if not exists session (agent text not null, id text not null, endpoint text not null, last real not null,
    body text not null, primary key (agent, id, endpoint));
create table if not exists mark (agent text primary key, until real not null);
create table if not exists policy (agent text not null, at real not null, body text not null, primary key (agent, at));
"""


@dataclass(frozen=True, slots=True)
class Policy:
    """What split an agent's sessions from some time on: `versions` is endpoint -> version."""

    weight: float
    epoch: int
    candidate: str
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rules:
    """When a session is closed, and what tokens cost."""

    idle_s: float
    turns: int
    prices: Prices


@dataclass(slots=True)
class _Open:
    started: float
    weight: float
    epoch: int
    variant: str
    version: str
    turns: int = 0
    failures: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    latency: dict[str, int] = field(default_factory=dict)
    closed: bool = False
    cost_usd: float = 0.0
    unpriced: bool = False  # some of its tokens have no price: what it cost is not measured


class Registry:
    """Called from one thread. Raises Unavailable where the file cannot be used."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=5, check_same_thread=False)
            self._db.execute("pragma busy_timeout = 5000")
            self._db.execute("pragma journal_mode = wal")
            self._db.executescript(_SCHEMA)
            self._db.execute("insert or ignore into meta values ('log', ?)", (uuid4().hex[:12],))
            self.log = str(self._db.execute("select value from meta where name = 'log'").fetchone()[0])
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"the registry of sessions at {path} cannot be used: {error}") from error

    def close(self) -> None:
        self._db.close()

    def until(self, agent: str) -> float | None:
        """Up to when the agent's spans were taken in (Unix seconds); None: nothing yet."""
        row = self._db.execute("select until from mark where agent = ?", (agent,)).fetchone()
        return float(row[0]) if row else None

    def begin(self, agent: str, at: float) -> None:
        self._db.execute("insert or ignore into mark values (?, ?)", (agent, at))

    def note(self, agent: str, at: float, policy: Policy) -> None:
        """What splits the agent's sessions from now on; the same again is not noted."""
        body = json.dumps(asdict(policy), sort_keys=True)
        query = "select body from policy where agent = ? order by at desc limit 1"
        last = self._db.execute(query, (agent,)).fetchone()
        if last is None or last[0] != body:
            self._db.execute("insert or replace into policy values (?, ?, ?)", (agent, at, body))

    def policy_at(self, agent: str, at: float) -> Policy | None:
        """What split at a time; before the first that is known, that one."""
        for query in (
            "select body from policy where agent = ? and at <= ? order by at desc limit 1",
            "select body from policy where agent = ? and at > ? order by at limit 1",
        ):
            if row := self._db.execute(query, (agent, at)).fetchone():
                return Policy(**json.loads(row[0]))
        return None

    def take(self, agent: str, until: float, read: Mapping[str, Iterable[Turn | Usage]], rules: Rules) -> None:
        """All spans up to `until`, by endpoint: sessions go on, seconds are counted, the quiet ones close."""
        self._db.execute("begin immediate")
        try:
            rows: list[Row] = []
            for endpoint, spans in read.items():
                rows += self._endpoint(agent, endpoint, sorted(spans, key=lambda s: s.at), rules)
            rows += self._close_idle(agent, until, rules)
            for each in sorted(rows, key=lambda r: r.t):
                body = {"kind": "second" if isinstance(each, Second) else "session", **asdict(each)}
                del body["seq"]
                query = "insert into row (agent, t, body) values (?, ?, ?)"
                self._db.execute(query, (agent, each.t, json.dumps(body)))
            self._db.execute("insert or replace into mark values (?, ?)", (agent, until))
            self._db.execute("delete from row where t < ?", (until - KEEP_S,))
            self._db.execute("delete from session where last < ?", (until - KEEP_S,))
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def rows(self, agent: str, cursor: str) -> tuple[list[Row], str]:
        """Rows after a cursor "LOG:SEQ", and the next one; a cursor of another file begins anew."""
        log, _, seq = cursor.partition(":")
        after = int(seq) if log == self.log and seq.isdecimal() else 0
        query = "select seq, body from row where agent = ? and seq > ? order by seq limit ?"
        found = [row_from_data({**json.loads(b), "seq": n}) for n, b in self._db.execute(query, (agent, after, LIMIT))]
        return found, f"{self.log}:{found[-1].seq if found else after}"

    def open(self, agent: str, endpoint: str, since: float, now: float) -> list[tuple[str, float]]:
        """(id, age in seconds) of the sessions of an endpoint that had a turn since then."""
        query = "select id, body from session where agent = ? and endpoint = ? and last >= ?"
        found = self._db.execute(query, (agent, endpoint, since))
        return [(id, round(now - json.loads(body)["started"], 1)) for id, body in found]

    # --- helpers; inside the transaction

    def _endpoint(self, agent: str, endpoint: str, spans: list[Turn | Usage], rules: Rules) -> list[Row]:
        seconds: dict[tuple[int, str], dict[str, Any]] = {}
        rows: list[Row] = []
        for span in spans:
            policy = self.policy_at(agent, span.at)
            version = policy.versions.get(endpoint) if policy else None
            if policy is None or version is None:
                continue  # of an endpoint that served no version of ours then
            known = self._session(agent, span.session, endpoint)
            fresh = known is None and isinstance(span, Turn)
            if known is None:
                variant = "candidate" if version == policy.candidate else "baseline"
                known = _Open(span.at, policy.weight, policy.epoch, variant, version)
            key = (int(span.at), known.version)
            second = seconds.setdefault(
                key, {"open": known, "errors": Counter(), "latency": Counter(), "n": Counter(), "usd": []}
            )
            if isinstance(span, Turn):
                _turn(span, known, second, fresh=fresh)
                if closed := _ended(known, rules):
                    rows.append(_row(span.session, known, span.at, closed))
            else:
                _usage(span, known, second, rules.prices.cost(span.model, span.tokens_in, span.tokens_out))
            self._keep(agent, span, endpoint, known)
        return rows + [_second(t, each) for (t, _), each in seconds.items()]

    def _session(self, agent: str, id: str, endpoint: str) -> _Open | None:
        query = "select body from session where agent = ? and id = ? and endpoint = ?"
        row = self._db.execute(query, (agent, id, endpoint)).fetchone()
        return _Open(**json.loads(row[0])) if row else None

    def _keep(self, agent: str, span: Turn | Usage, endpoint: str, known: _Open) -> None:
        query = "insert or replace into session values (?, ?, ?, ?, ?)"
        self._db.execute(query, (agent, span.session, endpoint, span.at, json.dumps(asdict(known))))

    def _close_idle(self, agent: str, until: float, rules: Rules) -> list[Row]:
        query = "select id, endpoint, last, body from session where agent = ? and last < ?"
        rows: list[Row] = []
        for id, endpoint, last, body in self._db.execute(query, (agent, until - rules.idle_s)).fetchall():
            known = _Open(**json.loads(body))
            if known.closed or not known.turns:
                continue
            known.closed = True
            rows.append(_row(id, known, last + rules.idle_s, "idle"))
            update = "update session set body = ? where agent = ? and id = ? and endpoint = ?"
            self._db.execute(update, (json.dumps(asdict(known)), agent, id, endpoint))
        return rows


def _turn(span: Turn, known: _Open, second: dict[str, Any], *, fresh: bool) -> None:
    bucket = bucket_of(span.latency_ms)
    second["n"]["requests"] += 1
    second["n"]["sessions"] += fresh
    second["latency"][bucket] += 1
    if span.error:
        second["errors"][span.error] += 1
    if known.closed:
        return  # it has bet already; its turns are still counted by the second
    known.turns += 1
    known.failures += bool(span.error) and span.error != CLIENT_FAULT
    known.latency[str(bucket)] = known.latency.get(str(bucket), 0) + 1


def _usage(span: Usage, known: _Open, second: dict[str, Any], usd: float | None) -> None:
    """`usd` None: nobody says what the model costs, so neither the session's nor the second's cost is measured."""
    second["n"]["in"] += span.tokens_in
    second["n"]["out"] += span.tokens_out
    second["usd"].append(usd)
    known.tokens_in += span.tokens_in
    known.tokens_out += span.tokens_out
    known.cost_usd += usd or 0.0
    known.unpriced |= usd is None


def _ended(known: _Open, rules: Rules) -> str:
    """Why the session is over now, "" while it is not: the gateway's own rules, which do not look at the variant."""
    if known.closed:
        return ""
    reason = "failure" if known.failures else "turns" if known.turns >= rules.turns else ""
    known.closed = bool(reason)
    return reason


def _row(id: str, known: _Open, at: float, closed_by: str) -> Session:
    return Session(
        seq=0,
        t=at,
        variant=known.variant,
        version=known.version,
        weight=known.weight,
        epoch=known.epoch,
        session=hashed(id),
        started=known.started,
        turns=known.turns,
        failures=known.failures,
        latency={int(bucket): n for bucket, n in known.latency.items()},
        tokens_in=known.tokens_in,
        tokens_out=known.tokens_out,
        cost_usd=0.0 if known.unpriced else known.cost_usd,
        closed_by=closed_by,
    )


def _second(t: int, each: dict[str, Any]) -> Second:
    known, n = each["open"], each["n"]
    return Second(
        seq=0,
        t=t,
        variant=known.variant,
        version=known.version,
        weight=known.weight,
        epoch=known.epoch,
        requests=n["requests"],
        errors=dict(each["errors"]),
        latency=dict(each["latency"]),
        tokens_in=n["in"],
        tokens_out=n["out"],
        cost_usd=0.0 if None in each["usd"] else sum(each["usd"]),
        sessions=n["sessions"],
    )
