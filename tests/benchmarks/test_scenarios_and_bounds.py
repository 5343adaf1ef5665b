"""The benchmark's own arithmetic: rollouts are seeded and follow the laws that they say, bounds agree with closed
forms.
"""

from math import log

import numpy as np
import pytest
from benchmarks.decisions.bounds import bernoulli_information, bound, gain, request_information
from benchmarks.decisions.catalogue import AGENT, BASE, HEAVY, NAMED, NULLS, RARE, TALK, worse
from benchmarks.decisions.laws import harm
from benchmarks.decisions.likelihood import request_log_ratio, session_log_ratio
from benchmarks.decisions.rules import MARGINS, ROLLBACK, Oracle
from benchmarks.decisions.scenarios import HALVES, Rollout, Scenario, Segment, dense_looks, even_looks

from headgate.stats.rates import exact_lower, exact_upper

GRID = np.exp(np.linspace(log(1e-3), log(1e8), 400_001))


def integral(values):
    """Over GRID, by the trapezoid rule."""
    return float(np.sum((values[1:] + values[:-1]) / 2 * np.diff(GRID)))


def exact_bounds(k, n, alpha):
    """Clopper-Pearson: (lower, upper), wrong with probability alpha."""
    return exact_lower(k, n, 1 - alpha / 2), exact_upper(k, n, 1 - alpha / 2)


def failures(rollout, variant):
    """(failed, expected by the laws) of one variant's rows."""
    mine = rollout.columns["variant"] == variant
    rates = np.array([(each.baseline, each.candidate)[variant].error for each in rollout.scenario.segments])
    return int((~rollout.columns["ok"][mine]).sum()), rates[rollout.segment[mine]], int(mine.sum())


def test_a_rollout_is_its_seed():
    """The same seed gives the same rollout to the last bit, another seed another."""
    one, again, other = (Rollout(NAMED["sessions"], seed) for seed in (5, 5, 6))
    for name, column in one.columns.items():
        assert np.array_equal(column, again.columns[name]), name
        assert np.array_equal(one.history[name], again.history[name]), name
    assert not np.array_equal(one.columns["cost"][:100], other.columns["cost"][:100])


@pytest.mark.parametrize("name", [name for name, each in NAMED.items() if each.sessions is None and not each.lost])
def test_shares_are_those_of_the_laws(name):
    """Of every named scenario with independent requests: failures and the candidate's share lie within exact bounds
    (1 in a million) of what the laws say.
    """
    rollout = Rollout(NAMED[name], 3)
    for variant in (0, 1):
        failed, rates, n = failures(rollout, variant)
        low, high = exact_bounds(failed, n, 1e-6)
        assert low <= rates.mean() <= high, (variant, failed, n)
    weights = rollout.columns["weight"]
    low, high = exact_bounds(int(rollout.columns["variant"].sum()), len(rollout), 1e-6)
    assert low <= weights.mean() <= high


def test_turns_are_those_of_whole_sessions():
    """Sessions keep variant and weight, have one last turn and 2 to 10 turns, and errors whose mean is the law's
    although they come in clusters.
    """
    scenario = NAMED["sessions_err_1_5"]
    rollouts = [Rollout(scenario, seed) for seed in range(4)]
    failed = turns = clustered = 0
    for rollout in rollouts:
        columns = rollout.columns
        count = int(columns["session"].max()) + 1
        n = np.bincount(columns["session"], minlength=count)
        for name in ("variant", "weight"):
            first = np.zeros(count)
            first[columns["session"]] = columns[name]
            assert np.array_equal(first[columns["session"]], columns[name])
        ended = np.bincount(columns["session"], columns["end"], minlength=count)
        assert set(ended) <= {0, 1}
        assert n.max() <= TALK.most
        assert n[ended == 1].min() >= TALK.least
        candidate = columns["variant"] == 1
        bad = np.bincount(columns["session"][candidate], ~columns["ok"][candidate], minlength=count)
        failed, turns, clustered = failed + bad.sum(), turns + candidate.sum(), clustered + (bad >= 2).sum()
    # clusters widen the spread: the bound is of a third of the turns
    low, high = exact_bounds(int(failed / 3), int(turns / 3), 1e-4)
    assert low <= 0.05 <= high
    assert clustered > 0.02 * turns / TALK.turns


