"""Each arrow of the phase table, and each refusal: what a fact does in a phase, and what is asked for then."""

from dataclasses import replace

import pytest

from headgate.core import facts as f
from headgate.core.decide import decide
from headgate.core.effects import PREVIOUS, PRODUCTION, SetTraffic
from headgate.core.model import (
    Answer,
    CriterionResult,
    GateResult,
    Hold,
    Phase,
    Rollback,
    Rollout,
    Variant,
    Verdict,
    Version,
    Window,
)
from headgate.core.plan import (
    Analysis,
    Approval,
    Gate,
    Margin,
    Otherwise,
    Plan,
    Platform,
    RollbackPolicy,
    Step,
    Strategy,
    Validation,
    WindowPhase,
)

NOW = 10_000.0
MARGINS = (Margin("error", 0.01, ratio=False),)
MANAGERS = Approval(("release-managers",), 600.0, Otherwise.ROLLBACK)
OLD, NEW = Version("1", "d1", "http://127.0.0.1:1"), Version("2", "d2", "http://127.0.0.1:2")
PLAN = Plan(
    agent="coach",
    platform=Platform("local"),
    traffic="gateway",
    gates=(Gate("smoke", "s", "", ""), Gate("load", "l", "", "")),
    strategy=Strategy.CANARY,
    steps=(Step(10, 60, 20, 600, MARGINS), Step(50, 60, 20, 600, MARGINS), Step(100, 60, 20, 600, MARGINS, MANAGERS)),
    rollback=RollbackPolicy(),
    analysis=Analysis(0.05, MARGINS),
    validation=Validation((WindowPhase(3600, 60),), ()),
)
PASSED = tuple(GateResult(g.name, True, "ok", NOW) for g in PLAN.gates)

planned = Rollout("r1", "coach", PLAN, "", "salt", "alice", "a fix", NOW, OLD)
building = replace(planned, phase=Phase.GATING)
gating = replace(building, candidate=NEW)
last_gate = replace(gating, gates=PASSED[:1])
deploying = replace(gating, phase=Phase.DEPLOYING, gates=PASSED, epoch=1)
unverified = replace(deploying, phase=Phase.STEPPING, step=0, weight=10.0, epoch=2)
stepping = replace(unverified, weight_at=NOW - 100)
second = replace(stepping, step=1, weight=50.0, epoch=3)
waiting = replace(second, approval_asked_at=NOW - 10)
last = replace(second, step=2, weight=100.0, epoch=4)
validating = replace(last, phase=Phase.VALIDATING, window=Window(NOW - 1800, NOW, 29))
ending = replace(validating, window=Window(NOW - 3600, NOW, 59))
handing = replace(last, phase=Phase.HANDING_OVER, epoch=5)
promoted = replace(handing, pinned=frozenset({PRODUCTION, PREVIOUS, "traffic"}))
going_back = replace(
    stepping, phase=Phase.ROLLING_BACK, weight=0.0, epoch=3, rollback=Rollback(NOW - 9, "headgate", "worse")
)
restored = replace(going_back, rollback=Rollback(NOW - 9, "headgate", "worse", NOW - 8, NOW - 7, debt=0))
nearly = replace(going_back, rollback=Rollback(NOW - 9, "headgate", "worse", NOW - 8, NOW - 7, debt=2))
completed = replace(promoted, phase=Phase.COMPLETED, finished_at=NOW)
rolled_back = replace(restored, phase=Phase.ROLLED_BACK, finished_at=NOW)
failed = replace(gating, phase=Phase.FAILED, finished_at=NOW)
lonely = replace(stepping, baseline_healthy=False)


def held(rollout, by="alice"):
    return replace(rollout, phase=Phase.PAUSED, hold=Hold(by, "wait", NOW - 5, rollout.phase))


def verdict(answer, step=0, *, age=1.0, common=False):
    return f.Judged(Verdict(answer, "12 of 300 failed", step, NOW - age, common_cause=common))


def window(met, *, breached=False, tier="must"):
    return f.WindowChecked((CriterionResult(tier, "p95", "< 1s", met, "1.2 s", breached=breached),))


