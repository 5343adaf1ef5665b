"""The judge of turns: what it answers, why, what it refuses, and how often it is wrong."""

import json
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest

from headgate.analysis import Action, Judge
from headgate.stats.rates import exact_lower

METRICS = ("error", "latency", "cost", "quality")


def batch(n, w, *, seed=1, start=0, error=0.01, worse_error=None, slower=1.0, dearer=1.0, poorer=0.0, scored=1.0):
    """n sessions of one turn; what is said of worse_, slower, dearer, poorer is the candidate's alone."""
    rng = np.random.default_rng(seed)
    v = rng.random(n) < w
    quality = np.clip(rng.beta(6.4, 1.6, n) - np.where(v, poorer, 0.0), 0.0, 1.0)
    return {
        "variant": v.astype(int),
        "ok": rng.random(n) >= np.where(v, error if worse_error is None else worse_error, error),
        "latency_ms": 100.0 * np.exp(0.6 * rng.standard_normal(n)) * np.where(v, slower, 1.0),
        "cost": 0.01 * np.exp(0.8 * rng.standard_normal(n)) * np.where(v, dearer, 1.0),
        "quality": np.where(rng.random(n) < scored, quality, np.nan),
        "t": start + np.arange(n) / 5.0,
        "weight": np.full(n, w),
        "session": start * 1_000_000 + np.arange(n),
        "end": np.ones(n, bool),
    }


HISTORY = batch(1000, 0.0, seed=77)


def judge(**more):
    """A judge of all four metrics with a history."""
    return Judge(**{"alpha": 0.05, "metrics": METRICS, "horizon": 20_000, "history": HISTORY, **more})


def run(made, batches):
    """The first verdict that decides, else the last."""
    verdict = None
    for each in batches:
        verdict = made.update(each)
        if verdict.action is not Action.CONTINUE:
            break
    return verdict


