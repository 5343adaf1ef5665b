"""What is unreachable, refuses, dies or lies: each gets a safe state, and the rollout goes on when it can."""

from dataclasses import replace

import pytest
from sims import WORSE, assert_sound, endpoints, in_phase, quick_plan, served, stepping, with_approval
from troubled import TroubledStore

from headgate.core.model import FINISHED, Phase
from headgate.errors import Rejected, StaleTermError, TimedOut, Unavailable
from headgate.ports import Change, Lease
from headgate.testing.memory_store import MemoryStore
from headgate.testing.simulation import AGENT, simulation_plan

AWAY = Unavailable("it cannot be reached")


def test_unreadable_telemetry_never_advances():
    """Data that cannot be read grows old: INCONCLUSIVE, then a hold for a person, and no rollback."""
    sim = stepping()
    sim.sessions.trouble = AWAY
    sim.run_until(in_phase(Phase.PAUSED))
    assert sim.weights() == [0.0, 50.0]
    assert sim.rollout.verdict.answer == "INCONCLUSIVE"
    assert sim.rollout.hold.by == "headgate"
    sim.sessions.trouble = None
    sim.say("resume")
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert_sound(sim)


def test_a_gateway_that_measures_nothing_never_advances():
    """An empty answer is no good news either."""
    sim = stepping()
    sim.sessions.blind = True
    sim.run_until(in_phase(Phase.PAUSED))
    assert "stale" in sim.rollout.hold.reason or "no data" in sim.rollout.hold.reason
    assert sim.rollout.weight == 50.0


def test_a_gateway_away_in_a_step_is_waited_for():
    """Ten minutes without the gateway: nothing moves, nothing is blamed, and it goes on after."""
    sim = stepping()
    sim.traffic.trouble = sim.sessions.trouble = AWAY
    sim.run_turns(600)
    assert (sim.rollout.phase, sim.rollout.weight) == (Phase.STEPPING, 50.0)
    sim.traffic.trouble = sim.sessions.trouble = None
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert_sound(sim)


def test_a_gateway_away_when_a_weight_is_set_calls_a_person():
    """A weight that cannot be verified for a minute is held, with one incident; a resume asks for it again."""
    sim = served()
    sim.release(quick_plan())
    sim.traffic.trouble = AWAY
    sim.run_until(in_phase(Phase.PAUSED))
    sim.run_turns(540)
    assert len(sim.records("incident.opened")) == 1
    sim.traffic.trouble = None
    sim.say("resume")
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert len(sim.records("incident.opened")) == 1
    assert_sound(sim)


def test_a_gateway_away_when_it_is_taken_back():
    """The rollback is asked for until it is done, and that it cannot be done is a P1 of its own."""
    sim = stepping()
    sim.traffic.trouble = AWAY
    sim.say("abort")
    sim.run_turns(300)
    assert sim.rollout.phase is Phase.ROLLING_BACK
    assert [r.body["severity"] for r in sim.records("incident.opened")] == ["P3", "P1"]
    sim.traffic.trouble = None
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert_sound(sim)


@pytest.mark.parametrize("port", ["traffic", "platform"])
def test_a_rollback_that_is_refused_is_not_given_up(port):
    """Permission withdrawn, and given back: nobody has to start it again."""
    sim = stepping()
    getattr(sim, port).trouble = Rejected("AccessDenied")
    sim.say("abort")
    sim.run_turns(120)
    assert sim.rollout.phase is Phase.ROLLING_BACK
    assert "P1" in {r.body["severity"] for r in sim.records("incident.opened")}
    getattr(sim, port).trouble = None
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert_sound(sim)


def test_a_refused_weight_waits_for_a_person_and_is_asked_again():
    """What the gateway rejects for good is held; after the mend and a resume it is asked for anew."""
    sim = served()
    sim.release(quick_plan())
    sim.traffic.trouble = Rejected("401: the token is wrong")
    sim.run_until(in_phase(Phase.PAUSED))
    sim.traffic.trouble = None
    sim.say("resume")
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert_sound(sim)