PASS, FAIL, UNSURE = Answer.PASS, Answer.FAIL, Answer.INCONCLUSIVE
P = Phase
BACK, PROMOTE = "SetTraffic PinEndpoint OpenIncident Notify", "PinEndpoint PinEndpoint SetTraffic"
tested = held(replace(gating, gates=PASSED))
# name: state, fact, phase after, effects asked for (their classes)
ARROWS = {
    # --- before exposure
    "started": (planned, f.Started(), P.GATING, "Notify DeployCandidate"),
    "built: its first gate": (building, f.CandidateReady(NEW), P.GATING, "RunGate"),
    "gate passed: the next one": (gating, f.GateFinished("smoke", True, "5/5"), P.GATING, "RunGate"),
    "last gate passed": (last_gate, f.GateFinished("load", True, "ok"), P.DEPLOYING, "SetTraffic"),
    "gate failed": (gating, f.GateFinished("smoke", False, "4/5"), P.FAILED, "Notify RetireCandidate"),
    "same version as the baseline": (building, f.CandidateReady(OLD), P.FAILED, "Notify RetireCandidate"),
    "does not start": (building, f.EffectFailed("r1/deploy/0", "exit 1", True), P.FAILED, "Notify RetireCandidate"),
    "platform away": (building, f.EffectFailed("r1/deploy/0", "timeout", False), P.PAUSED, "Notify OpenIncident"),
    "aborted in gating": (gating, f.AbortAsked("bob", ""), P.FAILED, "Notify RetireCandidate"),
    "aborted when deployed": (deploying, f.AbortAsked("bob", ""), P.FAILED, "Notify SetTraffic RetireCandidate"),
    "at 0 %, verified": (deploying, f.TrafficVerified(0.0, 1), P.STEPPING, "SetTraffic Notify"),
    "built under a hold": (held(building), f.CandidateReady(NEW), P.PAUSED, ""),
    # --- stepping
    "weight verified": (unverified, f.TrafficVerified(10.0, 2), P.STEPPING, ""),
    "passed and baked": (stepping, verdict(PASS), P.STEPPING, "SetTraffic Notify"),
    "passed, an approval is missing": (second, verdict(PASS, 1), P.STEPPING, "Notify"),
    "approved": (waiting, f.Approved("release-managers", "go"), P.STEPPING, "SetTraffic Notify"),
    "rejected": (
        waiting,
        f.Disapproved("release-managers", "no"),
        P.ROLLING_BACK,
        BACK,
    ),
    "nobody approved": (
        replace(waiting, approval_asked_at=NOW - 601),
        f.Ticked(),
        P.ROLLING_BACK,
        BACK,
    ),
    "failed": (stepping, verdict(FAIL), P.ROLLING_BACK, BACK),
    "failed under a hold": (
        held(stepping),
        verdict(FAIL),
        P.ROLLING_BACK,
        BACK,
    ),
    "failed, baseline down": (lonely, verdict(FAIL), P.PAUSED, "Notify OpenIncident"),
    "inconclusive": (stepping, verdict(UNSURE), P.STEPPING, ""),
    "common cause": (stepping, verdict(UNSURE, common=True), P.PAUSED, "Notify OpenIncident"),
    "common cause, said to fail": (stepping, verdict(FAIL, common=True), P.PAUSED, "Notify OpenIncident"),
    "overdue": (replace(stepping, weight_at=NOW - 601), verdict(UNSURE), P.PAUSED, "Notify"),
    "advanced by a person": (stepping, f.AdvanceAsked("bob", "urgent"), P.STEPPING, "SetTraffic Notify"),
    "advanced out of a hold": (held(stepping), f.AdvanceAsked("bob", "urgent"), P.STEPPING, "SetTraffic Notify"),
    "aborted": (stepping, f.AbortAsked("bob", ""), P.ROLLING_BACK, BACK),
    "forced down": (stepping, f.ForcedDown("bob", ""), P.ROLLING_BACK, BACK),
    "candidate dies": (
        stepping,
        f.HealthChanged(Variant.CANDIDATE, False, "exit 1"),
        P.ROLLING_BACK,
        BACK,
    ),
    "baseline dies": (stepping, f.HealthChanged(Variant.BASELINE, False, "exit 1"), P.PAUSED, "Notify OpenIncident"),
    "gateway refuses": (unverified, f.EffectFailed("r1/traffic/2", "no", True), P.PAUSED, "Notify OpenIncident"),
    "message fails": (stepping, f.EffectFailed("r1/notify/step/0", "no", True), P.STEPPING, ""),
    "last step passed": (last, verdict(PASS, 2), P.VALIDATING, ""),
    # --- the window and after
    "a check": (validating, window(False), P.VALIDATING, ""),
    "a must is breached": (
        validating,
        window(False, breached=True),
        P.ROLLING_BACK,
        BACK,
    ),
    "a should is breached": (validating, window(False, breached=True, tier="should"), P.VALIDATING, ""),
    "the window ends well": (ending, window(True), P.HANDING_OVER, PROMOTE),
    "it ends unmeasured": (ending, window(None), P.PAUSED, "Notify"),
    "it ends unmet": (ending, window(False), P.PAUSED, "Notify"),
    "cut short by a person": (
        validating,
        f.AdvanceAsked("bob", "seen enough"),
        P.HANDING_OVER,
        PROMOTE,
    ),
    "fails in the window": (validating, verdict(FAIL, 2), P.ROLLING_BACK, BACK),
    "one of three promoted": (handing, f.EndpointVerified(PRODUCTION, "2"), P.HANDING_OVER, ""),
    "all promoted": (
        replace(promoted, pinned=frozenset({PRODUCTION, "traffic"})),
        f.EndpointVerified(PREVIOUS, "1"),
        P.HANDING_OVER,
        "WriteHandoff",
    ),
    "handed over": (promoted, f.HandoffWritten("p", "d"), P.COMPLETED, "RetireCandidate Notify"),
    "aborted while handing over": (
        handing,
        f.AbortAsked("bob", ""),
        P.ROLLING_BACK,
        BACK,
    ),
    # --- rollback
    "cut over": (going_back, f.TrafficVerified(0.0, 3), P.ROLLING_BACK, ""),
    "the last session has left": (nearly, f.DebtMeasured(0, 0.0), P.ROLLING_BACK, "RetireCandidate"),
    "one is still there": (nearly, f.DebtMeasured(1, 5.0), P.ROLLING_BACK, ""),
    "rolled back": (restored, f.CandidateRetired(), P.ROLLED_BACK, ""),
    "a rollback that cannot be done": (
        going_back,
        f.EffectFailed("r1/traffic/3", "timeout", False),
        P.ROLLING_BACK,
        "OpenIncident",
    ),
    "made to go back": (
        replace(planned, candidate=NEW, rollback=Rollback(NOW, "alice", "go back")),
        f.Started(),
        P.ROLLING_BACK,
        BACK,
    ),
    # --- holds
    "paused": (stepping, f.PauseAsked("bob", "lunch"), P.PAUSED, "Notify"),
    "resumed in gating": (held(gating), f.ResumeAsked("alice", ""), P.GATING, "RunGate"),
    "resumed with all gates passed": (
        tested,
        f.ResumeAsked("a", ""),
        P.DEPLOYING,
        "SetTraffic",
    ),
    "resumed when deployed": (held(deploying), f.ResumeAsked("alice", ""), P.DEPLOYING, "SetTraffic"),
    "resumed in a step": (held(stepping), f.ResumeAsked("alice", ""), P.STEPPING, ""),
    "resumed before it was verified": (held(unverified), f.ResumeAsked("alice", ""), P.STEPPING, "SetTraffic"),
    "resumed in the window": (held(validating), f.ResumeAsked("alice", ""), P.VALIDATING, ""),
    "resumed while handing over": (
        held(handing),
        f.ResumeAsked("alice", ""),
        P.HANDING_OVER,
        PROMOTE,
    ),
    "approved out of automation's hold": (
        held(waiting, "headgate"),
        f.Approved("release-managers", "go"),
        P.STEPPING,
        "SetTraffic Notify",
    ),
}


