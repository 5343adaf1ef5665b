"""Rates and quantiles of one variant: published values, the rule of three, and bounds that hold at every look."""

import json
import random
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.stats.histogram import BOUNDS_MS, bucket_of
from headgate.stats.rates import LimitTest, always_bounds, beta_cdf, exact_lower, exact_upper, quantile_bounds_ms


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (0, 10, 0.0, 0.3084971),
        (8, 10, 0.4439045, 0.9747893),
        (5, 10, 0.1870861, 0.8129139),
        (1, 20, 0.0012651, 0.2487328),
        (50, 100, 0.3983211, 0.6016789),
    ],
)
def test_clopper_pearson_known_answers(k, n, low, high):
    """The published two-sided 95 % intervals (R's binom.test), as two bounds of 97.5 % each."""
    assert exact_lower(k, n, 0.975) == pytest.approx(low, abs=2e-7)
    assert exact_upper(k, n, 0.975) == pytest.approx(high, abs=2e-7)


def test_rule_of_three():
    """0 of n excludes a rate of about 3 / n with 95 % confidence; n of n has no upper bound below 1."""
    assert exact_upper(0, 300) == pytest.approx(1 - 0.05 ** (1 / 300), rel=1e-9)
    assert exact_upper(0, 300) == pytest.approx(3 / 300, rel=0.01)
    assert exact_lower(0, 300) == 0.0
    assert exact_upper(300, 300) == 1.0


def test_the_beta_law_where_it_is_simple():
    """Closed forms of the incomplete beta function."""
    assert beta_cdf(1.0, 1.0, 0.3) == pytest.approx(0.3)
    assert beta_cdf(2.0, 1.0, 0.3) == pytest.approx(0.09)
    assert beta_cdf(5.0, 5.0, 0.5) == pytest.approx(0.5)


def test_a_billion_is_no_problem():
    """Bounds from 1e9 trials are tight and finite."""
    assert exact_lower(10**8, 10**9) == pytest.approx(0.1, abs=1e-4)
    assert exact_upper(10**8, 10**9) == pytest.approx(0.1, abs=1e-4)
    low, high = always_bounds(10**8, 10**9, 0.05)
    assert 0.0999 < low < 0.1 < high < 0.1001


@given(st.integers(0, 200), st.integers(0, 200))
def test_bounds_hold_the_estimate_between_them(k, more):
    """lower <= k / n <= upper for exact and for always-valid bounds, and the latter are the wider ones."""
    n = k + more
    if n == 0:
        assert always_bounds(0, 0, 0.05) == (0.0, 1.0)
        return
    low, high = always_bounds(k, n, 0.05)
    assert low <= exact_lower(k, n) + 1e-9 <= k / n + 2e-9
    assert k / n <= exact_upper(k, n) + 1e-9 <= high + 2e-9


def test_always_bounds_hold_at_every_look():
    """Of 200 seeded coins looked at again and again, at most 5 % (up to chance) ever leave their interval."""
    left = 0
    for seed in range(200):
        rng, k = random.Random(seed), 0
        for n in range(1, 401):
            k += rng.random() < 0.1
            if n % 8 == 0:
                low, high = always_bounds(k, n, 0.05)
                if not low <= 0.1 <= high:
                    left += 1
                    break
    assert exact_lower(left, 200, 0.99) <= 0.05


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5)])
def test_counts_that_cannot_be_are_refused(k, n):
    """More successes than trials, or fewer than none."""
    with pytest.raises(ValueError, match="no count"):
        exact_upper(k, n)


def test_quantile_bounds_are_order_statistics():
    """0.95^58 > 5 % > 0.95^59: the largest of 59 values bounds p95 with 95 % confidence, of 58 it does not."""
    assert quantile_bounds_ms({50: 58}, 0.95)[1] is None
    assert quantile_bounds_ms({50: 59}, 0.95)[1] == BOUNDS_MS[50]
    assert quantile_bounds_ms({}, 0.95) == (None, None)
    low, high = quantile_bounds_ms({40: 500, 60: 500}, 0.9)
    assert low == BOUNDS_MS[59]
    assert high == BOUNDS_MS[60]


def test_quantile_bounds_cover():
    """The 95 % bounds of the median are wrong in at most 5 % of 400 seeded samples each, up to chance."""
    above = below = 0
    for seed in range(400):
        rng, counts = random.Random(seed), {}
        for _ in range(80):
            bucket = bucket_of(rng.lognormvariate(5.0, 0.7))
            counts[bucket] = counts.get(bucket, 0) + 1
        low, high = quantile_bounds_ms(counts, 0.5)
        below += low is not None and low > 2.718281828**5.0
        above += high is not None and high < 2.718281828**5.0
    assert exact_lower(below, 400, 0.99) <= 0.05
    assert exact_lower(above, 400, 0.99) <= 0.05


def test_a_limit_is_proven_kept_or_broken():
    """Ten failures of ten break a limit of 50 %, a dozen clean sessions keep it, and neither happens at the limit
    itself.
    """
    broken, kept = LimitTest(0.5), LimitTest(0.5)
    for _ in range(12):
        broken.update(1.0)
        kept.update(0.0)
    assert broken.over >= 200.0
    assert kept.under_peak >= 20.0
    assert kept.over < 1.0


def test_a_rate_at_the_limit_is_rarely_called_broken():
    """Looking after each of 300 sessions at exactly the limit: at most 5 % of 300 seeded runs reach 20:1, up to
    chance.
    """
    alarms = 0
    for seed in range(300):
        rng, test = random.Random(seed), LimitTest(0.3)
        for _ in range(300):
            test.update(float(rng.random() < 0.3))
            if test.over >= 20.0:
                alarms += 1
                break
    assert exact_lower(alarms, 300, 0.99) <= 0.05


def test_a_limit_that_breaks_late_is_still_found():
    """After 1000 clean sessions, 25 failures in a row are proof: the cash was kept for them."""
    test = LimitTest(0.5)
    for _ in range(1000):
        test.update(0.0)
    for _ in range(25):
        test.update(1.0)
    assert test.over >= 200.0


@pytest.mark.parametrize("x", [nan, inf, -0.1, 1.1])
def test_values_outside_the_unit_interval_are_refused(x):
    """NaN and infinities too."""
    with pytest.raises(ValueError, match="not within"):
        LimitTest(0.5).update(x)


def test_limit_test_survives_json():
    """Saved and restored, the next number is the same."""
    first = LimitTest(0.4)
    for i in range(50):
        first.update(float(i % 3 == 0))
    second = LimitTest.from_data(json.loads(json.dumps(first.to_data())))
    first.update(1.0)
    second.update(1.0)
    assert first.to_data() == second.to_data()
    assert first.over == second.over
