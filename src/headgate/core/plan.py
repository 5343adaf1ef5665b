"""The plan as the core knows it: resolved values, no defaults left to guess, units in the names (s, usd).

`headgate.config` reads `headgate.yaml` into these. `problems()` holds the rules that no single field can hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from headgate.core.clouds import CloudWatch
from headgate.core.codec import later
from headgate.core.identity import Watched
from headgate.core.metrics import Objective, OwnMetric
from headgate.core.recorded import Quality, Recording


class Strategy(StrEnum):
    CANARY = "canary"  # some sessions, judged, then more
    BLUE_GREEN = "blue-green"  # both warm, one switch of the traffic, endpoint moved at the end
    ALL_AT_ONCE = "all-at-once"  # endpoint moved first, then the monitored window


class SessionPolicy(StrEnum):
    """What happens on a rollback to the sessions that are pinned to the candidate."""

    DRAIN = "drain"  # finish where they began; moved at the deadline
    HANDOVER = "handover"  # move at the next turn
    EVICT = "evict"  # move now, open streams are cut


class Otherwise(StrEnum):
    """What an approval that nobody gave in time leads to."""

    ROLLBACK = "rollback"
    HOLD = "hold"


class Crossing(StrEnum):
    """What follows when a budget is crossed."""

    WARN = "warn"
    HOLD = "hold"
    ROLLBACK = "rollback"


class Tier(StrEnum):
    MUST = "must"
    SHOULD = "should"
    STRETCH = "stretch"


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse the candidate may be. `value` is a difference (0.05 = 5 points) or a ratio (1.25), never both."""

    metric: str  # one of analysis.metrics.HARMS, or of the plan's own
    value: float
    ratio: bool


@dataclass(frozen=True, slots=True)
class Gate:
    """A suite that must pass before the first step. `suite_text` is the file as it was when the rollout started."""

    name: str
    suite: str
    suite_text: str
    suite_digest: str
    require_passed: int | None = None  # "5/5" -> 5 of 5; None: all
    require_total: int | None = None
    sessions: int | None = None
    success_rate: float | None = None
    p95_s: float | None = None
    pass_rate: float | None = later(None)  # least share of cases
    pass_rate_bound: float | None = later(None)  # least lower 95 % bound of that share
    users: int | None = later(None)  # sessions held at once
    ramp_s: float | None = later(None)
    soak_s: float | None = later(None)
    p99_s: float | None = later(None)
    first_token_s: float | None = later(None)  # its 95th percentile
    replay: int | None = later(None)  # a replay gate: so many recorded sessions; the suite is a file of evaluators
    margin: float | None = later(None)  # by what share of sessions the candidate may be worse


@dataclass(frozen=True, slots=True)
class Approval:
    """`by` as the plan has it: people, or groups of them. `within_s` None: it is waited for without a deadline."""

    by: tuple[str, ...]
    within_s: float | None
    otherwise: Otherwise  # what follows when the deadline passes
    count: int = later(1)  # how many different people must agree
    people: tuple[str, ...] = later(())  # `by` with every group replaced by its members; (): `by` names people only

    @property
    def approvers(self) -> tuple[str, ...]:
        """Everybody who may agree, by their own names."""
        return self.people or self.by


@dataclass(frozen=True, slots=True)
class Step:
    """weight (percent of NEW sessions) + bake time + minimum sessions of the candidate + margins + approval.

    `within_s`: what the traffic cannot prove by then is INCONCLUSIVE, and a named person decides.
    """

    weight: float
    bake_s: float
    min_sessions: int
    within_s: float
    margins: tuple[Margin, ...]
    approval: Approval | None = None


@dataclass(frozen=True, slots=True)
class RollbackPolicy:
    sessions: SessionPolicy = SessionPolicy.DRAIN
    deadline_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Limit:
    """A hard guardrail: an absolute bound, e.g. session error rate 0.25. Blamed only where the baseline is below it."""

    metric: str
    limit: float


@dataclass(frozen=True, slots=True)
class Analysis:
    alpha: float
    guardrails: tuple[Margin, ...]
    observe: tuple[str, ...] = ()
    hard: tuple[Limit, ...] = ()
    metrics: tuple[OwnMetric, ...] = later(())
    objectives: tuple[Objective, ...] = later(())


@dataclass(frozen=True, slots=True)
class WindowPhase:
    """A part of the window: until when (s after 100 %), a check each `every_s`.

    `invoke`: what each check says to the version in a test invocation; "": none is made.
    """

    until_s: float
    every_s: float
    invoke: str = later("")


