"""The world's side: clock, platform, traffic, telemetry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from headgate.core.model import Version
from headgate.core.plan import Plan
from headgate.ports.store import Data
from headgate.stats.observations import Row


class Clock(Protocol):
    """Wall-clock time, and `steady` seconds that nobody can set.

    `sleep` returns early on a `wake`, from a signal handler or another thread.
    """

    def now(self) -> float: ...
    def steady(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...
    def wake(self) -> None: ...


@dataclass(frozen=True, slots=True)
class VersionState:
    """`status`: CREATING, READY, FAILED with its `reason`, STOPPED where no endpoint points at it; `version.url` is set
    once it runs.

    `rss_bytes`, `restarts`: of its process, where the platform tells; None: not told. `built`: what it was built of, by
    part, as `core.identity` has it. `variables`: of its environment, values and all; not for the ledger.
    """

    version: Version
    status: str
    reason: str = ""
    rss_bytes: int | None = None
    restarts: int | None = None
    built: tuple[tuple[str, str], ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuntimeState:
    """What the platform has for an agent. `endpoints`: name -> (live version, target version, status)."""

    id: str
    arn: str
    versions: tuple[str, ...]
    endpoints: dict[str, tuple[str, str, str]] = field(default_factory=dict)


class Platform(Protocol):
    """Where versions are built and run. `token` makes a repeated `build` the same one."""

    def find(self, agent: str) -> RuntimeState | None: ...
    def build(self, agent: str, plan: Plan, token: str) -> Version: ...
    def version(self, agent: str, number: str) -> VersionState: ...
    def pin(self, agent: str, endpoint: str, number: str) -> None: ...
    def unpin(self, agent: str, endpoint: str) -> None: ...


class Surveyor(Protocol):
    """What an account has for an agent, by part; read, never changed. A part that cannot be read says why."""

    def survey(self, plan: Plan, found: RuntimeState | None) -> Data: ...


@dataclass(frozen=True, slots=True)
class TrafficPolicy:
    """All that a gateway must know about one agent: an immutable snapshot, replaced whole."""

    agent: str
    arn: str
    rollout: str
    term: int
    epoch: int
    salt: str
    baseline: Version
    candidate: Version | None = None
    weight: float = 0.0
    retired: tuple[Version, ...] = ()  # still running for the sessions pinned to them
    withdrawn: str = ""  # number of a version taken back
    sessions: str = "drain"  # what its sessions do
    deadline: float | None = None
    session_idle_s: float = 900.0
    session_turns: int = 20
    usd_per_million_input: float = 0.0
    usd_per_million_output: float = 0.0
    record_share: float = 0.0  # of the sessions, 0 to 1, that are recorded
    record_consent: bool = True  # only those whose client says so
    record_keep_s: float = 7 * 86400.0
    record_redact: tuple[str, ...] = ()
    record_failing: float = 0.0  # of the sessions, 0 to 1, whose failing turns are kept for a while
    metrics: tuple[tuple[str, str], ...] = ()  # of the plan's own, read in the answers: (name, kind)


@dataclass(frozen=True, slots=True)
class TrafficState:
    """Read back from the gateway. `debt`: version -> (open sessions pinned to it, age of the oldest in s)."""

    rollout: str
    term: int
    epoch: int
    weight: float
    baseline: str
    candidate: str
    forced_by: str = ""
    forced_reason: str = ""
    debt: dict[str, tuple[int, float]] = field(default_factory=dict)


class Traffic(Protocol):
    """Who gets which version. `force_down` needs no term and no controller: a person stops a candidate at once."""

    def apply(self, policy: TrafficPolicy) -> None: ...
    def read(self, agent: str) -> TrafficState: ...
    def force_down(self, agent: str, by: str, reason: str) -> TrafficState: ...


class Telemetry(Protocol):
    """Rows after a cursor, oldest first, and the next cursor. It names the gateway's log: a new log starts anew."""

    def poll(self, agent: str, cursor: str) -> tuple[list[Row], str]: ...
