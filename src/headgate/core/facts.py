"""Everything the world, or a person, can tell the core: a closed union. `decide` answers each of them in each phase."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.core.model import CriterionResult, Variant, Verdict, Version
from headgate.core.plan import Crossing


@dataclass(frozen=True, slots=True)
class Started:
    """The rollout was accepted and its lease taken."""


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time passed and nothing else is known to have changed."""


@dataclass(frozen=True, slots=True)
class CandidateReady:
    """The platform built the candidate and it answers its health check."""

    version: Version


@dataclass(frozen=True, slots=True)
class GateFinished:
    gate: str
    passed: bool
    detail: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TrafficVerified:
    """Read back from the gateway: this weight of this epoch is what it serves."""

    weight: float
    epoch: int


@dataclass(frozen=True, slots=True)
class EndpointVerified:
    """Read back from the platform: this endpoint is live on this version."""

    endpoint: str
    version: str


@dataclass(frozen=True, slots=True)
class CandidateRetired:
    """No endpoint of ours points at the candidate any more."""


@dataclass(frozen=True, slots=True)
class IncidentOpened:
    incident: str


@dataclass(frozen=True, slots=True)
class HandoffWritten:
    path: str
    digest: str


@dataclass(frozen=True, slots=True)
class EffectFailed:
    """An effect was refused for good (`permanent`), or has been failing since its deadline."""

    key: str
    error: str
    permanent: bool


@dataclass(frozen=True, slots=True)
class Judged:
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class HealthChanged:
    """A variant stopped answering its health check for good, or answers again. Unknown health is not a fact."""

    variant: Variant
    healthy: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Drifted:
    """Versions that run are not made of what they were made of, and nobody deployed: in words, what changed.

    `left`: of the level of each test of the analysis, by its name, what a new one may still spend (0..1).
    """

    variants: tuple[Variant, ...]
    detail: str
    left: tuple[tuple[str, float], ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class WindowChecked:
    """One check of the validation window: every criterion with its measurement."""

    results: tuple[CriterionResult, ...]
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BudgetCrossed:
    """More was spent, or will be at this rate, than a budget allows.

    `name` tells the budget, its period, unit and way apart: "day/2026-11-25/USD/spent"; `detail` says it in words.
    """

    name: str
    detail: str
    follows: Crossing
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClockMoved:
    """The wall clock was set by so many seconds, as seen against the one that only counts."""

    by_s: float


@dataclass(frozen=True, slots=True)
class DebtMeasured:
    """Exposure debt: sessions still pinned to the candidate, and the age of the oldest in seconds."""

    sessions: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class ForcedDown:
    """Somebody took the weight to 0 at the gateway itself, without the controller."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class PauseAsked:
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ResumeAsked:
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class AdvanceAsked:
    """A named person raises exposure, or ends the window, without a PASS."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class ExtendAsked:
    """The validation window is to last so many seconds (of window time) longer."""

    by: str
    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class CutShortAsked:
    """The validation window is to end now, judged by what was measured so far."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class OverrideAsked:
    """A must of the window is to decide nothing any more: a person takes it upon themselves."""

    by: str
    reason: str
    criterion: str


@dataclass(frozen=True, slots=True)
class AbortAsked:
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Approved:
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Disapproved:
    by: str
    reason: str


Fact = (
    Started
    | Ticked
    | CandidateReady
    | GateFinished
    | TrafficVerified
    | EndpointVerified
    | CandidateRetired
    | IncidentOpened
    | HandoffWritten
    | EffectFailed
    | Judged
    | HealthChanged
    | Drifted
    | WindowChecked
    | BudgetCrossed
    | ClockMoved
    | DebtMeasured
    | ForcedDown
    | PauseAsked
    | ResumeAsked
    | AdvanceAsked
    | ExtendAsked
    | CutShortAsked
    | OverrideAsked
    | AbortAsked
    | Approved
    | Disapproved
)

WindowWord = ExtendAsked | CutShortAsked | OverrideAsked
PersonFact = PauseAsked | ResumeAsked | AdvanceAsked | WindowWord | AbortAsked | Approved | Disapproved
