"""A plan as written -> a plan as the core knows it: every default filled in, margins merged, alarms spelled out."""

from __future__ import annotations

from headgate.config import monitoring_resolve as watched
from headgate.config import own_metrics
from headgate.config import plan_schema as written_as
from headgate.config.cloudwatch_schema import cloudwatch
from headgate.config.evaluator_schema import Recording
from headgate.config.plan_notify import Incidents, Told
from headgate.core import plan as core
from headgate.core import recorded
from headgate.core.identity import Watched, values
from headgate.core.metrics import OwnMetric

_STEPS_LEFT_OUT = ({"weight": 100, "bake": "10m"},)

DEFAULT_ALARMS = tuple(watched.default_alarms())


def default_within(bake_s: float) -> float:
    """How long a step may take where the plan does not say: 6 times its bake time, at least an hour (seconds)."""
    return max(6 * bake_s, 3600.0)


def resolve(written: written_as.PlanFile, platform: core.Platform, gates: tuple[core.Gate, ...]) -> core.Plan:
    """The plan with nothing left to guess."""
    own = own_metrics.declared(written.analysis)
    guardrails = _margins(written.analysis.guardrails, own)
    steps = written.strategy.steps
    if steps is None and written.strategy.kind != "canary":
        steps = [written_as.Step.model_validate(step) for step in _STEPS_LEFT_OUT]
    alarms, composites = watched.alarms(written.alarms)
    return core.Plan(
        agent=written.agent,
        platform=platform,
        traffic=written.traffic,
        gates=gates,
        strategy=core.Strategy(written.strategy.kind),
        steps=tuple(_step(step, guardrails, written.groups, own) for step in steps or ()),
        rollback=_rollback(written.strategy.on_rollback),
        analysis=core.Analysis(
            written.analysis.alpha,
            tuple(guardrails.values()),
            tuple(written.analysis.observe),
            (core.Limit("error", written.analysis.hard.error),),
            own,
            own_metrics.objectives(written.analysis),
        ),
        validation=watched.validation(written.validation),
        alarms=alarms,
        composites=composites,
        session_idle_s=written.session.idle,
        session_turns=written.session.turns,
        usd_per_million_input=written.prices.input_per_million,
        usd_per_million_output=written.prices.output_per_million,
        usd_per_day=watched.usd(written.budget.per_day),
        usd_per_month=watched.usd(written.budget.per_month),
        budgets=watched.budgets(written.budget),
        notify=tuple(_receiver(each) for each in written.notify),
        handoff_to=written.handoff.to,
        rto_s=written.handoff.rto,
        rpo_s=written.handoff.rpo,
        version=written.version,
        escalation=_escalation(written.incidents),
        recording=_recording(written.recording),
        cloudwatch=cloudwatch(written.cloudwatch),
        watched=_watched(written.identity),
    )


def _watched(written: written_as.Identity) -> Watched:
    variables = values({part: name.removeprefix("env:") for part, name in written.variables.items()})
    return Watched(written.every, written.ask, written.drift == "hold", variables)


def _recording(written: Recording | None) -> recorded.Recording | None:
    if written is None:
        return None
    return recorded.Recording(written.share, written.consent, written.keep, tuple(written.redact), written.failing)


def _margins(margins: written_as.Margins, own: tuple[OwnMetric, ...]) -> dict[str, core.Margin]:
    found = {}
    for metric in written_as.Margins.model_fields:
        if (worse := getattr(margins, metric)) is not None:
            found[metric] = core.Margin(metric, worse.value, worse.ratio)
    return found | own_metrics.own_margins(margins.model_extra, own)


def _step(
    step: written_as.Step,
    guardrails: dict[str, core.Margin],
    groups: dict[str, list[str]],
    own: tuple[OwnMetric, ...],
) -> core.Step:
    """The step's own margins over those of the plan: a step that says nothing is held to the plan's."""
    approval = _approval(step.approval, groups) if step.approval else None
    margins = {**guardrails, **_margins(step.margins, own)}
    within = default_within(step.bake) if step.within is None else step.within
    return core.Step(step.weight, step.bake, step.min_sessions, within, tuple(margins.values()), approval)


def _approval(asked: written_as.Approval, groups: dict[str, list[str]]) -> core.Approval:
    """Groups become the people in them, each once."""
    people = tuple(dict.fromkeys(person for name in asked.by for person in groups.get(name, [name])))
    by, otherwise = tuple(asked.by), core.Otherwise(asked.otherwise or core.Otherwise.HOLD)
    return core.Approval(by, asked.within, otherwise, asked.count, () if people == by else people)


def _rollback(written: written_as.OnRollback) -> core.RollbackPolicy:
    return core.RollbackPolicy(core.SessionPolicy(written.sessions), written.deadline)


def _receiver(written: Told) -> core.Receiver:
    kind = type(written).__name__.lower()
    target = getattr(written, kind)
    text = ", ".join(target) if isinstance(target, tuple) else target
    return core.Receiver(kind, text, tuple(written.on), written.name, written.person)


def _escalation(written: Incidents) -> tuple[core.Escalation, ...]:
    """In the order of their deadlines."""
    steps = [core.Escalation(each.severity, each.after, tuple(each.to)) for each in written.escalate]
    return tuple(sorted(steps, key=lambda step: step.after_s))
