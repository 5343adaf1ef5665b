"""What both platforms ask of AgentCore's control plane: find a runtime, list all pages, read and move an endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from headgate.errors import NotFound, Unavailable
from headgate.platforms.agentcore import words
from headgate.ports import RuntimeState

Data = dict[str, Any]


class Runtimes:
    """Reads and small changes; called inside `faults.mapped`. `runtime` is an id, "" to find runtimes by the agent's
    name: `coach-companion` is the runtime `coach_companion`.
    """

    def __init__(self, control: Any, runtime: str = "") -> None:
        self.control = control
        self._runtime = runtime

    def locate(self, agent: str) -> Data | None:
        """{"agentRuntimeId", "agentRuntimeArn", "agentRuntimeName", ...} of the agent's runtime, or None."""
        if self._runtime:
            try:
                found: Data = self.control.get_agent_runtime(agentRuntimeId=self._runtime)
            except self.control.exceptions.ResourceNotFoundException:
                return None
            return found
        name = words.runtime_name(agent)
        runtimes = self.all("list_agent_runtimes", "agentRuntimes")
        return next((r for r in runtimes if r["agentRuntimeName"] == name), None)

    def need(self, agent: str) -> str:
        """The id of the agent's runtime."""
        if self._runtime:
            return self._runtime
        found = self.locate(agent)
        if found is None:
            raise NotFound(f"the platform has no agent {agent}")
        return str(found["agentRuntimeId"])

    def all(self, operation: str, member: str, **params: Any) -> list[Data]:
        """Every page of a list."""
        pages = self.control.get_paginator(operation).paginate(**params)
        return [item for page in pages for item in page[member]]

    def state(self, agent: str) -> RuntimeState | None:
        """The agent's runtime as the port wants it."""
        found = self.locate(agent)
        if found is None:
            return None
        id = found["agentRuntimeId"]
        versions = self.all("list_agent_runtime_versions", "agentRuntimes", agentRuntimeId=id)
        return RuntimeState(
            id=id,
            arn=found["agentRuntimeArn"],
            versions=tuple(sorted((v["agentRuntimeVersion"] for v in versions), key=int)),
            endpoints={
                e["name"]: (e.get("liveVersion", ""), e.get("targetVersion", ""), e["status"])
                for e in self.endpoints(id)
            },
        )

    def endpoints(self, id: str) -> list[Data]:
        return self.all("list_agent_runtime_endpoints", "runtimeEndpoints", agentRuntimeId=id)

    def endpoint(self, id: str, name: str) -> Data | None:
        try:
            data: Data = self.control.get_agent_runtime_endpoint(agentRuntimeId=id, endpointName=name)
        except self.control.exceptions.ResourceNotFoundException:
            return None
        return data

    def point(self, id: str, name: str, number: str, said: str = "") -> None:
        """Ask for the endpoint to be on the version, described as `said`; a failed move is asked for again."""
        now = self.endpoint(id, name)
        more = {"description": said} if said else {}
        if now is None:
            self.control.create_agent_runtime_endpoint(agentRuntimeId=id, name=name, agentRuntimeVersion=number, **more)
            return
        moved = now.get("targetVersion") == number and not now["status"].endswith("FAILED")
        if not moved or (said and now.get("description") != said):
            with self.while_it_moves(f"endpoint {name}", now["status"]):
                self.control.update_agent_runtime_endpoint(
                    agentRuntimeId=id, endpointName=name, agentRuntimeVersion=number, **more
                )

    @contextmanager
    def while_it_moves(self, what: str, status: str) -> Iterator[None]:
        """A conflict with a change that is under way passes by itself: Unavailable, so it is asked for again."""
        try:
            yield
        except self.control.exceptions.ConflictException as error:
            if not status.endswith("ING"):
                raise
            raise Unavailable(f"{what} is {status}: another change of it is under way") from error

    def remove(self, agent: str, name: str) -> None:
        """Remove the endpoint; one that is not there is removed already."""
        found = self.locate(agent)
        if found and self.endpoint(found["agentRuntimeId"], name):
            self.control.delete_agent_runtime_endpoint(agentRuntimeId=found["agentRuntimeId"], endpointName=name)
