"""Estimates of sessions and time: the figures of the study, and what moves them."""

from dataclasses import replace
from pathlib import Path

import pytest

from headgate.config.forecast import forecast, sessions_to_prove, warnings
from headgate.config.plan_file import load_plan
from headgate.core.metrics import Measure, OwnMetric
from headgate.core.plan import Criterion, Margin, WindowPhase

PLAN = Path(__file__).parents[2] / "examples" / "coach-companion" / "headgate.yaml"


@pytest.fixture(scope="module")
def plan():
    """Coach Companion's plan."""
    return load_plan(PLAN).plan


@pytest.mark.parametrize(
    ("margin", "tenth", "half"),
    [
        (Margin("error", 0.01, False), 6600, 2400),
        (Margin("error", 0.005, False), 26_000, 9500),
        (Margin("latency_p95", 1.25, True), 2000, 1050),
        (Margin("cost", 1.1, True), 6100, 2400),
    ],
)
def test_the_figures_of_the_study(margin, tenth, half):
    """Sessions for a candidate that is no worse, at 10 % and at 50 %, within 3 % of the published table."""
    assert sessions_to_prove(margin, 0.1, 0.05) == pytest.approx(tenth, rel=0.03)
    assert sessions_to_prove(margin, 0.5, 0.05) == pytest.approx(half, rel=0.03)


def test_wide_error_margins_are_bound_by_rare_failures():
    """Few failures prove nothing before 3 / (share x margin) sessions, however small the variance."""
    assert sessions_to_prove(Margin("error", 0.2, False), 0.1, 0.05) == 150


def test_twice_the_traffic_is_half_the_time_but_never_below_the_bake(plan):
    """Time follows the rate until the bake time holds it."""
    slow, fast, flood = (forecast(plan, rate)[0].decision_s for rate in (10, 20, 1e9))
    assert slow == pytest.approx(2 * fast)
    assert flood == plan.steps[0].bake_s
    assert forecast(plan, None)[0].decision_s is None


def test_sessions_are_split_by_weight(plan):
    """Both variants, per minute."""
    assert forecast(plan, 60)[0].per_minute == pytest.approx((54, 6))
    assert forecast(plan, 60)[2].per_minute == pytest.approx((0, 60))


def told(plan, rate=None):
    """All warnings in one text."""
    return "\n".join(warnings(plan, rate))


def test_what_cannot_be_proven_in_time_is_said(plan):
    """At a trickle of traffic each step would end with a person's decision; at a flood none."""
    assert "step 1: min_sessions needs about 150 sessions, 2h30m at this traffic" in told(plan, 1)
    assert "a person will have to decide" not in told(plan, 1e6)
    assert "a person will have to decide" not in told(plan, None), "what is not known is not guessed"


def test_a_tighter_margin_at_100_percent_is_warned_of(plan):
    """There is no baseline any more that could prove it."""
    last = replace(plan.steps[2], margins=(Margin("error", 0.01, False),))
    tight = replace(plan, steps=(*plan.steps[:2], last))
    assert "the last step asks for error +1pp" in told(tight)
    assert "the last step asks" not in told(plan)


def test_rehearsals_scores_and_missing_prices_are_warned_of(plan):
    """Each thing that makes a report say less than it seems to."""
    assert "a rehearsal at speed 7200: 1d of window time pass in 12s" in told(plan)
    first = replace(plan.steps[0], margins=(Margin("quality", 0.03, False), Margin("cost", 1.1, True)))
    blind = replace(
        plan, steps=(first, *plan.steps[1:]), usd_per_million_input=0.0, usd_per_million_output=0.0, gates=()
    )
    assert "quality: the plan has no `quality`" in told(blind)
    assert "cost: there are no prices" in told(blind)
    assert "gates: none" in told(blind)


def test_what_nothing_measures_is_warned_of(plan):
    """An observed name that is no metric; one that the plan declares is told of, a time also by its own name."""
    own = (OwnMetric("tool_calls", Measure.COUNT), OwnMetric("search", Measure.TIME))
    watched = replace(
        plan, analysis=replace(plan.analysis, metrics=own, observe=("tool_calls", "search", "tool_error"))
    )
    assert [line for line in warnings(watched, None) if line.startswith("observe")] == [
        "observe: nothing measures tool_error; declare it in `analysis.metrics`, and let the agent tell it"
    ]


def test_invocations_that_nobody_makes_are_warned_of(plan):
    """A criterion on them, and no part of the window that makes one: it can only end as not measured."""
    asked = (
        *plan.validation.criteria,
        Criterion("must", "test_invocations", "is", "passed", "test_invocations passed"),
    )
    silent, spoken = (
        replace(plan, validation=replace(plan.validation, criteria=asked, window=(WindowPhase(60.0, 6.0, said),)))
        for said in ("", "Hello")
    )
    assert "no part of the window makes test invocations" in told(silent)
    assert "test invocations" not in told(spoken)


def test_of_what_more_is_better_a_ratio_nearer_to_one_is_the_tighter(plan):
    """x0.95 at 100 % after x0.9 cannot be proven any more, the other way round it was."""
    own = (OwnMetric("found", Measure.AMOUNT, higher=True),)

    def told_of(before, last):
        steps = list(plan.steps)
        for i, ratio in ((1, before), (2, last)):
            steps[i] = replace(steps[i], margins=(Margin("found", ratio, True),))
        return told(replace(plan, steps=tuple(steps), analysis=replace(plan.analysis, metrics=own)))

    assert "the last step asks for found x0.95" in told_of(0.9, 0.95)
    assert "the last step asks" not in told_of(0.95, 0.9)
