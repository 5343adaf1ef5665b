"""Budgets of a day and of a month while no rollout runs: the agent goes on spending, and people are told.

There is nothing to hold and nothing to take back, so what the plan would have held or taken back is an incident (P3),
which is escalated as any other; what it only warns of is a message. Once in its day or month, whoever saw it first.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from headgate.controller import incidents, messages
from headgate.controller.spending import EVERY_S, Spending, crossings
from headgate.controller.world import World
from headgate.core.facts import BudgetCrossed
from headgate.core.plan import Crossing
from headgate.ports import Agent, Change, Data, Entry, Lease, Message


class AgentBudgets:
    """Looked at every half minute. What was crossed is read from the ledger, so a restart tells nobody again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._spending: dict[str, Spending] = {}
        self._looked_at: dict[str, float] = {}
        self._crossed: dict[str, set[str]] = {}  # by agent
        self._read_to = 0

    def turn(self, agent: Agent, lease: Lease) -> None:
        """The caller holds the agent's lease."""
        now, plan = self._world.clock.now(), agent.plan
        if plan is None or not plan.budgets or 0.0 <= now - self._looked_at.get(agent.name, 0.0) < EVERY_S:
            return
        self._looked_at[agent.name] = now
        self._read()
        spending = self._spending.setdefault(agent.name, Spending(self._world.store))
        known = self._crossed.setdefault(agent.name, set())
        found = [
            (fact, {**standing.data(), "name": fact.name, "detail": fact.detail, "agent": agent.name})
            for standing in spending.of_agent(agent.name, plan.budgets, now)
            for fact in crossings(standing)
            if fact.name not in known
        ]
        if found:
            self._tell(agent, [fact for fact, _ in found], [body for _, body in found], lease, now)

    def _read(self) -> None:
        """What was crossed since the last look, by this controller, another one, or a rollout of the agent."""
        for record in self._world.store.read(after=self._read_to, kinds=("budget.crossed",)):
            self._read_to = record.seq
            agent = record.body.get("agent") or self._world.store.load(record.rollout).agent
            self._crossed.setdefault(agent, set()).add(record.body["name"])

    def _tell(
        self, agent: Agent, facts: Sequence[BudgetCrossed], bodies: Sequence[Data], lease: Lease, now: float
    ) -> None:
        store, plan = self._world.store, agent.plan
        receivers = [r for r in plan.notify if "budget" in r.on] if plan else []
        told: list[Message] = []
        for fact in facts:
            told += messages.of_budget(receivers, agent.name, fact, now)
        entries = [Entry("budget.crossed", body) for body in bodies]
        if serious := [fact for fact in facts if fact.follows is not Crossing.WARN]:
            stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
            opened: Data = {
                "incident": f"INC-{agent.name}-{stamp}",
                "severity": "P3",
                "title": "; ".join(fact.detail for fact in serious),
                "at": now,
                "agent": agent.name,
            }
            more, also = incidents.opening(store, self._world.recordings, opened, None, agent)
            entries += more
            told += also
        store.commit(Change(entries=tuple(entries), messages=tuple(told)), lease, now)
