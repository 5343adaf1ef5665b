"""A plan's own metrics, objectives and what is only observed, from sessions to verdicts and their data."""

import json
import random
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest

from headgate.analysis import Action, Judge
from headgate.analysis.rollout_judge import RolloutJudge
from headgate.core.codec import canonical
from headgate.core.metrics import Measure, Objective, OwnMetric
from headgate.core.model import Answer
from headgate.core.plan import Analysis, Margin, Step
from headgate.stats.histogram import bucket_of
from headgate.stats.observations import Score
from simulated_sessions import Law, session

CALLS = OwnMetric("tool_calls", Measure.COUNT)
HELPFUL = OwnMetric("helpful", Measure.SCORE, higher=True)
FOUND = OwnMetric("found", Measure.AMOUNT, higher=True)
SEARCH = OwnMetric("search", Measure.TIME)
ERROR = Margin("error", 0.05, False)


def judge(*guardrails, own=(CALLS, HELPFUL, FOUND, SEARCH), objectives=(), observe=(), weights=(50.0, 100.0)):
    """A judge of one compared step and one at 100 %."""
    margins = (ERROR, *guardrails)
    steps = tuple(Step(weight, 1.0, 20, 3600.0, margins) for weight in weights)
    return RolloutJudge(Analysis(0.05, margins, observe, (), own, objectives), steps)


def sessions(n, *, seed=1, calls=2.0, worse=1.0, better=0.0, tells=1.0, found=1.0, slower=1.0, error=0.0):
    """n sessions at 50 %; `worse` multiplies the candidate's calls, `better` raises its scores, `tells`: what share of
    its sessions tells anything.
    """
    rng = random.Random(seed)
    numbers = np.random.default_rng(seed)
    for i in range(n):
        candidate = rng.random() < 0.5
        one = session(rng, i, "candidate" if candidate else "baseline", 50.0, Law(error=error))
        if rng.random() < (tells if candidate else 1.0):
            total = float(numbers.poisson(calls * (worse if candidate else 1.0)))
            score = min(1.0, max(0.0, rng.gauss(0.7 + (better if candidate else 0.0), 0.1)))
            amount = (found if candidate else 1.0) * rng.lognormvariate(0.0, 0.5)
            ms = 100.0 * rng.lognormvariate(0.0, 0.5) * (slower if candidate else 1.0)
            one = replace(
                one,
                values={"tool_calls": (total, one.turns), "helpful": (score * 2, 2), "found": (amount, 1)},
                times={"search": {bucket_of(ms): 1}},
            )
        yield one


def verdict(made, told, step=0):
    """The look after these sessions; the first FAIL where there is one."""
    for i, one in enumerate(told):
        made.add(one)
        if i % 100 == 99 and (look := made.look(step, one.t, one.t)).verdict.answer is Answer.FAIL:
            return look
    return made.look(step, one.t, one.t)


@pytest.mark.parametrize(
    ("margin", "harm", "text"),
    [
        (Margin("tool_calls", 1.5, True), {"worse": 2.0}, "tool_calls: 3."),
        (Margin("helpful", 0.05, False), {"better": -0.2}, "helpful: 0.4"),
        (Margin("found", 0.8, True), {"found": 0.4}, "found: 0.4"),
        (Margin("search_p95", 1.5, True), {"slower": 2.5}, "search: search_p95 "),
    ],
)
def test_each_kind_is_guarded(margin, harm, text):
    """A candidate that is worse in that alone is taken back and the reason names it; one that is not passes."""
    bad = verdict(judge(margin), sessions(900, **harm))
    assert bad.verdict.answer is Answer.FAIL
    assert bad.verdict.reason.startswith(text)
    good = verdict(judge(margin), sessions(1500))
    assert good.verdict.answer is Answer.PASS
    (_, row) = good.data["metrics"]
    assert row["measured"]
    assert row["margin_proven"]
    assert row["n_baseline"] + row["n_candidate"] == 1500
    assert row["better"] == ("higher" if margin.metric in {"helpful", "found"} else "lower")
    canonical(good.data)


def test_ratios_are_told_candidate_to_baseline_whichever_way_is_better():
    """Half as much of what should be much: bounds below 1, and the margin as the plan wrote it."""
    made = judge(Margin("found", 0.2, True))
    for one in sessions(600, found=0.5):
        made.add(one)
    row = made.look(0, 600.0, 600.0).data["metrics"][1]
    assert row["margin_text"] == "found x0.2"
    assert row["harm_is_ratio"]
    assert row["harm_lower"] < 0.5 <= row["harm_upper"] < 1.0


def test_not_told_is_not_measured_and_never_passes():
    """A guardrail of which no session tells waits, and says how to mend it."""
    found = verdict(judge(Margin("tool_calls", 1.5, True)), (replace(s, values={}) for s in sessions(900)))
    assert found.verdict.answer is Answer.INCONCLUSIVE
    assert "tool_calls is not measured" in found.verdict.reason
    assert '"metrics": {"tool_calls": NUMBER}' in found.verdict.reason
    assert not found.data["metrics"][1]["measured"]


