"""Releases in a simulation for the tests of the controller, and what must hold at the end of each of them."""

from dataclasses import replace

from headgate.controller.replay import replay
from headgate.core.model import FINISHED, Phase
from headgate.core.plan import Approval, Limit, Margin, Otherwise, Step, Validation, WindowPhase
from headgate.testing.fake_sessions import Law
from headgate.testing.simulation import AGENT, Simulation, simulation_plan

WORSE = Law(error=0.4)
ENDED = FINISHED
MANAGERS = ("release-managers",)
_WIDE = (Margin("error", 0.2, ratio=False),)


def quick_plan(source="./v2", **more):
    """Two steps with wide margins and a window of two checks: some hundred sessions decide it."""
    plan = simulation_plan(source)
    steps = (Step(50.0, 5.0, 10, 900.0, _WIDE), Step(100.0, 5.0, 10, 900.0, _WIDE))
    analysis = replace(plan.analysis, guardrails=_WIDE, hard=(Limit("error", 0.4),))
    window = Validation((WindowPhase(60.0, 30.0),), (), 1.0)
    return replace(plan, **{"steps": steps, "analysis": analysis, "validation": window, **more})


def with_approval(otherwise=Otherwise.ROLLBACK, within_s=300.0, step=1, by=MANAGERS, **more):
    """The quick plan with an approval before its last (or first) step."""
    plan = quick_plan()
    asked = replace(plan.steps[step], approval=Approval(by, within_s, otherwise, **more))
    return replace(plan, steps=tuple(asked if i == step else s for i, s in enumerate(plan.steps)))


def served(store=None, **more):
    """A simulation whose agent is served by version 1 and has some history."""
    sim = Simulation(store, **more)
    sim.serve(quick_plan("./v1"))
    sim.run_turns(30)
    return sim


def stepping(plan=None, **more):
    """A release whose first step has begun."""
    sim = served(**more)
    sim.release(plan or quick_plan())
    sim.run_until(lambda r: r.phase is Phase.STEPPING and r.weight_at is not None)
    return sim


def in_phase(phase):
    """Whether a rollout is in it, for `run_until`."""
    return lambda rollout: rollout.phase is phase


def assert_sound(sim, lost=0):
    """What holds of every history: a whole ledger, the same decisions again, each event told and named once.

    `lost`: how many controllers were killed on the way; a message that was sent and not yet noted is sent again.
    """
    checked = sim.store.verify()
    assert checked.ok, checked.problems
    again = replay(sim.records())
    assert again.decisions > 0
    assert again.differing == ()
    keys = [key for key, _, _ in sim.channel.sent]
    assert len(keys) - len(set(keys)) <= lost, "a receiver that drops repeated keys hears of each event once"
    assert len(set(keys)) == len(set(sim.channel.sent))
    incidents = [r.body["incident"] for r in sim.records("incident.opened")]
    assert len(incidents) == len(set(incidents))
    asked = [e["key"] for r in sim.records("decision") for e in r.body["effects"] if e["is"] != "Notify"]
    settled = {r.body["key"] for r in sim.records("effect.verified", "effect.superseded", "effect.failing")}
    if sim.rollout.phase in FINISHED:
        assert set(asked) <= settled


def endpoints(sim):
    """Name of an endpoint -> the version that is live there."""
    return {name: live for name, (live, _, _) in sim.platform.find(AGENT).endpoints.items() if name != "DEFAULT"}
