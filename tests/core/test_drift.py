"""A version that becomes another without a deployment: what each drift does in each phase, and what is asked for."""

from dataclasses import replace

import pytest
from test_phase_table import NOW, PASSED, PLAN, building, deploying, gating, handing, held, last, second, validating

from headgate.core import facts as f
from headgate.core import identity
from headgate.core.decide import decide
from headgate.core.identity import Identity, Sameness
from headgate.core.model import Phase, Variant
from headgate.core.plan import Strategy

BASELINE, CANDIDATE = (Variant.BASELINE,), (Variant.CANDIDATE,)
BOTH = (*BASELINE, *CANDIDATE)
P = Phase
GO_ON = replace(PLAN, watched=identity.Watched(hold=False))


def freely(rollout):
    """The rollout, of a plan that goes on where the candidate alone changed."""
    return replace(rollout, plan=replace(rollout.plan, watched=GO_ON.watched))


# name: state, who changed, phase after, weight after, effects asked for (their classes)
ARROWS = {
    "baseline": (second, BASELINE, P.STEPPING, 50, "SetTraffic Notify"),
    "both": (second, BOTH, P.STEPPING, 50, "SetTraffic Notify"),
    "candidate: a person": (second, CANDIDATE, P.PAUSED, 50, "Notify SetTraffic"),
    "candidate, go on": (freely(second), CANDIDATE, P.STEPPING, 50, "SetTraffic Notify"),
    "candidate at 100 %": (freely(last), CANDIDATE, P.STEPPING, 50, "SetTraffic Notify"),
    "candidate at 100 %, held": (last, CANDIDATE, P.PAUSED, 50, "Notify SetTraffic"),
    "both at 100 %": (last, BOTH, P.STEPPING, 50, "SetTraffic Notify"),
    "baseline at 100 %": (last, BASELINE, P.STEPPING, 100, ""),
    "both in the window": (validating, BOTH, P.VALIDATING, 100, "SetTraffic Notify"),
    "candidate in the window": (validating, CANDIDATE, P.PAUSED, 100, "Notify SetTraffic"),
    "baseline in the window": (validating, BASELINE, P.VALIDATING, 100, ""),
    "baseline among gates": (replace(gating, gates=PASSED[:1]), BASELINE, P.GATING, 0, "Notify"),
    "baseline while it is built": (building, BASELINE, P.GATING, 0, "Notify"),
    "both among gates": (replace(gating, gates=PASSED[:1]), BOTH, P.GATING, 0, "RunGate Notify"),
    "candidate among gates": (gating, CANDIDATE, P.PAUSED, 0, "Notify"),
    "candidate put behind the gateway": (freely(deploying), CANDIDATE, P.DEPLOYING, 0, "SetTraffic Notify"),
    "promoted already": (handing, BOTH, P.HANDING_OVER, 100, ""),
    "held already": (held(second), CANDIDATE, P.PAUSED, 50, "SetTraffic"),
}


@pytest.mark.parametrize(("before", "who", "phase", "weight", "asked"), ARROWS.values(), ids=ARROWS)
def test_what_a_drift_leads_to(before, who, phase, weight, asked):
    """Phase, weight and effects; a hold that is there stays as it is."""
    made = decide(before, f.Drifted(who, "model (a -> b)"), NOW)
    assert (made.rollout.phase, made.rollout.weight) == (phase, weight)
    assert [type(effect).__name__ for effect in made.effects] == asked.split()
    assert "model (a -> b)" in made.reason
    if before.hold:
        assert made.rollout.hold == before.hold


def test_the_evidence_begins_anew_and_says_what_is_left():
    """Everything that a step is passed by is gone, and the new judge is told what it may spend."""
    left = (("comparison", 0.4),)
    made = decide(second, f.Drifted(BOTH, "model (a -> b)", left), NOW).rollout
    assert (made.verdict, made.weight_at, made.epoch) == (None, None, second.epoch + 1)
    assert (made.rebased.at, made.rebased.epoch, made.rebased.times, made.rebased.left) == (NOW, 4, 1, left)
    again = decide(made, f.Drifted(BASELINE, "prompt (c -> d)", (("comparison", 0.1),)), NOW + 5).rollout
    assert (again.rebased.times, again.rebased.left) == (2, (("comparison", 0.1),))


def test_a_window_begins_anew():
    """From its start, in its whole length."""
    made = decide(validating, f.Drifted(BOTH, "model (a -> b)"), NOW).rollout
    assert (made.window.started_at, made.window.checks) == (NOW, 0)
    assert made.window.next_at == NOW + PLAN.validation.window[0].every_s


def test_where_nothing_is_ever_compared_there_is_no_way_back():
    """All at once: the hard limits begin anew at 100 %."""
    plan = replace(GO_ON, strategy=Strategy.ALL_AT_ONCE, steps=(replace(PLAN.steps[2], approval=None),))
    at_once = replace(last, plan=plan, step=0)
    made = decide(at_once, f.Drifted(CANDIDATE, "model (a -> b)"), NOW).rollout
    assert (made.step, made.weight, made.weight_at) == (0, 100, None)


def test_parts_are_compared_with_their_like_only():
    """What a version says itself is not held against what another was built of; what is not known is not the same."""
    old = Identity(built=(("code", "a"), ("prompt", "p1")), told=(("model", "m1"), ("prompt", "x1")))
    new = Identity(built=(("code", "b"), ("prompt", "p1")), told=(("model", "m1"),))
    found = {each.part: each.answer for each in identity.compare(old, new)}
    assert found["code"] is Sameness.CHANGED
    assert found["model"] is Sameness.SAME
    assert found["prompt"] is Sameness.SAME  # both were built of p1
    assert found["tools"] is Sameness.UNKNOWN
    told = Identity(told=(("prompt", "p1"),))
    assert {each.answer for each in identity.compare(Identity(built=(("prompt", "p1"),)), told)} == {Sameness.UNKNOWN}


def test_a_part_that_is_not_told_any_more_is_no_change():
    """It stays as it was told last, and a part that is new is not one that moved."""
    before, after = Identity(told=(("model", "a"),)), Identity(told=(("prompt", "x"),))
    assert identity.moved(before, after) == ()
    assert identity.merged(before, after).told == (("model", "a"), ("prompt", "x"))
    assert [each.part for each in identity.moved(before, Identity(told=(("model", "b"),)))] == ["model"]
