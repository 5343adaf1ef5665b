"""Margins: what is excluded is false with at most alpha, what is true is excluded in time, missing data never helps."""

import json
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.stats.non_inferiority import HarmSequence, Outcome, Point
from headgate.stats.rates import exact_lower
from headgate.stats.reference import Reference
from simulated_sessions import Law, rollout, session

ALPHA = 0.05


def run(metric, margin, weights, baseline, candidate=None, *, seed=1, history=0):
    """A harm sequence after a rollout."""
    rng, known = random.Random(seed), Reference()
    harm = HarmSequence(metric, [margin])
    for i in range(history):
        known.learn(session(rng, i, "baseline", 0.0, baseline))
    for s in rollout(rng, weights, baseline, candidate):
        harm.update(s, known)
        if s.variant == "baseline":
            known.learn(s)
    return harm


@given(
    st.tuples(*[st.floats(0.0, 1.0)] * 4),
    st.floats(0.01, 0.99),
    st.floats(0.2, 10.0),
    st.sampled_from([0.0, 0.01, 0.05, 0.4]),
)
def test_no_expected_gain_at_the_margin(chances, w, scale, delta):
    """Where the harm is exactly the margin, E[factor] is 1 for any guesses and stakes, and no factor is negative."""
    p1, p0, m1, m0 = chances
    if delta:
        scale = 1.0
    harm = p1 - scale * p0

    def capitals(x, candidate):
        point = Point(0.0, False)
        point.update(Outcome(x, m1, m0, m1 * (1 - m1), m0 * (1 - m0)), candidate, w, scale, harm)
        return [*point.up, *point.down]

    start = Point(0.0, False)
    expected = [0.0] * (len(start.up) + len(start.down))
    for x in (0.0, 1.0):
        for candidate, chance in ((True, w * (p1 if x else 1 - p1)), (False, (1 - w) * (p0 if x else 1 - p0))):
            found = capitals(x, candidate)
            assert min(found) >= 0.0
            expected = [e + chance * c for e, c in zip(expected, found, strict=True)]
    assert expected == pytest.approx([*start.up, *start.down], rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("metric", "margin", "candidate"),
    [
        ("error", (0.05, False), Law(error=0.053)),
        ("error", (3.0, True), Law(error=0.06)),
        ("latency_p95", (1.5, True), Law(latency_ms=250 * 1.5)),
        ("cost", (1.25, True), Law(cost_usd=0.0125)),
    ],
)
def test_harm_at_the_margin_is_rarely_excluded(metric, margin, candidate):
    """With a candidate exactly as bad as the margin, at most 5 % of 40 rollouts exclude it, up to chance."""
    base = {"error": Law(), "latency_p95": Law(), "cost": Law(cost_usd=0.01)}[metric]
    base = Law(error=0.02) if margin == (3.0, True) else base
    weights = [10.0] * 300 + [50.0] * 500
    wrong = sum(
        run(metric, margin, weights, base, candidate, seed=seed, history=100).proven(*margin, ALPHA)
        for seed in range(40)
    )
    assert exact_lower(wrong, 40, 0.99) <= ALPHA


@pytest.mark.parametrize(
    ("metric", "margin", "weight", "sessions"),
    [
        ("error", (0.05, False), 10.0, 1600),
        ("error", (0.02, False), 50.0, 1100),
        ("latency_p95", (2.0, True), 10.0, 1100),
        ("latency_p95", (1.25, True), 50.0, 900),
        ("latency_p99", (1.5, True), 50.0, 2500),
        ("cost", (1.25, True), 50.0, 900),
    ],
)
def test_a_candidate_like_the_baseline_is_cleared_in_time(metric, margin, weight, sessions):
    """In at least 8 of 10 seeded rollouts the margin is proven within the stated number of sessions."""
    law = Law(cost_usd=0.01)
    good = sum(
        run(metric, margin, [weight] * sessions, law, seed=seed, history=200).proven(*margin, ALPHA)
        for seed in range(10)
    )
    assert good >= 8


def test_bounds_enclose_the_harm_and_narrow():
    """A candidate with 10 points more errors: the bounds end up around 0.1, and the estimate near it."""
    harm = run("error", (0.01, False), [50.0] * 1500, Law(error=0.02), Law(error=0.12))
    low, high = harm.bounds(ALPHA)
    assert low is not None
    assert high is not None
    assert 0.02 <= low <= 0.1 <= high <= 0.2
    assert harm.estimate == pytest.approx(0.1, abs=0.03)
    assert not harm.proven(0.01, False, ALPHA)


