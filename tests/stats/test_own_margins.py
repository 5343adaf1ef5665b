"""Margins on a plan's own metrics and on failures by the turn: what is excluded wrongly, and how soon rightly."""

from typing import NamedTuple

import numpy as np
import pytest

from headgate.stats.closing import placed
from headgate.stats.experts import Kind
from headgate.stats.non_inferiority import Harm, HarmSequence
from headgate.stats.rates import exact_lower
from headgate.stats.reference import Reference
from headgate.stats.units import Column, Units

COUNT = Harm("m", Kind.COUNT, sampled=True)
MORE = Harm("m", Kind.AMOUNT, flipped=True, sampled=True)  # more of it is better
LIES = Harm("m", Kind.SCORE, flipped=True, sampled=True)  # less of it is better
REQUESTS = Harm("error", Kind.FAILURE, per_turn=True)


def counts(rng, mean):
    return rng.poisson(mean).astype(float)


def amounts(rng, mean):
    return mean * np.exp(0.6 * rng.standard_normal(len(mean)) - 0.18)


def shares(rng, mean):
    return np.clip(mean + 0.1 * rng.standard_normal(len(mean)), 0.0, 1.0)


class Case(NamedTuple):
    """A metric with a margin, and the means of baseline and candidate that lie just that far apart."""

    name: str
    harm: Harm
    draw: object
    margin: tuple
    usual: float
    worse: float

    def like_the_baseline(self):
        return self._replace(worse=self.usual)

    def units(self, rng, n, w):
        """n sessions that tell a value."""
        candidate = rng.random(n) < w
        values = self.draw(rng, np.where(candidate, self.worse, self.usual))
        column = Column(np.arange(n), placed(values, self.harm.kind, flipped=self.harm.flipped), np.ones(n))
        return Units(candidate, np.full(n, w), np.ones(n), np.zeros(n), {"m": column})


class Failing(NamedTuple):
    """Sessions that end with their first failure: the rates of a turn, and how many turns are planned."""

    worse: float
    turns: tuple
    harm: Harm = REQUESTS
    margin: tuple = (0.01, False)
    usual: float = 0.01

    def units(self, rng, n, w):
        candidate = rng.random(n) < w
        planned = np.where(candidate, self.turns[1], self.turns[0])
        at = rng.geometric(np.where(candidate, self.worse, self.usual))
        ended = np.minimum(at, planned).astype(float)
        return Units(candidate, np.full(n, w), ended, (at <= planned).astype(float), {})


def judged(case, seed, sessions):
    """A sequence that saw so many sessions at 50 %, after 500 of the baseline from before."""
    rng = np.random.default_rng([5, seed])
    past, known, at = case.units(rng, 500, 0.0), Reference(), 0
    while at < len(past):
        end = min(len(past), at + known.room)
        known.learn(past.part(at, end))
        at = end
    made = HarmSequence(case.harm, [case.margin])
    made.update(case.units(rng, sessions, 0.5), known.law)
    return made


CASES = [
    Case("count", COUNT, counts, (1.2, True), 2.0, 2.4),
    Case("rare count", COUNT, counts, (0.5, False), 0.1, 0.6),
    Case("more is better", MORE, amounts, (0.9, True), 1.0, 0.9),
    Case("more is better, a difference", MORE, amounts, (0.2, False), 1.0, 0.8),
    Case("less of a score", LIES, shares, (0.05, False), 0.2, 0.25),
]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each_case
def test_harm_at_the_margin_is_seldom_excluded(case):
    """Over 60 seeded rollouts whose harm is exactly the margin, no more exclude it than alpha allows."""
    wrong = sum(judged(case, seed, 400).proven(*case.margin, 0.05) for seed in range(60))
    assert exact_lower(wrong, 60, 0.99) <= 0.05


@each_case
def test_a_candidate_like_the_baseline_is_cleared(case):
    """In all of 3 seeded rollouts, within 4000 sessions of both variants; the bounds hold that there is no harm."""
    for seed in range(3):
        made = judged(case.like_the_baseline(), seed, 4000)
        assert made.proven(*case.margin, 0.05)
        lower, upper = made.bounds(0.05)
        assert lower <= (1.0 if case.margin[1] else 0.0) <= upper
        if case.margin[1] and case.harm.falling:
            assert lower >= 0.9  # ratios are candidate to baseline whichever way is better


def test_a_rare_count_needs_a_margin_that_is_a_difference():
    """Where the baseline has none, no ratio of it can be excluded, and half a one more can."""
    never = Case("none", COUNT, counts, (1.2, True), 0.0, 0.0)
    assert not judged(never, 1, 800).proven(1.2, True, 0.05)
    assert judged(never._replace(margin=(0.5, False)), 1, 800).proven(0.5, False, 0.05)


@pytest.mark.parametrize("turns", [(5, 5), (5, 10)])
def test_failures_by_the_turn_do_not_blame_long_sessions(turns):
    """Twice as long sessions at the same rate of a turn are cleared, in all of 3; twice the rate seldom is."""
    wrong = sum(judged(Failing(0.02, turns), seed, 800).proven(0.01, False, 0.05) for seed in range(60))
    assert exact_lower(wrong, 60, 0.99) <= 0.05
    for seed in range(3):
        made = judged(Failing(0.01, turns), seed, 4000)
        assert made.proven(0.01, False, 0.05)
        assert abs(made.estimate) < 0.01  # long sessions err with what is known of the rate


def test_sessions_without_a_value_are_left_out():
    """They are counted by what asks why they have none, not as the worst there could be."""
    some = CASES[0].units(np.random.default_rng(3), 400, 0.5)
    none = Units(some.candidate, some.weight, some.turns, some.failures, {})
    for harm, seen in ((COUNT, 0), (Harm("error", Kind.FAILURE), 400)):
        made = HarmSequence(harm, [])
        made.update(none, Reference().law)
        assert made.sessions == seen


@each_case
def test_a_sequence_is_restored_to_the_last_bit(case):
    """Also where its grid was made of a margin that is a difference, or of ratios that were turned."""
    made = judged(case, 4, 300)
    again = HarmSequence.from_data(case.harm, made.to_data())
    assert again.to_data() == made.to_data()
    assert again.bounds(0.05) == made.bounds(0.05)
    assert again.evidence(*case.margin) == made.evidence(*case.margin)


def test_margins_that_cannot_be_are_refused():
    """A ratio of failures by the turn, a difference of times."""
    with pytest.raises(ValueError, match=r"e\.g\. \+1pp"):
        HarmSequence(REQUESTS, [(2.0, True)])
    with pytest.raises(ValueError, match=r"e\.g\. x1\.25"):
        HarmSequence(Harm("m", Kind.TIME, 0.05, sampled=True), [(0.5, False)])
