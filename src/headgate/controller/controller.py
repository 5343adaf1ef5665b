"""The loop: lease -> load -> observe -> decide -> commit -> execute. Straight lines; every decision is the core's.

Killed at any instant, it goes on: state, decision and effects are one commit, effects are idempotent and asked for
again until a fact verifies them, and everything it remembers is rebuilt from the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from headgate.controller import measure, messages, record
from headgate.controller.budgets import AgentBudgets
from headgate.controller.desk import Desk
from headgate.controller.execute import Done, Executor
from headgate.controller.jobs import pause
from headgate.controller.leases import Leases
from headgate.controller.observe import Observer
from headgate.controller.operations import Operations
from headgate.controller.places import Places
from headgate.controller.registration import Registrar
from headgate.controller.world import World
from headgate.core import policy
from headgate.core.decide import decide
from headgate.core.decision import traffic
from headgate.core.effects import DeployCandidate, Notify, RunGate, SetTraffic
from headgate.core.facts import EffectFailed, Fact, ForcedDown, PersonFact, Started, Ticked
from headgate.core.model import FINISHED, Phase, Rollout
from headgate.errors import HeadgateError, PortError, RefusedError, StaleTermError
from headgate.ports import Agent, Change, Command, Entry, Lease, Message, PendingEffect

_LONGEST_PAUSE_S = 60.0  # between two attempts at an effect, with room to spare
_MOST_ROUNDS = 8  # of effects per turn: one turn carries a decision through to what it asks for


@dataclass(slots=True)
class _Driving:
    """One rollout in this turn: its state so far, and the right to change it."""

    rollout: Rollout
    agent: Agent
    lease: Lease


class Controller:
    """Drives every active rollout of one store."""

    def __init__(self, world: World, complain: Callable[[str], None] = lambda _text: None) -> None:
        self._world = world
        self._complain = complain
        places = Places()
        self._observer = Observer(world, places)
        self._operations = Operations(world, self._observer.status_of, self._observer.clouds)
        self._budgets = AgentBudgets(world)
        self._executor = Executor(world, places)
        self._leases = Leases(world)
        self._registrar = Registrar(world, self._leases)
        self._desk = Desk(world, lambda agent: self._leases.hold(agent)[0])
        self._stopping = False
        self.trouble = ""  # the last thing that kept a turn from being whole; "" when it was

    def run(self) -> None:
        """Turn until `stop`; a turn that fails is said and tried again."""
        while not self._stopping:
            self.turn()
            if not self._stopping:
                self._world.clock.sleep(self._world.turn_s)
        self.close()

    def stop(self) -> None:
        """Finish the turn and end; safe from a signal handler."""
        self._stopping = True
        self._world.clock.wake()

    def close(self) -> None:
        """Give the leases back, so that the next controller need not wait for them."""
        self._executor.close()
        self._observer.close()
        self.trouble = self._leases.release()

    def turn(self) -> None:
        """One look at everything."""
        before, self.trouble = self.trouble, ""
        try:
            self._attempt(self._registrar.turn)
            agents = {agent.name: agent for agent in self._world.store.agents()}
            rollouts = self._world.store.all(active=True)
            driven = {rollout.agent for rollout in rollouts}
            for agent in agents.values():
                if agent.name not in driven:
                    self._attempt(partial(self._idle, agent))
            for rollout in rollouts:
                self._drive(rollout, agents.get(rollout.agent))
            self._attempt(self._desk.turn)
        except HeadgateError as error:
            self.trouble = error.message
        if self.trouble and self.trouble != before:
            self._complain(self.trouble)

    def _attempt(self, part: Callable[[], None]) -> None:
        """One part of a turn: what keeps it from being whole keeps no other part from it."""
        try:
            part()
        except HeadgateError as error:
            self.trouble = error.message

    def _idle(self, agent: Agent) -> None:
        """No rollout: keep the gateway serving, take telemetry in, finish what ended rollouts left to do."""
        self._registrar.keep_serving(agent)
        try:
            self._observer.ingest(agent.name)
        except PortError as error:
            self.trouble = error.message
        rollouts = self._world.store.all(agent=agent.name)
        for rollout in rollouts:
            if self._world.store.pending(rollout.id):
                self._drive(rollout, agent)
        lease, _ = self._leases.hold(agent.name)
        if lease is not None:
            self._operations.turn(agent, rollouts)
            self._budgets.turn(agent, lease)
            for each in (self._observer.clouds, self._observer.evaluating):
                each.end(rollouts, self._world.clock.now())
            self._observer.identities.of_agent(agent, self._world.clock.now())

    def _drive(self, rollout: Rollout, agent: Agent | None) -> None:
        if agent is None:
            self.trouble = f"rollout {rollout.id} cannot go on: no agent {rollout.agent} is served here"
            return
        try:
            lease, fresh = self._leases.hold(rollout.agent, rollout.id)
            if lease is None or fresh:  # another drives, or drove, it
                self._observer.forget(rollout.id)
            if lease is None:
                return
            if fresh:  # the gateway, too, is to know the new term before anything else happens
                self._observer.drifted.add(rollout.id)
            driving = _Driving(rollout, agent, lease)
            self._begin(driving)
            self._hear(driving)
            self._see(driving)
            self._act(driving)
            self._correct(driving)
            self._tell(driving, Ticked())
        except HeadgateError as error:
            if isinstance(error, StaleTermError):
                self._leases.lost(rollout.agent)
            self._observer.forget(rollout.id)  # what it saw may not have been told
            self.trouble = error.message

    # --- the five parts of a turn ----------------------------------------------------------------------------------

    def _begin(self, driving: _Driving) -> None:
        if driving.rollout.phase is Phase.PLANNED:
            self._tell(driving, Started())

    def _hear(self, driving: _Driving) -> None:
        """People first."""
        for command in self._world.store.waiting(driving.rollout.id):
            if command.fact is not None:
                self._tell(driving, command.fact, [_said(command)], consumed=(command.id,))

    def _see(self, driving: _Driving) -> None:
        try:
            self._observer.ingest(driving.agent.name, driving.rollout.id)
        except PortError as error:
            self.trouble = error.message
        if driving.rollout.phase in FINISHED:
            return
        for seen in self._observer.facts(driving.rollout, self._world.clock.now()):
            self._tell(driving, seen.fact, seen.entries)

    def _act(self, driving: _Driving) -> None:
        """Effects until none makes progress: a rollback decided above is at the gateway before this turn ends."""
        for _ in range(_MOST_ROUNDS):
            progress = [self._do(driving, pending) for pending in self._world.store.pending(driving.rollout.id)]
            if not any(progress):
                return

    def _correct(self, driving: _Driving) -> None:
        """A gateway that lost or changed what was verified is told again what holds."""
        rollout, now = driving.rollout, self._world.clock.now()
        if policy.working_phase(rollout) in {Phase.PLANNED, Phase.GATING}:
            self._registrar.keep_serving(driving.agent)
            return
        if rollout.id not in self._observer.drifted:
            return
        if not policy.in_force(rollout):
            self._observer.drifted.discard(rollout.id)
            return
        effect = traffic(rollout)
        try:
            done = self._executor.run(effect, rollout, driving.agent, driving.lease.term, now)
        except PortError as error:
            self.trouble = error.message
            return
        if done:
            self._observer.drifted.discard(rollout.id)
            body = {"key": effect.key, "weight": effect.weight, "epoch": effect.epoch}
            self._world.store.append([Entry("traffic.corrected", body, rollout.id)], now)

    def _do(self, driving: _Driving, pending: PendingEffect) -> bool:
        """One effect once. True when it is settled."""
        rollout, now = driving.rollout, self._world.clock.now()
        if policy.superseded(pending.effect, rollout):
            entry = record.dropped(rollout, pending.key, pending.effect)
            self._commit(driving, Change(entries=(entry,), settled=(pending.key,)))
            return True
        if now < pending.next_at < now + _LONGEST_PAUSE_S:  # one that is later was set on another clock
            return False
        self._world.crash_point(f"before {pending.key}")
        try:
            done = self._executor.run(pending.effect, rollout, driving.agent, driving.lease.term, now)
        except StaleTermError:
            raise
        except HeadgateError as error:
            if isinstance(error, RefusedError) and isinstance(pending.effect, SetTraffic):
                return self._refused(driving, pending, error)
            return self._failed(driving, pending, error)
        self._world.crash_point(f"after {pending.key}")
        if done is None:
            self._unverified(driving, pending)
            return False
        self._settle(driving, pending, done)
        return True

    # --- telling the core ------------------------------------------------------------------------------------------

    def _settle(self, driving: _Driving, pending: PendingEffect, done: Done) -> None:
        now = self._world.clock.now()
        verified = record.verified(driving.rollout, pending, now, done.detail)
        self._tell(driving, done.fact, [*done.entries, verified], settled=(pending.key,), told=done.messages)

    def _refused(self, driving: _Driving, pending: PendingEffect, error: RefusedError) -> bool:
        """A person took the weight down at the gateway itself."""
        entry = Entry("gateway.forced_down", {"by": "gateway", "reason": error.message}, driving.rollout.id)
        self._tell(driving, ForcedDown("gateway", error.message), [entry], settled=(pending.key,))
        return True

    def _failed(self, driving: _Driving, pending: PendingEffect, error: HeadgateError) -> bool:
        """Try again later with a growing pause; what is refused, or fails for too long, is a fact.

        A rollback never gives up: there is nothing else that it could do.
        """
        world, now = self._world, self._world.clock.now()
        self.trouble = error.message
        fact = EffectFailed(pending.key, error.message, permanent=not error.retry)
        if not error.retry and driving.rollout.phase is not Phase.ROLLING_BACK:
            self._tell(driving, fact, [record.failing(driving.rollout, pending, error.message)], settled=(pending.key,))
            return True
        world.store.delay(pending.key, now + pause(pending.key, pending.attempts, 0.5, 30.0), error.message)
        if not error.retry or now - pending.asked_at >= self._patience(driving.rollout):
            self._tell_once(driving, pending, fact)
        return False

    def _patience(self, rollout: Rollout) -> float:
        """How long an effect may fail before a person is called; a rollback that is not done is told soon, always."""
        world = self._world
        waits = rollout.plan.platform.kind == "agentcore" and rollout.phase is not Phase.ROLLING_BACK
        return world.outage_patience_s if waits else world.effect_patience_s

    def _unverified(self, driving: _Driving, pending: PendingEffect) -> None:
        """It was accepted and is not to be seen: after a while that is a failure too. A suite may take its time."""
        world, waited = self._world, self._world.clock.now() - pending.asked_at
        patience = world.build_patience_s if isinstance(pending.effect, DeployCandidate) else world.effect_patience_s
        if waited >= patience and not isinstance(pending.effect, RunGate | Notify):
            said = f"asked for {waited:.0f} s ago, accepted, and still not to be seen"
            self._tell_once(driving, pending, EffectFailed(pending.key, said, permanent=False))

    def _tell_once(self, driving: _Driving, pending: PendingEffect, fact: EffectFailed) -> None:
        """Of an effect that goes on failing the core hears once; the ledger remembers that it did."""
        told = self._world.store.read(driving.rollout.id, kinds=("effect.failing",))
        if all(r.body["key"] != pending.key for r in told):
            self._tell(driving, fact, [record.failing(driving.rollout, pending, fact.error)])

    def _tell(
        self,
        driving: _Driving,
        fact: Fact,
        entries: Iterable[Entry] = (),
        *,
        settled: tuple[str, ...] = (),
        consumed: tuple[int, ...] = (),
        told: tuple[Message, ...] = (),
    ) -> None:
        """Decide and commit. A decision that changes nothing and carries nothing is not recorded."""
        before, now = driving.rollout, self._world.clock.now()
        made = decide(before, fact, now)
        changed = made.rollout != before or bool(made.effects)
        entries = list(entries)
        if not (changed or entries or settled or consumed):
            return
        agent = self._promoted(before, made.rollout, driving.agent)
        if changed or isinstance(fact, PersonFact):  # what changed nothing is no decision; a refused word is one
            entries.append(record.decision(before, fact, made, now))
        entries += self._milestones(before, made.rollout, agent, now)
        told = (*told, *messages.of_decision(made.rollout, made.effects, now))
        asked = tuple(effect for effect in made.effects if not isinstance(effect, Notify))  # messages go by the outbox
        change = Change(made.rollout, agent, tuple(entries), asked, settled, consumed, told)
        self._world.crash_point(f"before commit {type(fact).__name__}")
        self._commit(driving, change)
        self._world.crash_point(f"after commit {type(fact).__name__}")
        driving.rollout = made.rollout
        driving.agent = agent or driving.agent

    def _commit(self, driving: _Driving, change: Change) -> None:
        self._world.store.commit(change, driving.lease, self._world.clock.now())

    def _promoted(self, before: Rollout, after: Rollout, agent: Agent) -> Agent | None:
        """The agent's new baseline, when this decision gives it one."""
        if before.phase is after.phase:
            return None
        if after.phase is Phase.COMPLETED and after.candidate:
            return replace(agent, baseline=after.candidate, previous=after.baseline, plan=after.plan)
        if after.phase is Phase.ROLLED_BACK and agent.baseline.number != after.baseline.number:
            return replace(agent, baseline=after.baseline, previous=None)
        return None

    def _milestones(self, before: Rollout, after: Rollout, agent: Agent | None, now: float) -> list[Entry]:
        """Evidence that belongs to the moment a phase is entered."""
        if before.phase is after.phase:
            return []
        entries = []
        if after.phase is Phase.DEPLOYING and before.phase is Phase.GATING:
            status = self._observer.status_of(after.agent, after.baseline.number)
            watched = self._observer.clouds.states(after)
            entries.append(measure.baseline(after, self._world.store, status, now, watched))
        if after.phase in {Phase.COMPLETED, Phase.ROLLED_BACK}:
            entries.append(measure.exposure(after, self._world.store))
        if after.phase is Phase.ROLLED_BACK:
            entries.append(measure.incident_times(after, now))
        if after.phase in {Phase.ROLLED_BACK, Phase.FAILED}:
            entries += self._stray(after)
        if agent:
            previous = agent.previous.number if agent.previous else None
            body = {
                "agent": agent.name,
                "version": agent.baseline.number,
                "digest": agent.baseline.digest,
                "previous": previous,
            }
            entries.append(Entry("agent.promoted", body, after.id))
        return entries

    def _stray(self, rollout: Rollout) -> list[Entry]:
        try:
            found = measure.stray(rollout, self._world.platform.find(rollout.agent))
        except PortError:
            return []  # `headgate assess` says it when the platform answers again
        return [found] if found else []


def _said(command: Command) -> Entry:
    reason = getattr(command.fact, "reason", "")
    return Entry("command", {"verb": command.verb, "by": command.by, "reason": reason}, command.rollout)
