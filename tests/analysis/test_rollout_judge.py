"""The judge: what passes, what fails, what does neither and says why; how often it is wrong over whole rollouts."""

import json
import random
from dataclasses import replace
from math import inf, nan

import pytest

from headgate.analysis.rollout_judge import RolloutJudge
from headgate.core.codec import canonical
from headgate.core.model import Answer
from headgate.core.plan import Analysis, Limit, Margin, Step
from headgate.stats.observations import Score, Second
from headgate.stats.rates import exact_lower
from simulated_sessions import Law, rollout, session

ALPHA = 0.05
WIDE = (Margin("error", 0.05, False), Margin("latency_p95", 2.0, True))
OWN = (Margin("error", 0.02, False), Margin("latency_p95", 1.25, True))
HARD = (Limit("error", 0.5),)
STEPS = (
    Step(10.0, 1.0, 20, 3600.0, WIDE),
    Step(50.0, 1.0, 50, 3600.0, OWN),
    Step(100.0, 1.0, 30, 3600.0, OWN),
)


def judge(steps=STEPS, hard=HARD, history=(), guardrails=OWN, observe=()):
    """A judge of a three-step canary."""
    return RolloutJudge(Analysis(ALPHA, guardrails, observe, hard), steps, history)


def fed(made, sessions):
    """The judge after these sessions."""
    for s in sessions:
        made.add(s)
    return made


def look(made, step=0, now=1.0, **more):
    """A look with fresh data."""
    return made.look(step, now, now, **more)


def lasting(sessions=1400, weight=10.0, seed=1, **laws):
    """Sessions of one step."""
    base = laws.get("base", Law())
    return list(rollout(random.Random(seed), [weight] * sessions, base, laws.get("candidate"), laws.get("start", 0)))


def first_answer(made, sessions, step=0):
    """(answer, sessions, candidate's) of the first verdict that decides, looking after every third session."""
    candidates = 0
    for i, s in enumerate(sessions):
        made.add(s)
        candidates += s.variant == "candidate"
        if i % 3 == 0:
            answer = look(made, step).verdict.answer
            if answer is not Answer.INCONCLUSIVE:
                return answer, i + 1, candidates
    return Answer.INCONCLUSIVE, len(sessions), candidates


