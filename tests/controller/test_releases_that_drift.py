"""A model that moves behind its alias, a prompt that changes in its store: whole releases in which nobody deployed."""

from dataclasses import replace

import pytest
from sims import assert_sound, quick_plan, served

from headgate.core.identity import Watched
from headgate.core.model import FINISHED, Phase
from headgate.core.plan import Receiver
from headgate.errors import Unavailable
from headgate.testing.simulation import AGENT

ALIAS = {"model": "live-2026-01", "prompt": "sha256:aa"}
MOVED = {**ALIAS, "model": "live-2026-02"}
EVERY_S = 5.0


def watched(**more):
    """The quick plan, its versions asked often; the steps long enough for something to happen in them."""
    plan = quick_plan(watched=Watched(EVERY_S), **more)
    return replace(plan, steps=tuple(replace(step, bake_s=60.0) for step in plan.steps))


def released(plan=None, parts=None):
    """A release whose first step has gone on for a while; both versions say what they are made of."""
    sim = served(sessions_per_minute=120.0)
    sim.teller.parts.update(parts or {"1": dict(ALIAS), "2": dict(ALIAS)})
    sim.release(plan or watched())
    sim.run_until(lambda r: r.phase is Phase.STEPPING and r.weight_at is not None)
    sim.run_turns(30)
    return sim


def looks_after(sim, at):
    """The data of the looks from then on."""
    return [r.body["data"] for r in sim.records("evidence.look") if r.at > at]


def drift_of(sim):
    (record,) = sim.records("identity.drift")
    return record


def test_what_versions_are_made_of_is_on_the_ledger():
    """Of the baseline when it is taken on, of both in their rollout: as built, and as they say themselves."""
    sim = released()
    noted = {r.body["version"]: r.body for r in sim.records("version.identity")}
    assert noted["1"]["told"] == noted["2"]["told"] == ALIAS
    assert noted["1"]["built"]["code"] != noted["2"]["built"]["code"]
    assert [r.body["version"] for r in sim.store.read(kinds=("version.identity",)) if r.rollout == ""] == ["1"]
    assert sim.records("identity.drift") == []


def test_a_variable_that_the_plan_names_is_a_part():
    """Only that one's value goes on the ledger; the others of the agent's environment may be secrets."""
    sim = served()
    known = sim.platform.version

    def version(agent, number):
        return replace(known(agent, number), variables={"MODEL_ID": "live-7", "KEY": "secret"})

    sim.platform.version = version
    sim.release(replace(quick_plan(), watched=Watched(EVERY_S, variables=(("model", "MODEL_ID"),))))
    sim.run_until(lambda r: r.phase is Phase.STEPPING)
    bodies = [r.body for r in sim.records("version.identity")]
    assert {body["built"]["model"] for body in bodies} == {"live-7"}
    assert "secret" not in str(bodies)


def test_people_who_asked_for_it_are_told_of_a_drift():
    """Once, with the parts; where it holds the rollout, they are told of the hold."""
    plan = watched()
    receiver = Receiver("webhook", "https://example.invalid/hook", ("drift", "hold"))
    sim = released(replace(plan, notify=(receiver,)))
    sim.teller.parts.update({"1": dict(MOVED), "2": dict(MOVED)})
    sim.run_until(lambda r: r.rebased is not None)
    sim.run_turns(5)
    ((_, event, text),) = sim.channel.sent
    assert (event, "both variants changed without a deployment: model" in text) == ("drift", True)


def test_a_drift_of_both_begins_the_evidence_anew():
    """No step is passed by sessions from before; the release goes on by itself, and all of it replays."""
    sim = released()
    sim.teller.parts.update({"1": dict(MOVED), "2": dict(MOVED)})
    sim.run_until(lambda r: r.rebased is not None)
    drift = drift_of(sim)
    assert drift.body["variants"] == ["baseline", "candidate"]
    assert drift.body["detail"] == "model (live-2026-01 -> live-2026-02)"
    rebased = sim.rollout.rebased
    assert (rebased.epoch, rebased.times) == (sim.rollout.epoch, 1)
    left = dict(rebased.left)["comparison"]
    assert 0.0 < left <= 1.0
    done = sim.run_to_the_end()
    assert done.phase is Phase.COMPLETED
    counted = looks_after(sim, drift.at)
    assert all(look["window"]["from"] is None or look["window"]["from"] >= drift.at for look in counted)
    passed = next(look for look in counted if look["answer"] == "PASS")
    assert passed["sessions"]["candidate"] >= 10
    assert passed["alpha_spent"]["comparison"] == pytest.approx(0.9 * 0.05 * left)
    assert_sound(sim)


