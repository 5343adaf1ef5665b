"""The rules that no single field of a plan can hold: each broken rule is named where it is, with its mend."""

from dataclasses import replace

import pytest

from headgate.core.plan import Analysis, Strategy, Validation, WindowPhase, problems
from headgate.testing.examples import example_plan

GOOD = example_plan()
FIRST, LAST = GOOD.steps


def steps(*members):
    return replace(GOOD, steps=members)


def validation(*parts):
    return replace(GOOD, validation=replace(GOOD.validation, window=parts))


BROKEN = {
    "weights go down": (steps(replace(FIRST, weight=50), replace(FIRST, weight=10), LAST), ("steps", 1, "weight")),
    "weights stay": (steps(FIRST, FIRST, LAST), ("steps", 1, "weight")),
    "stops below 100": (steps(FIRST), ("steps", 0, "weight")),
    "no bake": (steps(replace(FIRST, bake_s=0), LAST), ("steps", 0, "bake")),
    "impossible bake": (steps(replace(FIRST, bake_s=99, within_s=98), LAST), ("steps", 0, "within")),
    "no margins": (steps(replace(FIRST, margins=()), LAST), ("steps", 0)),
    "no guardrails": (replace(GOOD, analysis=Analysis(0.05, ())), ("analysis", "guardrails")),
    "window out of order": (validation(WindowPhase(60, 10), WindowPhase(60, 10)), ("window", 1, "until")),
    "no check fits": (validation(WindowPhase(60, 61)), ("window", 0, "every")),
    "checks without end": (validation(WindowPhase(60, 0)), ("window", 0, "every")),
    "nothing is measured": (
        replace(GOOD, strategy=Strategy.ALL_AT_ONCE, validation=Validation((), ())),
        ("validation", "window"),
    ),
}


@pytest.mark.parametrize(("plan", "where"), BROKEN.values(), ids=BROKEN)
def test_broken_rule(plan, where):
    """The problem points at the member and says how to mend it."""
    found = [p for p in problems(plan) if p.path[-len(where) :] == where]
    assert found
    assert all(p.what and p.mend for p in found)


def test_a_good_plan_has_no_problem():
    """Nothing is found where nothing is wrong."""
    assert list(problems(GOOD)) == []