def test_a_candidate_that_stops_telling_neither_passes_nor_fails():
    """Where a third of its sessions say nothing, those that do are no fair sample."""
    found = verdict(judge(Margin("tool_calls", 1.5, True)), sessions(1500, tells=0.66))
    assert found.verdict.answer is Answer.INCONCLUSIVE
    assert "fewer of the candidate's sessions have one of tool_calls" in found.verdict.reason


@pytest.mark.parametrize("bad", [(nan, 1), (inf, 1), (-1.0, 1), (5.0, 1), (1.0, 0)])
def test_numbers_that_cannot_be_were_not_measured(bad):
    """Whoever hands them in: the session counts, its value does not."""
    made = judge(Margin("helpful", 0.05, False))
    for one in sessions(60):
        made.add(replace(one, values={**one.values, "helpful": bad}))
    row = made.look(0, 60.0, 60.0).data["metrics"][1]
    assert (row["baseline"], row["candidate"], row["n_baseline"]) == (None, None, 0)


def test_large_amounts_add_up():
    """The most that may be told, from many sessions at once: the mean is not cut by 64 bits."""
    made = judge(own=(FOUND,), observe=("found",))
    for one in sessions(400):
        made.add(replace(one, values={"found": (1e9, 1)}))
    (row,) = made.look(0, 400.0, 400.0).data["observed"]
    assert row["baseline"] == pytest.approx(1e9, rel=1e-3)
    assert row["candidate"] == pytest.approx(1e9, rel=1e-3)


def test_a_margin_may_be_a_ratio_at_one_step_and_a_difference_at_another():
    """Both are proven side by side, and the bounds are differences."""
    steps = (
        Step(50.0, 1.0, 20, 3600.0, (ERROR, Margin("tool_calls", 1.5, True))),
        Step(100.0, 1.0, 20, 3600.0, (ERROR, Margin("tool_calls", 0.5, False))),
    )
    made = RolloutJudge(Analysis(0.05, steps[1].margins, (), (), (CALLS,)), steps)
    for one in sessions(1500):
        made.add(one)
    for step in (0, 1):
        row = made.look(step, 1500.0, 1500.0).data["metrics"][1]
        assert row["margin_proven"]
        assert not row["harm_is_ratio"]
        assert -1.0 <= row["harm_lower"] < 0.0 < row["harm_upper"] <= 0.5


def test_what_is_observed_takes_nothing_back_and_is_shown_with_its_bounds():
    """Built-in or own, named or only declared: odds, estimates, n and bounds, and no FAIL however bad it is."""
    made = judge(own=(CALLS, SEARCH), observe=("latency", "tool_calls"))
    found = verdict(made, sessions(900, worse=5.0))
    assert found.verdict.answer is Answer.PASS
    rows = {row["metric"]: row for row in found.data["observed"]}
    assert list(rows) == ["latency_p95", "tool_calls", "search_p95"]
    calls = rows["tool_calls"]
    assert calls["evidence"] > 1e6
    assert calls["harm_lower"] >= 2.0
    assert calls["candidate"] == pytest.approx(10.0, abs=0.5)
    assert calls["n_baseline"] + calls["n_candidate"] == 900


def test_an_objective_takes_nothing_back():
    """Twice as many calls where fewer were wished for: told, with bounds, and the release goes on."""
    found = verdict(judge(objectives=(Objective("tool_calls"),)), sessions(900, worse=2.0))
    assert found.verdict.answer is Answer.PASS
    (row,) = found.data["objectives"]
    assert (row["improved"], row["required"]) == (False, False)
    assert row["harm_lower"] > 1.0


def test_a_required_objective_is_shown_before_promotion():
    """At the last step beside a baseline, and not before; what is not better waits there, what is better passes."""
    wish = (Objective("helpful", required=True),)
    same = judge(objectives=wish, weights=(20.0, 50.0, 100.0))
    look = verdict(same, sessions(1500), step=1)
    assert look.verdict.answer is Answer.INCONCLUSIVE
    assert look.verdict.reason.startswith("helpful: evidence that it is better ")
    assert "helpful" not in same.look(0, 1500.0, 1500.0).verdict.reason
    better = verdict(judge(objectives=wish), sessions(1500, better=0.05))
    assert better.verdict.answer is Answer.PASS
    (row,) = better.data["objectives"]
    assert row["improved"]
    assert row["harm_upper"] < 0.0
    assert row["improvement_evidence"] >= row["improvement_threshold"] == pytest.approx(20.0)