@pytest.mark.parametrize(
    "arm",
    [BASE, RARE, AGENT, HEAVY, worse(BASE, plus=40.0, tail=(0.02, 10.0))],
    ids=["base", "rare", "agent", "heavy", "shifted"],
)
def test_densities_are_densities(arm):
    """Every law's density integrates to 1 and has the law's mean, of which the samples' is an estimate."""
    for law in (arm.latency, arm.cost):
        density = np.exp(law.log_density(GRID))
        assert integral(density) == pytest.approx(1.0, abs=1e-4)
        assert integral(density * GRID) == pytest.approx(law.mean, rel=2e-3)
        logs = np.log(law.draw(np.random.default_rng(1), 40_000))
        expected, second = (integral(density * np.log(GRID) ** power) for power in (1, 2))
        assert logs.mean() == pytest.approx(expected, abs=5 * np.sqrt((second - expected**2) / 40_000))


@pytest.mark.parametrize("scenario", NULLS, ids=lambda each: each.name)
def test_a_null_is_no_worse(scenario):
    """A null's candidate has the baseline's law, or is better in a way that every margin shows."""
    for each in scenario.segments:
        if scenario.better:
            done = harm(each.baseline, each.candidate, n=50_000)
            assert done["error_abs"] <= 0
            assert done["quality_abs"] <= 0
            assert max(done["latency_p95_ratio"], done["latency_p99_ratio"], done["cost_ratio"]) <= 1.02
        else:
            assert each.baseline == each.candidate


@pytest.mark.parametrize("name", [name for name, each in NAMED.items() if each.kind != "null"])
def test_a_regression_can_be_found_in_time(name):
    """The information of each regression suffices within its schedule, well before its end."""
    scenario = NAMED[name]
    found = bound(scenario)
    assert found.exposed is not None
    assert found.exposed < found.served
    assert found.total > 2 * log(20)


def test_harm_is_measured_in_the_margins_units():
    """Known effects come out as they went in."""
    done = harm(BASE, worse(BASE, error=0.03, latency=1.5, cost=1.2, quality=0.05))
    assert done.keys() == MARGINS.keys()
    assert done["error_abs"] == pytest.approx(0.02)
    assert done["latency_p95_ratio"] == pytest.approx(1.5, rel=0.02)
    assert done["latency_p99_ratio"] == pytest.approx(1.5, rel=0.04)
    assert done["cost_ratio"] == pytest.approx(1.2)
    assert done["quality_abs"] == pytest.approx(0.05)


def test_the_gain_is_never_negative_and_zero_without_a_difference():
    """A divergence: 0 at r = 1 only, and finite where an outcome is impossible under the candidate."""
    ratios = np.array([0.0, 1e-12, 0.5, 1.0, 2.0, 1e12])
    for w in (0.01, 0.1, 0.5, 0.99):
        values = gain(ratios, w)
        assert np.isfinite(values).all()
        assert values[3] == pytest.approx(0.0, abs=1e-15)
        assert (np.delete(values, 3) > 0).all()


@pytest.mark.parametrize(("p0", "p1", "w"), [(0.01, 0.02, 0.1), (0.01, 0.5, 0.5), (0.001, 0.01, 0.25)])
def test_the_information_of_errors_is_the_closed_form(p0, p1, w):
    """Where only the error rate differs, J_w is that of two coins: written out here from the definition."""
    mixed = w * p1 + (1 - w) * p0

    def divergence(p, m):
        return p * log(p / m) + (1 - p) * log((1 - p) / (1 - m))

    expected = w * divergence(p1, mixed) + (1 - w) * divergence(p0, mixed)
    assert bernoulli_information(p0, p1, w) == pytest.approx(expected, rel=1e-9)
    sampled = request_information(worse(BASE, error=p0), worse(BASE, error=p1), w, draws=1000)
    assert sampled == pytest.approx(expected, rel=1e-9)
    scenario = Scenario("coins", "regression", (Segment(0.0, worse(BASE, error=p0), worse(BASE, error=p1)),), HALVES)
    assert bound(scenario).exposed == pytest.approx(0.5 * log(20) / bernoulli_information(p0, p1, 0.5), rel=1e-6)