@dataclass(frozen=True, slots=True)
class Criterion:
    """One success criterion of the validation window, e.g. must: error_rate < 0.05."""

    tier: Tier
    name: str  # error_rate | p95 | p99 | first_token | token_gap | cost_per_day | incidents | alarms | status | uptime
    op: str  # < | <= | > | >= | is
    limit: float | str  # fraction, seconds, USD; "none", "ok", "READY"
    text: str  # as the plan wrote it


@dataclass(frozen=True, slots=True)
class Validation:
    """`speed` > 1 accelerates the window for rehearsals: window time = real time x speed; every report says so.

    `after_every_s`: how often the promoted version is checked once the window is over; 0: never.
    """

    window: tuple[WindowPhase, ...]
    criteria: tuple[Criterion, ...]
    speed: float = 1.0
    after_every_s: float = later(0.0)


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """A line of metric math (MetricDataQuery): a metric with its statistic, or an expression over other ids.

    Metrics: requests, errors, sessions, streams, latency, ttfb, first_token, token_gap (s), cost (USD), tokens_in,
    tokens_out. Statistics: Sum, SampleCount, Average, Minimum, Maximum, pNN, and of times those of `analysis.extended`.
    """

    id: str
    metric: str = ""
    statistic: str = ""
    expression: str = ""


@dataclass(frozen=True, slots=True)
class AlarmSpec:
    """One alarm in CloudWatch's words, each member one of PutMetricAlarm's. `core.alarms.queries` spells out `metric`.

    `missing`: missing | ignore | breaching | notBreaching; `low_samples` (of percentiles): evaluate | ignore. The last
    of `queries` is the one that is compared. With a `band` (its width) it is compared with an anomaly band, and
    `threshold` plays no part. `scope`: each variant has its own state, or the agent as a whole has one.
    """

    name: str
    metric: str  # one of core.alarms.NAMED; "" where `queries` say what is measured
    op: str  # > | >= | < | <=; with a band: above | below | outside
    threshold: float
    period_s: float
    evaluation_periods: int
    datapoints: int
    missing: str = "missing"
    low_samples: str = later("evaluate")
    queries: tuple[MetricQuery, ...] = later(())
    band: float = later(0.0)
    scope: str = later("variant")  # variant | agent
    warm_up_s: float = later(0.0)  # INSUFFICIENT_DATA for so long after it was made, or until all its periods have data
    critical: bool = later(False)  # an ALARM of the candidate is an event for people
    wall_clock: str = later("")  # the time zone whose hours, days and weeks its periods are; "": they slide


@dataclass(frozen=True, slots=True)
class CompositeSpec:
    """An alarm over alarms: `rule` as in CloudWatch, e.g. "ALARM(a) AND NOT ALARM(b)".

    While `suppressor` (an alarm) is in ALARM, and `extension_s` after it, its changes lead to nothing; `wait_s` is how
    long the suppressor may take to go into ALARM.
    """

    name: str
    rule: str
    suppressor: str = ""
    wait_s: float = 60.0
    extension_s: float = 60.0
    critical: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent on one agent per day or month (UTC), by one rollout's candidate, or by its evaluation.

    None: no limit. `spent`, `projected`: what follows when the sum, or its projection to the end, is above a limit.
    """

    per: str  # day | month | rollout | evaluation
    usd: float | None = None
    tokens: int | None = None
    spent: Crossing = Crossing.HOLD
    projected: Crossing = Crossing.WARN


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where a notification goes. `target` may be `env:NAME`: read when it is sent, never stored. `person`: who alone
    reads there, "" where many do; a link that approves goes to a person only.
    """

    kind: str  # slack | webhook | email | pagerduty | sns | apprise
    target: str
    on: tuple[str, ...]
    name: str = later("")
    person: str = later("")


@dataclass(frozen=True, slots=True)
class Escalation:
    """Who is told when nobody has acknowledged an incident, of this severity or a worse one, within `after_s`."""

    severity: str  # P1 .. P4
    after_s: float
    to: tuple[str, ...]  # names of receivers


@dataclass(frozen=True, slots=True)
class Platform:
    """Where the agent runs. `settings` are the kind's own members, sorted by name, as text."""

    kind: str  # local | agentcore | http
    settings: tuple[tuple[str, str], ...] = ()

    def get(self, name: str, default: str = "") -> str:
        return dict(self.settings).get(name, default)