@pytest.mark.parametrize(("before", "fact", "phase", "asked"), ARROWS.values(), ids=ARROWS)
def test_arrow(before, fact, phase, asked):
    """The phase that follows, and the effects that are asked for."""
    made = decide(before, fact, NOW)
    assert (made.rollout.phase, " ".join(type(e).__name__ for e in made.effects)) == (phase, asked)


REFUSED = {
    "a hold that is not": (stepping, f.ResumeAsked("bob", ""), "not paused"),
    "gates are not skipped": (gating, f.AdvanceAsked("bob", "now"), "gates cannot be skipped"),
    "it is promoted": (handing, f.AdvanceAsked("bob", "now"), "promoted already"),
    "no pause of a rollback": (going_back, f.PauseAsked("bob", ""), "only be watched"),
    "no advance of a rollback": (going_back, f.AdvanceAsked("bob", "now"), "only be watched"),
    "nothing to approve": (stepping, f.Approved("release-managers", "go"), "waits for no approval"),
    "not by anybody": (waiting, f.Approved("bob", "go"), "the plan names release-managers"),
    "not past the approvers": (waiting, f.AdvanceAsked("bob", "now"), "needs the approval of release-managers"),
    "not past a person's hold": (held(waiting), f.Approved("release-managers", "go"), "held by alice"),
    "not rejected by anybody": (waiting, f.Disapproved("bob", "no"), "the plan names release-managers"),
    "not without a reason": (stepping, f.AdvanceAsked("bob", " "), "needs a reason"),
    "not without a name": (stepping, f.AdvanceAsked("", "now"), "a person's name"),
    "not by automation": (stepping, f.AdvanceAsked("headgate", "now"), "a person's name"),
}


