"""Agents that Headgate serves: taken on by a person's word (`headgate up PLAN`), kept serving while no rollout runs.

Taking on is level-triggered: find or build the baseline, pin the production endpoint, tell the gateway, and only then
note the agent in the store. Each part is idempotent, so a crash in between is mended by the next turn.
"""

from __future__ import annotations

from dataclasses import replace

from headgate.controller import policies
from headgate.controller.leases import Leases
from headgate.controller.world import World
from headgate.core.effects import PREVIOUS, PRODUCTION
from headgate.core.model import Version
from headgate.core.plan import Plan
from headgate.errors import NotFound, PortError
from headgate.ports import Agent, Change, Command, Entry, Lease, RuntimeState


class Registrar:
    def __init__(self, world: World, leases: Leases) -> None:
        self._world = world
        self._leases = leases
        self._served_at: dict[str, float] = {}
        self._pinned: set[int] = set()

    def turn(self) -> None:
        """Take on the agents that people asked for."""
        for command in self._world.store.waiting(""):
            if command.verb == "register" and command.plan:
                lease, _ = self._leases.hold(command.plan.agent)
                if lease:
                    self._register(command, command.plan, lease)

    def keep_serving(self, agent: Agent) -> None:
        """The gateway that lost its policy, or whose version moved to another place, is told again."""
        world, now, plan = self._world, self._world.clock.now(), agent.plan
        if plan is None or now - self._served_at.get(agent.name, 0.0) < world.serve_every_s:
            return
        self._served_at[agent.name] = now
        lease, _ = self._leases.hold(agent.name)
        if lease is None:
            return
        try:
            moved = self._moved(agent)
            if moved is None and not self._lost(agent):
                return
            agent = replace(agent, baseline=moved or agent.baseline)
            world.traffic.apply(policies.serving(agent, plan, lease.term, now))
            if moved:  # noted only when the gateway knows it
                world.store.commit(Change(agent=agent), lease, now)
        except PortError:
            return  # asked for again in a moment

    def _lost(self, agent: Agent) -> bool:
        try:
            return self._world.traffic.read(agent.name).baseline != agent.baseline.number
        except NotFound:
            return True

    def _moved(self, agent: Agent) -> Version | None:
        """The baseline at its new place, if it answers at another one than the gateway was told."""
        state = self._world.platform.version(agent.name, agent.baseline.number)
        elsewhere = state.status == "READY" and state.version.url != agent.baseline.url
        return state.version if elsewhere else None

    def _register(self, command: Command, plan: Plan, lease: Lease) -> None:
        world, now = self._world, self._world.clock.now()
        try:
            agent = self._take_on(plan, command)
        except PortError as error:
            if not error.retry:
                body = {"agent": plan.agent, "reason": error.message, "mend": error.mend, "by": command.by}
                change = Change(entries=(Entry("agent.refused", body),), consumed=(command.id,))
                world.store.commit(change, lease, now)
            return
        if agent is None:
            return
        if world.store.all(active=True, agent=agent.name):  # its rollout says what is served, and from which baseline
            known = next((a for a in world.store.agents() if a.name == agent.name), agent)
            agent = replace(known, plan=plan)
        else:
            world.traffic.apply(policies.serving(agent, plan, lease.term, now))
        body = {
            "agent": agent.name,
            "arn": agent.arn,
            "version": agent.baseline.number,
            "digest": agent.baseline.digest,
            "by": command.by,
        }
        change = Change(agent=agent, entries=(Entry("agent.registered", body),), consumed=(command.id,))
        world.store.commit(change, lease, now)

    def _take_on(self, plan: Plan, command: Command) -> Agent | None:
        """The agent with a baseline that answers; None while it starts."""
        platform = self._world.platform
        found = platform.find(plan.agent)
        number = _trusted(found) if found else platform.build(plan.agent, plan, f"register-{command.id}").number
        if command.id not in self._pinned:  # once: asking again would begin a failed start anew
            platform.pin(plan.agent, PRODUCTION, number)
            self._pinned.add(command.id)
        state = platform.version(plan.agent, number)
        if state.status == "FAILED":
            raise NotFound(f"version {number} of {plan.agent} does not start: {state.reason}")
        found = platform.find(plan.agent)
        if state.status != "READY" or found is None or found.endpoints.get(PRODUCTION) != (number, number, "READY"):
            return None
        return Agent(plan.agent, found.id, found.arn, state.version, self._previous(plan.agent, found), plan)

    def _previous(self, agent: str, found: RuntimeState) -> Version | None:
        live = found.endpoints.get(PREVIOUS)
        if live is None:
            return None
        state = self._world.platform.version(agent, live[0])
        return replace(state.version) if state.status == "READY" else None


def _trusted(found: RuntimeState) -> str:
    """What production points at; a runtime without that endpoint trusts its latest version, as DEFAULT does."""
    if PRODUCTION in found.endpoints:
        live, target, _ = found.endpoints[PRODUCTION]
        return live or target  # one that was just created is live nowhere yet
    return found.versions[-1]
