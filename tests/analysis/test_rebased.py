"""A judge that begins anew in the middle of a rollout: what it may spend; a whole rollout stays within alpha."""

import numpy as np
import pytest

from headgate.analysis.rollout_judge import RolloutJudge
from headgate.core.model import Answer
from headgate.core.plan import Analysis, Limit, Margin, Step
from headgate.stats.units import Units

ALPHA = 0.2
MARGINS = (Margin("error", 0.05, ratio=False),)
STEPS = (Step(50.0, 1.0, 1, 1e6, MARGINS), Step(100.0, 1.0, 1, 1e6, MARGINS))
ANALYSIS = Analysis(ALPHA, MARGINS, hard=(Limit("error", 0.9),))


def sessions(rng, n, baseline=0.1, candidate=0.1):
    """So many sessions at 50 %, failing at these rates."""
    label = rng.random(n) < 0.5
    failed = (rng.random(n) < np.where(label, candidate, baseline)).astype(float)
    return Units(label, np.full(n, 0.5), np.ones(n), failed, {})


def fails(judge, units, batch=25):
    """Whether any look of several convicts."""
    for start in range(0, len(units), batch):
        judge.add_units(units.part(start, min(len(units), start + batch)), 0.0, 1.0)
        if judge.look(0, 1.0, 1.0).verdict.answer is Answer.FAIL:
            return True
    return False


def test_what_was_lost_is_not_given_back_and_what_was_won_is_not_taken_over():
    """After a good candidate less is left; after a bad one that is not proven yet, no more than all of it."""
    rng = np.random.default_rng(1)
    good = RolloutJudge(ANALYSIS, STEPS)
    good.add_units(sessions(rng, 400, baseline=0.3, candidate=0.1), 0.0, 1.0)
    assert 0.0 < good.left()["comparison"] < 0.5
    suspect = RolloutJudge(ANALYSIS, STEPS)
    suspect.add_units(sessions(np.random.default_rng(2), 40, baseline=0.05, candidate=0.3), 0.0, 1.0)
    suspect.settle()
    assert 1.0 < suspect.comparison.bets.combined < suspect.comparison.bets.target
    assert suspect.left()["comparison"] == 1.0
    assert set(good.left()) == {"comparison", "hard 0"}


def test_the_next_judge_has_what_is_left():
    """Its thresholds are higher by that, also after it was saved; and a third one's by both."""
    second = RolloutJudge(ANALYSIS, STEPS, left={"comparison": 0.25, "hard 0": 0.5})
    assert second.comparison.bets.target == pytest.approx(4.0 / (0.9 * ALPHA))
    assert second.hard[0].threshold == pytest.approx(2.0 / (0.1 * ALPHA))
    restored = RolloutJudge.from_data(ANALYSIS, STEPS, second.to_data())
    assert restored.comparison.bets.target == pytest.approx(4.0 / (0.9 * ALPHA))
    assert restored.hard[0].threshold == second.hard[0].threshold
    rng = np.random.default_rng(2)
    second.add_units(sessions(rng, 200, baseline=0.3, candidate=0.1), 0.0, 1.0)
    assert second.left()["comparison"] < 0.25


def test_harm_that_comes_with_a_drift_is_found():
    """A candidate that was well and is bad since: the judge that began anew says FAIL."""
    rng = np.random.default_rng(3)
    first = RolloutJudge(ANALYSIS, STEPS)
    assert not fails(first, sessions(rng, 200))
    second = RolloutJudge(ANALYSIS, STEPS, left=first.left())
    assert fails(second, sessions(rng, 400, candidate=0.4))


def test_a_whole_rollout_with_drifts_stays_within_alpha():
    """70 rollouts in which both versions fail alike, and become others twice: no more are taken back than alpha says.

    Were each judge given all of alpha again, it would be 20 of these 70.
    """
    rng = np.random.default_rng(4)
    convicted = 0
    for _ in range(70):
        left = None
        for rate in (0.2, 0.5, 0.3):
            judge = RolloutJudge(ANALYSIS, STEPS, left=left)
            if fails(judge, sessions(rng, 100, rate, rate), batch=50):
                convicted += 1
                break
            left = judge.left()
    assert convicted <= ALPHA * 70