def test_bounds_of_a_ratio():
    """Twice as slow: the ratio is proven above 1.25 and below 3."""
    low, high = run("latency_p95", (1.25, True), [50.0] * 1500, Law(), Law(latency_ms=500.0)).bounds(ALPHA)
    assert low is not None
    assert low >= 1.25
    assert high is None or high >= 2.0


@pytest.mark.parametrize("metric", ["latency_p95", "latency_p99", "cost"])
def test_a_candidate_that_is_not_measured_is_never_cleared(metric):
    """Sessions of the candidate without times and cost prove nothing, however many there are."""
    rng, known, harm = random.Random(2), Reference(), HarmSequence(metric, [(2.0, True)])
    for s in rollout(rng, [50.0] * 1500, Law(cost_usd=0.01)):
        if s.variant == "baseline":
            harm.update(s, known)
            known.learn(s)
        else:
            harm.update(replace(s, latency={}, cost_usd=0.0), known)
    assert not harm.proven(2.0, True, ALPHA)
    assert harm.bounds(ALPHA)[1] is None


def test_a_clip_hides_no_harm():
    """A candidate that costs 20 times as much is not cleared of costing 6 times as much, although costs are clipped."""
    harm = run("cost", (6.0, True), [50.0] * 1500, Law(cost_usd=0.01), Law(cost_usd=0.2))
    assert not harm.proven(6.0, True, ALPHA)
    assert harm.bounds(ALPHA)[1] is None


def test_without_a_known_baseline_nothing_is_proven():
    """As long as too little is known of the baseline's times, the sequence does not move."""
    harm = HarmSequence("latency_p95", [(2.0, True)])
    rng = random.Random(4)
    for i in range(50):
        harm.update(session(rng, i, "candidate", 50.0, Law()), Reference())
    assert harm.sessions == 0
    assert harm.needed(2.0, True, ALPHA) is None


def test_the_forecast_shrinks_to_nothing():
    """Sessions needed fall as good ones come in, are 0 once the margin is proven, and start near the truth."""
    start = run("error", (0.02, False), [50.0] * 20, Law(error=0.0))
    later = run("error", (0.02, False), [50.0] * 200, Law(error=0.0))
    done = run("error", (0.02, False), [50.0] * 1500, Law(error=0.0))
    first, second = start.needed(0.02, False, ALPHA), later.needed(0.02, False, ALPHA)
    assert first is not None
    assert second is not None
    assert 150 < second < first < 1500
    assert done.needed(0.02, False, ALPHA) == 0


def test_saved_and_restored_exactly():
    """Through JSON in the middle, then on: the same to the last bit."""
    stream = list(rollout(random.Random(9), [10.0] * 150 + [50.0] * 150, Law(cost_usd=0.01)))
    for metric, margin in (("error", (0.013, False)), ("latency_p99", (1.4, True)), ("cost", (1.1, True))):
        straight, broken = HarmSequence(metric, [margin]), HarmSequence(metric, [margin])
        known = Reference()
        for i, s in enumerate(stream):
            if i == 170:
                broken = HarmSequence.from_data(json.loads(json.dumps(broken.to_data())))
            straight.update(s, known)
            broken.update(s, known)
            if s.variant == "baseline":
                known.learn(s)
        assert broken.to_data() == straight.to_data()


def test_endless_health_and_endless_harm_stay_finite():
    """Capital neither overflows with endless health nor turns to NaN with endless harm."""
    known = Reference()
    rng = random.Random(1)
    good, bad = (session(rng, 1, "candidate", 50.0, Law(error=e)) for e in (0.0, 1.0))
    harm = HarmSequence("error", [(0.05, False)])
    for _ in range(30_000):
        harm.update(good, known)
    assert 1e200 < harm.evidence(0.05, False) < float("inf")
    for _ in range(30_000):
        harm.update(bad, known)
    assert 0.0 <= sum(harm.points[0].up) < float("inf")
    assert 1e200 < max(p.down_peak for p in harm.points) < float("inf")


def test_margins_that_mean_nothing_are_refused():
    """An unknown metric, a difference of latencies, a margin that was never asked for."""
    with pytest.raises(ValueError, match="quality"):
        HarmSequence("quality", [])
    with pytest.raises(ValueError, match="ratio"):
        HarmSequence("latency_p95", [(0.2, False)])
    with pytest.raises(ValueError, match="not on the grid"):
        HarmSequence("error", []).proven(0.123, False, ALPHA)
