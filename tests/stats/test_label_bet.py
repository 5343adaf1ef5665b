"""The bets on the label: their one identity, their direction, their state."""

import json
import random
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.stats.label_bet import LabelBet, cost_ratios, e_value, error_ratios, latency_ratios
from headgate.stats.observations import Session
from headgate.stats.reference import Reference
from simulated_sessions import Law, rollout, session

WEIGHTS = st.floats(0.001, 0.999)


@cache
def reference(law=None, sessions=300):
    """A baseline that is known from some sessions."""
    made, rng = Reference(), random.Random(5)
    for i in range(sessions):
        made.learn(session(rng, i, "baseline", 0.0, law or Law(cost_usd=0.01)))
    return made


def one(variant="candidate", weight=50.0, failures=0, latency=None, cost=0.0):
    """A session with these outcomes."""
    counts = latency or {}
    turns = max(1, sum(counts.values()))
    return Session(1, 1.0, variant, "2", weight, 1, "ab", 0.0, turns, failures, counts, {}, 0, 0, cost)


@given(st.floats(1e-6, 1e6), WEIGHTS)
def test_a_bet_is_fair_whatever_the_guess(r, w):
    """Sum over the label of P(v) e(v) is 1 for every guess r and weight w: the identity on which alpha rests."""
    assert w * e_value(r, True, w) + (1.0 - w) * e_value(r, False, w) == pytest.approx(1.0, abs=1e-12)


@given(st.floats(1e-6, 1e6), WEIGHTS)
def test_one_session_can_neither_ruin_nor_decide(r, w):
    """Each factor lies between 1 / (w r + 1 - w) and 1 / w."""
    for label in (True, False):
        assert min(r, 1.0) / (w * r + 1.0 - w) <= e_value(r, label, w) <= 1.0 / w + 1e-9 or not label


@pytest.mark.parametrize("w", [0.0, 1.0])
def test_no_lot_no_evidence(w):
    """Where everybody gets the same variant, the factor is 1."""
    assert e_value(40.0, True, w) == 1.0
    assert e_value(40.0, False, w) == 1.0


@given(st.floats(1e-5, 0.9))
def test_error_ratios_rise_with_the_failure_and_average_to_at_most_one(rate):
    """Every expert thinks a failure likelier under harm, and none promises itself more than a density ratio may."""
    for failed, fine in zip(error_ratios(True, rate), error_ratios(False, rate), strict=True):
        assert failed > 1.0 > fine > 0.0
        p = min(rate, 0.8 / failed)
        assert p * failed + (1.0 - p) * fine == pytest.approx(1.0)


@given(st.dictionaries(st.integers(0, 289), st.integers(1, 20), min_size=1, max_size=8), st.integers(0, 7))
def test_slower_turns_never_look_better(counts, steps):
    """Each latency expert's ratio rises with the time of any turn."""
    law = reference().law
    buckets = sorted(counts)
    moved = dict(counts)
    bucket = buckets[steps % len(buckets)]
    n = moved.pop(bucket)
    slower = min(289, bucket + 1 + steps)
    moved[slower] = moved.get(slower, 0) + n
    before, after = latency_ratios(one(latency=counts), law), latency_ratios(one(latency=moved), law)
    assert all(b <= a + 1e-9 for b, a in zip(before, after, strict=True))


@given(st.floats(1e-6, 20.0), st.floats(1.0, 50.0))
def test_dearer_sessions_never_look_better(cost, factor):
    """Each cost expert's ratio rises with the cost."""
    law = reference().law
    cheap, dear = cost_ratios(one(cost=cost), law), cost_ratios(one(cost=cost * factor), law)
    assert all(c <= d + 1e-9 for c, d in zip(cheap, dear, strict=True))


@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0), st.floats(0.001, 0.5), WEIGHTS)
def test_a_better_candidate_earns_nothing(first, second, guess, w):
    """E[e] <= 1 for each error expert, when the candidate fails no more often than the baseline."""
    better, worse = sorted((first, second))
    for hit, miss in zip(error_ratios(True, guess), error_ratios(False, guess), strict=True):
        candidate = better * e_value(hit, True, w) + (1.0 - better) * e_value(miss, True, w)
        baseline = worse * e_value(hit, False, w) + (1.0 - worse) * e_value(miss, False, w)
        assert w * candidate + (1.0 - w) * baseline <= 1.0 + 1e-9


