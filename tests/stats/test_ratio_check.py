"""The sample-ratio check: quiet when the lots are fair, loud when they are not, whatever the order."""

import json
import random

import pytest

from headgate.stats.ratio_check import ALPHA, RatioCheck


def test_fair_lots_are_left_alone():
    """100 seeded rollouts of 4000 sessions over two weights, looked at 40 times: no alarm at level 0.001."""
    for seed in range(100):
        rng, check = random.Random(seed), RatioCheck()
        for i in range(40):
            weight = 10.0 if i < 20 else 50.0
            candidates = sum(rng.random() * 100.0 < weight for _ in range(100))
            check.add(weight, True, candidates)
            check.add(weight, False, 100 - candidates)
            assert not check.look()


@pytest.mark.parametrize("share", [0.05, 0.2])
def test_unfair_lots_are_found(share):
    """Half or twice the candidate's 10 % is a mismatch within 1500 sessions."""
    check = RatioCheck()
    check.add(10.0, True, int(1500 * share))
    check.add(10.0, False, int(1500 * (1 - share)))
    assert check.look()
    assert check.peak >= 1.0 / ALPHA
    assert "at 10 %" in check.worst()


def test_strata_are_judged_each_by_its_own_weight():
    """10 % and then 50 %, each kept exactly, is no mismatch although the pooled share is neither."""
    check = RatioCheck()
    for weight, candidates in ((10.0, 200), (50.0, 1000)):
        check.add(weight, True, candidates)
        check.add(weight, False, 2000 - candidates)
    assert not check.look()


def test_order_and_splitting_do_not_matter():
    """The evidence depends on the counts alone, and survives JSON."""
    rows = [(10.0, True, 7), (10.0, False, 90), (50.0, True, 40), (50.0, False, 10), (10.0, False, 3)]
    first, second = RatioCheck(), RatioCheck()
    for row in rows:
        first.add(*row)
    for row in sorted(rows, reverse=True):
        second.add(*row)
    first.look()
    second.look()
    assert first.peak == pytest.approx(second.peak)
    assert RatioCheck.from_data(json.loads(json.dumps(first.to_data()))).to_data() == first.to_data()


def test_full_weights_are_no_lots():
    """Sessions at 0 or 100 % are not counted; a negative count is refused."""
    check = RatioCheck()
    check.add(0.0, False, 10_000)
    check.add(100.0, True, 10_000)
    assert not check.look()
    assert check.worst() == "no session was assigned"
    with pytest.raises(ValueError, match="cannot have begun"):
        check.add(10.0, True, -1)