def stream(n, w, *, seed=1, each=50, **laws):
    """Batches of a rollout at one weight."""
    for i in range(n // each):
        yield batch(each, w, seed=seed * 100_003 + i, start=seed * 1000 + i, **laws)


@pytest.mark.parametrize(
    ("harm", "metric"),
    [
        ({"worse_error": 0.5}, "error"),
        ({"slower": 2.0}, "latency"),
        ({"dearer": 1.8}, "cost"),
        ({"poorer": 0.15}, "quality"),
    ],
)
def test_a_worse_candidate_is_rolled_back_and_the_verdict_says_why(harm, metric):
    """At 10 %: ROLLBACK with metric, numbers of both variants, evidence against its threshold, in words and in data."""
    verdict = run(judge(), stream(2000, 0.1, seed=3, **harm))
    assert verdict.action is Action.ROLLBACK
    assert verdict.metric == metric
    assert verdict.reason.startswith(metric)
    assert verdict.evidence >= verdict.threshold * (1 - 1e-9)
    assert verdict.threshold == pytest.approx(1 / 0.045)
    assert verdict.p_value <= 0.0451
    assert sum(verdict.sessions) <= 2000
    assert {f.name for f in verdict.findings} == {"error", "latency_p95", "latency_p99", "cost", "quality"}
    json.dumps(asdict(verdict))


def test_a_rollback_is_the_last_word():
    """What comes after it changes nothing."""
    made = judge()
    first = run(made, stream(1000, 0.3, seed=4, worse_error=0.5))
    assert made.update(batch(200, 0.3, seed=5, start=9)) == first


def test_a_candidate_like_the_baseline_is_promoted():
    """At 50 % within 6000 turns in each of 4 rollouts, and every margin is proven then."""
    for seed in range(4):
        verdict = run(judge(margins={"cost_ratio": 1.25}), stream(6000, 0.5, seed=seed + 20, each=250))
        assert verdict.action is Action.PROMOTE, verdict.reason
        assert all(finding.proven and finding.upper <= finding.margin for finding in verdict.findings)


def test_harm_beyond_a_margin_is_not_promoted():
    """Twice the errors, or a slow tail, at 50 % over 5000 turns: none of 8 rollouts is promoted."""
    for seed in range(4):
        for harm in ({"worse_error": 0.03}, {"slower": 1.3}):
            verdict = run(judge(), stream(5000, 0.5, seed=seed + 40, each=250, **harm))
            assert verdict.action is not Action.PROMOTE


def test_two_hundred_turns_prove_nothing():
    """A little traffic is an honest "not yet", with how much more is needed."""
    verdict = run(judge(horizon=200), stream(200, 0.3, seed=6))
    assert verdict.action is Action.CONTINUE
    assert "more sessions" in verdict.reason


def test_false_rollbacks_keep_to_alpha():
    """A/A with a drift while the weight moves and an incident on both: of 60 rollouts, no more than alpha allows."""
    wrong = 0
    for seed in range(60):
        made = judge()
        verdict = run(made, stream(400, 0.1, seed=seed + 100, each=100))
        if verdict.action is Action.CONTINUE:
            verdict = run(made, [batch(60, 0.1, seed=seed, start=5, error=0.4, slower=1.0)])
        if verdict.action is Action.CONTINUE:
            verdict = run(made, stream(400, 0.5, seed=seed + 900, each=100, error=0.04))
        wrong += verdict.action is Action.ROLLBACK
    assert exact_lower(wrong, 60, 0.99) <= 0.05


def test_a_sample_ratio_mismatch_holds():
    """A quarter of the candidate's turns never arrive: nothing is decided, and the reason says what is broken."""
    made = judge()
    for i in range(80):
        each = batch(100, 0.5, seed=i, start=i)
        lost = (each["variant"] == 1) & (np.random.default_rng(i).random(100) < 0.4)
        verdict = made.update({name: column[~lost] for name, column in each.items()})
        assert verdict.action is not Action.PROMOTE
    assert verdict.action is Action.CONTINUE
    assert verdict.reason.startswith("sample-ratio mismatch: ")


def test_scores_that_are_still_to_come_hold():
    """Only the baseline's sessions are scored so far, and well: neither rolled back nor promoted, and said so."""
    made = judge()
    for i in range(60):
        each = batch(100, 0.3, seed=i, start=i)
        each["quality"] = np.where(each["variant"] == 1, np.nan, each["quality"])
        verdict = made.update(each)
        assert verdict.action is Action.CONTINUE
    assert "quality" in verdict.reason


@pytest.mark.parametrize("each", [1, 7, 150])
def test_how_turns_come_in_batches_changes_nothing(each):
    """Tests, doubts and what was observed are the same to the last bit, a turn at a time or all at once.

    But for the highest odds of a mismatch seen at a look, which are of the looks that were taken.
    """
    whole, cut = judge(), judge()
    columns = batch(300, 0.3, seed=8, worse_error=0.05, scored=0.4)
    whole.update(columns)
    for start in range(0, 300, each):
        cut.update({name: column[start : start + each] for name, column in columns.items()})
    assert cut._comparison.to_data() == whole._comparison.to_data()
    cut._doubts.ratio.peak = whole._doubts.ratio.peak
    assert cut._doubts.to_data() == whole._doubts.to_data()
    assert [tally.to_data() for tally in cut._tallies] == [tally.to_data() for tally in whole._tallies]


def test_turns_that_end_late_convict_nobody_of_failing():
    """Nobody fails, and the candidate's turns come last: no evidence of errors where times show that the order is one
    of endings; in the order of beginnings the same rows would be strange indeed.
    """
    rows = batch(200, 0.3, seed=4, error=0.0)
    late = np.argsort(rows["variant"], kind="stable")
    late = late[np.r_[1, 0, 2 : len(late)]]  # a first look back in time
    evidence = {}
    for kind, t in (("endings", rows["t"][late]), ("beginnings", rows["t"])):
        made = judge(metrics=("error",))
        made.update({**{name: column[late] for name, column in rows.items()}, "t": t})
        evidence[kind] = made._comparison.bets.peak
    assert evidence["endings"] < 1.1  # of the one turn before time ran backwards
    assert evidence["beginnings"] > 2.0


def test_a_common_cause_is_no_promotion():
    """Both variants fail as never before while every margin is proven: held, and the candidate is not blamed."""
    made = judge(metrics=("error",), margins={"error_abs": 0.2})
    verdict = made.update(batch(300, 0.5, seed=2, error=0.6))
    assert verdict.action is Action.CONTINUE
    assert made._doubts.common_cause.startswith("common cause: ")


def test_a_metric_that_is_not_measured_is_not_promoted():
    """No cost in the batches although cost is watched."""
    made, last = judge(), None
    for each in stream(6000, 0.5, seed=9, each=500):
        last = made.update({name: column for name, column in each.items() if name != "cost"})
    assert last.action is Action.CONTINUE
    assert last.reason == "cost is not measured"


def test_turns_of_a_session_are_one_unit():
    """Ten turns a session, bet on at its end: the counts are of sessions, and a batch may cut one in two."""
    made = judge(metrics=("error", "latency"))
    rng = np.random.default_rng(1)
    n, turns = 40, 10
    v = np.repeat(rng.random(n) < 0.5, turns)
    columns = {
        "variant": v.astype(int),
        "ok": np.ones(n * turns, bool),
        "latency_ms": 100.0 * np.exp(0.6 * rng.standard_normal(n * turns)),
        "t": np.arange(n * turns) / 5.0,
        "weight": np.full(n * turns, 0.5),
        "session": np.repeat(np.arange(n), turns),
        "end": np.tile(np.arange(turns) == turns - 1, n),
    }
    for start in range(0, n * turns, 7):
        verdict = made.update({name: column[start : start + 7] for name, column in columns.items()})
    assert sum(verdict.sessions) == n


def test_a_batch_may_be_an_object_with_columns():
    """Attributes do as well as keys; `quality` may be left out where it is not watched."""
    made = judge(metrics=("error", "latency"))
    assert made.update(SimpleNamespace(**batch(50, 0.3))).action is Action.CONTINUE


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("latency_ms", np.nan, "column 'latency_ms', row 3"),
        ("latency_ms", np.inf, "column 'latency_ms', row 3"),
        ("cost", -1.0, "column 'cost', row 3"),
        ("quality", 1.5, "column 'quality', row 3"),
        ("quality", np.inf, "column 'quality', row 3"),
        ("weight", np.nan, "column 'weight', row 3"),
        ("weight", 10.0, "column 'weight', row 3"),
        ("weight", 1e-12, "column 'weight', row 3: 1e-12 is not 0, 1 or between 1e-06 and"),
        ("weight", 1.0 - 1e-12, "column 'weight', row 3"),
        ("variant", 2.0, "column 'variant', row 3"),
        ("t", np.nan, "column 't', row 3"),
    ],
)
def test_nonsense_is_refused_and_nothing_is_counted(name, value, words):
    """The error names column and row, and the judge is as it was."""
    made = judge()
    bad = {key: np.array(column, float) for key, column in batch(10, 0.3).items()}
    bad[name][3] = value
    with pytest.raises(ValueError, match=words):
        made.update(bad)
    assert made.update(batch(10, 0.3)).sessions[0] + made.update(batch(0, 0.3)).sessions[1] <= 10


