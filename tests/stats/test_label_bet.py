"""The bets on the label: fair, in one direction, never larger than needed, exact in their state."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.stats.experts import TOGETHER, Kind, View, families, log_ratios, together
from headgate.stats.label_bet import CASH, RESERVE, LabelBet
from headgate.stats.rates import exact_lower
from units_made import KINDS, WEIGHTS, taught, units

LAW = taught().law
BANK = [*families(KINDS), together(KINDS)]


def bets(target=1 / 0.05, horizon=None, weights=WEIGHTS, kinds=KINDS, law=LAW):
    """Bets on all four metrics."""
    return LabelBet(kinds, weights, target, horizon=horizon, law=law)


def relabelled(part, candidate):
    """The same outcomes with other labels."""
    return replace(part, candidate=np.asarray(candidate, bool))


@given(st.floats(0.01, 0.99), st.integers(0, 10_000), st.booleans())
def test_every_bet_is_fair(w, seed, in_order):
    """Over the label, the mean of the capital after one session is the capital before it: the identity of alpha."""
    part = replace(units(1, w, seed=seed), in_order=np.array([in_order]))
    after = []
    for label in (True, False):
        made = bets()
        made.update(relabelled(part, [label]), LAW)
        after.append(made.combined)
    mean = w * after[0] + (1.0 - w) * after[1]
    assert 1.0 - 1e-8 <= mean <= 1.0 + 1e-12  # logs are rounded down: never in favour of a verdict


def test_bets_near_the_target_are_fair_too_and_never_pass_it():
    """Where one session could carry the capital beyond the target, less is staked; the mean stays what it was."""
    start = bets()
    start.update(units(60, 0.1, seed=5, worse_error=0.1), LAW)
    assert not start.proven
    state, w, cut = start.to_data(), 0.1, 0
    for seed in range(300):
        part, after = units(1, w, seed=seed, error=0.5), []
        for label in (True, False):
            made = LabelBet.from_data(state)
            made._base *= 15.0 / made.combined
            before = made.combined
            made.update(relabelled(part, [label]), LAW)
            after.append(made.combined)
        assert max(after) <= made.target * (1 + 1e-9)
        cut += max(after) > made.target * (1 - 1e-9)
        assert w * after[0] + (1.0 - w) * after[1] == pytest.approx(before, rel=1e-8)
    assert cut >= 8  # it did happen


def test_guesses_rise_with_harm():
    """No expert thinks a worse outcome less likely of a worse candidate, so a better candidate earns nothing."""
    n = 50
    ladder = np.linspace(-60.0, 60.0, n)
    part = units(n, 0.5, seed=3, error=0.0)
    for name in ("latency", "cost", "quality"):
        column = part.columns[name]
        centre = float(np.median(column.place))
        moved = {name: type(column)(column.unit, centre + ladder, column.count)}
        found = log_ratios(View(replace(part, columns=moved), LAW), BANK)
        assert (np.diff(found, axis=0) >= -1e-9).all(), name
    for in_order in (None, np.ones(1, bool)):
        fine = replace(units(1, 0.5, seed=3, error=0.0), in_order=in_order)
        failing = replace(fine, failures=np.ones(1))
        assert (log_ratios(View(failing, LAW), BANK) >= log_ratios(View(fine, LAW), BANK) - 1e-9).all()


def test_a_session_that_went_well_is_bet_on_only_in_the_order_of_beginnings():
    """Elsewhere a variant whose sessions end late would be convicted by the other's successes alone."""
    fine = units(40, 0.5, seed=3, error=0.0)
    bank = families({"error": Kind.FAILURE})
    assert not log_ratios(View(fine, LAW), bank).any()
    assert (log_ratios(View(replace(fine, in_order=np.ones(40, bool)), LAW), bank) < 0.0).all()


@pytest.mark.parametrize("w", [0.0, 1.0])
def test_no_lot_no_evidence(w):
    """Where everybody gets the same variant nothing changes."""
    made = bets()
    before = made.to_data()
    made.update(units(50, w, worse_error=0.5), LAW)
    assert made.to_data() == before


@pytest.mark.parametrize(
    ("metric", "harm"),
    [
        ("error", {"worse_error": 0.1}),
        ("latency", {"slower": 1.5}),
        ("cost", {"dearer": 1.6}),
        ("quality", {"poorer": 0.12}),
    ],
)
def test_harm_is_found_and_the_right_metric_blamed(metric, harm):
    """Each kind of harm alone, at 50 %, within 600 sessions of both variants, in all of 5 rollouts."""
    for seed in range(1, 6):
        made = bets()
        made.update(units(600, 0.5, seed=seed, **harm), LAW)
        assert made.proven
        assert made.blamed == metric