def test_a_drift_of_the_candidate_calls_a_person():
    """It is not what passed the gates: held, and after a resume it is judged by what it is now."""
    sim = released()
    sim.teller.parts["2"] = dict(MOVED)
    held = sim.run_until(lambda r: r.phase is Phase.PAUSED)
    assert "the candidate changed without a deployment: model (live-2026-01 -> live-2026-02)" in held.hold.reason
    assert drift_of(sim).body["versions"] == ["2"]
    sim.say("resume")
    done = sim.run_to_the_end()
    assert done.phase is Phase.COMPLETED
    assert_sound(sim)


def test_a_drift_of_the_baseline_forgets_what_it_was():
    """Its sessions from before teach nothing of it; the candidate is not held for it."""
    sim = released()
    sim.teller.parts["1"] = dict(MOVED)
    sim.run_until(lambda r: r.rebased is not None)
    at = drift_of(sim).at
    sim.run_until(lambda r: r.phase in FINISHED or r.step > 0)
    assert sim.rollout.step == 1
    first = looks_after(sim, at)[0]
    assert first["sessions"]["baseline"] <= 3
    assert "no data yet" in first["reason"] or first["answer"] == "INCONCLUSIVE"


def test_what_is_said_once_and_taken_back_is_no_drift():
    """One odd answer, or none at all, changes nothing."""
    sim = released()
    odd, sim.teller.parts["2"] = sim.teller.parts["2"], dict(MOVED)
    sim.run_until(lambda _: sim.controller._observer.identities._seen[sim.rollout_id].suspects)
    sim.teller.parts["2"] = odd
    sim.run_turns(20)
    sim.teller.trouble = Unavailable("it hangs")
    sim.run_turns(20)
    assert sim.rollout.rebased is None
    assert sim.records("identity.drift") == []


def test_another_controller_judges_as_the_one_before():
    """After a restart the same sessions count, and a drift from before it is not told again."""
    sim = released()
    sim.teller.parts.update({"1": dict(MOVED), "2": dict(MOVED)})
    sim.run_until(lambda r: r.rebased is not None)
    sim.run_turns(40)
    watch = sim.controller._observer._watch(sim.rollout)
    before = watch._judge.to_data()
    other = sim.restart("controller-2")
    fresh = other._observer._watch(sim.rollout)
    fresh.look(sim.rollout, sim.clock.now())
    watch.look(sim.rollout, sim.clock.now())
    assert fresh._judge.to_data()["comparison"] == watch._judge.to_data()["comparison"]
    assert before["totals"]["strata"]
    sim.run_to_the_end()
    assert len(sim.records("identity.drift")) == 1


def test_a_baseline_that_drifts_between_two_releases():
    """It is noted although nothing is released, and its history from before it is not used."""
    sim = served(sessions_per_minute=120.0)
    sim.teller.parts["1"] = dict(ALIAS)
    sim.run_turns(90)
    sim.teller.parts["1"] = dict(MOVED)
    sim.run_turns(90)
    (drift,) = sim.store.read(kinds=("identity.drift",))
    assert (drift.rollout, drift.body["versions"]) == ("", ["1"])
    sim.release(watched())
    sim.run_until(lambda r: r.phase is Phase.STEPPING)
    watch = sim.controller._observer._watch(sim.rollout)
    past = [s for _, s in sim.store.sessions(AGENT) if drift.at <= s.started and s.t < sim.rollout.created_at]
    assert watch._judge.totals.past.sessions == len(past) > 0


def test_the_window_begins_anew():
    """What is promoted is what was watched for the whole of it."""
    sim = released()
    sim.run_until(lambda r: r.phase is Phase.VALIDATING)
    sim.run_turns(35)
    sim.teller.parts.update({"1": dict(MOVED), "2": dict(MOVED)})
    sim.run_until(lambda r: r.rebased is not None)
    at = drift_of(sim).at
    done = sim.run_to_the_end()
    assert done.phase is Phase.COMPLETED
    assert done.window.started_at >= at
    assert done.finished_at - at >= 60.0
    assert_sound(sim)