def test_the_past_needs_no_variant_and_no_weight():
    """It is the baseline's, and nobody drew lots: the verdict is that of a history that says so."""
    bare = {key: column for key, column in HISTORY.items() if key not in {"variant", "weight"}}
    batches = list(stream(2000, 0.3, worse_error=0.1))
    assert run(judge(history=bare), batches) == run(judge(), batches)


@pytest.mark.parametrize("name", ["variant", "ok", "weight", "latency_ms"])
def test_words_in_a_column_of_numbers_are_told_by_its_name(name):
    """`variant` is 0 and 1, not baseline and candidate."""
    with pytest.raises(ValueError, match=f"column '{name}' holds something else than numbers"):
        judge().update({**batch(2, 0.3), name: ["baseline", "candidate"]})


@pytest.mark.parametrize("name", ["variant", "ok", "weight"])
def test_a_missing_column_is_named(name):
    """Without variant, outcome or weight nothing can be judged."""
    with pytest.raises(ValueError, match=name):
        judge().update({key: column for key, column in batch(10, 0.3).items() if key != name})


@pytest.mark.parametrize(
    "setting",
    [
        {"alpha": 0.0},
        {"alpha": 0.7},
        {"metrics": ()},
        {"metrics": ("error", "mood")},
        {"margins": {"error_abs": 2.0}},
        {"margins": {"latency_p95_ratio": 0.9}},
        {"margins": {"speed": 1.1}},
        {"horizon": 0},
        {"horizon": -5.0},
        {"horizon": np.nan},
        {"horizon": np.inf},
        {"history": batch(10, 0.3)},
    ],
)
def test_a_setting_that_cannot_be_is_refused(setting):
    """Before anything is judged."""
    with pytest.raises(ValueError, match=r"alpha|metrics|margin|must be|horizon|the past is the baseline's"):
        judge(**setting)
