"""The file that `headgate simulate` plays: how sessions of the baseline go, and in what the candidate differs.

traffic: 30/min                               # new sessions, of both variants
baseline: {error: 1%, p50: 400ms, p95: 1500ms, cost: 0.01 USD, quality: 0.8, turns: 4, metrics: {tool_calls: 3}}
candidate: {error: +2pp, latency: x1.3, cost: x1.1, quality: -0.05, metrics: {tool_calls: x1.5}, after: 30m}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from headgate.config import units
from headgate.config.block import Block
from headgate.config.complaints import validate
from headgate.config.plan_types import Duration, Money, Percent, Points, optional
from headgate.config.yaml_source import Source, parse, read_text
from headgate.core.metrics import OwnMetric, acceptable, most
from headgate.errors import PlanError


def _change(value: Any) -> Differs:
    if isinstance(value, str) and (found := _TIMES.fullmatch(value)) and 0 < float(found[1]) <= 100:
        return Differs(float(found[1]), 0.0)
    if units.is_number(value):
        return Differs(1.0, float(value))
    return units.refuse(
        f"{units.shown(value)} is no change", "write how many times as much: x1.3, or how much more: 0.5"
    )


def _times(value: Any) -> Differs:
    if isinstance(value, str):
        return _change(value)
    return units.refuse(f"{units.shown(value)} is no change", "write how many times as much: x1.3")


def _more(value: Any) -> Differs:
    if units.is_number(value) and -1 < value < 1:
        return _change(value)
    return units.refuse(f"{units.shown(value)} is no change of a score", "write how far it falls, e.g. -0.05")


class Differs(NamedTuple):
    """How a candidate's mean differs: so many times the baseline's, and so much more."""

    times: float
    more: float


_TIMES = re.compile(r"x(\d+(?:\.\d+)?)")
_RATIO = {"type": "string", "pattern": "^" + _TIMES.pattern + "$"}
Rate = Annotated[float, BeforeValidator(units.parse_simulated_rate)]
Times = Annotated[Differs, BeforeValidator(_times), WithJsonSchema(_RATIO)]
More = Annotated[Differs, BeforeValidator(_more), WithJsonSchema({"type": "number"})]
Change = Annotated[Differs, BeforeValidator(_change), WithJsonSchema({"anyOf": [_RATIO, {"type": "number"}]})]


class BaselineLaw(Block):
    """How a session of the baseline goes. Times are log-normal; half of their variance is the session's own."""

    error: Percent = optional("1%", description="Share of the sessions with a failure")
    p50: Duration = optional("400ms", description="Median time of a turn")
    p95: Duration = optional("1500ms", description="95th percentile of a turn's time")
    cost: Money = optional("0.01 USD", description="Mean cost of a session")
    quality: float = optional(0.8, gt=0, lt=1, description="Mean score of a session, if the plan asks for quality")
    turns: int = optional(4, ge=1, le=50, description="Turns of a session")
    metrics: dict[str, float] = optional({}, description="Means of the plan's own metrics: {tool_calls: 3}")

    @model_validator(mode="after")
    def _ordered(self) -> BaselineLaw:
        if not 0 < self.p50 < self.p95:
            raise ValueError("p95 is not above p50|give times as they are, e.g. p50: 400ms, p95: 1500ms")
        return self


class CandidateLaw(Block):
    """In what the candidate differs; what is left out is as the baseline. With nothing, it is a good candidate."""

    error: Points | None = Field(None, description="More failing sessions, in points: +2pp")
    latency: Times | None = Field(None, description="All times longer: x1.3; shorter: x0.8")
    cost: Times | None = Field(None, description="Dearer: x1.1; cheaper: x0.9")
    quality: More | None = Field(None, description="Scores lower: -0.05; higher: 0.05")
    metrics: dict[str, Change] = optional({}, description="Of the plan's own: {tool_calls: x1.5, helpful: -0.05}")
    after: Duration = optional(0, description="It differs from so long after the first step on")


class Scenario(Block):
    """A scenario file."""

    traffic: Rate = Field(
        description="New sessions of both variants, e.g. 120/min, 2/s, 5000/day; a bare number: a minute"
    )
    baseline: BaselineLaw = optional({}, description="How the baseline's sessions go")
    candidate: CandidateLaw = optional({}, description="In what the candidate is worse")


_STARTER = "write one: `traffic: 30/min` is enough"


def load_scenario(path: Path, own: tuple[OwnMetric, ...] = ()) -> Scenario:
    """Reads a scenario of a plan with these metrics. Raises PlanError with every problem and its line."""
    source = parse(read_text(path, starter=_STARTER), str(path), _STARTER)
    found = validate(source, Scenario)
    if problems := list(_own_problems(source, found, own)):
        raise PlanError(problems)
    return found


def _own_problems(source: Source, found: Scenario, own: tuple[OwnMetric, ...]) -> Iterator[str]:
    known = {metric.name: metric for metric in own}
    there = f"write one of: {', '.join(known)}" if known else "declare it in the plan: `analysis.metrics`"
    for block, names in (("baseline", found.baseline.metrics), ("candidate", found.candidate.metrics)):
        for name in names:
            if name not in known:
                what = "the plan has no such metric of its own"
                yield source.problem((block, "metrics", name), what, there, at_key=True)
    for name, mean in found.baseline.metrics.items():
        if name in known and not acceptable(known[name].kind, mean):
            what = f"{mean:g} is no mean of a {known[name].kind}"
            yield source.problem(("baseline", "metrics", name), what, f"from 0 to {most(known[name].kind):g}")
