"""A platform in memory: versions come up at once, `broken` code never does. Passes the same suite as the real ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from headgate.core.codec import digest
from headgate.core.model import Version
from headgate.core.plan import Plan
from headgate.errors import NotFound, PortError, Rejected
from headgate.ports import RuntimeState, VersionState

_MOVED = "READY"


@dataclass
class _Agent:
    versions: dict[str, Version] = field(default_factory=dict)
    endpoints: dict[str, tuple[str, str, str]] = field(default_factory=dict)  # name -> live, target, status
    built: dict[str, str] = field(default_factory=dict)  # token -> number
    reasons: dict[str, str] = field(default_factory=dict)  # number -> why it is down


class FakePlatform:
    """`trouble`, while set, is raised by every call instead of an answer; `fail` and `heal` a version."""

    def __init__(self, urls: dict[str, str] | None = None) -> None:
        self.trouble: PortError | None = None
        self._urls = dict(urls or {})
        self._agents: dict[str, _Agent] = {}

    def fail(self, agent: str, number: str, reason: str = "killed by the test") -> None:
        """The version stops answering until `heal`."""
        self._agents[agent].reasons[number] = reason

    def heal(self, agent: str, number: str) -> None:
        self._agents[agent].reasons.pop(number, None)

    def move(self, number: str, url: str) -> None:
        """The version answers at another place, as after a restart that found its port taken."""
        self._urls[number] = url

    # --- the port

    def find(self, agent: str) -> RuntimeState | None:
        self._answering()
        if agent not in self._agents:
            return None
        it = self._agents[agent]
        endpoints = {"DEFAULT": (str(len(it.versions)),) * 2 + (_MOVED,), **it.endpoints}
        return RuntimeState(f"{agent}-fake", f"arn:fake:{agent}", tuple(it.versions), endpoints)

    def build(self, agent: str, plan: Plan, token: str) -> Version:
        self._answering()
        if not plan.platform.get("source"):
            raise Rejected(f"a plan of platform {plan.platform.kind} names no source to build from")
        if not agent[0].isalpha():
            raise Rejected(f"agent {agent!r} cannot be a runtime", "start with a letter")
        it = self._agents.setdefault(agent, _Agent())
        if token in it.built:
            return it.versions[it.built[token]]
        identity = digest([list(pair) for pair in plan.platform.settings])
        latest = it.versions.get(str(len(it.versions)))
        if latest is None or latest.digest != identity:
            number = str(len(it.versions) + 1)
            latest = it.versions[number] = Version(number, identity)
            if "broken" in plan.platform.get("source"):
                it.reasons[number] = "exited with code 1 before it answered /ping"
        it.built[token] = latest.number
        return latest

    def version(self, agent: str, number: str) -> VersionState:
        self._answering()
        it, version = self._need(agent, number)
        used = any(number in endpoint[:2] for endpoint in it.endpoints.values())
        if not used:
            return VersionState(version, "STOPPED", "no endpoint points at it")
        if number in it.reasons:
            return VersionState(version, "FAILED", it.reasons[number])
        at = replace(version, url=self._urls.get(number, f"http://{agent}.{number}.invalid"))
        return VersionState(at, "READY", built=(("code", version.digest),))

    def pin(self, agent: str, endpoint: str, number: str) -> None:
        self._answering()
        it, _ = self._need(agent, number)
        live = it.endpoints.get(endpoint, ("", "", ""))[0]
        if number in it.reasons:
            it.endpoints[endpoint] = (live, number, "UPDATE_FAILED" if live else "CREATE_FAILED")
        else:
            it.endpoints[endpoint] = (number, number, _MOVED)

    def unpin(self, agent: str, endpoint: str) -> None:
        self._answering()
        if agent in self._agents:
            self._agents[agent].endpoints.pop(endpoint, None)

    def _answering(self) -> None:
        if self.trouble:
            raise self.trouble

    def _need(self, agent: str, number: str) -> tuple[_Agent, Version]:
        if agent not in self._agents:
            raise NotFound(f"the platform has no agent {agent}")
        it = self._agents[agent]
        if number not in it.versions:
            raise NotFound(f"version {number} of {agent} does not exist")
        return it, it.versions[number]
