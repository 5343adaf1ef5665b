"""The peers' rules do what their documents say: formulas against values written out, counts of failed checks, and
what each is known to get wrong.
"""

from functools import partial
from math import e, exp, log, sqrt

import numpy as np
import pytest
from benchmarks.decisions.catalogue import BASE, NAMED
from benchmarks.decisions.label_bet import LabelBet
from benchmarks.decisions.peers_polled import Argo, CloudWatch, Flagger, Kayenta, Welch, rank_interval
from benchmarks.decisions.peers_sequential import GroupSequential, GrowthBook, Netflix, dkw_band, half_width, tuned_rho
from benchmarks.decisions.registry import PEERS
from benchmarks.decisions.rules import CONTINUE, PROMOTE, ROLLBACK, Setting
from benchmarks.decisions.scenarios import Rollout, dense_looks, even_looks
from benchmarks.decisions.summary import above

SETTING = Setting(Rollout(NAMED["aa"], 1).history, 20_000)


def rows(t, variant, ok=True, **columns):
    """A batch of equal, plain requests at times `t`, but for what is given."""
    n = len(t)
    plain = {"latency_ms": 100.0, "cost": 1.0, "quality": 0.8, "weight": 0.5} | columns
    batch = {name: np.broadcast_to(value, n).astype(float) for name, value in plain.items()}
    batch |= {"t": np.asarray(t, float), "variant": np.broadcast_to(variant, n), "ok": np.broadcast_to(ok, n)}
    return batch | {"session": np.arange(n), "end": np.ones(n, bool)}


def first_end(rule, batches):
    """(index of the first batch that ends it, its action), or (None, CONTINUE)."""
    for i, batch in enumerate(batches):
        action = rule.update(batch).action
        if action != CONTINUE:
            return i, action
    return None, CONTINUE


def rolled_back(make, name, seeds):
    """How many of these rollouts a rule takes back."""
    count = 0
    for seed in seeds:
        rollout = Rollout(NAMED[name], seed)
        rule = make(Setting(rollout.history, rollout.scenario.requests))
        count += first_end(rule, (batch for batch, _ in rollout.batches(even_looks(len(rollout)))))[1] == ROLLBACK
    return count


def minutes(count, ok):
    """A batch per minute of 30 candidate requests; `ok` says which requests of a minute are."""
    return [rows(np.linspace(60 * i, 60 * i + 59.9, 30), 1, ok) for i in range(count)]


def test_growthbooks_half_width_is_the_published_formula():
    """Equations 134 and 161 of arXiv 2103.06476v7, written out with numbers: alpha 0.05, tuning 5000, variance 2."""
    rho = sqrt((-2 * log(0.1) + log(-2 * log(0.1) + 1)) / 5000)
    assert tuned_rho(0.05) == pytest.approx(rho, rel=1e-12)
    n = 1234
    inside = n * rho * rho + 1
    expected = sqrt(2.0) * sqrt(2 * inside / (n * rho) ** 2 * log(1 + sqrt(inside) / 0.1))
    assert float(half_width(2.0, n, 0.05)) == pytest.approx(expected, rel=1e-12)


def test_growthbooks_sequence_holds_at_every_look():
    """On 600 Gaussian walks of 5000 steps its bound is crossed in no more than alpha of them; half of it would be, in
    more.
    """
    rng, crossed, halved = np.random.default_rng(3), 0, 0
    n = np.arange(1, 5001)
    bound = half_width(1.0, n, 0.05)
    for _ in range(600):
        walk = np.cumsum(rng.standard_normal(5000)) / n
        crossed += bool((walk > bound).any())
        halved += bool((walk > bound / 2).any())
    assert above(crossed, 600, 0.05) > 0.01
    assert above(halved, 600, 0.05) < 0.01


