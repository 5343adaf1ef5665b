"""What people say to a running rollout, and that automation never goes past it."""

import pytest
from sims import WORSE, assert_sound, endpoints, in_phase, quick_plan, served, stepping, with_approval

from headgate.core.facts import AdvanceAsked
from headgate.core.model import Phase
from headgate.core.plan import Otherwise, Validation, WindowPhase
from headgate.errors import RefusedError, Unavailable, UsageError
from headgate.ports import Command
from headgate.testing.simulation import AGENT


def waiting(**more):
    """A release that waits for the approval of its last step."""
    sim = stepping(with_approval(**more))
    sim.run_until(lambda r: r.approval_asked_at is not None)
    return sim


def test_a_pause_holds_for_as_long_as_it_lasts():
    """Ten minutes of PASS move nothing; the resume does, after it has baked anew."""
    sim = stepping()
    sim.say("pause")
    sim.run_turns(600)
    assert (sim.rollout.phase, sim.rollout.weight) == (Phase.PAUSED, 50.0)
    assert sim.rollout.verdict.answer == "PASS"
    sim.say("resume")
    sim.run_turns(3)
    assert (sim.rollout.phase, sim.rollout.weight) == (Phase.STEPPING, 50.0)
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert sim.weights() == [0.0, 50.0, 100.0, 100.0]
    assert_sound(sim)


def test_automation_lowers_under_a_hold():
    """A pause keeps nobody on a candidate that is proven worse."""
    sim = stepping()
    sim.say("pause")
    sim.laws["2"] = WORSE
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert_sound(sim)


def test_a_pause_while_gates_run():
    """The candidate is built, no gate is begun, no version is built twice; the resume goes on with the gates."""
    sim = served()
    sim.release(quick_plan())
    sim.say("pause")
    sim.run_turns(5)
    assert sim.rollout.phase is Phase.PAUSED
    sim.say("resume")
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert len(sim.platform.find(AGENT).versions) == 2
    assert [gate for gate, _ in sim.gates.runs] == ["smoke", "load"]
    assert_sound(sim)


def test_a_person_advances_what_is_not_proven():
    """Named, with a reason, before any verdict allows it. What was not compared before 100 % needs that word again."""
    sim = stepping()
    sim.say("advance", "bob", "customers wait")
    sim.run_turns(1)
    assert sim.rollout.weight == 100.0
    assert "advance by bob: customers wait" in " ".join(sim.reasons())
    sim.run_until(in_phase(Phase.PAUSED))
    sim.say("advance", "bob", "seen enough")
    assert sim.run_to_the_end().phase is Phase.COMPLETED


def test_a_person_ends_the_window():
    """`advance` in the window promotes at once."""
    sim = served()
    sim.release(quick_plan(validation=Validation((WindowPhase(7200.0, 600.0),), ())))
    sim.run_until(in_phase(Phase.VALIDATING))
    sim.say("advance", "bob", "seen enough")
    assert sim.run_to_the_end(limit_s=60.0).phase is Phase.COMPLETED


@pytest.mark.parametrize("phase", [Phase.GATING, Phase.STEPPING, Phase.VALIDATING])
def test_an_abort_ends_it_in_every_phase(phase):
    """Before exposure it fails, after it it is taken back; nothing comes up again."""
    sim = served()
    sim.release(quick_plan())
    if phase is Phase.GATING:
        sim.platform.trouble = Unavailable("it cannot be reached")
    sim.run_until(in_phase(phase))
    sim.say("abort")
    sim.turn()
    sim.platform.trouble = None
    ended = sim.run_to_the_end()
    assert ended.phase is (Phase.FAILED if phase is Phase.GATING else Phase.ROLLED_BACK)
    assert sim.traffic.read(AGENT).weight == 0.0
    assert endpoints(sim) == {"production": "1"}
    assert_sound(sim)


def test_an_approval_is_waited_for_and_goes_on():
    """A PASS alone is not enough; the approvers are told once; anybody else is refused."""
    sim = waiting()
    sim.run_turns(60)
    assert sim.rollout.weight == 50.0
    assert sum(event == "approval" for _, event, _ in sim.channel.sent) == 1
    with pytest.raises(RefusedError, match="the plan names release-managers"):
        sim.say("approve", "bob")
    with pytest.raises(RefusedError, match="needs the approval of release-managers"):
        sim.say("advance", "bob")
    sim.say("approve", "release-managers", "looks good")
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert_sound(sim)


def test_two_of_three_people_approve():
    """The first is noted and moves nothing; the same person again is refused; the second one moves it."""
    sim = waiting(by=("managers",), people=("ana", "ben", "eva"), count=2)
    sim.say("approve", "ana", "the numbers are good")
    sim.run_turns(30)
    assert (sim.rollout.weight, sim.rollout.approved_by) == (50.0, ("ana",))
    assert sim.store.read(kinds=("command",))[-1].body["reason"] == "the numbers are good"
    with pytest.raises(RefusedError, match="ana has approved already"):
        sim.say("approve", "ana", "again")
    with pytest.raises(RefusedError, match="managers is a group"):
        sim.say("approve", "managers", "all of us")
    sim.say("approve", "eva", "seen it too")
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert_sound(sim)


