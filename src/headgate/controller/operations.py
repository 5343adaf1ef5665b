"""After the window, until the next release: the promoted version is still looked at, and its alarms are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headgate.controller.cloud_alarms import CloudKeeper
from headgate.controller.measure import totals
from headgate.controller.monitor import Monitor
from headgate.controller.world import World
from headgate.core.model import Phase, Rollout
from headgate.ports import Agent, Entry
from headgate.stats.series import merge


class Operations:
    """Checks of agents that no rollout drives. `status_of`: the platform's word on (agent, version); None: nothing."""

    def __init__(self, world: World, status_of: Callable[[str, str], str | None], clouds: CloudKeeper) -> None:
        self._world = world
        self._clouds = clouds
        self._status_of = status_of
        self._watched: dict[str, _Watched] = {}

    def turn(self, agent: Agent, rollouts: Sequence[Rollout]) -> None:
        """Alarms that changed, and a check where one is due; the caller holds the agent's lease."""
        rollout = promoted(agent, rollouts)
        if rollout is None:
            self._watched.pop(agent.name, None)
            return
        now, store = self._world.clock.now(), self._world.store
        watched = self._watched.get(agent.name)
        if watched is None or watched.rollout.id != rollout.id or watched.due_at > now + 2 * _every_s(rollout):
            watched = self._watched[agent.name] = _Watched(rollout, self._world, now, self._clouds)
        self._clouds.turn(rollout, now)
        entries = watched.monitor.changes(self._clouds.local(rollout), now)
        if now >= watched.due_at:
            entries.append(self._check(rollout, watched, now))
            watched.due_at = now + _every_s(rollout)
        if entries:
            store.append(entries, now)

    def _check(self, rollout: Rollout, watched: _Watched, now: float) -> Entry:
        number = rollout.candidate.number if rollout.candidate else ""
        since = now - _every_s(rollout)
        rows = self._world.store.seconds(rollout.agent, since=since)
        body = {
            "version": number,
            "status": self._status_of(rollout.agent, number),
            "alarms": {**watched.monitor.states(), **self._clouds.states(rollout)},
            "totals": totals(merge(row for row in rows if row.version == number), _every_s(rollout)),
        }
        return Entry("operations.check", body, rollout.id)


class _Watched:
    def __init__(self, rollout: Rollout, world: World, now: float, clouds: CloudKeeper) -> None:
        self.rollout = rollout
        self.monitor = Monitor(clouds.local(rollout), world.store, now, totals=False)
        before = world.store.read(rollout.id, kinds=("operations.check",))
        last = before[-1].at if before else rollout.finished_at or now
        self.due_at = min(last, now) + _every_s(rollout)


def _every_s(rollout: Rollout) -> float:
    return rollout.plan.validation.after_every_s


def promoted(agent: Agent, rollouts: Sequence[Rollout]) -> Rollout | None:
    """The rollout that made the agent's present baseline, where its plan asks for checks afterwards."""
    for rollout in reversed(rollouts):
        if rollout.phase is Phase.COMPLETED and rollout.candidate:
            mine = rollout.candidate.number == agent.baseline.number
            return rollout if mine and _every_s(rollout) > 0 else None
    return None