def test_nothing_measured_is_nothing_learnt():
    """A session without times or cost leaves the evidence on them where it was, cash apart."""
    bets = LabelBet({"latency": 0.5, "cost": 0.5})
    before = bets.combined
    bets.update(one(), reference())
    assert bets.combined == pytest.approx(before)
    assert latency_ratios(one(latency={100: 3}), Reference().law) is None


def test_sessions_of_a_full_weight_change_nothing():
    """At 0 and 100 % nobody drew lots: the state stays exactly as it was."""
    bets, known = LabelBet({"error": 1.0}), reference()
    before = bets.to_data()
    bets.update(one(weight=0.0, failures=1), known)
    bets.update(one(weight=100.0, failures=1), known)
    assert bets.to_data() == before


def test_a_disaster_is_seen_in_a_handful_of_sessions():
    """Half of the candidate's sessions fail at 10 %: proven within 12 of them in nine of ten rollouts, never after
    25.
    """
    needed = []
    for seed in range(40):
        rng, bets, known, seen = random.Random(seed), LabelBet({"error": 0.5, "latency": 0.5}), Reference(), 0
        for s in rollout(rng, [10.0] * 1000, Law(), Law(error=0.5)):
            bets.update(s, known)
            seen += s.variant == "candidate"
            if s.variant == "baseline":
                known.learn(s)
            if bets.peak >= 1.0 / 0.045:
                break
        needed.append(seen)
    assert sorted(needed)[35] <= 12
    assert max(needed) <= 25


def test_harm_that_begins_late_is_found_soon():
    """After 1000 good sessions at 50 %, a candidate that starts to fail 20 % is convicted within 200 sessions: the
    cash pays.
    """
    for seed in range(10):
        rng, bets, known, count = random.Random(seed), LabelBet({"error": 1.0}), Reference(), 0
        late = lambda number: Law(error=0.2 if number >= 1000 else 0.003)  # noqa: E731
        for s in rollout(rng, [50.0] * 1300, Law(), late):
            bets.update(s, known)
            if s.variant == "baseline":
                known.learn(s)
            count += 1
            if bets.peak >= 20.0:
                break
        assert 1000 < count <= 1200


def test_saved_and_restored_it_goes_on_exactly_the_same():
    """Through JSON and back in the middle of a rollout: every later number is the same to the last bit."""
    stream = list(rollout(random.Random(3), [10.0] * 200 + [50.0] * 200, Law(cost_usd=0.01), Law(error=0.02)))
    bets, known = LabelBet({"error": 0.4, "latency": 0.4, "cost": 0.2}), Reference()
    for i, s in enumerate(stream):
        if i == 150:
            bets = LabelBet.from_data(json.loads(json.dumps(bets.to_data())))
            known = Reference.from_data(json.loads(json.dumps(known.to_data())))
        bets.update(s, known)
        if s.variant == "baseline":
            known.learn(s)
    straight, past = LabelBet({"error": 0.4, "latency": 0.4, "cost": 0.2}), Reference()
    for s in stream:
        straight.update(s, past)
        if s.variant == "baseline":
            past.learn(s)
    assert bets.to_data() == straight.to_data()
    assert known.to_data() == past.to_data()


def test_a_hundred_thousand_sessions_stay_finite():
    """Neither endless harm nor endless health leaves the range of a float, and evidence can still grow afterwards."""
    known = reference()
    bad, good = one(failures=1, latency={200: 4}), one("baseline", latency={100: 4})
    bets = LabelBet({"error": 0.5, "latency": 0.5})
    for _ in range(50_000):
        bets.update(bad, known)
        bets.update(good, known)
    assert 1e100 < bets.combined < float("inf")
    calm = LabelBet({"error": 1.0})
    fine = one()
    for _ in range(100_000):
        calm.update(fine, known)
    assert 0.0 < calm.combined < 1.0
    for _ in range(40):
        calm.update(bad, known)
    assert calm.combined > 20.0


def test_weights_that_mean_nothing_are_refused():
    """An unknown metric, and weights that are all zero or negative, have no capital to stand for."""
    with pytest.raises(ValueError, match="tool_error"):
        LabelBet({"tool_error": 1.0})
    with pytest.raises(ValueError, match="at least 0"):
        LabelBet({"error": 0.0})
    with pytest.raises(ValueError, match="at least 0"):
        LabelBet({"error": -1.0, "latency": 2.0})