def test_one_of_two_is_not_enough_when_the_time_is_over():
    """The outcome that the plan states comes all the same."""
    sim = waiting(people=("ana", "ben"), count=2)
    sim.say("approve", "ana")
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert "not enough people approved in time" in sim.rollout.rollback.reason


def test_an_approval_without_a_deadline_waits():
    """A day later it still waits: no outcome was stated, so none comes by itself."""
    sim = waiting(within_s=None)
    sim.clock.advance(86_400.0)
    sim.controller.turn()
    assert (sim.rollout.phase, sim.rollout.weight) == (Phase.STEPPING, 50.0)


def test_a_rejection_takes_it_back():
    """The word of an approver, on the ledger as the reason."""
    sim = waiting()
    sim.say("reject", "release-managers", "not today")
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert "reject by release-managers: not today" in sim.reasons()
    assert_sound(sim)


def test_nobody_approves_in_time():
    """`else: rollback` takes it back, `else: hold` waits for a person: an approval may still come, or a resume."""
    assert waiting().run_to_the_end().phase is Phase.ROLLED_BACK
    sim = waiting(otherwise=Otherwise.HOLD)
    sim.run_until(in_phase(Phase.PAUSED))
    sim.say("resume")
    sim.run_turns(250)
    assert sim.rollout.phase is Phase.STEPPING, "a resume gives the approvers their time again"
    sim.run_until(in_phase(Phase.PAUSED))
    sim.say("approve", "release-managers", "back from lunch")
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert_sound(sim)


def test_an_approval_before_the_first_step():
    """Nobody sees the candidate before it; too late is a failure, because there is nothing to take back."""
    sim = served()
    sim.release(with_approval(step=0))
    sim.run_until(lambda r: r.approval_asked_at is not None)
    assert (sim.rollout.phase, sim.rollout.step) == (Phase.DEPLOYING, -1)
    assert sim.run_to_the_end().phase is Phase.FAILED
    assert {s.version for s in sim.store.seconds(AGENT)} == {"1"}


def test_a_stop_at_the_gateway_itself():
    """Weight 0 at once, without the controller, which finds it and takes the candidate back."""
    sim = stepping()
    sim.traffic.force_down(AGENT, "alice", "it lies")
    assert sim.traffic.read(AGENT).weight == 0.0
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    (forced,) = sim.records("gateway.forced_down")
    assert forced.body == {"by": "alice", "reason": "it lies"}
    assert sim.rollout.rollback.by == "alice"
    assert_sound(sim)


def test_a_stop_at_the_gateway_before_a_step_is_set():
    """The gateway refuses to raise what a person stopped: no failure of the gateway, but that person's word."""
    sim = stepping(with_approval())
    sim.run_until(lambda r: r.approval_asked_at is not None)
    sim.controller.close()
    sim.traffic.force_down(AGENT, "alice", "it lies")
    sim.say("approve", "release-managers", "go")
    sim.restart("controller-2")
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert max(weight for _, _, weight in sim.traffic.history) == 50.0
    assert_sound(sim)


def test_a_stop_at_the_gateway_while_it_is_promoted():
    """Not even a promotion goes past a person's stop."""
    sim = stepping()
    sim.run_until(in_phase(Phase.VALIDATING))
    sim.run_until(lambda r: r.window.next_at <= sim.clock.now() + sim.turn_s and r.window.checks >= 1)
    stop = sim.traffic.apply

    def stopped_at_the_last_moment(policy):
        if policy.candidate is None and policy.rollout:
            raise AssertionError("promoted past a person's stop")
        stop(policy)

    sim.pass_time()
    sim.traffic.force_down(AGENT, "alice", "it lies")
    sim.traffic.apply = stopped_at_the_last_moment
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert sim.traffic.read(AGENT).baseline == "1"


def test_words_that_cannot_be_taken_are_refused_at_once():
    """The command line says why before anything is posted."""
    sim = stepping()
    with pytest.raises(RefusedError, match="not paused"):
        sim.say("resume")
    with pytest.raises(UsageError, match="needs a reason"):
        sim.say("abort", reason="")
    assert sim.store.waiting(sim.rollout_id) == []


def test_a_word_that_comes_too_late_is_consumed_and_recorded():
    """Two people at once: what was posted and cannot be taken any more is refused on the ledger."""
    sim = stepping()
    late = AdvanceAsked("bob", "hurry")
    sim.say("abort")
    sim.store.post(Command(0, sim.rollout_id, "advance", "bob", sim.clock.now(), late))
    sim.turn()
    assert sim.store.waiting(sim.rollout_id) == []
    assert any(reason.startswith("refused: ") for reason in sim.reasons())
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK


def test_two_pauses_in_one_turn_are_both_told():
    """Two people's holds are two events, also in the same millisecond."""
    sim = stepping()
    sim.say("pause", "alice", "lunch")
    sim.say("pause", "bob", "alarm")
    sim.turn()
    assert [text.rpartition(": ")[2] for _, event, text in sim.channel.sent if event == "hold"] == ["lunch", "alarm"]
    assert sim.rollout.hold.by == "bob"
