"""Killed at any instant, it goes on: the process is lost before and after every effect and every commit, one at a time.

Exhaustive, not random: a first run counts the points, then each of them is the end of one controller. A new one, with
nothing but the store, the platform and the gateway, must bring the rollout to the same end by the same weights.
"""

import os
import tempfile
from pathlib import Path

import pytest
from sims import WORSE, assert_sound, endpoints, quick_plan, served

from headgate.core.model import FINISHED, Phase
from headgate.store.sqlite import SqliteStore
from headgate.testing.memory_store import MemoryStore
from headgate.testing.simulation import AGENT

SCENARIOS = {"promoted": {}, "rolled back": {"2": WORSE}}


class Killed(BaseException):
    """The process ends here: nothing may catch it."""


class CrashPoint:
    """Raises at its n-th call, once. With `at` 0 it only counts."""

    def __init__(self, at=0):
        self.at = at
        self.passed = []

    def __call__(self, where):
        self.passed.append(where)
        if len(self.passed) == self.at:
            raise Killed(where)


def release(store, laws, crash):
    """One release; when the controller is killed, another one goes on in its place."""
    sim = served(store, laws=dict(laws), crash_point=crash)
    sim.release(quick_plan())
    while sim.rollout.phase not in FINISHED or sim.store.pending(sim.rollout_id) or sim.store.undelivered():
        try:
            sim.turn()
        except Killed:
            sim.restart("controller-2")
            # the lease of the dead one runs out
            sim.pass_time(20.0)
    return sim


def outcome(sim):
    """What must be the same whoever was killed when."""
    rollout, incidents = sim.rollout, sim.records("incident.opened")
    return {
        "phase": rollout.phase,
        "served": [weight for _, name, weight in sim.traffic.history if name == sim.rollout_id],
        "versions": sim.platform.find(AGENT).versions,
        "endpoints": endpoints(sim),
        "incidents": [r.body["severity"] for r in incidents],
        "baseline": [a.baseline.number for a in sim.store.agents()],
        "gates": {name for name, _ in sim.gates.runs},
        "told": sorted({event for _, event, _ in sim.channel.sent}),
    }


def points(passed):
    """Every point where the process may die; of the commits that only repeat (a look each second, a debt that shrinks)
    every tenth."""
    seen, chosen = {}, []
    for at, where in enumerate(passed, 1):
        seen[where] = seen.get(where, 0) + 1
        repeats = where.endswith((" commit Judged", " commit DebtMeasured"))
        if not repeats or seen[where] % 10 == 1:
            chosen.append(at)
    return chosen


def assert_weights(sim, undisturbed):
    """The weights that were read back, in the same order. A promotion needs each of them; a candidate that is found
    to be bad before the successor reads its weight back is taken back without that reading.
    """
    seen, wanted = sim.weights(), undisturbed.weights()
    if sim.rollout.phase is Phase.COMPLETED:
        assert seen == wanted
        return
    left = iter(wanted)
    assert all(weight in left for weight in seen), f"{seen} is not in the order of {wanted}"
    assert seen[-1] == wanted[-1] == 0.0


@pytest.mark.parametrize("laws", SCENARIOS.values(), ids=SCENARIOS)
def test_lost_at_every_point(laws):
    """The end state, the weights, versions, incidents and endpoints are those of the run that nobody disturbed."""
    undisturbed = release(MemoryStore(), laws, CrashPoint())
    counted = CrashPoint()
    release(MemoryStore(), laws, counted)
    wanted = outcome(undisturbed)
    assert len(counted.passed) > 60
    for at in points(counted.passed):
        sim = release(MemoryStore(), laws, CrashPoint(at))
        assert outcome(sim) == wanted, f"killed at point {at}: {counted.passed[at - 1]}"
        assert_weights(sim, undisturbed)
        assert_sound(sim, lost=1)


@pytest.fixture
def folder(tmp_path):
    """A folder for many stores: in memory where the system has such, since a controller is lost here and no machine."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else tmp_path) as made:
        yield Path(made)


@pytest.mark.parametrize("laws", SCENARIOS.values(), ids=SCENARIOS)
def test_lost_at_every_kind_of_point_on_disk(laws, folder):
    """The same on SQLite, opened anew by the successor, once for every second kind of point."""
    counted = CrashPoint()
    undisturbed = release(MemoryStore(), laws, counted)
    wanted = outcome(undisturbed)
    kinds = {where: at for at, where in enumerate(counted.passed, 1)}
    for where, at in list(kinds.items())[::2]:  # the memory store has had all of them
        path = folder / f"{at}.db"
        store = SqliteStore(path)
        sim = release(store, laws, CrashPoint(at))
        assert outcome(sim) == wanted, f"killed at point {at}: {where}"
        assert_weights(sim, undisturbed)
        assert_sound(sim, lost=1)
        store.close()
        store = SqliteStore(path)
        assert store.load(sim.rollout_id).phase is wanted["phase"]
        assert store.verify().ok
        store.close()


def test_lost_again_and_again():
    """Killed at every kind of point in one and the same release: many short lives, one history."""

    class Everywhere(CrashPoint):
        def __call__(self, where):
            if where not in self.passed:
                self.passed.append(where)
                raise Killed(where)

    laws, point = SCENARIOS["rolled back"], Everywhere()
    undisturbed = release(MemoryStore(), laws, CrashPoint())
    sim = release(MemoryStore(), laws, point)
    assert outcome(sim) == outcome(undisturbed)
    assert_weights(sim, undisturbed)
    assert_sound(sim, lost=len(point.passed))