def test_a_platform_away_while_it_builds():
    """Held after a minute; the resume builds nothing twice."""
    sim = served()
    sim.platform.trouble = TimedOut("no answer")
    sim.release(quick_plan())
    sim.run_until(in_phase(Phase.PAUSED))
    sim.platform.trouble = None
    sim.say("resume")
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert sim.platform.find(AGENT).versions == ("1", "2")
    assert_sound(sim)


def test_a_platform_that_refuses_the_build_fails_it():
    """Nothing was exposed, so there is nothing to wait for."""
    sim = served()
    sim.platform.trouble = Rejected("AccessDenied")
    sim.release(quick_plan())
    sim.run_until(in_phase(Phase.FAILED))
    sim.platform.trouble = None
    sim.run_to_the_end()
    assert_sound(sim)


def test_a_platform_away_in_a_step_is_no_illness():
    """Health that cannot be read is not bad health."""
    sim = stepping()
    sim.platform.trouble = AWAY
    sim.run_turns(30)
    assert not sim.records("health")
    sim.platform.trouble = None
    assert sim.run_to_the_end().phase is Phase.COMPLETED


def test_a_build_that_never_ends_calls_a_person():
    """CREATING for a quarter of an hour is a fact, not a wait without end."""
    sim = served()
    sim.platform.pin = lambda _agent, _endpoint, _number: None
    sim.release(quick_plan())
    held = sim.run_until(in_phase(Phase.PAUSED))
    assert "still not to be seen" in held.hold.reason
    assert 900 <= held.hold.at - held.created_at < 1000
    assert len(sim.records("effect.failing")) == 1


def test_a_candidate_that_dies_is_taken_back():
    """Its process is gone for good: no statistics are needed."""
    sim = stepping()
    sim.platform.fail(AGENT, "2", "exited with code 137")
    ended = sim.run_to_the_end()
    assert ended.phase is Phase.ROLLED_BACK
    assert "exited with code 137" in ended.rollback.reason
    assert_sound(sim)


def test_a_baseline_that_dies_is_never_gone_back_to():
    """A hold and a P1; even a candidate that is proven worse stays, until a person decides."""
    sim = stepping()
    sim.platform.fail(AGENT, "1", "exited with code 137")
    sim.laws["2"] = WORSE
    sim.run_turns(600)
    assert (sim.rollout.phase, sim.rollout.weight) == (Phase.PAUSED, 50.0)
    assert [r.body["severity"] for r in sim.records("incident.opened")] == ["P1"]
    sim.say("abort", "alice", "better none than this")
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert_sound(sim)


def test_a_baseline_that_was_dead_before_blocks_no_fix():
    """The candidate may be the cure: what was down before the first step neither holds nor blames it."""
    sim = served()
    sim.release(quick_plan())
    sim.platform.fail(AGENT, "1")
    sim.run_until(in_phase(Phase.STEPPING))
    assert not sim.rollout.baseline_healthy
    assert not sim.records("incident.opened")


def test_both_worse_is_a_common_cause():
    """Baseline and candidate fail alike: held, an incident, and no rollback to what is no better."""
    sim = served()
    sim.release(simulation_plan())
    sim.run_until(lambda r: r.weight_at is not None)
    sim.laws["1"] = sim.laws["2"] = replace(WORSE, error=0.8)
    held = sim.run_until(in_phase(Phase.PAUSED))
    assert "common cause" in held.hold.reason
    assert len(sim.records("incident.opened")) == 1
    sim.run_turns(60)
    assert sim.rollout.phase is Phase.PAUSED


def test_a_gateway_that_lost_its_policy_is_told_again():
    """An empty disk at the gateway: within a turn it serves by the same policy, and nothing is decided anew."""
    sim = stepping(with_approval())
    for moment in (lambda r: r.weight_at is not None, lambda r: r.approval_asked_at is not None):
        sim.run_until(moment)
        before = sim.traffic.policy(AGENT)
        sim.traffic.lose(AGENT)
        sim.run_turns(2)
        assert sim.traffic.policy(AGENT) == before
    assert len(sim.records("traffic.corrected")) == 2
    assert_sound(sim)


