"""Pairs of the same cases: exact tails against scipy-free references, and the guarantees that they promise."""

import random
from math import comb

import pytest

from headgate.stats.paired import Pairs, Side, pairs_needed


def binomial_tail(k, n):
    """P(X >= k) of n fair coins, counted."""
    return sum(comb(n, i) for i in range(k, n + 1)) / 2**n


@pytest.mark.parametrize(("worse", "better"), [(0, 0), (5, 0), (0, 5), (7, 3), (3, 7), (60, 41)])
def test_the_tail_is_the_binomials(worse, better):
    """Counted coin by coin; pairs that agree say nothing."""
    pairs = Pairs(worse, better, 17)
    n = worse + better
    assert pairs.p_worse == pytest.approx(binomial_tail(worse, n))
    assert pairs.p_different == pytest.approx(min(1.0, 2 * binomial_tail(max(worse, better), n)))


def test_pairs_are_counted_by_whom_they_favour():
    """A pair that favours the baseline is one in which the candidate did worse."""
    assert Pairs.of([Side.BASELINE, Side.CANDIDATE, Side.NEITHER, Side.BASELINE]) == Pairs(2, 1, 1)


@pytest.mark.parametrize(("worse", "better"), [(0.0, 0.0), (0.1, 0.1), (0.3, 0.05), (0.02, 0.4)])
def test_the_bound_on_harm_holds(worse, better):
    """In 400 seeded draws of 40 pairs the true net harm is above the 95 % bound at most about 1 time in 20."""
    lots, broken = random.Random(7), 0
    for _ in range(400):
        draws = [lots.random() for _ in range(40)]
        w, b = sum(d < worse for d in draws), sum(worse <= d < worse + better for d in draws)
        broken += Pairs(w, b, 40 - w - b).harm_upper() < worse - better
    assert broken <= 30  # 20 expected at most; P(> 30) of a fair one is below 2 %


def test_nothing_seen_proves_nothing():
    """Without pairs harm may be anything."""
    assert Pairs(0, 0, 0).harm_upper() == 1.0
    assert Pairs(0, 0, 0).p_worse == 1.0


def test_pairs_needed_is_enough_and_barely():
    """So many alike pairs prove the margin, one fewer does not."""
    for margin in (0.05, 0.1, 0.3):
        n = pairs_needed(margin)
        assert Pairs(0, 0, n).harm_upper() <= margin
    assert Pairs(0, 0, pairs_needed(0.1) - 1).harm_upper() > 0.1
