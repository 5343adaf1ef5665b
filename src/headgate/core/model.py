"""What a rollout is: frozen values in the words of the glossary. Times are Unix seconds (UTC), weights percent."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from headgate.core.codec import later
from headgate.core.plan import Plan


class Variant(StrEnum):
    BASELINE = "baseline"
    CANDIDATE = "candidate"


class Phase(StrEnum):
    PLANNED = "planned"
    GATING = "gating"  # the candidate is built and its gates run; no user sees it
    DEPLOYING = "deploying"  # it is put behind the gateway at weight 0, and verified there
    STEPPING = "stepping"
    VALIDATING = "validating"  # 100 %, the monitored window
    HANDING_OVER = "handing_over"  # promotion, then the handoff package
    COMPLETED = "completed"
    PAUSED = "paused"  # held until a person resumes
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"  # ended before any session saw the candidate


FINISHED = frozenset({Phase.COMPLETED, Phase.ROLLED_BACK, Phase.FAILED})


class Answer(StrEnum):
    """What an analysis says. Missing, stale or unreadable data is INCONCLUSIVE, never PASS, never FAIL."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Version:
    """An immutable build: the platform's own number and the digest of all that makes it (code, entry, environment)."""

    number: str
    digest: str
    url: str = ""  # where its process answers POST /invocations, for platforms that have such a place


@dataclass(frozen=True, slots=True)
class Verdict:
    """One look of the analysis at the current step.

    `evidence` are ledger records ("L12"); `common_cause`: both variants are bad, so the candidate is not blamed.
    """

    answer: Answer
    reason: str
    step: int
    at: float
    sessions_baseline: int = 0
    sessions_candidate: int = 0
    common_cause: bool = False
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GateResult:
    gate: str
    passed: bool
    detail: str
    at: float
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing moves. `by` a person's name, or "headgate" when automation could not decide."""

    by: str
    reason: str
    at: float
    resume_to: Phase


@dataclass(frozen=True, slots=True)
class CriterionResult:
    """`met` None: not measured. `bound` is the confidence bound on the wrong side of `value`; `n` the sample size."""

    tier: str
    name: str
    text: str
    met: bool | None
    detail: str
    value: float | None = None
    bound: float | None = None
    n: int | None = None
    breached: bool = False  # proven worse than the limit, not only observed so


@dataclass(frozen=True, slots=True)
class Accepted:
    """A must of the window that a person took upon themselves."""

    criterion: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Window:
    """The validation window so far. `checks` counts the checks done; `next_at` is when the next is due (real time).

    `until_s`: another end than the plan's (window time); `skew_s`: by how much the clock was set since it began.
    """

    started_at: float
    next_at: float
    checks: int = 0
    results: tuple[CriterionResult, ...] = ()
    until_s: float | None = later(None)
    accepted: tuple[Accepted, ...] = later(())
    skew_s: float = later(0.0)


@dataclass(frozen=True, slots=True)
class Rollback:
    """The act of restoring the baseline, whoever asked. None: not yet."""

    asked_at: float
    by: str
    reason: str
    cut_over_at: float | None = None  # weight 0 verified at the gateway
    endpoint_at: float | None = None  # production endpoint verified on the baseline
    debt: int | None = None  # sessions still pinned to the candidate; None: not measured yet
    oldest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Rebased:
    """Where the evidence began anew, the last time that a version changed without a deployment.

    Sessions that began earlier than `at`, or in an epoch below `epoch`, are not compared. `left`: of the level of each
    test, by its name, what it may still spend (0..1).
    """

    at: float
    epoch: int
    times: int  # so often, in this rollout
    detail: str
    left: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Rollout:
    """One attempt to replace baseline by candidate."""

    id: str
    agent: str
    plan: Plan
    plan_digest: str
    salt: str
    started_by: str
    reason: str
    created_at: float
    baseline: Version
    candidate: Version | None = None
    phase: Phase = Phase.PLANNED
    step: int = -1
    weight: float = 0.0  # what the gateway was last asked for
    epoch: int = 0  # counts those askings
    verified_weight: float = 0.0
    weight_at: float | None = None  # when the current weight was verified
    gates: tuple[GateResult, ...] = ()
    verdict: Verdict | None = None
    approved_by: tuple[str, ...] = ()  # of the current step
    approval_asked_at: float | None = None
    hold: Hold | None = None
    window: Window | None = None
    rollback: Rollback | None = None
    pinned: frozenset[str] = field(default=frozenset())  # what the promotion has verified: endpoints, and "traffic"
    baseline_healthy: bool = True
    incident: str = ""
    attempt: int = 0  # counts resumes: what a person asks to try again gets a new effect key
    finished_at: float | None = None
    retry_of: str = ""
    crossed: frozenset[str] = later(frozenset())  # budgets that were crossed, by name
    rebased: Rebased | None = later(None)  # noqa: RUF009 - a field


def current_step_weight(rollout: Rollout) -> float:
    """The most of the new sessions that the candidate may get now (percent)."""
    if rollout.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.FAILED} or rollout.step < 0:
        return 0.0
    return rollout.plan.steps[rollout.step].weight