def test_the_information_of_latency_is_the_integral():
    """A shift of the log-normal law: sampled information equals the numerical integral of the definition within 3 %."""
    slower = worse(BASE, latency=1.5)
    p0, p1 = (np.exp(law.latency.log_density(GRID)) for law in (BASE, slower))
    w = 0.1
    mixed = w * p1 + (1 - w) * p0
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = w * p1 * np.log(p1 / mixed) + (1 - w) * p0 * np.log(p0 / mixed)
    expected = integral(np.where(mixed > 1e-300, parts, 0.0))
    assert request_information(BASE, slower, w) == pytest.approx(expected, rel=0.03)


def test_a_session_of_one_turn_is_a_request():
    """The likelihood of sessions, which mixes over their effects, is the requests' own where there is one turn each."""
    candidate = worse(BASE, error=0.05, latency=1.3, cost=1.1, quality=0.02)
    rows = BASE.draw(np.random.default_rng(2), 500)
    owner = np.arange(500)
    sessions = session_log_ratio(BASE, candidate, rows, owner=owner, count=500, sessions=TALK)
    assert np.allclose(sessions, request_log_ratio(BASE, candidate, rows), atol=1e-9)


def test_turns_of_a_session_are_jointly_normal_and_jointly_prone():
    """The likelihood of one session of three turns is that of the definition: normals with a common part, and
    failures that are a mixture of a prone session's and of another's.
    """
    candidate = worse(BASE, error=0.05, latency=1.3)
    rows = BASE.draw(np.random.default_rng(3), 3)
    rows["ok"] = np.array([False, True, True])
    spread = 0.36 * (TALK.likeness * np.ones((3, 3)) + (1 - TALK.likeness) * np.eye(3))

    def log_density(arm, median):
        high, low = TALK.rates(arm.error)
        failures = 0.1 * high * (1 - high) ** 2 + 0.9 * low * (1 - low) ** 2
        off = np.log(rows["latency_ms"] / median)
        return log(failures) - 0.5 * off @ np.linalg.solve(spread, off)

    expected = log_density(candidate, 130.0) - log_density(BASE, 100.0)
    found = session_log_ratio(BASE, candidate, rows, owner=np.zeros(3, int), count=1, sessions=TALK)
    assert found[0] == pytest.approx(expected, rel=1e-9)


def test_looks_cover_every_row_once():
    """Batches in order give the rollout again, with either way to look."""
    rollout = Rollout(NAMED["lost"], 1)
    for looks in (dense_looks(len(rollout)), even_looks(len(rollout))):
        batches = [batch for batch, _ in rollout.batches(looks)]
        for name, column in rollout.columns.items():
            assert np.array_equal(np.concatenate([batch[name] for batch in batches]), column, equal_nan=True)
    assert dense_looks(3200)[:2] == [10, 20]
    assert dense_looks(3210)[-5:] == [3050, 3100, 3150, 3200, 3210]


def test_exposure_counts_what_was_served_not_what_arrived():
    """A lost or late row of the candidate was served all the same."""
    rollout = Rollout(NAMED["lost"], 1)
    assert rollout.exposed(len(rollout)) > int(rollout.columns["variant"].sum())
    assert rollout.exposed(0) == 0


@pytest.mark.parametrize(
    ("name", "least", "most"), [("err_1_20", 1.0, 1.8), ("lat_x1.5", 0.95, 1.5), ("sessions_err_1_5", 0.9, 1.7)]
)
def test_the_oracle_is_near_the_bound(name, least, most):
    """It knows both laws, so it finds each regression at little more than the information bound, for requests and
    sessions.
    """
    scenario, exposed = NAMED[name], []
    for seed in range(40):
        rollout = Rollout(scenario, seed)
        oracle = Oracle(rollout)
        for batch, rows in rollout.batches(dense_looks(len(rollout))):
            if oracle.update(batch).action == ROLLBACK:
                exposed.append(rollout.exposed(rows))
                break
    assert len(exposed) == 40
    assert least <= np.mean(exposed) / bound(scenario).exposed <= most
