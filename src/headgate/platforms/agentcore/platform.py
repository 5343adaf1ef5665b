"""The Platform port on AgentCore's control plane. Amazon's and the local runtime's differ only in the client and the
extension.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from headgate.core.codec import digest
from headgate.core.model import Version
from headgate.core.plan import Plan
from headgate.core.plan import Platform as PlanPlatform
from headgate.errors import NotFound, Rejected
from headgate.platforms.agentcore import words
from headgate.platforms.agentcore.clients import control_client, is_loopback
from headgate.platforms.agentcore.extension import Extension
from headgate.platforms.agentcore.faults import mapped
from headgate.ports import RuntimeState, VersionState

LOCAL_ROLE = "arn:aws:iam::000000000000:role/headgate-local"
DEFAULT_PYTHON = "PYTHON_3_12"  # a name that AgentCore requires; the local runtime uses the Python it was started with

# what makes a version; names and times do not
_IDENTITY = ("agentRuntimeArtifact", "environmentVariables", "protocolConfiguration", "hooksConfiguration")


@dataclass(frozen=True, slots=True)
class Connection:
    """A boto3 `bedrock-agentcore-control` client, and what the local runtime can tell beyond it (None: real AWS)."""

    control: Any
    extension: Extension | None = None


class AgentCorePlatform:
    """Agents are found by name: `coach-companion` is the runtime `coach_companion`. Raises only PortErrors."""

    def __init__(self, connection: Connection, *, role_arn: str = LOCAL_ROLE) -> None:
        self._control = connection.control
        self._extension = connection.extension
        self._role_arn = role_arn

    def find(self, agent: str) -> RuntimeState | None:
        """What there is, or None."""
        with mapped(f"looking for agent {agent}"):
            found = self._locate(agent)
            if found is None:
                return None
            id = found["agentRuntimeId"]
            versions = self._all("list_agent_runtime_versions", "agentRuntimes", agentRuntimeId=id)
            endpoints = self._all("list_agent_runtime_endpoints", "runtimeEndpoints", agentRuntimeId=id)
        return RuntimeState(
            id=id,
            arn=found["agentRuntimeArn"],
            versions=tuple(sorted((v["agentRuntimeVersion"] for v in versions), key=int)),
            endpoints={
                e["name"]: (e.get("liveVersion", ""), e.get("targetVersion", ""), e["status"]) for e in endpoints
            },
        )

    def build(self, agent: str, plan: Plan, token: str) -> Version:
        """Make the version that the plan describes. The same token, or the same code on top, gives the same version."""
        name, asked = words.runtime_name(agent), _code(plan.platform)
        unique = {"clientToken": words.client_token(f"{agent}/{token}")}
        with mapped(f"building a version of {agent}"):
            found = self._locate(agent)
            if found is None:
                request = {"agentRuntimeName": name, "roleArn": self._role_arn, **asked}
                made = self._control.create_agent_runtime(**request, **unique)
                return self._version(made["agentRuntimeId"], made["agentRuntimeVersion"])
            id = found["agentRuntimeId"]
            current = self._control.get_agent_runtime(agentRuntimeId=id)
            if self._extension:
                would_be = self._extension.digest({"agentRuntimeName": name, "roleArn": current["roleArn"], **asked})
                latest = self._version(id, current["agentRuntimeVersion"])
                if latest.digest == would_be:
                    return latest
            made = self._control.update_agent_runtime(**self._kept(current), **asked, **unique)
            return self._version(id, made["agentRuntimeVersion"])

    def version(self, agent: str, number: str) -> VersionState:
        """Whether the version runs; where an endpoint could not be moved to it, why."""
        with mapped(f"looking at version {number} of {agent}"):
            id = self._need(agent)
            if self._extension:
                data = self._extension.version(id, number)
                version = Version(number, data["digest"], data["url"])
                return VersionState(version, words.status_word(data["status"]), data["reason"])
            data = self._control.get_agent_runtime(agentRuntimeId=id, agentRuntimeVersion=number)
            version = Version(number, _config_digest(data))
            if reason := self._endpoint_failure(id, number):
                return VersionState(version, words.FAILED, reason)
            return VersionState(version, words.status_word(data["status"]), data.get("failureReason", ""))

    def pin(self, agent: str, endpoint: str, number: str) -> None:
        """Ask for the endpoint to be on the version; `find` tells when it is. A failed move is asked for again."""
        with mapped(f"pointing {endpoint} of {agent} at version {number}"):
            id = self._need(agent)
            now = self._endpoint(id, endpoint)
            if now is None:
                self._control.create_agent_runtime_endpoint(
                    agentRuntimeId=id, name=endpoint, agentRuntimeVersion=number
                )
            elif now.get("targetVersion") != number or now["status"].endswith("FAILED"):
                self._control.update_agent_runtime_endpoint(
                    agentRuntimeId=id, endpointName=endpoint, agentRuntimeVersion=number
                )

    def unpin(self, agent: str, endpoint: str) -> None:
        """Remove the endpoint; one that is not there is removed already."""
        with mapped(f"removing endpoint {endpoint} of {agent}"):
            found = self._locate(agent)
            if found and self._endpoint(found["agentRuntimeId"], endpoint):
                self._control.delete_agent_runtime_endpoint(
                    agentRuntimeId=found["agentRuntimeId"], endpointName=endpoint
                )

    # --- helpers; called inside `mapped`

    def _locate(self, agent: str) -> dict[str, Any] | None:
        name = words.runtime_name(agent)
        runtimes = self._all("list_agent_runtimes", "agentRuntimes")
        return next((r for r in runtimes if r["agentRuntimeName"] == name), None)

    def _need(self, agent: str) -> str:
        found = self._locate(agent)
        if found is None:
            raise NotFound(f"the platform has no agent {agent}")
        return str(found["agentRuntimeId"])

    def _all(self, operation: str, member: str, **params: Any) -> list[dict[str, Any]]:
        pages = self._control.get_paginator(operation).paginate(**params)
        return [item for page in pages for item in page[member]]

    def _endpoint(self, id: str, name: str) -> dict[str, Any] | None:
        try:
            data: dict[str, Any] = self._control.get_agent_runtime_endpoint(agentRuntimeId=id, endpointName=name)
        except self._control.exceptions.ResourceNotFoundException:
            return None
        return data

    def _endpoint_failure(self, id: str, number: str) -> str:
        for row in self._all("list_agent_runtime_endpoints", "runtimeEndpoints", agentRuntimeId=id):
            if row.get("targetVersion") == number and row["status"].endswith("FAILED"):
                return str((self._endpoint(id, row["name"]) or {}).get("failureReason") or row["status"])
        return ""

    def _version(self, id: str, number: str) -> Version:
        if self._extension:
            data = self._extension.version(id, number)
            return Version(number, data["digest"], data["url"])
        config = self._control.get_agent_runtime(agentRuntimeId=id, agentRuntimeVersion=number)
        return Version(number, _config_digest(config))

    def _kept(self, current: dict[str, Any]) -> dict[str, Any]:
        # an update replaces the whole configuration, so all that it may carry goes along
        model = self._control.meta.service_model.operation_model("UpdateAgentRuntime")
        replaced = {"agentRuntimeArtifact", "environmentVariables", "clientToken"}
        return {key: current[key] for key in model.input_shape.members if key in current and key not in replaced}


def connect(endpoint_url: str | None = None, region: str | None = None) -> Connection:
    """AWS in a region, or what serves its API at `endpoint_url`; on this machine that is the local runtime."""
    extension = Extension(endpoint_url) if endpoint_url and is_loopback(endpoint_url) else None
    return Connection(control_client(endpoint_url, region), extension)


def _code(platform: PlanPlatform) -> dict[str, Any]:
    """The members of a Create/UpdateAgentRuntime request that the plan decides."""
    settings = dict(platform.settings)
    if not settings.get("source"):
        raise Rejected(
            f"a plan of platform {platform.kind} names no source to build from",
            "give the directory of the agent: `platform: {kind: local, source: ./agent}`",
        )
    python = settings.get("python", "")
    code = {
        "code": {"s3": {"bucket": "local", "prefix": settings["source"]}},
        "runtime": f"PYTHON_{python.replace('.', '_')}" if python else DEFAULT_PYTHON,
        "entryPoint": [settings.get("entry", "main.py")],
    }
    env = json.loads(settings.get("env", "{}"))
    request: dict[str, Any] = {"agentRuntimeArtifact": {"codeConfiguration": code}}
    return {**request, "environmentVariables": env} if env else request


def _config_digest(data: dict[str, Any]) -> str:
    """Where the platform tells no content digest: that of the configuration, which names image or object."""
    return digest({key: data[key] for key in _IDENTITY if key in data})
