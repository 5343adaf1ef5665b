"""The Platform port on the local runtime: AgentCore's control plane, and the little that the runtime tells beyond it.

On Amazon's own AgentCore it is `aws.AgentCorePlatform`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from headgate.aws.clients import control_client
from headgate.aws.faults import mapped
from headgate.config.parts_file import DEFAULT_PYTHON
from headgate.core.identity import values
from headgate.core.model import Version
from headgate.core.plan import Plan
from headgate.core.plan import Platform as PlanPlatform
from headgate.errors import Rejected
from headgate.platforms.agentcore import words
from headgate.platforms.agentcore.extension import Extension
from headgate.platforms.agentcore.runtimes import Runtimes
from headgate.ports import RuntimeState, VersionState

LOCAL_ROLE = "arn:aws:iam::000000000000:role/headgate-local"


@dataclass(frozen=True, slots=True)
class Connection:
    """A boto3 `bedrock-agentcore-control` client, and what the local runtime can tell beyond it."""

    control: Any
    extension: Extension


class LocalPlatform:
    """Agents are found by name: `coach-companion` is the runtime `coach_companion`. Raises only PortErrors."""

    def __init__(self, connection: Connection) -> None:
        self._runtimes = Runtimes(connection.control)
        self._control = connection.control
        self._extension = connection.extension

    def find(self, agent: str) -> RuntimeState | None:
        """What there is, or None."""
        with mapped(f"looking for agent {agent}"):
            return self._runtimes.state(agent)

    def build(self, agent: str, plan: Plan, token: str) -> Version:
        """Make the version that the plan describes. The same token, or the same code on top, gives the same version."""
        name, asked = words.runtime_name(agent), _code(plan.platform)
        unique = {"clientToken": words.client_token(f"{agent}/{token}")}
        with mapped(f"building a version of {agent}"):
            found = self._runtimes.locate(agent)
            if found is None:
                request = {"agentRuntimeName": name, "roleArn": LOCAL_ROLE, **asked}
                made = self._control.create_agent_runtime(**request, **unique)
                return self._version(made["agentRuntimeId"], made["agentRuntimeVersion"])
            id = found["agentRuntimeId"]
            current = self._control.get_agent_runtime(agentRuntimeId=id)
            would_be = self._extension.digest({"agentRuntimeName": name, "roleArn": current["roleArn"], **asked})
            latest = self._version(id, current["agentRuntimeVersion"])
            if latest.digest == would_be:
                return latest
            kept = words.kept(self._control, current, without=("agentRuntimeArtifact", "environmentVariables"))
            made = self._control.update_agent_runtime(**kept, **asked, **unique)
            return self._version(id, made["agentRuntimeVersion"])

    def version(self, agent: str, number: str) -> VersionState:
        """Whether the version's process runs; where it does not, why."""
        with mapped(f"looking at version {number} of {agent}"):
            data = self._extension.version(self._runtimes.need(agent), number)
        version = Version(number, data["digest"], data["url"])
        return VersionState(
            version,
            words.status_word(data["status"]),
            data["reason"],
            data.get("rss_bytes"),
            data.get("restarts"),
            values(data.get("built") or {}),
            data.get("variables") or {},
        )

    def pin(self, agent: str, endpoint: str, number: str) -> None:
        """Ask for the endpoint to be on the version; `find` tells when it is. A failed move is asked for again."""
        with mapped(f"pointing {endpoint} of {agent} at version {number}"):
            self._runtimes.point(self._runtimes.need(agent), endpoint, number)

    def unpin(self, agent: str, endpoint: str) -> None:
        """Remove the endpoint; one that is not there is removed already."""
        with mapped(f"removing endpoint {endpoint} of {agent}"):
            self._runtimes.remove(agent, endpoint)

    def _version(self, id: str, number: str) -> Version:
        data = self._extension.version(id, number)
        return Version(number, data["digest"], data["url"])


def connect(endpoint_url: str) -> Connection:
    """The local runtime at `endpoint_url`."""
    return Connection(control_client(endpoint_url), Extension(endpoint_url))


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
