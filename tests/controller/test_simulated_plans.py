"""`headgate simulate` against the real thing: the same scenario through controller, core and gateway's rules."""

from dataclasses import replace
from math import exp

import numpy as np
import pytest
from sims import quick_plan, served

from headgate.core.model import Phase
from headgate.testing import rollouts
from headgate.testing.fake_sessions import Law

ENDS = {Phase.COMPLETED: "promoted", Phase.ROLLED_BACK: "rolled back", Phase.PAUSED: "left to a person"}
USUAL = Law()
PLAYED = rollouts.Law(
    USUAL.error, USUAL.latency_ms, USUAL.latency_ms * exp(1.6448536 * USUAL.spread), 0.004, 0.8, turns=4
)


def released(seed, law):
    """(end, the step it ended in, how many sessions saw the candidate) of a release by the controller."""
    sim = served(seed=seed, laws={"2": law})
    sim.release(quick_plan())
    ended = sim.run_until(lambda r: r.phase in ENDS)
    data = sim.records("evidence.look")[-1].body["data"]
    return ENDS[ended.phase], data["step"], sum(stratum["candidate"] for stratum in data["strata"])


def played(seed, **worse):
    """The same of a rollout that `headgate simulate` plays at the same traffic."""
    found = rollouts.play(quick_plan(), replace(PLAYED, **worse), 300.0, np.random.default_rng(seed))
    return found.end, found.step, found.exposed


@pytest.mark.parametrize(
    ("law", "worse"), [(replace(USUAL, error=0.4), {"more_error": 0.4}), (USUAL, {})], ids=["bad", "good"]
)
def test_the_controller_decides_as_simulate_says(law, worse):
    """Three releases of each: the same ends at the same steps; of a bad one, exposures of the same size."""
    real, said = [released(seed, law) for seed in range(3)], [played(seed, **worse) for seed in range(3)]
    assert sorted(each[:2] for each in real) == sorted(each[:2] for each in said)
    if worse:
        middle = sorted(each[2] for each in real)[1], sorted(each[2] for each in said)[1]
        # a play looks every 30 s, at 150 sessions of both variants; the controller every second
        assert middle[0] <= middle[1] <= middle[0] + 150