@pytest.mark.parametrize(("before", "fact", "why"), REFUSED.values(), ids=REFUSED)
def test_refusal(before, fact, why):
    """A word that cannot be taken changes nothing, and says why."""
    made = decide(before, fact, NOW)
    assert (made.rollout, made.effects) == (before, ())
    assert made.reason.startswith("refused: ")
    assert why in made.reason


IGNORED = {
    "started twice": (gating, f.Started()),
    "ready twice": (gating, f.CandidateReady(Version("3", "d3"))),
    "another gate": (gating, f.GateFinished("load", True, "ok")),
    "a gate again": (last_gate, f.GateFinished("smoke", False, "late")),
    "an old epoch": (second, f.TrafficVerified(10.0, 2)),
    "another weight": (unverified, f.TrafficVerified(50.0, 2)),
    "another step's verdict": (second, verdict(PASS, 0)),
    "a verdict too early": (deploying, verdict(PASS)),
    "a check too early": (stepping, window(True)),
    "a handoff too early": (handing, f.HandoffWritten("p", "d")),
    "retired too early": (going_back, f.CandidateRetired()),
    "previous is not production": (going_back, f.EndpointVerified(PREVIOUS, "1")),
    "production on the old version is not promoted": (handing, f.EndpointVerified(PRODUCTION, "1")),
    "no debt is owed": (stepping, f.DebtMeasured(3, 1.0)),
    "rolling back already": (going_back, f.ForcedDown("bob", "")),
}


@pytest.mark.parametrize(("before", "fact"), IGNORED.values(), ids=IGNORED)
def test_late_early_and_strange_facts_change_nothing(before, fact):
    """A fact that nobody waited for moves nothing."""
    made = decide(before, fact, NOW)
    assert (made.rollout, made.effects) == (before, ())


@pytest.mark.parametrize("done", [completed, rolled_back, failed], ids=lambda r: r.phase.value)
def test_a_finished_rollout_only_says_so(done):
    """Whatever it is told, it stays as it ended."""
    made = decide(done, f.AbortAsked("bob", "still"), NOW)
    assert (made.rollout, made.effects, made.reason) == (done, (), f"already {done.phase}")


def test_a_pass_counts_only_fresh_and_after_the_weight_was_verified():
    """Neither an old PASS nor one from before this weight was in force moves a step."""
    assert decide(stepping, verdict(PASS, age=61.0), NOW).rollout.step == 0
    quick = replace(stepping, weight_at=NOW - 61, verdict=Verdict(PASS, "ok", 0, NOW - 62))
    assert decide(quick, f.Ticked(), NOW).rollout.step == 0
    assert decide(replace(quick, verdict=Verdict(PASS, "ok", 0, NOW - 59)), f.Ticked(), NOW).rollout.step == 1


def test_a_step_bakes_from_when_it_was_verified():
    """A PASS before the end of the bake time waits for it."""
    fresh = replace(stepping, weight_at=NOW - 59.0)
    early = decide(fresh, verdict(PASS), NOW).rollout
    assert early.step == 0
    assert decide(early, f.Ticked(), NOW + 1.0).rollout.step == 1


