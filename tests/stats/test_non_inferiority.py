"""Margins: how often harm at the margin is excluded wrongly, how soon rightly, and the bounds that are drawn."""

import json

import numpy as np
import pytest

from headgate.stats.experts import Kind
from headgate.stats.non_inferiority import Harm, HarmSequence
from headgate.stats.rates import exact_lower
from headgate.stats.units import Column, Units
from units_made import HARMS, taught, units

LAW = taught().law


def sequence(name, *margins):
    """The sequence of one guardrail, with its usual margins where none are given."""
    harm, usual = HARMS[name]
    return HarmSequence(harm, list(margins) or usual)


AT_THE_MARGIN = [
    ("error", (0.02, False), {"worse_error": 0.03}),
    ("latency_p95", (1.25, True), {"slower": 1.25}),
    ("cost", (1.2, True), {"dearer": 1.2}),
    ("quality", (0.05, False), {"poorer": 0.05}),
]


@pytest.mark.parametrize(("name", "margin", "harm"), AT_THE_MARGIN)
def test_harm_at_the_margin_is_seldom_excluded(name, margin, harm):
    """Over 150 seeded rollouts whose harm is exactly the margin, no more exclude it than alpha allows."""
    wrong = 0
    for seed in range(150):
        made = sequence(name, margin)
        made.update(units(700, 0.3, seed=seed, **harm), LAW)
        wrong += made.proven(*margin, 0.05)
    assert exact_lower(wrong, 150, 0.99) <= 0.05


@pytest.mark.parametrize(
    ("name", "margin", "sessions"),
    [
        ("error", (0.05, False), 700),
        ("latency_p95", (2.0, True), 900),
        ("cost", (1.25, True), 2500),
        ("quality", (0.05, False), 1200),
    ],
)
def test_a_candidate_like_the_baseline_is_cleared(name, margin, sessions):
    """At 30 %, in all of 6 seeded rollouts, within so many sessions of both variants."""
    for seed in range(6):
        made = sequence(name, margin)
        made.update(units(sessions, 0.3, seed=seed), LAW)
        assert made.proven(*margin, 0.05)


@pytest.mark.parametrize(
    ("name", "harm", "true"),
    [
        ("error", {"worse_error": 0.08}, 0.07),
        ("latency_p95", {"slower": 1.6}, 1.6),
        ("cost", {"dearer": 1.4}, 1.4),
        ("quality", {"poorer": 0.1}, 0.1),
    ],
)
def test_the_bounds_hold_the_harm(name, harm, true):
    """The confidence sequence covers the true harm in at least 55 of 60 rollouts, and has both bounds in the end."""
    held = 0
    for seed in range(60):
        made = sequence(name)
        made.update(units(1500, 0.5, seed=seed, **harm), LAW)
        lower, upper = made.bounds(0.05)
        assert lower is not None
        held += lower <= true and (upper is None or upper >= true)
    assert held >= 55


def test_an_unbiased_estimate_over_weights():
    """The estimate of a difference is right although the weight changed in between."""
    made = sequence("error")
    for seed in range(40):
        made.update(units(500, 0.1 if seed < 20 else 0.5, seed=seed, worse_error=0.06), LAW)
    assert made.estimate == pytest.approx(0.05, abs=0.01)


def test_not_measured_is_never_good_news():
    """A candidate without times counts as slow, and is not cleared however many sessions it has."""
    made = sequence("latency_p95", (2.0, True))
    part = units(3000, 0.3, seed=1)
    column = part.columns["latency"]
    measured = ~part.candidate[column.unit]
    silent = Column(column.unit[measured], column.place[measured], column.count[measured])
    made.update(Units(part.candidate, part.weight, part.turns, part.failures, {"latency": silent}), LAW)
    assert not made.proven(2.0, True, 0.05)
    assert made.bounds(0.05)[0] is not None


def test_unscored_sessions_are_left_out():
    """Scores of a sample decide on the sample; nothing is counted of the rest."""
    made, part = sequence("quality"), units(1000, 0.5, seed=2)
    some = part.columns["quality"]
    kept = some.unit % 5 == 0
    sampled = {"quality": Column(some.unit[kept], some.place[kept], some.count[kept])}
    made.update(Units(part.candidate, part.weight, part.turns, part.failures, sampled), LAW)
    assert made.sessions == 200


def test_the_estimate_of_sessions_needed_is_of_the_right_size():
    """What is said after 100 sessions is within a factor of four of what it takes, in the middle of 15 rollouts."""
    ratios = []
    for seed in range(15):
        made = sequence("error", (0.05, False))
        made.update(units(100, 0.3, seed=seed), LAW)
        said, took = made.needed(0.05, False, 0.05), 100
        while not made.proven(0.05, False, 0.05):
            made.update(units(20, 0.3, seed=1000 + took + seed), LAW)
            took += 20
        ratios.append((took - 100) / said if said else 1.0)
    assert 0.25 <= float(np.median(ratios)) <= 4.0


def test_saved_and_restored_exactly():
    """Through JSON, to the last bit."""
    for name, (harm, _) in HARMS.items():
        made = sequence(name)
        made.update(units(200, 0.3, seed=3), LAW)
        again = HarmSequence.from_data(harm, json.loads(json.dumps(made.to_data())))
        for each in (made, again):
            each.update(units(100, 0.5, seed=4), LAW)
        assert again.to_data() == made.to_data()


def test_margins_of_the_wrong_kind_are_refused():
    """A difference of times or costs, a ratio of scores, a margin that is not on the grid."""
    with pytest.raises(ValueError, match="is a ratio"):
        HarmSequence(Harm("latency", Kind.TIME, 0.05), [(0.1, False)])
    with pytest.raises(ValueError, match="is a difference"):
        HarmSequence(Harm("quality", Kind.SCORE), [(1.1, True)])
    with pytest.raises(ValueError, match="not on the grid"):
        sequence("error").proven(0.123, False, 0.05)