def test_a_gateway_that_lost_its_policy_while_gates_run_or_it_is_taken_back():
    """Users are served in every phase: by the baseline, or with the candidate withdrawn."""
    sim = served()
    sim.gates.trouble = AWAY
    sim.release(quick_plan())
    sim.run_until(in_phase(Phase.GATING))
    sim.traffic.lose(AGENT)
    sim.run_turns(7)
    assert sim.traffic.read(AGENT).baseline == "1"
    sim.gates.trouble = None
    sim.run_until(lambda r: r.weight_at is not None)
    sim.say("abort")
    sim.turn()
    before = sim.traffic.policy(AGENT)
    assert before.withdrawn == "2"
    sim.traffic.lose(AGENT)
    sim.run_turns(2)
    assert sim.traffic.policy(AGENT) == before
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK


def test_a_gateway_that_went_back_in_time_is_corrected():
    """A gateway restored from an old copy serves an old epoch: it is told the present one."""
    sim = stepping(quick_plan())
    old = sim.traffic.policy(AGENT)
    sim.run_until(lambda r: r.step == 1 and r.weight_at is not None)
    sim.traffic.lose(AGENT)
    sim.traffic.apply(old)
    sim.run_turns(2)
    assert sim.traffic.read(AGENT).weight == 100.0


def test_a_receiver_that_is_away_holds_nothing_up():
    """Messages wait for their receiver; the rollout waits for no message."""
    sim = served(laws={"2": WORSE})
    sim.channel.trouble = AWAY
    sim.release(quick_plan())
    sim.run_until(lambda r: r.phase in FINISHED)
    assert sim.rollout.phase is Phase.ROLLED_BACK
    assert sim.channel.sent == []
    sim.channel.trouble = None
    sim.run_until(lambda _: not sim.store.undelivered())
    assert {event for _, event, _ in sim.channel.sent} == {"started", "advanced", "rollback", "incident"}
    assert_sound(sim)


def test_a_receiver_that_refuses_holds_nothing_up():
    """A wrong address is on the ledger, and that is all."""
    sim = served()
    sim.channel.trouble = Rejected("404")
    sim.release(quick_plan())
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    sim.run_turns(2)
    assert {(r.body["result"], r.body["error"], r.body["attempts"]) for r in sim.records("notification")} == {
        ("failed", "404", 1)
    }


@pytest.mark.parametrize("of", [(), ("commit",), ("append",), ("ingest", "sessions", "seconds")], ids="+".join)
def test_a_store_that_is_away_for_a_while(of):
    """Nothing is decided without being recorded; what was seen meanwhile is seen again."""
    store = TroubledStore(MemoryStore())
    sim = stepping(store=store)
    store.of, store.trouble = of, AWAY
    sim.platform.fail(AGENT, "2", "died while the store was away")
    said = set()
    for _ in range(60):
        sim.turn()
        said.add(sim.controller.trouble)
    assert "it cannot be reached" in said
    store.trouble = None
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert_sound(sim)


def test_one_agents_trouble_is_not_anothers():
    """A registration that cannot be carried out keeps no rollout from going on."""
    sim = stepping()
    other = quick_plan("./v1", agent="other")
    sim.register(replace(other, platform=replace(other.platform, settings=())))
    sim.register(quick_plan("./v1", agent="third"))
    sim.run_turns(3)
    assert {a.name for a in sim.store.agents()} == {AGENT, "third"}
    (refused,) = sim.store.read(kinds=("agent.refused",))
    assert refused.body.keys() == {"agent", "reason", "mend", "by"}
    assert sim.run_to_the_end().phase is Phase.COMPLETED