def test_pocock_boundary_has_its_level():
    """20 equal looks at a Gaussian walk cross 2.921 with probability 0.0125, counted on 40,000 walks."""
    walks = np.cumsum(np.random.default_rng(4).standard_normal((40_000, 20)), axis=1) / np.sqrt(np.arange(1, 21))
    crossed = int((walks > GroupSequential.BOUNDARY).any(axis=1).sum())
    assert above(crossed, 40_000, 0.0125) > 0.001
    assert above(crossed, 40_000, 0.0105) < 0.01


def test_netflix_band_holds_everywhere_at_once():
    """The value at n = 1000 written out, and on 100 uniform samples the empirical law never leaves the band."""
    expected = 0.85 * sqrt((log(log(e * 1000)) + 0.8 * log(1612 / 0.05)) / 1000)
    assert float(dkw_band(1000, 0.05)) == pytest.approx(expected, rel=1e-12)
    rng = np.random.default_rng(5)
    for _ in range(100):
        x = rng.random(400)
        for n in (20, 50, 100, 200, 400):
            sample = np.sort(x[:n])
            gap = np.abs(np.arange(1, n + 1) / n - sample).max()
            assert gap <= dkw_band(n, 0.05)


def test_netflix_failures_are_a_fair_bet():
    """The Dirichlet test's evidence, averaged over the label of the next failure, stays what it was."""
    w, one = 0.3, Netflix(SETTING)
    for base, cand in ((0, 0), (3, 1), (10, 40)):
        values = []
        for more in ((base, cand), (base + 1, cand), (base, cand + 1)):
            one._strata = {w: ([], list(more))}
            values.append(exp(one.failure_evidence()))
        assert (1 - w) * values[1] + w * values[2] == pytest.approx(values[0], rel=1e-9)


def test_kayentas_interval_is_of_pairwise_differences():
    """Hodges-Lehmann by hand; it moves with the data; it misses no difference in at most about 2 % of 500 null
    samples.
    """
    lower, upper, middle = rank_interval(np.array([3.0, 5.0, 9.0]), np.array([1.0, 2.0]))
    assert middle == 3.5  # of 1, 2, 3, 4, 7, 8
    assert (lower, upper) == (-np.inf, np.inf)  # six pairs are too few for 98 %
    rng, missed = np.random.default_rng(6), 0
    for _ in range(500):
        a, b = rng.exponential(size=15), rng.exponential(size=15)
        lower, upper, middle = rank_interval(a, b)
        assert lower <= middle <= upper
        missed += not lower <= 0 <= upper
    assert above(missed, 500, 0.02) > 0.01
    moved = rank_interval(a + 2.0, b)
    assert moved == pytest.approx((lower + 2.0, upper + 2.0, middle + 2.0))


def test_flagger_counts_failed_minutes():
    """Docs: the fifth minute with a failure in 30 requests (96.7 % < 99 %) rolls back, whether in a row or not."""
    bad, good = np.arange(30) > 0, np.ones(30, bool)
    for pattern in ([bad] * 9, [bad, good] * 9):
        batches = [rows(np.linspace(60 * i, 60 * i + 59.9, 30), 1, ok) for i, ok in enumerate(pattern)]
        index, action = first_end(Flagger(SETTING), batches)
        fifth = [i for i, ok in enumerate(pattern) if not ok.all()][4]
        assert (index, action) == (fifth + 1, ROLLBACK)
    assert first_end(Flagger(SETTING), minutes(20, good)) == (None, CONTINUE)


def test_flagger_takes_no_data_for_failure():
    """A candidate without traffic is rolled back after five minutes."""
    index, action = first_end(Flagger(SETTING), [rows([60.0 * i + 1], 0) for i in range(9)])
    assert (index, action) == (5, ROLLBACK)


def test_argo_needs_more_failures_than_its_limit():
    """Docs: success below 95 % in a fourth measurement of five minutes rolls back; exactly 95 % is a success."""
    bad = np.arange(20) > 1
    assert first_end(Argo(SETTING), minutes_of(bad, 40))[1] == ROLLBACK
    assert first_end(Argo(SETTING), minutes_of(bad, 40))[0] == 20
    assert first_end(Argo(SETTING), minutes_of(np.arange(20) > 0, 40)) == (None, CONTINUE)


