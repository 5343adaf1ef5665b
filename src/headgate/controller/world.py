"""All that a controller needs, handed in by `bootstrap`: ports and a few settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headgate.controller.jobs import Jobs
from headgate.core.plan import Plan
from headgate.ports import (
    Channel,
    Clock,
    CloudAlarms,
    Evaluations,
    GateRunner,
    Link,
    Message,
    Platform,
    Recordings,
    Replayer,
    Scorer,
    Shelf,
    Store,
    Telemetry,
    Teller,
    Traffic,
)


@dataclass(frozen=True, slots=True)
class World:
    """`holder` names this controller in leases."""

    store: Store
    clock: Clock
    platform: Platform
    traffic: Traffic
    telemetry: Telemetry
    gates: GateRunner
    channels: Mapping[str, Channel]  # by the kind of a receiver
    shelf: Shelf
    holder: str
    crash_point: Callable[[str], None] = lambda _where: None  # tests stop the process here
    turn_s: float = 0.25
    lease_s: float = 15.0
    health_every_s: float = 1.0
    serve_every_s: float = 5.0
    effect_patience_s: float = 60.0  # an effect that fails, or is not to be seen, for so long is a fact of its own
    outage_patience_s: float = 900.0  # the same where a cloud's API is away: that passes, and nobody here can mend it
    jobs: Callable[[], Jobs] = Jobs  # who does what would keep the loop waiting
    lookup: Callable[[str], str | None] = lambda _name: None  # a variable of the environment
    links: Callable[[Message], Sequence[Link]] = lambda _message: ()
    build_patience_s: float = 900.0  # the same for a version that is being made
    recordings: Recordings | None = None  # of sessions, where anything keeps them
    replays: Replayer | None = None
    scorer: Scorer | None = None
    alarms: Callable[[Plan], CloudAlarms | None] = lambda _plan: None  # those that are kept elsewhere
    evaluations: Callable[[Plan], Evaluations | None] = lambda _plan: None  # by the platform itself
    teller: Teller | None = None  # asks versions what they are made of
