"""What tries a version before and beside its users: gates, recorded sessions, scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from headgate.core.model import Version
from headgate.core.plan import Gate
from headgate.core.recorded import Quality
from headgate.ports.store import Data
from headgate.stats.observations import Recording


class GateRunner(Protocol):
    """Runs a suite against one version. Blocks; called from a worker. `progress` is told of each case."""

    def run(self, gate: Gate, url: str) -> GateOutcome: ...


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """`cases`: one object per case {name, passed, detail, seconds}; `detail` one line for people, e.g. "5/5 passed".

    `measures`: the numbers behind it, by name (docs/gates.md).
    """

    passed: bool
    detail: str
    cases: tuple[Data, ...] = ()
    seconds: float = 0.0
    measures: Data = field(default_factory=dict)
    decided: bool = True  # False: neither passed nor failed, so a person is called


@dataclass(frozen=True, slots=True)
class FailingTurn:
    """A live turn that failed, redacted: when it ended (Unix s), whose, how (`kind`), after how long, what was said."""

    t: float
    session: str  # hash of its id
    variant: str
    version: str
    epoch: int
    kind: str
    ms: float
    said: str
    answered: str


class Recordings(Protocol):
    """Recorded sessions: oldest first after a number, the newest of a version ("" any) first; and failing turns."""

    def after(self, agent: str, seq: int, limit: int) -> list[Recording]: ...
    def latest(self, agent: str, version: str, limit: int) -> list[Recording]: ...
    def failing(self, agent: str) -> list[FailingTurn]: ...


class Replayer(Protocol):  # blocks; what it answers may be not decided
    def replay(self, gate: Gate, agent: str, baseline: Version, candidate: Version) -> GateOutcome: ...


@dataclass(frozen=True, slots=True)
class Scored:
    """A session's score, 0 to 1 (None: a judge said nothing), and what judging it cost.

    `judging`: {"answers", "told", "input_tokens", "output_tokens", "usd"}, {} where no judge was asked.
    """

    score: float | None
    judging: Data = field(default_factory=dict)


class Scorer(Protocol):  # blocks
    def score(self, quality: Quality, recording: Recording) -> Scored: ...


class Teller(Protocol):  # blocks for some seconds at most; what a version says that it is made of now, {}: nothing
    def told(self, version: Version, *, ask: bool) -> Mapping[str, str]: ...
