"""Metrics that a plan declares for itself: their blocks, the margins on them, and what can be wrong with both.

analysis:
  metrics:
    tool_calls: {kind: count}
    helpful: {kind: score, better: higher}
  guardrails: {error: +1pp, tool_calls: +0.5}
  objectives: {helpful: improved}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from headgate.analysis.metrics import HARMS, TAKEN, harms
from headgate.config.block import Block
from headgate.config.complaints import nearest
from headgate.config.units import is_number, refuse, shown
from headgate.config.yaml_source import Source, Where
from headgate.core.metrics import Measure, Objective
from headgate.core.metrics import OwnMetric as Metric
from headgate.core.plan import Margin

if TYPE_CHECKING:
    from headgate.config.plan_schema import Analysis, PlanFile

_MOST = 20
_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}")
_RATIO = re.compile(r"x(\d+(?:\.\d+)?)")
_POINTS = re.compile(r"([+-])(\d+(?:\.\d+)?)pp")


class OwnMetric(Block):
    """A number that the agent tells with its turns."""

    kind: Literal["time", "amount", "count", "score"] = Field(
        description="time: milliseconds of a turn; amount, count: summed over a session; score: 0 to 1, averaged"
    )
    better: Literal["lower", "higher"] | None = Field(
        None, description="Which way is better; left out: lower, of a score higher"
    )


# what may be written of a metric of the plan's own: which of it fits depends on the metric
OwnMargin = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [{"type": "string", "pattern": r"^(x\d+(\.\d+)?|[+-]\d+(\.\d+)?pp)$"}, {"type": "number"}],
            "description": "Of a metric of the plan's own: x1.2, +0.5, -0.03",
            "examples": ["x1.2", 0.5, -0.03],
        }
    ),
]
Wish = Annotated[
    Literal["improved", "reported"],
    Field(description="improved: nothing is promoted before it is shown to be better; reported: it is only told"),
]


def declared(written: Analysis) -> tuple[Metric, ...]:
    """The plan's own metrics, in its order."""
    found = []
    for name, each in written.metrics.items():
        better = each.better or ("higher" if each.kind == "score" else "lower")
        found.append(Metric(name, Measure(each.kind), better == "higher"))
    return tuple(found)


def objectives(written: Analysis) -> tuple[Objective, ...]:
    """What the release is to improve."""
    return tuple(Objective(name, wish == "improved") for name, wish in written.objectives.items())


def own_margins(extra: Mapping[str, Any] | None, own: tuple[Metric, ...]) -> dict[str, Margin]:
    """The margins on the plan's own metrics; what is wrong with one is left out, and `metric_problems` says it."""
    found = {}
    for name, value in (extra or {}).items():
        if (metric := _metric_of(name, own)) is not None:
            try:
                found[name] = Margin(name, *parse_own_margin(metric, value))
            except ValueError:
                continue
    return found


def parse_own_margin(metric: Metric, value: Any) -> tuple[float, bool]:
    """How much worse it may be: (value, is it a ratio). `x1.2` -> (1.2, True), `-0.03` and `-3pp` -> (0.03, False)."""
    if metric.kind is not Measure.SCORE and isinstance(value, str) and (found := _RATIO.fullmatch(value)):
        ratio = float(found[1])
        if 0 < ratio < 1 if metric.higher else 1 < ratio <= 100:
            return ratio, True
    if metric.kind is not Measure.TIME and (change := _change(metric, value)):
        worse = -change if metric.higher else change
        if 0 < worse < (1 if metric.kind is Measure.SCORE else 1e9):
            return worse, False
    return refuse(f"{shown(value)} is no margin of {metric.name}", _MENDS.get((metric.kind, metric.higher), _TIMES))


def _change(metric: Metric, value: Any) -> float:
    """A difference as it was written; 0 for none."""
    if is_number(value):
        return float(value)
    if metric.kind is Measure.SCORE and isinstance(value, str) and (found := _POINTS.fullmatch(value)):
        return round(float(found[1] + found[2]) / 100, 12)
    return 0.0


