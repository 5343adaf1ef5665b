"""The values of the read model: what happened, each thing with the ledger record that says so.

Everything is `Noted`: `at` is Unix seconds, `evidence` the id of the record ("L42"). For all reports, the CLI and the
dashboard.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headgate.core.identity import Identity
from headgate.core.model import CriterionResult, Phase, Verdict, Version


@dataclass(frozen=True, slots=True)
class Noted:
    """When, and the ledger record that says so."""

    at: float
    evidence: str


@dataclass(frozen=True, slots=True)
class Entered(Noted):
    """A phase was entered, out of `was`, at `step` (-1: none yet)."""

    phase: Phase
    was: Phase
    reason: str
    step: int


@dataclass(frozen=True, slots=True)
class Weight(Noted):
    """A weight that was asked for (`at`), and when it was read back from the gateway; `verified` None: not yet."""

    weight: float
    epoch: int
    key: str
    step: int
    reason: str
    withdraw: bool = False
    promote: bool = False
    verified: Noted | None = None


@dataclass(frozen=True, slots=True)
class Deployed(Noted):
    version: Version


@dataclass(frozen=True, slots=True)
class GateRun(Noted):
    gate: str
    passed: bool
    detail: str
    cases: tuple[Mapping[str, Any], ...] = ()
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric at one look; everything but the name may be unknown.

    Rates are fractions, latencies seconds. `evidence` is an e-value: how many times likelier the data is under harm
    than without. The bounds of the harm are a ratio (`harm_ratio`) or a difference.
    """

    name: str
    baseline: float | None = None
    candidate: float | None = None
    n_baseline: int | None = None
    n_candidate: int | None = None
    evidence: float | None = None
    harm_lower: float | None = None
    harm_upper: float | None = None
    harm_ratio: bool = False


@dataclass(frozen=True, slots=True)
class Look(Noted):
    """`evidence_of_harm`: the e-value of all guardrails together, which is what a FAIL rests on."""

    verdict: Verdict
    metrics: tuple[Metric, ...]
    evidence_of_harm: float | None = None
    threshold: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)  # as `analysis.figures` made them

    def metric(self, *names: str) -> Metric | None:
        """The first metric that has one of these names."""
        return next((m for m in self.metrics if m.name in names), None)


@dataclass(frozen=True, slots=True)
class Check(Noted):
    """One check of the validation window; `window_s` is window time, which may run faster than real time."""

    number: int
    phase: int
    window_s: float
    results: tuple[CriterionResult, ...]
    alarms: Mapping[str, str]
    status: str
    totals: Mapping[str, Any] = field(default_factory=dict)  # what was counted since the window began
    probe: Mapping[str, Any] | None = None  # the test invocation
    missed: int = 0  # checks that were due before it and not made


@dataclass(frozen=True, slots=True)
class Incident(Noted):
    id: str
    severity: str
    title: str
    step: int = -1


@dataclass(frozen=True, slots=True)
class Word(Noted):
    """What a person said, in the words of the command line."""

    verb: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Moved(Noted):
    count: int
    policy: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Debt(Noted):
    sessions: int
    oldest_s: float


@dataclass(frozen=True, slots=True)
class Exposure(Noted):
    """How many sessions, turns and failed sessions the candidate had in all."""

    sessions: int | None
    turns: int | None
    failed: int | None


@dataclass(frozen=True, slots=True)
class AlarmChange(Noted):
    name: str
    variant: str
    was: str
    now: str


@dataclass(frozen=True, slots=True)
class Operations(Noted):
    """A check of the promoted version after the window."""

    status: str
    alarms: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Crossed(Noted):
    """A budget that was crossed, in words."""

    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class HealthChange(Noted):
    variant: str
    healthy: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Failing(Noted):
    key: str
    error: str


@dataclass(frozen=True, slots=True)
class Outage(Noted):
    """A port that does not answer: `kind` as the controller's reach has it; `over_s` once it is over, else None."""

    port: str
    kind: str
    over_s: float | None = None


@dataclass(frozen=True, slots=True)
class Before(Noted):
    """The baseline before the release: metric -> {"value", "n", "upper"}; alarms by name; the platform's word."""

    metrics: Mapping[str, Mapping[str, Any]]
    totals: Mapping[str, Any] = field(default_factory=dict)
    alarms: Mapping[str, str] = field(default_factory=dict)
    status: str = ""


@dataclass(frozen=True, slots=True)
class Stray(Noted):
    """An endpoint that the platform moves by itself, on a version that was not promoted."""

    endpoint: str
    version: str
    trusted: str


@dataclass(frozen=True, slots=True)
class Trial(Noted):
    """Another's A/B test as it was read last; results: {"evaluator", "control_n", "control_mean", "n", "mean", ...}."""

    name: str
    state: str
    results: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Assessment(Noted):
    platform: str
    claims: tuple[Mapping[str, Any], ...]
    strategies: tuple[Mapping[str, Any], ...]
    recommended: str


@dataclass(frozen=True, slots=True)
class Handoff(Noted):
    path: str
    digest: str
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Drill(Noted):
    """A rehearsed failure. `recovery_s`, `turns_failed` and `records_lost` None: not measured."""

    name: str
    by: str
    passed: bool
    detail: str
    recovery_s: float | None
    turns_failed: int | None
    records_lost: int | None
    steps: tuple[tuple[str, float | None, str], ...] = ()  # what was done, seconds, what was found


@dataclass(frozen=True, slots=True)
class Identified(Noted):
    """What a version is made of, as it was known then."""

    version: str
    identity: Identity


@dataclass(frozen=True, slots=True)
class Drift(Noted):
    """Versions that changed without a deployment; `detail` says which parts."""

    variants: tuple[str, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class Registered(Noted):
    arn: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Promoted(Noted):
    version: str
    digest: str
    previous: str


@dataclass(frozen=True, slots=True)
class Taken:
    """The rollback's five times; None: not measured. `asked` carries who and why."""

    by: str
    reason: str
    asked: Noted
    decided: Noted
    fault: Noted | None = None
    detected: Noted | None = None
    cut_over: Noted | None = None
    endpoint: Noted | None = None
    drained: Noted | None = None


@dataclass(frozen=True, slots=True)
class Times(Noted):
    """A rollback's times as the controller measured them (Unix s); None: not measured."""

    fault: float | None
    detected: float | None
    decided: float | None
    cut_over: float | None
    drained: float | None


@dataclass(frozen=True, slots=True)
class Verified(Noted):
    """An effect that was read back from the outside."""

    key: str
    effect: str