def test_false_alarms_keep_to_alpha():
    """A/A over 10 % and 50 %: of 300 seeded rollouts no more prove harm than alpha 0.05 allows, by an exact test."""
    failed = 0
    for seed in range(300):
        made = bets()
        made.update(units(400, 0.1, seed=seed), LAW)
        made.update(units(400, 0.5, seed=10_000 + seed), LAW)
        failed += made.proven
    assert exact_lower(failed, 300, 0.99) <= 0.05
    assert failed >= 3  # alpha is there to be used: a test that never errs is too slow


def test_a_better_candidate_earns_nothing():
    """Fewer failures, faster, cheaper, better scored: in none of 20 rollouts is harm proven."""
    for seed in range(20):
        made = bets()
        made.update(units(800, 0.3, seed=seed, worse_error=0.002, slower=0.8, dearer=0.9, poorer=-0.03), LAW)
        assert not made.proven


def test_harm_that_begins_late_finds_cash():
    """After 3000 healthy sessions the experts are poor; what was kept back still finds a x2 slowdown within 250."""
    made = bets(horizon=6000)
    made.update(units(3000, 0.5, seed=1), LAW)
    assert made.combined < 0.5
    made.update(units(250, 0.5, seed=2, slower=2.0), LAW)
    assert made.proven


def test_half_of_the_reserve_is_invested_at_each_change_of_weight():
    """What is kept for load that comes with a new weight is there when the weight changes, and not before."""
    made = bets(horizon=10_000)
    made.update(units(100, 0.1, seed=1), LAW)
    assert made.cash == pytest.approx(CASH * 0.99 + RESERVE)
    made.update(units(1, 0.5, seed=2), LAW)
    assert made.cash == pytest.approx(CASH * 0.9899 + RESERVE / 2)


def test_a_short_horizon_leaves_out_guesses_that_it_is_too_short_for():
    """With 200 sessions planned the smallest shifts get next to nothing; the shares of a metric still add up to 1."""
    made = bets(horizon=200)
    latency = made._shares[made._groups["latency"]]
    assert latency.sum() == pytest.approx(1.0)
    assert latency[0] < latency[3] / 10


@pytest.mark.parametrize("cut", [1, 63, 64, 65, 200])
def test_batches_do_not_matter(cut):
    """Sessions one by one, or many at once: the same state to the last bit."""
    stream = units(300, 0.3, seed=8, worse_error=0.04)
    whole, cut_up = bets(), bets()
    whole.update(stream, LAW)
    for at in range(0, 300, cut):
        cut_up.update(stream.part(at, min(300, at + cut)), LAW)
    assert cut_up.to_data() == whole.to_data()


def test_saved_and_restored_exactly():
    """Through JSON, to the last bit, and on as if nothing had been."""
    made = bets(horizon=900)
    made.update(units(150, 0.1, seed=4), LAW)
    again = LabelBet.from_data(json.loads(json.dumps(made.to_data())))
    for each in (made, again):
        each.update(units(150, 0.5, seed=5), LAW)
    assert again.to_data() == made.to_data()


def test_a_metric_without_weight_is_watched_and_decides_nothing():
    """Ruinous cost that is only observed: evidence is shown, nothing is proven, and nobody is blamed for it."""
    made = bets(weights={**WEIGHTS, "cost": 0.0})
    made.update(units(800, 0.5, seed=6, dearer=3.0), LAW)
    assert made.evidence["cost"] > 1e6
    assert not made.proven
    assert made.blamed != "cost"


def test_several_small_harms_are_found_together():
    """Each alone is slow to prove; the guess that they go together pays."""
    made = bets()
    made.update(units(700, 0.5, seed=7, worse_error=0.02, slower=1.15, dearer=1.12, poorer=0.03), LAW)
    assert made.proven
    assert TOGETHER in made.evidence


def test_two_hundred_thousand_healthy_sessions_stay_numbers():
    """No capital overflows or turns into a NaN, however long it goes well."""
    made, part = bets(), units(2000, 0.5, seed=9)
    for _ in range(100):
        made.update(part, LAW)
    assert np.isfinite(made.capital).all()
    assert 0.0 <= made.combined < 1.0


@pytest.mark.parametrize("weights", [{}, {"error": 0.0}, {"error": -1.0, "latency": 2.0}])
def test_weights_that_decide_nothing_are_refused(weights):
    """A test that cannot convict is no test."""
    with pytest.raises(ValueError, match="weights"):
        LabelBet({"error": Kind.FAILURE, "latency": Kind.TIME}, weights, 20.0)
