"""Where versions answer now. A rollout keeps the address that a version began at; a runtime that was started again may
have found that port taken, and then the version answers at another one.
"""

from __future__ import annotations

from dataclasses import replace

from headgate.core.model import Version
from headgate.ports import TrafficPolicy


class Places:
    """What the platform said last. Asked for without a call: a rollback waits for no platform."""

    def __init__(self) -> None:
        self._urls: dict[tuple[str, str], str] = {}

    def note(self, agent: str, known: Version, now: Version) -> bool:
        """Keep where a version answers now; whether the gateway was told of another place."""
        moved = bool(now.url) and now.url != self.of(agent, known).url
        if moved:
            self._urls[agent, known.number] = now.url
        return moved

    def of(self, agent: str, version: Version) -> Version:
        """The version, at its place."""
        return replace(version, url=self._urls.get((agent, version.number), version.url))

    def on(self, policy: TrafficPolicy) -> TrafficPolicy:
        """The policy, each of its versions at its place."""
        return replace(
            policy,
            baseline=self.of(policy.agent, policy.baseline),
            candidate=self.of(policy.agent, policy.candidate) if policy.candidate else None,
            retired=tuple(self.of(policy.agent, version) for version in policy.retired),
        )