@dataclass(frozen=True, slots=True)
class Plan:
    agent: str
    platform: Platform
    traffic: str  # gateway
    gates: tuple[Gate, ...]
    strategy: Strategy
    steps: tuple[Step, ...]
    rollback: RollbackPolicy
    analysis: Analysis
    validation: Validation
    alarms: tuple[AlarmSpec, ...] = ()
    session_idle_s: float = 900.0  # a session without a turn for so long has ended
    session_turns: int = 20  # the analysis bets on a session at this turn at the latest
    usd_per_million_input: float = 0.0
    usd_per_million_output: float = 0.0
    usd_per_day: float | None = None
    usd_per_month: float | None = None
    notify: tuple[Receiver, ...] = ()
    handoff_to: str = "operations"
    rto_s: float = 900.0
    rpo_s: float = 0.0
    version: int = 1
    escalation: tuple[Escalation, ...] = later(())
    composites: tuple[CompositeSpec, ...] = later(())
    budgets: tuple[Budget, ...] = later(())
    recording: Recording | None = later(None)  # noqa: RUF009 - a field
    quality: Quality | None = later(None)  # noqa: RUF009 - a field
    cloudwatch: CloudWatch | None = later(None)  # noqa: RUF009 - a field
    watched: Watched = later(Watched())  # noqa: RUF009 - a field

    @property
    def every_alarm(self) -> tuple[AlarmSpec | CompositeSpec, ...]:
        return (*self.alarms, *self.composites)

    @property
    def late_s(self) -> float:
        """How late what is measured may come: a gateway's rows are seconds old, CloudWatch's up to a quarter hour."""
        return 960.0 if self.traffic == "agentcore-gateway" else 0.0


@dataclass(frozen=True, slots=True)
class Problem:
    """A broken rule: `path` leads to the member, e.g. ("strategy", "steps", 1, "weight")."""

    path: tuple[str | int, ...]
    what: str
    mend: str


def problems(plan: Plan) -> Iterator[Problem]:
    """The rules that span members; a plan with any problem never starts."""
    yield from _step_problems(plan)
    yield from _window_problems(plan)
    if not plan.analysis.guardrails:
        yield Problem(
            ("analysis", "guardrails"),
            "a step without analysis: there is no guardrail",
            "name at least one, e.g. `guardrails: {error: +1pp}`",
        )


def _step_problems(plan: Plan) -> Iterator[Problem]:
    steps = plan.steps
    for i, step in enumerate(steps):
        path: tuple[str | int, ...] = ("strategy", "steps", i)
        if i and step.weight <= steps[i - 1].weight:
            before = steps[i - 1].weight
            yield Problem(
                (*path, "weight"),
                f"{step.weight:g} does not rise above the {before:g} of the step before",
                "weights only go up; a rollback is what lowers them",
            )
        if step.bake_s <= 0:
            yield Problem((*path, "bake"), "a bake time of zero watches nothing", "give a time, e.g. `bake: 10m`")
        if step.within_s < step.bake_s:
            yield Problem(
                (*path, "within"),
                f"an impossible bake time: {step.bake_s:g} s of baking cannot end within {step.within_s:g} s",
                "make `within` longer than `bake`",
            )
        if not step.margins:
            yield Problem(path, "a step without analysis", "give the step margins or the plan guardrails")
        if step.approval and step.approval.count > (known := len(set(step.approval.approvers))):
            yield Problem(
                (*path, "approval", "count"),
                f"{step.approval.count} people must agree, and {known} {'is' if known == 1 else 'are'} named",
                "name more people in `by`, or lower `count`",
            )
    if steps and steps[-1].weight != 100:
        yield Problem(
            ("strategy", "steps", len(steps) - 1, "weight"),
            f"the last step stops at {steps[-1].weight:g}",
            "end at `weight: 100`, where the validation window begins",
        )


def _window_problems(plan: Plan) -> Iterator[Problem]:
    last = 0.0
    for i, part in enumerate(plan.validation.window):
        path: tuple[str | int, ...] = ("validation", "window", i)
        if part.until_s <= last:
            yield Problem(
                (*path, "until"),
                f"{part.until_s:g} s is not after the part before, which ends at {last:g} s",
                "list the parts of the window in order",
            )
        if not 0 < part.every_s <= part.until_s - last:
            yield Problem(
                (*path, "every"),
                f"a check every {part.every_s:g} s does not fit a part of {part.until_s - last:g} s",
                "check at least once in each part",
            )
        last = part.until_s
    if not plan.validation.window and plan.strategy is not Strategy.CANARY:
        yield Problem(
            ("validation", "window"),
            f"{plan.strategy} has no concurrent baseline to compare with: without a window nothing is measured",
            "give a window, e.g. `window: [{until: 4h, every: 1m}]`",
        )