def test_better_is_seldom_shown_of_a_candidate_that_is_the_same():
    """Over 40 seeded rollouts, no more than alpha allows."""
    wrong = 0
    for seed in range(40):
        made = judge(own=(HELPFUL,), objectives=(Objective("helpful"),))
        wrong += verdict(made, sessions(200, seed=seed)).data["objectives"][0]["improved"]
    assert wrong <= 6  # P(more than 6 of 40 at 5 %) is below 1 %


def test_late_scores_may_be_only_observed():
    """Quality that no guardrail asks for is compared and shown; it decides nothing and costs no alpha."""
    made = judge(own=(), observe=("quality",))
    for one in sessions(400):
        made.add(one)
        poor = 0.2 if one.variant == "candidate" else 0.9
        made.add_score(Score(one.t, one.variant, one.version, 50.0, 1, one.session, poor))
    look = made.look(0, 400.0, 400.0)
    assert look.verdict.answer is Answer.PASS
    (row,) = look.data["observed"]
    assert (row["metric"], row["candidate"]) == ("quality", pytest.approx(0.2, abs=0.01))
    assert row["evidence"] > 1e6
    assert look.data["alpha_spent"] == {"comparison": pytest.approx(0.045), "hard": pytest.approx(0.005)}


def test_error_per_request_is_a_guardrail_of_its_own():
    """Told by the turn, judged by the session; its margin is proven beside that of the error."""
    made = judge(Margin("error_per_request", 0.02, False), own=())
    look = verdict(made, sessions(800, seed=2, error=0.02))
    error, request = look.data["metrics"]
    assert request["margin_proven"]
    assert request["margin_text"] == "error_per_request +2pp"
    assert request["baseline"] == pytest.approx(error["baseline"] / 4.5, rel=0.1)  # turns are 3 to 6


def test_saved_and_restored_with_metrics_of_its_own():
    """The state is plain JSON, and what comes after it gives the same look, to the last bit."""
    margins = (Margin("tool_calls", 0.5, False), Margin("found", 0.9, True), Margin("helpful", 0.05, False))
    made = judge(*margins, objectives=(Objective("search_p95"),), observe=("cost",))
    told = list(sessions(600))
    for one in told[:300]:
        made.add(one)
    data = json.loads(canonical(made.to_data()))
    again = RolloutJudge.from_data(made.analysis, made.steps, data)
    for each in (made, again):
        for one in told[300:]:
            each.add(one)
    assert canonical(made.look(0, 1.0, 1.0).data) == canonical(again.look(0, 1.0, 1.0).data)


def columns(n, seed, worse=1.0):
    """A batch for the judge of turns, with a count and a score of one's own."""
    rng = np.random.default_rng(seed)
    v = rng.random(n) < 0.5
    return {
        "variant": v,
        "ok": np.ones(n, bool),
        "weight": np.full(n, 0.5),
        "tool_calls": rng.poisson(np.where(v, 2.0 * worse, 2.0)).astype(float),
        "helpful": np.where(rng.random(n) < 0.5, np.clip(rng.normal(0.7, 0.1, n), 0.0, 1.0), np.nan),
    }


def test_the_judge_of_columns_takes_own_metrics():
    """A column of its name; worse is rolled back and named, like the baseline is promoted."""
    metrics, margins = ("error", CALLS, HELPFUL), {"error_abs": 0.05, "tool_calls_abs": 0.5, "helpful_abs": 0.05}
    bad, good = (Judge(metrics=metrics, margins=margins) for _ in range(2))
    verdicts = [bad.update(columns(50, seed, worse=2.5)) for seed in range(8)]
    assert verdicts[-1].action is Action.ROLLBACK
    assert verdicts[-1].reason.startswith("tool_calls: ")
    for seed in range(60):
        last = good.update(columns(50, 100 + seed))
    assert last.action is Action.PROMOTE
    assert {finding.name for finding in last.findings} == {"error", "tool_calls", "helpful"}


@pytest.mark.parametrize(
    ("metrics", "margins", "batch", "words"),
    [
        (("error", OwnMetric("latency", Measure.TIME)), {}, {}, "latency is a metric of Headgate's"),
        (("error", FOUND), {"found_ratio": 1.2}, {}, "found_ratio must be between 0 and 1"),
        (("error", CALLS), {"tool_calls_ratio": 0.9}, {}, "tool_calls_ratio must be above 1"),
        (("error", CALLS), {"helpful_abs": 0.1}, {}, "no margin helpful_abs"),
        (("error", HELPFUL), {}, {"helpful": np.full(10, 1.5)}, "column 'helpful', row 0: 1.5 is not 0 to 1"),
        (("error", CALLS), {}, {"tool_calls": np.full(10, inf)}, "column 'tool_calls', row 0"),
    ],
)
def test_what_cannot_be_is_refused(metrics, margins, batch, words):
    """Names, margins and values, each by name."""
    with pytest.raises(ValueError, match=words):
        Judge(metrics=metrics, margins=margins).update({**columns(10, 1), **batch})
