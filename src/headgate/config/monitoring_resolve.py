"""What a plan says about watching -> the core's values: alarms spelled out, the window, budgets."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.analysis.composite import parse_rule
from headgate.config import monitoring_schema as written_as
from headgate.config.metrics import query
from headgate.config.plan_types import Comparison
from headgate.config.units import shown
from headgate.config.yaml_source import Source, Where
from headgate.core import plan as core

DEFAULT_INVOKE = "Hello"  # what `invoke: true` says

_MINUTES = 300.0  # the period of what is watched closely
_DAY_S = 86_400.0


def default_alarms(seven: written_as.Seven | None = None) -> Iterator[core.AlarmSpec]:
    """The seven of the status document, with these thresholds. What is `off` is left out."""
    of = seven or written_as.Seven.model_validate({})
    spec = core.AlarmSpec
    if at := of.error_rate:
        yield spec("error-rate", "error_rate", at.op, _number(at), _MINUTES, 1, 1, critical=True)
    if at := of.latency:
        yield spec("latency-p95", "p95", at.op, _number(at), _MINUTES, 2, 2)
    if of.silence:
        quiet = of.silence
        yield spec("no-invocations", "invocations", "<", 1.0, quiet, 1, 1, "breaching", warm_up_s=quiet, critical=True)
    # no usage in the answers is no cost: these two are OK without data, and reports say so
    if at := of.per_day:
        yield spec("cost-per-day", "cost", at.op, _number(at), _DAY_S, 1, 1, "notBreaching")
    if at := of.per_month:
        yield spec("cost-per-month", "cost_per_month", at.op, _number(at), _DAY_S, 1, 1, "notBreaching")
    if of.usage:
        yield spec(
            "unusual-usage", "invocations", "above", 0.0, _MINUTES, 3, 2, "notBreaching", scope="agent", band=of.usage
        )
    if at := of.first_token:
        yield spec("first-token-p95", "first_token_p95", at.op, _number(at), _MINUTES, 2, 2, "notBreaching")


def alarms(written: object) -> tuple[tuple[core.AlarmSpec, ...], tuple[core.CompositeSpec, ...]]:
    """The word `default`, thresholds of the default ones, or a list: all spelled out."""
    if isinstance(written, written_as.Seven):
        own, first = written.more, tuple(default_alarms(written))
    elif isinstance(written, list):
        own, first = written, ()
    else:
        own, first = [], tuple(default_alarms())
    specs = tuple(_alarm(each) for each in own if isinstance(each, written_as.Alarm))
    return (*first, *specs), tuple(_composite(each) for each in own if isinstance(each, written_as.Composite))


def alarm_problems(source: Source, written: object) -> Iterator[str]:
    """Names that are taken, and composites that name an alarm which is not there, or comes later."""
    seven = written if isinstance(written, written_as.Seven) else None
    own = seven.more if seven else written if isinstance(written, list) else []
    where = ("alarms", "more") if seven else ("alarms",)
    known = [spec.name for spec in default_alarms(seven)] if not isinstance(written, list) else []
    known_first = known + [each.name for each in own if isinstance(each, written_as.Alarm)]
    for i, each in enumerate(own):
        if each.name in known:
            what = f"{shown(each.name)} is the name of an earlier alarm"
            yield source.problem((*where, i, "name"), what, "name it otherwise")
        known.append(each.name)
        if isinstance(each, written_as.Composite):
            yield from _unknown_parts(source, (*where, i), each, [*known_first, *known[:-1]])


def _unknown_parts(source: Source, where: Where, composite: written_as.Composite, known: list[str]) -> Iterator[str]:
    wanted = [("rule", name) for name in parse_rule(composite.rule).names]
    if composite.suppressed_by:
        wanted.append(("suppressed_by", composite.suppressed_by))
    for key, name in wanted:
        if name not in known:
            there = ", ".join(dict.fromkeys(known)) or "none"
            what = f"there is no alarm {shown(name)} before this one"
            yield source.problem((*where, key), what, f"name one of these: {there}")


def _number(comparison: Comparison) -> float:
    return float(comparison.limit)


def _alarm(alarm: written_as.Alarm) -> core.AlarmSpec:
    return core.AlarmSpec(
        alarm.name,
        alarm.metric or "",
        alarm.when.op,
        _number(alarm.when),
        alarm.period,
        alarm.periods,
        alarm.datapoints or alarm.periods,
        alarm.missing,
        alarm.low_samples,
        tuple(query(name, text) for name, text in (alarm.math or {}).items()),
        alarm.band or 0.0,
        alarm.scope,
        alarm.warm_up,
        alarm.critical,
        alarm.wall_clock or "",
    )


def _composite(alarm: written_as.Composite) -> core.CompositeSpec:
    return core.CompositeSpec(
        alarm.name, alarm.rule, alarm.suppressed_by or "", alarm.wait, alarm.extension, alarm.critical
    )


def validation(written: written_as.Validation) -> core.Validation:
    """The window with its criteria, the must ones first."""
    window = tuple(core.WindowPhase(part.until, part.every, _invoke(part.invoke)) for part in written.window)
    criteria = [
        *_criteria(core.Tier.MUST, written.must),
        *_criteria(core.Tier.SHOULD, written.should),
        *_criteria(core.Tier.STRETCH, written.stretch),
    ]
    return core.Validation(window, tuple(criteria) if window else (), written.speed, written.after)


def _invoke(written: bool | str) -> str:
    if isinstance(written, str):
        return written
    return DEFAULT_INVOKE if written else ""


def _criteria(tier: core.Tier, written: written_as.Criteria) -> Iterator[core.Criterion]:
    for name in written_as.Criteria.model_fields:
        if (found := getattr(written, name)) is not None:
            yield core.Criterion(tier, name, found.op, found.limit, found.text)


def budgets(written: written_as.Budget) -> tuple[core.Budget, ...]:
    """Every budget that the plan has; a bare amount of money holds when it is spent, and warns before."""
    found = []
    for per in ("day", "month", "rollout", "evaluation"):
        limit = getattr(written, f"per_{per}")
        if isinstance(limit, written_as.Limit):
            follows = core.Crossing(limit.spent), core.Crossing(limit.projected)
            found.append(core.Budget(per, limit.money, limit.tokens, *follows))
        elif limit is not None:
            found.append(core.Budget(per, limit))
    return tuple(found)


def usd(limit: object) -> float | None:
    """The money of a budget."""
    if isinstance(limit, written_as.Limit):
        return limit.money
    return limit if isinstance(limit, float) else None
