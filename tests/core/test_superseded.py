"""What was asked for and must not be done any more, because the rollout moved on."""

import pytest
from test_phase_table import (
    building,
    failed,
    gating,
    going_back,
    handing,
    held,
    last,
    rolled_back,
    second,
)

from headgate.core import effects as e
from headgate.core.policy import superseded
from headgate.core.promotion import promote

TO_CANDIDATE = e.PinEndpoint("r1/pin/production/5", "production", "2")
CASES = {
    "an old weight": (e.SetTraffic("r1/traffic/2", 10.0, 2), second, True),
    "the current weight": (e.SetTraffic("r1/traffic/3", 50.0, 3), second, False),
    "the current weight under a hold": (e.SetTraffic("r1/traffic/3", 50.0, 3), held(second), False),
    "a weight after the rollback": (e.SetTraffic("r1/traffic/2", 10.0, 2), going_back, True),
    "production to the candidate, taken back": (
        TO_CANDIDATE,
        going_back,
        True,
    ),
    "production to the candidate, rolled back": (
        TO_CANDIDATE,
        rolled_back,
        True,
    ),
    "production to the baseline": (e.PinEndpoint("r1/pin/production/3", "production", "1"), going_back, False),
    "production to the candidate, promoting": (TO_CANDIDATE, handing, False),
    "a build": (e.DeployCandidate("r1/deploy/0"), building, False),
    "a build under a hold": (e.DeployCandidate("r1/deploy/0"), held(building), False),
    "a build after the end": (e.DeployCandidate("r1/deploy/0"), failed, True),
    "a gate after the end": (e.RunGate("r1/gate/smoke/0", "smoke"), failed, True),
    "a gate of an earlier attempt": (e.RunGate("r1/gate/smoke/7", "smoke"), gating, True),
    "a gate of this attempt": (e.RunGate("r1/gate/smoke/0", "smoke"), gating, False),
    "a handoff of what is taken back": (e.WriteHandoff("r1/handoff/5"), going_back, True),
    "a handoff": (e.WriteHandoff("r1/handoff/5"), handing, False),
    "a message": (e.Notify("r1/notify/started", "started", "it began"), rolled_back, False),
    "an incident": (e.OpenIncident("r1/incident/3/0/P1", "P1", "down"), rolled_back, False),
    "the candidate's retirement": (e.RetireCandidate("r1/retire"), rolled_back, False),
}


@pytest.mark.parametrize(("effect", "rollout", "gone"), CASES.values(), ids=CASES)
def test_superseded(effect, rollout, gone):
    """Whether it may still be done."""
    assert superseded(effect, rollout) is gone


def test_nothing_that_was_just_asked_is_superseded():
    """A promotion asks for nothing that may not be done."""
    made = promote(last, "the end")
    assert not [x for x in made.effects if superseded(x, made.rollout)]
