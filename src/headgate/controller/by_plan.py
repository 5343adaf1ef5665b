"""Ports by plan: each agent's platform, traffic and telemetry are those that its plan names.

One controller serves agents of many kinds; an adapter knows its own. Which plan counts for an agent: that of its active
rollout, else of the word to take it on, else the last one it was served with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from headgate.core.codec import digest, to_data
from headgate.core.model import Version
from headgate.core.plan import Plan
from headgate.errors import NotFound
from headgate.ports import (
    Platform,
    RuntimeState,
    Store,
    Telemetry,
    Traffic,
    TrafficPolicy,
    TrafficState,
    VersionState,
)
from headgate.stats.observations import Row

P = TypeVar("P")
Make = Callable[[Plan], P]


def plan_of(store: Store, agent: str) -> Plan | None:
    """The plan that counts for the agent now, or None."""
    for rollout in store.all(active=True, agent=agent):
        return rollout.plan
    for command in store.waiting(""):
        if command.verb == "register" and command.plan and command.plan.agent == agent:
            return command.plan
    return next((known.plan for known in store.agents() if known.name == agent), None)


class _ByPlan(Generic[P]):
    """Adapters as their plans ask for them, each made once per wording of the plan's platform and traffic."""

    def __init__(self, find: Callable[[str], Plan | None], make: Make[P]) -> None:
        self._find = find
        self._make = make
        self._made: dict[str, P] = {}

    def of(self, agent: str) -> P:
        plan = self._find(agent)
        if plan is None:
            raise NotFound(f"no plan of an agent {agent} is known here", "take it on with `headgate up PLAN`")
        return self.for_plan(plan)

    def for_plan(self, plan: Plan) -> P:
        key = digest([plan.agent, to_data(plan.platform), plan.traffic])
        if key not in self._made:
            self._made[key] = self._make(plan)
        return self._made[key]


class PlatformByPlan(_ByPlan[Platform]):
    """Implements ports.Platform."""

    def find(self, agent: str) -> RuntimeState | None:
        return self.of(agent).find(agent)

    def build(self, agent: str, plan: Plan, token: str) -> Version:
        return self.for_plan(plan).build(agent, plan, token)

    def version(self, agent: str, number: str) -> VersionState:
        return self.of(agent).version(agent, number)

    def pin(self, agent: str, endpoint: str, number: str) -> None:
        self.of(agent).pin(agent, endpoint, number)

    def unpin(self, agent: str, endpoint: str) -> None:
        self.of(agent).unpin(agent, endpoint)


class TrafficByPlan(_ByPlan[Traffic]):
    """Implements ports.Traffic."""

    def apply(self, policy: TrafficPolicy) -> None:
        self.of(policy.agent).apply(policy)

    def read(self, agent: str) -> TrafficState:
        return self.of(agent).read(agent)

    def force_down(self, agent: str, by: str, reason: str) -> TrafficState:
        return self.of(agent).force_down(agent, by, reason)


class OncePerPlace(Generic[P]):
    """What `make` answers for a plan, made once for each place that plans name."""

    def __init__(self, make: Make[P]) -> None:
        self._make = make
        self._made: dict[str, P] = {}

    def __call__(self, plan: Plan) -> P:
        key = digest(to_data(plan.platform))
        if key not in self._made:
            self._made[key] = self._make(plan)
        return self._made[key]


class TelemetryByPlan(_ByPlan[Telemetry]):
    """Implements ports.Telemetry."""

    def poll(self, agent: str, cursor: str) -> tuple[list[Row], str]:
        return self.of(agent).poll(agent, cursor)