def test_a_resume_starts_the_times_anew():
    """Bake time and the time for an approval begin again: a hold has used them up."""
    late = held(replace(waiting, weight_at=NOW - 9_000, approval_asked_at=NOW - 9_000), "headgate")
    back = decide(late, f.ResumeAsked("alice", "back"), NOW).rollout
    assert (back.weight_at, back.approval_asked_at) == (NOW, NOW)
    assert decide(back, f.Ticked(), NOW + 1).rollout == back


def test_a_first_step_that_needs_approval_waits_in_deploying_and_not_for_ever():
    """The approval of the first step is asked for before any exposure, and its deadline counts there too."""
    plan = replace(PLAN, steps=(replace(PLAN.steps[0], approval=MANAGERS), *PLAN.steps[1:]))
    asked = decide(replace(deploying, plan=plan), f.TrafficVerified(0.0, 1), NOW).rollout
    assert (asked.phase, asked.step) == (Phase.DEPLOYING, -1)
    assert decide(asked, f.Approved("release-managers", "go"), NOW + 1).rollout.step == 0
    assert decide(asked, f.Ticked(), NOW + 600).rollout.phase is Phase.FAILED
    holding = replace(plan.steps[0], approval=replace(MANAGERS, otherwise=Otherwise.HOLD))
    patient = replace(asked, plan=replace(plan, steps=(holding, *PLAN.steps[1:])))
    assert decide(patient, f.Ticked(), NOW + 600).rollout.phase is Phase.PAUSED


def test_a_late_approval_never_goes_back_to_a_dead_baseline():
    """`else: rollback` holds where there is nothing to roll back to."""
    late = replace(waiting, approval_asked_at=NOW - 601, baseline_healthy=False)
    assert decide(late, f.Ticked(), NOW).rollout.phase is Phase.PAUSED


def test_a_refused_weight_is_asked_for_under_a_new_key():
    """What was given up is not asked for again under the key that was settled."""
    (again,) = decide(held(unverified), f.ResumeAsked("alice", "try"), NOW).effects
    assert again == SetTraffic("r1/traffic/3", 10.0, 3)


def test_incidents_of_one_epoch_do_not_swallow_each_other():
    """A rollback that cannot be carried out is its own P1, beside the incident that caused the rollback."""
    made = decide(stepping, verdict(FAIL), NOW)
    stuck = decide(made.rollout, f.EffectFailed("r1/traffic/3", "timeout", False), NOW + 60)
    keys = [e.key for e in (*made.effects, *stuck.effects) if "/incident/" in e.key]
    assert len(set(keys)) == 2


def test_a_rollback_withdraws_by_the_deadline_of_the_plan():
    """Its policy goes with the weight, also when the gateway has to be told again."""
    made = decide(stepping, f.AbortAsked("bob", "worse"), NOW)
    assert made.effects[0] == SetTraffic("r1/traffic/3", 0.0, 3, withdraw=True, deadline=NOW + 900.0)
    assert made.effects[1].version == "1"


def test_all_at_once_moves_the_endpoint_first():
    """The only step of this strategy pins production to the candidate at once."""
    plan = replace(PLAN, strategy=Strategy.ALL_AT_ONCE, steps=(Step(100, 60, 0, 600, MARGINS),))
    made = decide(replace(deploying, plan=plan), f.TrafficVerified(0.0, 1), NOW)
    assert [(e.endpoint, e.version) for e in made.effects if hasattr(e, "endpoint")] == [
        (PREVIOUS, "1"),
        (PRODUCTION, "2"),
    ]


def test_a_plan_without_a_window_promotes_after_the_last_step():
    """A canary may end with its last step."""
    bare = replace(last, plan=replace(PLAN, validation=Validation((), ())))
    assert decide(bare, verdict(PASS, 2), NOW).rollout.phase is Phase.HANDING_OVER


def test_checks_come_as_often_as_the_part_of_the_window_says():
    """Every minute at first, then every five, in window time, which `speed` accelerates."""
    parts = (WindowPhase(3600, 60), WindowPhase(7200, 300))
    rollout = replace(validating, plan=replace(PLAN, validation=Validation(parts, (), speed=60.0)))
    rollout = replace(rollout, window=Window(NOW - 30, NOW, 1))
    first = decide(rollout, window(True), NOW).rollout
    later = decide(first, window(True), NOW + 40).rollout
    assert (first.window.next_at - NOW, later.window.next_at - NOW - 40) == (1.0, 5.0)