def test_looks_on_the_way_change_nothing():
    """A judge that is made anew, as after a restart, and gets at once what another was told look by look, says the same
    to the last bit; also where sessions of the baseline alone, which only teach, close among the others.
    """
    live = lasting(400, 50.0)
    alone = [replace(s, variant="baseline", weight=0.0) for s in lasting(60, 50.0, seed=9)]
    mixed = [s for i, each in enumerate(live) for s in ([each, alone[i // 5]] if i % 5 == 0 and i < 300 else [each])]
    on_the_way = judge()
    for i, each in enumerate(mixed):
        on_the_way.add(each)
        if i % 7 == 0:
            look(on_the_way)
    assert canonical(look(on_the_way).data) == canonical(look(fed(judge(), mixed)).data)


def test_a_good_candidate_passes_the_first_step():
    """A/A at 10 % with +5pp and x2: all of 8 seeded rollouts pass within 1600 sessions, half of them within 1000."""
    found = [first_answer(judge(), lasting(1800, seed=seed)) for seed in range(8)]
    assert [answer for answer, _, _ in found] == [Answer.PASS] * 8
    needed = sorted(n for _, n, _ in found)
    assert needed[3] <= 1000
    assert needed[-1] <= 1600


def test_a_disaster_fails_within_a_handful():
    """Half of the sessions fail at 10 %: FAIL in all of 12 seeded rollouts, the median within 10 candidate sessions."""
    found = [first_answer(judge(), lasting(600, seed=s, candidate=Law(error=0.5))) for s in range(12)]
    assert [answer for answer, _, _ in found] == [Answer.FAIL] * 12
    candidates = sorted(c for _, _, c in found)
    assert candidates[6] <= 10
    assert candidates[-1] <= 25


def test_the_reason_of_a_fail_names_metric_counts_and_odds():
    """One sentence with what decided; the data say the same."""
    made = fed(judge(), lasting(400, candidate=Law(error=0.6)))
    found = look(made)
    assert found.verdict.answer is Answer.FAIL
    assert found.verdict.reason.startswith("error: ")
    assert "candidate sessions failed" in found.verdict.reason
    assert found.data["answer"] == "FAIL"
    assert found.data["evidence_peak"] == pytest.approx(found.data["threshold"])
    assert found.data["threshold"] == pytest.approx(1 / 0.045)
    slow = look(fed(judge(), lasting(900, candidate=Law(latency_ms=600.0))))
    assert slow.verdict.reason.startswith("latency: latency_p95 ")


def drifting(number):
    """Everything gets worse when the share moves, and shared incidents hit both variants."""
    if 300 <= number < 350 or 600 <= number < 630:
        return Law(error=0.3, latency_ms=900.0)
    return Law(error=0.01) if number < 450 else Law(error=0.05, latency_ms=400.0)


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("drift at the step change and incidents", drifting),
        ("heavy tails, turns of a session alike", Law(error=0.02, spread=1.0, alike=0.8, tail=0.02, turns=(1, 12))),
    ],
)
def test_false_rollbacks_are_bounded(name, base):
    """A/A over 10 -> 50 %, judged after every session: at most alpha of 60 seeded rollouts FAIL, up to chance."""
    failed = 0
    for seed in range(60):
        made, weights = judge(), [10.0] * 450 + [50.0] * 300
        fed(made, rollout(random.Random(seed), weights, base))
        failed += look(made, 1).verdict.answer is Answer.FAIL  # the peak counts, so one look sees all looks
    assert exact_lower(failed, 60, 0.99) <= ALPHA, name


def test_a_better_candidate_is_not_rolled_back():
    """Fewer errors, faster: none of 15 seeded rollouts FAIL."""
    for seed in range(15):
        sessions = lasting(500, 50.0, seed, base=Law(error=0.05), candidate=Law(error=0.01, latency_ms=150.0))
        assert look(fed(judge(), sessions), 1).verdict.answer is not Answer.FAIL


def test_a_candidate_beyond_the_margin_never_passes():
    """Twice the margin's harm: in 12 seeded rollouts, looking all the time, no PASS at either step."""
    for seed in range(6):
        for step, weight, bad in ((0, 10.0, Law(error=0.1)), (1, 50.0, Law(latency_ms=400.0))):
            answer, _, _ = first_answer(judge(), lasting(900, weight, seed, candidate=bad), step)
            assert answer is not Answer.PASS


def test_what_the_first_step_proves_is_not_the_second():
    """Margins are of the step: wide ones proven at 10 % leave the plan's own INCONCLUSIVE, with a number still
    needed.
    """
    made = fed(judge(), lasting(1500))
    assert look(made, 0).verdict.answer is Answer.PASS
    second = look(made, 1)
    assert second.verdict.answer is Answer.INCONCLUSIVE
    assert "needs about" in second.verdict.reason
    assert second.data["sessions_needed"] > 50


def test_every_margin_must_be_proven():
    """A wide margin on errors is proven at once and does not stand in for a narrow one on latency; the reason names
    that.
    """
    margins = (Margin("error", 0.4, False), Margin("latency_p95", 1.06, True))
    found = look(fed(judge((Step(50.0, 1.0, 20, 3600.0, margins),)), lasting(250, 50.0)))
    assert [m["margin_proven"] for m in found.data["metrics"]] == [True, False]
    assert found.verdict.answer is Answer.INCONCLUSIVE
    assert found.verdict.reason.startswith("latency_p95 x1.06: needs about")


def test_only_the_baseline_teaches_what_is_normal():
    """A candidate must not shift the law that it is held against."""
    sessions = lasting(300, 50.0, candidate=Law(error=0.2))
    made = fed(judge(), sessions)
    made.settle()
    assert made.comparison.reference.sessions == sum(s.variant == "baseline" for s in sessions)
    assert made.comparison.reference.law.failed_rate < 0.05


def test_no_data_is_no_pass():
    """Nothing ended, nothing measured lately: INCONCLUSIVE in words."""
    empty = judge().look(0, 100.0, None)
    assert empty.verdict.answer is Answer.INCONCLUSIVE
    assert empty.verdict.reason.startswith("no data yet")
    made = fed(judge(), lasting(1500))
    assert look(made).verdict.answer is Answer.PASS
    stale = made.look(0, 200.0, 105.0)
    assert stale.verdict.answer is Answer.INCONCLUSIVE
    assert stale.verdict.reason == "data is stale: the last was measured 95 s ago"
    assert made.look(0, 200.0, 105.0, stale_after_s=120.0).verdict.answer is Answer.PASS


def test_stale_data_do_not_acquit():
    """What is proven stays proven when the data stop coming."""
    made = fed(judge(), lasting(400, candidate=Law(error=0.6)))
    assert made.look(0, 9999.0, 1.0).verdict.answer is Answer.FAIL


def test_too_few_sessions_do_not_pass():
    """min_sessions counts the candidate's sessions that began at the step's weight."""
    steps = (replace(STEPS[0], min_sessions=500), *STEPS[1:])
    found = look(fed(judge(steps), lasting(1500)))
    assert found.verdict.answer is Answer.INCONCLUSIVE
    assert "of at least 500 candidate sessions at 10 %" in found.verdict.reason
    assert found.data["sessions_needed"] > 1000


@pytest.mark.parametrize(
    ("margin", "words"),
    [
        (Margin("quality", 0.03, False), "quality is not measured: no session of the baseline has been scored"),
        (Margin("cost", 1.1, True), "cost is not measured"),
    ],
)
def test_a_guardrail_that_is_not_measured_never_passes(margin, words):
    """However good all else is; and the reason says how to mend it."""
    steps = (replace(STEPS[0], margins=(*WIDE, margin)), *STEPS[1:])
    found = look(fed(judge(steps), lasting(1500)))
    assert found.verdict.answer is Answer.INCONCLUSIVE
    assert words in found.verdict.reason
    assert [m["measured"] for m in found.data["metrics"]] == [True, True, False]


def test_only_quality_to_watch_is_no_crash():
    """A plan whose one guardrail is not measured is judged INCONCLUSIVE, and failures still FAIL it."""
    quality = (Margin("quality", 0.03, False),)
    steps = (Step(10.0, 1.0, 20, 3600.0, quality),)
    made = judge(steps, guardrails=quality)
    assert look(fed(made, lasting(300))).verdict.answer is Answer.INCONCLUSIVE
    assert look(fed(made, lasting(300, candidate=Law(error=0.7), start=300))).verdict.answer is Answer.FAIL


def test_a_sample_ratio_mismatch_holds():
    """Assigned sessions that are not split by the weight suspend a PASS."""
    made = fed(judge(), lasting(1500))
    for t in range(30):
        made.add_second(Second(t, t, "baseline", "1", 10.0, 1, 50, sessions=50))
        made.add_second(Second(t, t, "candidate", "2", 10.0, 1, 20, sessions=20))
    found = look(made)
    assert found.verdict.answer is Answer.INCONCLUSIVE
    assert found.verdict.reason.startswith("sample-ratio mismatch: 600 of 2100 sessions went to the candidate at 10 %")


def test_live_suspicion_holds_a_pass():
    """Margins proven, then the candidate turns bad: before it is proven bad, it no longer passes."""
    made = fed(judge(), lasting(1500))
    assert look(made).verdict.answer is Answer.PASS
    seen = []
    for s in lasting(400, seed=2, candidate=Law(error=0.5), start=1500):
        made.add(s)
        seen.append(look(made).verdict)
    answers = [verdict.answer for verdict in seen]
    assert Answer.FAIL in answers
    held = next(v for v in seen if v.answer is Answer.INCONCLUSIVE)
    assert "nothing passes until" in held.reason
    assert answers.index(Answer.INCONCLUSIVE) < answers.index(Answer.FAIL)


def test_common_cause_is_not_blamed_on_the_candidate():
    """Both variants fail nearly always for a while: INCONCLUSIVE with its flag, never FAIL; afterwards the flag is
    gone.
    """
    for seed in range(10):
        made = fed(judge(), lasting(300, 50.0, seed))
        for s in lasting(150, 50.0, seed + 100, base=Law(error=0.95), start=300):
            made.add(s)
            assert look(made, 1).verdict.answer is not Answer.FAIL or made.comparison.bets.proven
        if not made.comparison.bets.proven:
            during = look(made, 1).verdict
            assert during.common_cause
            assert during.reason.startswith("common cause")
        fed(made, lasting(400, 50.0, seed + 200, start=450))
        assert not look(made, 1).verdict.common_cause
        assert not any(limit.broken for limit in made.hard)


def test_at_a_hundred_percent_the_proof_from_before_holds():
    """Margins proven side by side, then 30 clean sessions alone: PASS. Without the proof from before: INCONCLUSIVE."""
    made = fed(judge(), [*lasting(1000), *lasting(1500, 50.0, start=1000)])
    assert look(made, 1).verdict.answer is Answer.PASS
    assert "30 candidate sessions at 100 %" in look(made, 2).verdict.reason
    alone = lasting(60, 100.0, start=2500)
    assert look(fed(made, alone), 2).verdict.answer is Answer.PASS
    rushed = look(fed(judge(), [*lasting(200), *alone]), 2).verdict
    assert rushed.answer is Answer.INCONCLUSIVE
    assert "without a baseline beside it" in rushed.reason


def test_at_a_hundred_percent_a_broken_candidate_fails_on_the_hard_limit():
    """No comparison any more, but an absolute limit that the baseline kept."""
    made = fed(judge(), [*lasting(1000), *lasting(1500, 50.0, start=1000)])
    found = look(fed(made, lasting(60, 100.0, candidate=Law(error=0.95), start=2500)), 2).verdict
    assert found.answer is Answer.FAIL
    assert "hard limit of 50%" in found.reason


def test_a_doubt_at_a_hundred_percent_holds_the_pass():
    """Failures one after the other at 100 %: the PASS ends before the hard limit is proven broken."""
    made = fed(judge(), [*lasting(1000), *lasting(1500, 50.0, start=1000), *lasting(40, 100.0, start=2500)])
    answers = [look(made, 2).verdict.answer]
    for s in lasting(60, 100.0, candidate=Law(error=1.0), start=2540):
        made.add(s)
        answers.append(look(made, 2).verdict.answer)
    assert answers[0] is Answer.PASS
    assert answers[-1] is Answer.FAIL
    assert Answer.INCONCLUSIVE in answers


def test_a_handful_of_clean_sessions_is_no_proof():
    """All at once with min_sessions 1: three clean sessions do not prove a rate below 50 %."""
    found = look(fed(judge((Step(100.0, 1.0, 1, 3600.0, OWN),)), lasting(3, 100.0))).verdict
    assert found.answer is Answer.INCONCLUSIVE
    assert "not proven below the hard limit of 50% (3 sessions)" in found.reason


def test_all_at_once_is_judged_on_hard_limits_alone():
    """PASS says that there was no concurrent baseline; a broken one FAILs; one as broken as its baseline is a common
    cause.
    """
    steps = (Step(100.0, 1.0, 30, 3600.0, OWN),)
    rng = random.Random(1)
    fine = [session(rng, i, "baseline", 0.0, Law()) for i in range(200)]
    ill = [session(rng, i, "baseline", 0.0, Law(error=0.8)) for i in range(200)]
    good = look(fed(judge(steps, history=fine), lasting(60, 100.0))).verdict
    assert good.answer is Answer.PASS
    assert good.reason.startswith("no concurrent baseline: judged on hard limits and the validation window")
    bad = lasting(60, 100.0, candidate=Law(error=0.95))
    assert look(fed(judge(steps, history=fine), bad)).verdict.answer is Answer.FAIL
    assert look(fed(judge(steps), bad)).verdict.answer is Answer.FAIL
    both = look(fed(judge(steps, history=ill), bad)).verdict
    assert (both.answer, both.common_cause) == (Answer.INCONCLUSIVE, True)
    few = look(fed(judge(steps), lasting(10, 100.0))).verdict
    assert few.answer is Answer.INCONCLUSIVE
    unlimited = look(fed(judge(steps, hard=()), lasting(60, 100.0))).verdict
    assert unlimited.answer is Answer.INCONCLUSIVE
    assert "no hard limit" in unlimited.reason


def test_history_makes_it_faster_and_never_counts():
    """The same slow candidate is caught with fewer sessions when the baseline is known before; n is the rollout's
    alone.
    """
    rng = random.Random(7)
    past = [session(rng, i, "baseline", 0.0, Law()) for i in range(500)]
    slow = lasting(600, 10.0, 3, candidate=Law(latency_ms=500.0))
    answer, without, _ = first_answer(judge(), slow)
    known, within, _ = first_answer(judge(history=past), slow)
    assert (answer, known) == (Answer.FAIL, Answer.FAIL)
    assert within <= without
    assert look(judge(history=past)).data["sessions"] == {"baseline": 0, "candidate": 0}


def test_the_data_are_json_and_complete():
    """Canonical JSON (no NaN) at every stage; estimates, bounds, n, evidence, margins and strata are in it."""
    made = judge(observe=("cost", "tool_error"))
    canonical(look(made).data)
    data = look(fed(made, [*lasting(500), *lasting(300, 50.0, start=500)]), 1).data
    canonical(data)
    error, latency = data["metrics"]
    assert error["metric"] == "error"
    assert error["n_baseline"] + error["n_candidate"] == 800
    assert 0.0 <= error["candidate"] < 0.05
    assert error["margin_text"] == "error +2pp"
    assert latency["unit"] == "ms"
    assert 250 < latency["baseline"] < 1500
    assert [s["weight"] for s in data["strata"]] == [10.0, 50.0]
    assert data["window"] == {"from": 0.0, "to": 799.0}
    assert [(o["metric"], o["measured"]) for o in data["observed"]] == [("cost", False), ("tool_error", False)]
    assert sum(data["alpha_spent"].values()) == pytest.approx(ALPHA)


def test_saved_and_restored_in_the_middle():
    """Through JSON at any point: verdict and data afterwards are the same as without."""
    stream = [*lasting(300), *lasting(200, 50.0, start=300, candidate=Law(error=0.02))]
    for cut in (0, 7, 300, 499):
        straight = fed(judge(), stream[:cut])
        fed(straight, stream[cut:])
        half = fed(judge(), stream[:cut])
        again = RolloutJudge.from_data(half.analysis, half.steps, json.loads(json.dumps(half.to_data())))
        assert look(fed(again, stream[cut:]), 1) == look(straight, 1)
        assert again.to_data() == straight.to_data()


@pytest.mark.parametrize(
    "wrong",
    [
        {"weight": nan},
        {"weight": 101.0},
        {"weight": -1.0},
        {"cost_usd": inf},
        {"cost_usd": nan},
        {"cost_usd": -0.1},
        {"t": nan},
        {"variant": "other"},
        {"failures": -1},
        {"latency": {100: -1}},
        {"latency": {100: 0}},
    ],
)
def test_nonsense_is_refused_and_leaves_no_trace(wrong):
    """NaN, infinities, negative counts, unknown variants: a ValueError that names the row, and the state as before."""
    made = fed(judge(), lasting(50))
    before = made.to_data()
    with pytest.raises(ValueError, match="row 7"):
        made.add(replace(session(random.Random(1), 7, "candidate", 10.0, Law()), **wrong))
    assert made.to_data() == before


def test_a_candidate_of_which_nothing_is_heard_is_not_convicted():
    """Only the baseline's sessions arrive: no data, however many they are, and neither FAIL nor PASS."""
    made = judge()
    for s in lasting(2000, 30.0):
        if s.variant == "baseline":
            made.add(s)
    found = look(made)
    assert found.verdict.answer is Answer.INCONCLUSIVE
    assert found.verdict.reason.startswith("no data yet")


def late_score(number, variant, quality):
    """One score that came after its session had closed."""
    return Score(float(number), variant, "2", 50.0, 1, f"{number:016x}", quality)


def quality_judge():
    """A judge that also guards quality, with sessions and scores that teach it what is normal."""
    margins = (*OWN, Margin("quality", 0.05, False))
    made = judge(tuple(replace(step, margins=margins) for step in STEPS), guardrails=margins)
    rng = random.Random(3)
    for i in range(200):
        made.add_score(replace(late_score(i, "baseline", min(1.0, max(0.0, rng.gauss(0.8, 0.1)))), weight=0.0))
    return made


@pytest.mark.parametrize(("mean", "answer"), [(0.8, Answer.PASS), (0.6, Answer.FAIL)])
def test_late_scores_pass_or_fail_a_step(mean, answer):
    """Scores that come later decide with a share of alpha of their own."""
    made, rng = fed(quality_judge(), lasting(1500, 50.0)), random.Random(5)
    for i in range(1500):
        chosen = rng.random() < 0.5
        score = min(1.0, max(0.0, rng.gauss(mean if chosen else 0.8, 0.1)))
        made.add_score(late_score(i, "candidate" if chosen else "baseline", score))
    found = look(made, 1)
    assert found.verdict.answer is answer, found.verdict.reason
    assert found.data["alpha_spent"] == pytest.approx({"comparison": 0.04, "late": 0.005, "hard": 0.005})
    if answer is Answer.FAIL:
        assert found.verdict.reason.startswith("quality: ")


def test_scores_of_one_variant_alone_hold():
    """The candidate's scores are still to come: nobody is convicted by the baseline's."""
    made, rng = fed(quality_judge(), lasting(1500, 50.0)), random.Random(6)
    for i in range(1000):
        if rng.random() < 0.5:
            made.add_score(late_score(i, "baseline", min(1.0, max(0.0, rng.gauss(0.85, 0.05)))))
    found = look(made, 1)
    assert found.verdict.answer is Answer.INCONCLUSIVE
    assert "quality" in found.verdict.reason


def test_sessions_that_merely_end_later_do_not_fail():
    """Nobody fails; the candidate's sessions are slow to end, so more of the baseline's have ended: held, not blamed.

    Seen on a real rollout of a good version whose process was cold.
    """
    made = judge(steps=STEPS[1:])
    stream = lasting(400, 50.0, base=Law(error=0.0))
    ended = [s for i, s in enumerate(stream) if s.variant == "baseline" or i % 3 == 0]
    for s in ended:
        made.add(s)
        found = look(made)
        assert found.verdict.answer is not Answer.FAIL, found.verdict.reason
    assert found.data["metrics"][0]["evidence"] <= 1.0 + 1e-9  # of errors: no failure, no evidence
    assert found.verdict.answer is Answer.INCONCLUSIVE
    assert made.doubts.late("latency").startswith("the candidate's sessions end late or are lost")


def test_failures_convict_although_sessions_end_late():
    """Each failure ends its session at once, so what fails is heard of: silence is no shelter."""
    made = judge(steps=STEPS[1:])
    for i, s in enumerate(lasting(400, 50.0, candidate=Law(error=0.5))):
        if s.variant == "baseline" or s.failures or i % 4 == 0:
            made.add(s)
    assert look(made).verdict.answer is Answer.FAIL