_TIMES = "write how many times more it may be, above x1: x1.25"
_MENDS = {
    (Measure.AMOUNT, False): "write how much more it may be: x1.2 (times as much), or +0.5 (so much more a session)",
    (Measure.AMOUNT, True): "write how much less it may be: x0.9 (times as much), or -0.5 (so much less a session)",
    (Measure.COUNT, False): "write how many more it may be: x1.2 (times as many), or +0.5 (so many more a session)",
    (Measure.COUNT, True): "write how many fewer it may be: x0.9 (times as many), or -0.5 (so many fewer a session)",
    (Measure.SCORE, False): "write how far it may rise, e.g. +0.03 or +3pp",
    (Measure.SCORE, True): "write how far it may fall, e.g. -0.03 or -3pp",
}


def _metric_of(name: str, own: tuple[Metric, ...]) -> Metric | None:
    """The metric of the plan's own that a name is of."""
    harm = harms(own).get(name) if name not in HARMS else None
    return next((each for each in own if harm is not None and each.name == harm.metric), None)


def metric_problems(source: Source, written: PlanFile) -> Iterator[str]:
    """All that is wrong with a plan's own metrics and what it asks of them."""
    analysis = written.analysis
    own = declared(analysis)
    yield from _names(source, own)
    places: list[tuple[Where, Mapping[str, Any]]] = [
        (("strategy", "steps", i, "margins"), step.margins.model_extra or {})
        for i, step in enumerate(written.strategy.steps or ())
    ]
    places.append((("analysis", "guardrails"), analysis.guardrails.model_extra or {}))
    for where, extra in places:
        for name, value in extra.items():
            yield from _margin(source, (*where, name), value, own)
    yield from _objectives(source, written, own)
    if written.traffic == "agentcore-gateway":
        needed = [(*where, name) for where, extra in places for name in extra]
        needed += [("analysis", "objectives", name) for name, wish in analysis.objectives.items() if wish == "improved"]
        for where in needed:
            if _metric_of(str(where[-1]), own):
                mend = "use `traffic: gateway`, or name it in `observe`, where it is shown as not measured"
                what = "an agent's own numbers do not come through an AgentCore Gateway"
                yield source.problem(where, what, mend, at_key=True)


def _names(source: Source, own: tuple[Metric, ...]) -> Iterator[str]:
    tails = {f"{each.name}_{p}": each.name for each in own if each.kind is Measure.TIME for p in ("p95", "p99")}
    if len(own) > _MOST:
        what = f"{len(own)} metrics: each takes its share of alpha, and of the time of a look"
        yield source.problem(("analysis", "metrics"), what, f"keep to {_MOST} at most")
    for each in own:
        where = ("analysis", "metrics", each.name)
        if not _NAME.fullmatch(each.name):
            mend = "use small letters, digits and _, begin with a letter, at most 48 of them"
            yield source.problem(where, f"{shown(each.name)} is not a name of a metric", mend, at_key=True)
        elif each.name in TAKEN:
            yield source.problem(where, "Headgate has a metric of this name", "name your own otherwise", at_key=True)
        elif each.name in tails:
            what = f"this is what a tail of {shown(tails[each.name])} is called"
            yield source.problem(where, what, "name one of them otherwise", at_key=True)
        if each.kind is Measure.TIME and each.higher:
            what, mend = "a time is better when it is lower", "give it another kind: `kind: amount`"
            yield source.problem((*where, "better"), what, mend)


def _margin(source: Source, where: Where, value: Any, own: tuple[Metric, ...]) -> Iterator[str]:
    name = str(where[-1])
    metric = _metric_of(name, own)
    if metric is None:
        yield source.problem(where, "unknown key", _known(name, own), at_key=True)
        return
    try:
        parse_own_margin(metric, value)
    except ValueError as error:
        what, _, mend = str(error).partition("|")
        yield source.problem(where, what, mend)


def _known(name: str, own: tuple[Metric, ...]) -> str:
    """The mend of a name that is no metric's."""
    if any(each.name == name for each in own):  # a time is guarded by its tails
        return f"did you mean `{name}_p95`?"
    return nearest(name, harms(own))


def _objectives(source: Source, written: PlanFile, own: tuple[Metric, ...]) -> Iterator[str]:
    known, asked = harms(own), written.analysis.objectives
    for name, wish in asked.items():
        where = ("analysis", "objectives", name)
        if name not in known:
            yield source.problem(where, "there is no such metric", _known(name, own), at_key=True)
        elif wish == "improved" and not any(step.weight < 100 for step in written.strategy.steps or ()):
            what = "nothing is shown to be better without a baseline beside it"
            yield source.problem(where, what, "give the strategy a step below 100, or write `reported`")
