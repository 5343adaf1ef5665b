"""What a plan will take at some traffic: sessions and time to a decision, what cannot be proven in time. An estimate.

Sessions that prove a margin for a candidate that is no worse: n = 2 log(1/alpha) s^2 / (w (1-w) d^2), and for errors
and quantiles at least log(1/alpha) / (w d), where w is the candidate's share, d the margin, s^2 the variance of a
session. The agent's own figures are not known here, so typical ones stand in for them (`ASSUMED`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import erf, log, sqrt

from headgate.analysis.metrics import HARMS, harms
from headgate.config.units import about, duration_text
from headgate.core.metrics import margin_text
from headgate.core.plan import Margin, Plan, Step

ASSUMED = "1% of the baseline's sessions fail, times are log-normal (sigma 0.6), costs vary by 95%"
_ERROR_RATE, _TIME_SIGMA, _COST_CV = 0.01, 0.6, 0.95
_TURNS = 4
# what of the agent can be guessed; of scores and of a plan's own metrics nothing can
_FORMULAS = frozenset(HARMS) - {"quality"}
_SCORES_LATE_S = 1500.0  # of AgentCore's online evaluation, beyond a session's quiet time: as others measured it
_TAILS = {"p95": (0.05, 1.6448536), "p99": (0.01, 2.3263479)}  # level, its normal quantile


@dataclass(frozen=True, slots=True)
class StepForecast:
    """One step at `rate` sessions per minute. Sessions are of both variants; None: not known, or not to be had."""

    weight: float
    per_minute: tuple[float, float] | None  # baseline, candidate
    for_minimum: int  # sessions until the candidate has had its minimum
    for_margins: dict[str, int]  # by margin as the plan writes it
    decision_s: float | None  # the estimate: never below the bake time


def forecast(plan: Plan, rate: float | None) -> list[StepForecast]:
    """Each step of a plan at `rate` new sessions per minute (None: the traffic is not known)."""
    return [_step(step, plan.analysis.alpha, rate) for step in plan.steps]


def _step(step: Step, alpha: float, rate: float | None) -> StepForecast:
    share = step.weight / 100
    minimum = round(step.min_sessions / share)
    margins = {}
    if share < 1:
        for margin in (each for each in step.margins if each.metric in _FORMULAS):
            text = f"{margin.metric} {margin_text(margin.metric, margin.value, margin.ratio)}"
            margins[text] = sessions_to_prove(margin, share, alpha)
    if not rate:
        return StepForecast(step.weight, None, minimum, margins, None)
    needed = max(minimum, *margins.values(), 0)
    split = (rate * (1 - share), rate * share)
    return StepForecast(step.weight, split, minimum, margins, max(step.bake_s, 60 * needed / rate))


def sessions_to_prove(margin: Margin, share: float, alpha: float) -> int:
    """Sessions of both variants that exclude harm beyond a margin, 0 < share < 1."""
    nats = log(1 / alpha)
    edge, variance = _edge_and_variance(margin, share)
    needed = 2 * nats * variance / edge**2
    if margin.metric not in {"cost", "tokens"}:  # a share of sessions or turns: no bet on it can win faster than this
        needed = max(needed, nats / (share * edge))
    return round(needed)


def _edge_and_variance(margin: Margin, share: float) -> tuple[float, float]:
    """How far a candidate like the baseline is from the margin, and the variance of one session's estimate of it."""
    of_candidate, of_baseline = 1 / share, 1 / (1 - share)
    if margin.metric == "error_per_request":  # as if each of a session's turns may fail
        return _TURNS * margin.value, _ERROR_RATE * (1 - _ERROR_RATE) * (of_candidate + of_baseline)
    if margin.metric == "error":
        return margin.value, _ERROR_RATE * (1 - _ERROR_RATE) * (of_candidate + of_baseline)
    if margin.metric in {"cost", "tokens"}:
        return margin.value - 1, _COST_CV**2 * (of_candidate + margin.value**2 * of_baseline)
    level, quantile = _TAILS[margin.metric[-3:]]
    above = (1 - erf((quantile + log(margin.value) / _TIME_SIGMA) / sqrt(2))) / 2
    return level - above, above * (1 - above) * of_candidate + level * (1 - level) * of_baseline