def test_serving_an_agent_again_leaves_its_rollout_alone():
    """`headgate up` once more, in the middle of a rollout: the split stays, nobody is moved."""
    sim = stepping()
    before = sim.traffic.policy(AGENT)
    sim.register(quick_plan("./v1", session_idle_s=30.0))
    sim.turn()
    assert sim.store.waiting("") == []
    assert sim.traffic.policy(AGENT) == before
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert not sim.records("sessions.moved")
    assert endpoints(sim) == {"production": "2", "previous": "1"}


def test_the_second_controller_takes_over():
    """When the first one's lease has run out; what the first one writes after that is refused by store and gateway."""
    sim = stepping()
    first, term = sim.controller, sim.traffic.policy(AGENT).term
    second = sim.another("controller-2")
    second.turn()
    assert sim.traffic.policy(AGENT).term == term
    assert [r.body["holder"] for r in sim.store.read(kinds=("lease.taken",))][-1] == "controller-1"
    for _ in range(20):
        sim.pass_time()
        second.turn()
    assert [r.body["holder"] for r in sim.store.read(kinds=("lease.taken",))][-1] == "controller-2"
    now = sim.clock.now()
    with pytest.raises(StaleTermError):
        sim.store.commit(Change(), Lease(f"agent/{AGENT}", "controller-1", term, now + 9.0), now)
    late = replace(sim.traffic.policy(AGENT), term=term, epoch=99, weight=100.0)
    with pytest.raises(StaleTermError):
        sim.traffic.apply(late)
    sim.controller = second
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    first.turn()
    assert_sound(sim)


def test_two_controllers_turn_by_turn():
    """Both are up all the time and the lease passes to and fro: the history is that of one."""
    sim = stepping()
    second = sim.another("controller-2")
    for i in range(400):
        sim.pass_time(8.0 if i % 7 == 0 else 1.0)
        (second if i // 20 % 2 else sim.controller).turn()
        if sim.rollout.phase in FINISHED:
            break
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert sim.weights() == [0.0, 50.0, 100.0, 100.0]
    assert_sound(sim)


def test_a_lease_that_is_given_back_is_taken_at_once():
    """A controller that is stopped leaves no gap."""
    sim = stepping()
    sim.controller.close()
    sim.restart("controller-2")
    sim.turn()
    assert sim.store.read(kinds=("lease.taken",))[-1].body["holder"] == "controller-2"
    assert sim.run_to_the_end().phase is Phase.COMPLETED


@pytest.mark.parametrize("number", ["1", "2"])
def test_a_version_that_moved_in_a_rollout_is_found_at_its_new_place(number):
    """A runtime that was started again found the port taken: the gateway is told, and no weight or epoch changes."""
    sim = stepping()
    before = sim.traffic.policy(AGENT)
    sim.platform.move(number, "http://127.0.0.1:9999")
    sim.run_until(lambda _rollout: sim.records("traffic.corrected"))
    after = sim.traffic.policy(AGENT)
    assert {v.number: v.url for v in (after.baseline, after.candidate)}[number] == "http://127.0.0.1:9999"
    assert (after.epoch, after.weight, after.term) == (before.epoch, before.weight, before.term)
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert_sound(sim)


def test_a_rollback_after_a_move_needs_no_platform():
    """Where the baseline answers is remembered: it is gone back to there, while the platform says nothing at all."""
    sim = stepping()
    sim.platform.move("1", "http://127.0.0.1:9999")
    sim.run_until(lambda _rollout: sim.records("traffic.corrected"))
    sim.platform.trouble = Unavailable("the platform is away")
    sim.say("abort")
    sim.turn()
    assert (sim.traffic.read(AGENT).weight, sim.traffic.policy(AGENT).baseline.url) == (0.0, "http://127.0.0.1:9999")


def test_a_successor_finds_the_moved_version_again():
    """A new controller knows only the old place, asks the platform and tells the gateway."""
    sim = stepping()
    sim.controller.close()
    sim.platform.move("2", "http://127.0.0.1:9999")
    sim.restart("controller-2")
    sim.run_turns(2)
    assert sim.traffic.policy(AGENT).candidate.url == "http://127.0.0.1:9999"