def minutes_of(ok, count):
    """A batch per minute of as many candidate requests as `ok` has."""
    return [rows(np.linspace(60 * i, 60 * i + 59.9, len(ok)), 1, ok) for i in range(count)]


def test_cloudwatch_needs_two_periods_in_a_row():
    """10 % errors in every other five minutes never alarm, in two periods in a row they do."""
    bad, good = np.arange(30) > 2, np.ones(30, bool)
    alternating = [rows(60.0 * i + np.arange(30), 1, bad if i // 5 % 2 else good) for i in range(40)]
    assert first_end(CloudWatch(SETTING), alternating) == (None, CONTINUE)
    assert first_end(CloudWatch(SETTING), minutes(30, bad)) == (10, ROLLBACK)


def test_kayenta_fails_a_metric_that_moved():
    """A candidate that takes twice as long in each minute is taken back at the first judgement that can tell, at ten
    minutes; equal ones are promoted at the horizon.
    """
    rng = np.random.default_rng(8)

    def stream(factor):
        for i in range(26):
            t, variant = 60.0 * i + np.arange(40) * 1.4, np.arange(40) % 2
            drawn = BASE.draw(rng, 40)
            yield rows(t, variant, drawn["ok"], latency_ms=drawn["latency_ms"] * np.where(variant == 1, factor, 1.0))

    index, action = first_end(Kayenta(Setting(SETTING.history, 1000)), stream(3.0))
    assert action == ROLLBACK
    assert index <= 10
    assert first_end(Kayenta(Setting(SETTING.history, 1000)), stream(1.0)) == (24, PROMOTE)


def test_polling_a_p_value_is_not_valid():
    """On plain A/A rollouts p < 0.05, looked at every minute, is significantly above alpha."""
    back = rolled_back(Welch, "aa", range(20))
    assert above(back, 20, 0.05) < 0.01


def test_pooling_is_simpsons_paradox_and_strata_are_not():
    """Drift of both variants while the weight moves: pooled sequences roll back nearly always, stratified ones do
    not.
    """
    assert rolled_back(GrowthBook, "drift", range(4)) >= 3
    stratified = partial(GrowthBook, bonferroni=True, stratified=True)
    for make in (stratified, GroupSequential, Netflix, LabelBet):
        assert rolled_back(make, "drift", range(4)) <= 1


@pytest.mark.parametrize("cash", [0.0, 0.35])
def test_label_bets_are_fair(cash):
    """Whatever the outcome of a session of one or of three turns, the capital averaged over its label is what it
    was.
    """
    rng, w = np.random.default_rng(9), 0.3
    for turns in (1, 3):
        drawn = BASE.draw(rng, turns)
        drawn["ok"][-1] = False
        capitals = []
        for variant in (0, 1):
            rule = LabelBet(SETTING, cash=cash)
            batch = rows(np.arange(turns), variant, weight=w) | drawn
            batch |= {"session": np.zeros(turns, int), "end": np.arange(turns) == turns - 1}
            assert rule.update(batch).action == CONTINUE
            capitals.append(exp(rule.log_capital()))
        assert (1 - w) * capitals[0] + w * capitals[1] == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("make", PEERS.values(), ids=PEERS)
def test_every_peer_finds_a_disaster(make):
    """Half of the candidate's requests fail: every rule rolls back, after it has seen the candidate."""
    rollout = Rollout(NAMED["err_1_50"], 2)
    rule = make(Setting(rollout.history, rollout.scenario.requests))
    index, action = first_end(rule, (batch for batch, _ in rollout.batches(dense_looks(len(rollout)))))
    assert action == ROLLBACK
    assert 0 < rollout.exposed(dense_looks(len(rollout))[index]) < 4000