def warnings(plan: Plan, rate: float | None) -> Iterator[str]:
    """What a person should know before starting this plan."""
    for number, (step, expected) in enumerate(zip(plan.steps, forecast(plan, rate), strict=True), 1):
        yield from _late(number, step, expected, rate)
    yield from _too_late(plan)
    metrics = {margin.metric for step in plan.steps for margin in step.margins}
    if "quality" in metrics:
        yield from _unscored(plan)
    known = harms(plan.analysis.metrics)
    for name in plan.analysis.observe:
        if name not in known and f"{name}_p95" not in known:
            yield f"observe: nothing measures {name}; declare it in `analysis.metrics`, and let the agent tell it"
    if "cost" in metrics and not (
        plan.usd_per_million_input or plan.usd_per_million_output or plan.platform.get("prices")
    ):
        yield "cost: there are no prices, so it is measured only if the agent reports cost_usd itself"
    yield from _unwatched(plan)
    if plan.steps and plan.steps[0].weight == 100:
        yield "strategy: no session sees the candidate beside the baseline, so nothing is proven before 100 %"
    if not plan.gates:
        yield "gates: none, so the first to try the candidate are users"


def _unwatched(plan: Plan) -> Iterator[str]:
    """What the window says less of than it seems to."""
    window, speed = plan.validation.window, plan.validation.speed
    if not window:
        yield "validation: without a window nothing is watched after 100 %"
        return
    if speed != 1:
        length = window[-1].until_s
        passes = f"{duration_text(length)} of window time pass in {about(length / speed)}"
        yield f"validation: a rehearsal at speed {speed:g}: {passes}; every report says so"
    asked = any(criterion.name == "test_invocations" for criterion in plan.validation.criteria)
    if asked and not any(part.invoke for part in window):
        yield "validation: no part of the window makes test invocations (`invoke: true`): they stay not measured"


def _unscored(plan: Plan) -> Iterator[str]:
    if plan.quality is None:
        why = "the plan has no `quality`: nothing scores sessions"
        yield f"quality: {why}, and a step that asks for it waits for a person"
    elif plan.quality.evaluation:
        for number, step in enumerate(plan.steps, 1):
            needed = plan.quality.evaluation.session_s + _SCORES_LATE_S
            if step.within_s < needed:
                late = f"AgentCore's scores come about {duration_text(needed)} after a session began"
                yield f"step {number}: {late}, and the step ends after {duration_text(step.within_s)}"


def _too_late(plan: Plan) -> Iterator[str]:
    """Margins that are tighter at 100 % than before: from there on no baseline runs that could prove them."""
    for before, step in pairwise(plan.steps):
        if step.weight < 100:
            continue
        loose = {(margin.metric, margin.ratio): _width(margin) for margin in before.margins}
        for margin in step.margins:
            if _width(margin) < loose.get((margin.metric, margin.ratio), 0.0):
                here = margin_text(margin.metric, margin.value, margin.ratio, plan.analysis.metrics)
                yield (
                    f"the last step asks for {margin.metric} {here}, the step before for less: "
                    "at 100 % no baseline runs that could prove more, so give it to the step before"
                )


def _width(margin: Margin) -> float:
    """How much it allows; a ratio below 1 the more the smaller it is."""
    return 1.0 / margin.value if margin.ratio and margin.value < 1.0 else margin.value


def _late(number: int, step: Step, expected: StepForecast, rate: float | None) -> Iterator[str]:
    if not rate:
        return
    for text, sessions in {"min_sessions": expected.for_minimum, **expected.for_margins}.items():
        seconds = 60 * sessions / rate
        if seconds > step.within_s:
            needs = f"{text} needs about {sessions} sessions, {about(seconds)} at this traffic"
            end = duration_text(step.within_s)
            yield f"step {number}: {needs}, and the step ends after {end}: a person will have to decide"
