"""The store's side: what is kept, and the six small ports behind which it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headgate.core.codec import later
from headgate.core.effects import Effect
from headgate.core.facts import Fact
from headgate.core.model import Rollout, Version
from headgate.core.plan import Plan, Receiver
from headgate.stats.observations import Row, Score, Second, Session

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the ledger. Its evidence id is "L" + seq; `hash` covers all members and `previous`."""

    seq: int
    at: float
    rollout: str  # "" where it belongs to none
    kind: str
    body: Data
    previous: str
    hash: str

    @property
    def id(self) -> str:
        return f"L{self.seq}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A record to be: the store gives it its place in the chain."""

    kind: str
    body: Data
    rollout: str = ""


@dataclass(frozen=True, slots=True)
class PendingEffect:
    key: str
    effect: Effect
    asked_at: float
    attempts: int = 0
    next_at: float = 0.0  # do not try again before
    error: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A person's word, waiting for the controller. `fact` None with `verb` "register": serve the plan's agent."""

    id: int
    rollout: str
    verb: str
    by: str
    at: float
    fact: Fact | None = None
    plan: Plan | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent that Headgate serves. `baseline` is the version now trusted; `previous` the one before it, if kept."""

    name: str
    runtime: str  # the platform's id
    arn: str
    baseline: Version
    previous: Version | None = None
    plan: Plan | None = None  # the last plan it was served or released with


@dataclass(frozen=True, slots=True)
class Message:
    """One event for one receiver; a second one of the same `key` is the same message.

    `about`: the rollout or incident that the event is of; `verbs` are offered on it as signed links, each good once
    until `until`. `severity` P1 .. P4 where it is of an incident, `resolves` where it says that one is over. `step`: of
    an approval the one that it is for, so that no link approves another.
    """

    key: str
    rollout: str
    event: str
    text: str
    receiver: Receiver
    at: float
    about: str = ""
    verbs: tuple[str, ...] = ()
    until: float = 0.0
    severity: str = ""
    resolves: bool = False
    step: int = later(-1)


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message and how far it is: `state` waiting | sending | sent | failed | uncertain | muted.

    `next_at`: while it waits, not before; while it is being sent, since when.
    """

    message: Message
    state: str = "waiting"
    attempts: int = 0
    next_at: float = 0.0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """All of one decision, committed whole or not at all."""

    rollout: Rollout | None = None
    agent: Agent | None = None
    entries: tuple[Entry, ...] = ()
    asked: tuple[Effect, ...] = ()
    settled: tuple[str, ...] = ()  # keys of effects that are verified, or given up
    consumed: tuple[int, ...] = ()  # ids of commands
    messages: tuple[Message, ...] = ()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to drive; its number, the term, goes with every change."""

    name: str
    holder: str
    term: int
    until: float


class Rollouts(Protocol):
    """State. `commit` refuses an old term (StaleTermError), `create` a second active rollout (RefusedError)."""

    def create(self, rollout: Rollout, entries: Sequence[Entry], now: float) -> list[Record]: ...
    def load(self, rollout: str) -> Rollout: ...
    def all(self, *, active: bool = False, agent: str = "") -> list[Rollout]: ...
    def agents(self) -> list[Agent]: ...
    def pending(self, rollout: str) -> list[PendingEffect]: ...
    def commit(self, change: Change, lease: Lease, now: float) -> list[Record]: ...


class Verification(Protocol):
    """Whether a ledger is whole; where it is not, the first problems in words."""

    @property
    def ok(self) -> bool: ...
    @property
    def count(self) -> int: ...
    @property
    def head(self) -> str: ...
    @property
    def problems(self) -> tuple[str, ...]: ...


class Ledger(Protocol):
    """Append-only, hash-chained. `append` is for facts that belong to no decision, and what people are told of them."""

    def append(self, entries: Sequence[Entry], now: float, messages: Sequence[Message] = ()) -> list[Record]: ...
    def read(self, rollout: str = "", *, after: int = 0, kinds: Sequence[str] = ()) -> list[Record]: ...
    def head(self) -> tuple[int, str]: ...
    def verify(self, expected_head: str = "") -> Verification: ...


class Leases(Protocol):
    def acquire(self, name: str, holder: str, ttl: float, now: float) -> Lease | None: ...
    def release(self, lease: Lease) -> None: ...


class Inbox(Protocol):
    """Words of people, and retries of effects: what the controller picks up at its next look.

    `link`: the number of the signed link that the word came by; RefusedError where it was used before.
    """

    def post(self, command: Command, link: str = "") -> int: ...
    def spend(self, link: str, entries: Sequence[Entry], now: float) -> list[Record]: ...
    def waiting(self, rollout: str | None = None) -> list[Command]: ...
    def delay(self, key: str, next_at: float, error: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent in some stretch of time; `first_at`: the first second (Unix s) of it that has any telemetry."""

    usd: float = 0.0
    tokens: int = 0
    requests: int = 0
    first_at: float | None = None


class Observations(Protocol):
    """Telemetry as ingested: rows and the gateway cursor are stored in one transaction, so none counts twice."""

    def ingest(self, agent: str, rows: Sequence[Row], cursor: str) -> None: ...
    def cursor(self, agent: str) -> str: ...
    def sessions(self, agent: str, *, after: int = 0, since: float = 0.0) -> list[tuple[int, Session]]: ...
    def seconds(self, agent: str, *, since: float = 0.0, until: float | None = None) -> list[Second]: ...
    def spent(self, agent: str, *, since: float, until: float, version: str = "") -> Spent: ...
    def keep_scores(self, agent: str, scores: Sequence[Score]) -> None: ...
    def scores(self, agent: str, *, after: int = 0) -> list[tuple[int, Score]]: ...


class Outbox(Protocol):
    """Messages on their way. `claim` is true for one sender of an attempt; `settle` is heard from that one only.

    `again`: an ended delivery waits once more, on a person's word; false where it is not as `was` says any more.
    """

    def undelivered(self) -> list[Delivery]: ...
    def deliveries(self, rollout: str | None = None) -> list[Delivery]: ...
    def claim(self, key: str, attempts: int, now: float) -> bool: ...
    def settle(self, done: Delivery, entries: Sequence[Entry], now: float) -> bool: ...
    def again(self, was: Delivery, entries: Sequence[Entry], now: float) -> bool: ...


class Store(Rollouts, Ledger, Leases, Inbox, Observations, Outbox, Protocol):
    """One database behind six small ports."""

    def close(self) -> None: ...
