"""Ports -> facts: what a rollout's world looks like now. Reading never changes anything but the store of observations.

What cannot be read yields no fact: the analysis sees the data grow old and says INCONCLUSIVE.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from headgate.controller import measure
from headgate.controller.clock_watch import ClockWatch
from headgate.controller.cloud_alarms import CloudKeeper
from headgate.controller.evaluating import Evaluating
from headgate.controller.identities import Identities
from headgate.controller.monitor import Monitor
from headgate.controller.mutes import Mutes
from headgate.controller.places import Places
from headgate.controller.probe import Prober
from headgate.controller.reach import Reach
from headgate.controller.scoring import Scoring
from headgate.controller.spending import Spending
from headgate.controller.watch import Watch
from headgate.controller.world import World
from headgate.core import policy
from headgate.core.facts import ClockMoved, DebtMeasured, Fact, ForcedDown, HealthChanged, WindowChecked
from headgate.core.model import Phase, Rollout, Variant, Version
from headgate.core.window import elapsed_s, part_at
from headgate.errors import NotFound, PortError
from headgate.ports import Entry

_WATCHED = frozenset({Phase.STEPPING, Phase.VALIDATING})
_IDENTIFIED = _WATCHED | {Phase.GATING, Phase.DEPLOYING, Phase.HANDING_OVER}
_ROUTED = _WATCHED | {Phase.DEPLOYING, Phase.HANDING_OVER, Phase.ROLLING_BACK}  # the gateway knows of the rollout


@dataclass(frozen=True, slots=True)
class Seen:
    """A fact, and the evidence that goes on the ledger in the same commit."""

    fact: Fact
    entries: tuple[Entry, ...] = ()


class Observer:
    """Keeps, per rollout, only what can be rebuilt from the store."""

    def __init__(self, world: World, places: Places) -> None:
        self._world = world
        self._places = places
        self._scoring = Scoring(world)
        self.clouds = CloudKeeper(world)
        self.evaluating = Evaluating(world)
        self.identities = Identities(world)
        self._watches: dict[str, Watch] = {}
        self._monitors: dict[str, Monitor] = {}
        self._prober = Prober(world)
        self._mutes = Mutes(world.store)
        self._spending: dict[str, Spending] = {}
        self._clock = ClockWatch(world.clock)
        self._reach = Reach(world)
        self._candidate_down: set[str] = set()
        self._health_at: dict[str, float] = {}
        self.drifted: set[str] = set()  # rollouts whose gateway serves something else than was verified

    def ingest(self, agent: str, rollout: str = "") -> None:
        """Take in what the gateway measured; moved sessions go on the ledger before the cursor moves."""
        store, more = self._world.store, True
        while more:
            before = store.cursor(agent)
            try:
                rows, cursor = self._world.telemetry.poll(agent, before)
            except PortError as error:
                self._reach.failed(rollout, "telemetry", error)
                raise
            self._reach.answered(rollout, "telemetry")
            if entries := measure.moves(rows, rollout, cursor.rpartition(":")[0], store):
                store.append(entries, self._world.clock.now())
            store.ingest(agent, rows, cursor)
            more = bool(rows) and cursor != before

    def facts(self, rollout: Rollout, now: float) -> Iterator[Seen]:
        """What is new about this rollout, most urgent first."""
        yield from self._clock_of(rollout, now)
        yield from self._gateway(rollout)
        yield from self._health(rollout, now)
        yield from self._budgets(rollout, now)
        self.clouds.turn(rollout, now)
        self.evaluating.turn(rollout, now)
        if drift := self._drift(rollout, now):
            yield drift
            return  # all else was seen of what is no more
        if policy.working_phase(rollout) in _WATCHED:
            self._scoring.turn(rollout, now)
            monitor = self._monitor(rollout, now)
            if changes := monitor.changes(self.clouds.local(rollout), now):
                self._world.store.append(changes, now)
            if fact := self._watch(rollout).look(rollout, now):
                yield Seen(fact)
            yield from self._window(rollout, monitor, now)

    def forget(self, rollout: str) -> None:
        """Rebuild from the store what is known of this rollout."""
        self._watches.pop(rollout, None)
        self._monitors.pop(rollout, None)
        self.clouds.forget(rollout)
        self.evaluating.forget(rollout)
        self._spending.pop(rollout, None)
        self._health_at.pop(rollout, None)
        self._candidate_down.discard(rollout)
        self.identities.forget(rollout)

    def close(self) -> None:
        self._prober.close()
        self._scoring.close()
        self.clouds.close()
        self.evaluating.close()
        self.identities.close()

    def _monitor(self, rollout: Rollout, now: float) -> Monitor:
        known = self._monitors.get(rollout.id)
        if known is None or known.outdated(rollout):
            known = self._monitors[rollout.id] = Monitor(self.clouds.local(rollout), self._world.store, now)
        return known

    def _watch(self, rollout: Rollout) -> Watch:
        known = self._watches.get(rollout.id)
        if known is None or known.outdated(rollout):
            known = self._watches[rollout.id] = Watch(rollout, self._world.store)
        return known

    def _gateway(self, rollout: Rollout) -> Iterator[Seen]:
        """Was the weight taken down behind our back; what is still pinned to a candidate that is being taken back."""
        phase, candidate = policy.working_phase(rollout), rollout.candidate
        if candidate is None or phase not in _ROUTED:
            return
        try:
            state = self._world.traffic.read(rollout.agent)
        except NotFound:
            self.drifted.add(rollout.id)
            return
        except PortError as error:
            self._reach.failed(rollout.id, "traffic", error)
            return
        self._reach.answered(rollout.id, "traffic")
        weight = 0.0 if phase is Phase.HANDING_OVER else rollout.weight  # a promoted one is the baseline there
        if (state.rollout, state.epoch, state.weight) != (rollout.id, rollout.epoch, weight):
            self.drifted.add(rollout.id)
        if state.rollout != rollout.id:
            return
        if state.forced_by and phase is not Phase.ROLLING_BACK:
            body = {"by": state.forced_by, "reason": state.forced_reason}
            entry = Entry("gateway.forced_down", body, rollout.id)
            self.drifted.discard(rollout.id)
            yield Seen(ForcedDown(state.forced_by, state.forced_reason), (entry,))
        back = rollout.rollback
        if phase is Phase.ROLLING_BACK and back and back.cut_over_at is not None:
            sessions, oldest = state.debt.get(candidate.number, (back.debt, back.oldest_s))
            if sessions is not None and sessions != back.debt:
                entry = Entry("exposure.debt", {"sessions": sessions, "oldest_s": round(oldest, 1)}, rollout.id)
                yield Seen(DebtMeasured(sessions, round(oldest, 1)), (entry,))

    def _health(self, rollout: Rollout, now: float) -> Iterator[Seen]:
        if now - self._health_at.get(rollout.id, 0.0) < self._world.health_every_s:
            return
        self._health_at[rollout.id] = now
        yield from self._health_of(rollout, Variant.BASELINE, rollout.baseline, was_up=rollout.baseline_healthy)
        if rollout.candidate and policy.exposed(rollout):
            up = rollout.id not in self._candidate_down
            yield from self._health_of(rollout, Variant.CANDIDATE, rollout.candidate, was_up=up)

    def _health_of(self, rollout: Rollout, variant: Variant, version: Version, *, was_up: bool) -> Iterator[Seen]:
        try:
            state = self._world.platform.version(rollout.agent, version.number)
        except PortError as error:
            self._reach.failed(rollout.id, "platform", error)
            return
        self._reach.answered(rollout.id, "platform")
        if state.status == "READY" and self._places.note(rollout.agent, version, state.version):
            self.drifted.add(rollout.id)
        if state.status in {"CREATING", "STOPPED"} or (state.status == "READY") == was_up:
            return
        up = state.status == "READY"
        if variant is Variant.CANDIDATE:
            (self._candidate_down.discard if up else self._candidate_down.add)(rollout.id)
        detail = state.reason or f"version {version.number} is {state.status}"
        body = {"variant": variant.value, "healthy": up, "detail": detail}
        yield Seen(HealthChanged(variant, up, detail), (Entry("health", body, rollout.id),))

    def _clock_of(self, rollout: Rollout, now: float) -> Iterator[Seen]:
        """The wall clock was set while we looked, or stands before what the ledger says: everything moves with it."""
        moved = self._clock.moved(rollout.id, lambda: self._last_said(rollout.id), now)
        if moved is None:
            return
        self.forget(rollout.id)  # what is remembered was counted on the old clock
        yield Seen(ClockMoved(moved), (Entry("clock.moved", {"by_s": moved}, rollout.id),))

    def _last_said(self, rollout: str) -> float:
        records = self._world.store.read(rollout, kinds=("decision", "evidence.look"))
        return records[-1].at if records else 0.0

    def _drift(self, rollout: Rollout, now: float) -> Seen | None:
        """A version became another without a deployment. What else is new of versions goes on the ledger at once."""
        if policy.working_phase(rollout) not in _IDENTIFIED:
            return None
        news = self.identities.of_rollout(rollout, now)
        if news is None:
            return None
        if not news.moved:
            self._world.store.append(news.entries, now)
            return None
        watched = policy.working_phase(rollout) in _WATCHED
        return Seen(*news.fact(rollout, self._watch(rollout).left() if watched else ()))

    def _budgets(self, rollout: Rollout, now: float) -> Iterator[Seen]:
        spending = self._spending.setdefault(rollout.id, Spending(self._world.store))
        for fact, entry in spending.look(rollout, now):
            record = self._world.store.append([entry], now)[0]
            yield Seen(replace(fact, evidence=(record.id,)))

    def _window(self, rollout: Rollout, monitor: Monitor, now: float) -> Iterator[Seen]:
        window = rollout.window
        if window is None or policy.working_phase(rollout) is not Phase.VALIDATING or now < window.next_at:
            return
        probe = self._prober.ask(rollout, part_at(rollout, elapsed_s(rollout, now)).invoke, window.checks, now)
        if probe is None:  # it is on its way
            return
        checks, status = monitor.checks(rollout), self._status(rollout)
        alarms = self.clouds.seen(rollout, monitor.seen(self.clouds.local(rollout)))
        alarms = self._mutes.seen(rollout, alarms, now)
        known = measure.Seen(monitor.total(), alarms, *checks, status, probe or None)
        body = measure.window_check(rollout, self._world.store, known, now)
        record = self._world.store.append([Entry("evidence.window", body.data, rollout.id)], now)[0]
        yield Seen(WindowChecked(body.results, (record.id,)))

    def _status(self, rollout: Rollout) -> str | None:
        return self.status_of(rollout.agent, rollout.candidate.number) if rollout.candidate else None

    def status_of(self, agent: str, number: str) -> str | None:
        """What the platform says of a version; None: it says nothing."""
        try:
            return self._world.platform.version(agent, number).status
        except PortError:
            return None
