"""Which version serves a turn: the pure decision of one agent. No sockets, no store, no clock; every method is told
the time.

A session without a pin is assigned by the shared hash at the weight in force and pinned; from then on only a rollback
policy (or a version that is gone) moves it. Weights are read for new sessions alone, so a change of weight cannot move
anybody.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from headgate.core.assignment import bucket, cut
from headgate.core.model import Variant, Version
from headgate.gateway.policy import Forced, versions
from headgate.ports import TrafficPolicy

PIN_IDLE_S = 8 * 3600.0  # a pin lives so long after its last turn: AgentCore's longest session
_SWEEP = 1000  # pins looked at in one sweep: its length is bounded whatever the number of pins


class Pin:
    """A session's place. `weight` and `epoch` are those in force when it began; `closed`: its summary was written."""

    __slots__ = ("closed", "epoch", "saved", "seen", "started", "variant", "version", "weight")

    def __init__(  # noqa: PLR0917 - the columns of the store, in their order
        self, version: str, variant: str, weight: float, epoch: int, started: float, seen: float | None = None
    ) -> None:
        self.version = version
        self.variant = variant
        self.weight = weight
        self.epoch = epoch
        self.started = started
        self.seen = started if seen is None else seen
        self.saved = self.seen  # the `seen` that the pin store holds
        self.closed = False


class Moved(NamedTuple):
    """A session that was taken from one version to another, and by which policy."""

    session: str
    pin: Pin
    from_version: str
    policy: str


class Routed(NamedTuple):
    """`fresh`: the session begins now. `moved`: it was moved by this very turn."""

    version: Version
    pin: Pin
    fresh: bool = False
    moved: Moved | None = None


class Router:
    """One agent: its policy in force and its pins, ordered by the last turn so that the oldest are found without a
    search.
    """

    def __init__(self, policy: TrafficPolicy, forced: Forced | None = None) -> None:
        self.pins: OrderedDict[str, Pin] = OrderedDict()
        self._set(policy, forced)

    def _set(self, policy: TrafficPolicy, forced: Forced | None) -> None:
        self.policy = policy
        self.forced = forced
        self.versions = versions(policy)
        self.weight = 0.0 if forced or policy.candidate is None else policy.weight
        self._cut = cut(self.weight)
        self._stays = dict(self.versions)  # a pinned session stays on these
        self._ends = float("inf")
        self._settled = (
            False  # whether the deadline's moves were made: once is enough, nobody can come back to the version
        )
        if policy.withdrawn:
            if policy.sessions == "drain":
                self._ends = policy.deadline if policy.deadline is not None else float("inf")
            else:
                self._stays.pop(policy.withdrawn, None)

    def apply(self, policy: TrafficPolicy, forced: Forced | None, now: float) -> list[Moved]:
        """Serve by this policy from now on; the sessions that it moves at once (evict, or a deadline that has
        passed).
        """
        self._set(policy, forced)
        if policy.withdrawn and policy.sessions == "evict":
            return self._move_open(now)
        return self.settle(now)

    def route(self, session: str, now: float) -> Routed:
        """The version of this turn."""
        pin = self.pins.get(session)
        if pin is None:
            return self._begin(session, now)
        pin.seen = now
        self.pins.move_to_end(session)
        version = self._stays.get(pin.version)
        if version is not None and (now < self._ends or pin.version != self.policy.withdrawn):
            return Routed(version, pin)
        moved = self._move(session, pin)
        return Routed(self.policy.baseline, pin, moved=moved)

    def _begin(self, session: str, now: float) -> Routed:
        policy = self.policy
        version, variant = policy.baseline, Variant.BASELINE
        if self._cut and policy.candidate is not None and bucket(policy.salt, session) < self._cut:
            version, variant = policy.candidate, Variant.CANDIDATE
        pin = Pin(version.number, variant.value, self.weight, policy.epoch, now)
        self.pins[session] = pin
        return Routed(version, pin, fresh=True)

    def _move(self, session: str, pin: Pin) -> Moved:
        policy = self.policy
        before = pin.version
        pin.version, pin.variant = policy.baseline.number, Variant.BASELINE.value
        # a version that is simply gone leaves its sessions at their next turn, which is a handover
        return Moved(session, pin, before, policy.sessions if before == policy.withdrawn else "handover")

    def touch(self, session: str, now: float) -> None:
        """The session has a turn in flight: it is not idle."""
        pin = self.pins.get(session)
        if pin is not None:
            pin.seen = now
            self.pins.move_to_end(session)

    def settle(self, now: float) -> list[Moved]:
        """Moves what is still open on the withdrawn version once its deadline has passed; empty before and
        afterwards.
        """
        policy = self.policy
        if self._settled or not policy.withdrawn or policy.deadline is None or now < policy.deadline:
            return []
        self._settled = True
        return self._move_open(now)

    def _move_open(self, now: float) -> list[Moved]:
        withdrawn = self.policy.withdrawn
        return [self._move(session, pin) for session, pin in list(self._open(now)) if pin.version == withdrawn]

    def _open(self, now: float) -> Iterator[tuple[str, Pin]]:
        """The sessions that are not idle, latest turn first."""
        since = now - self.policy.session_idle_s
        for session in reversed(self.pins):
            pin = self.pins[session]
            if pin.seen < since:
                return
            yield session, pin

    def forget(self, session: str) -> Pin | None:
        """The session was stopped: its next turn begins a new one."""
        return self.pins.pop(session, None)

    def expire(self, now: float) -> list[str]:
        """Drops pins without a turn for 8 hours, a bounded number of them; their session ids."""
        gone: list[str] = []
        for session, pin in self.pins.items():
            if len(gone) == _SWEEP or pin.seen >= now - PIN_IDLE_S:
                break
            gone.append(session)
        for session in gone:
            del self.pins[session]
        return gone

    def debt(self, now: float) -> dict[str, tuple[int, float]]:
        """Exposure debt: version -> (open sessions pinned to it, age of the oldest in seconds)."""
        found = dict.fromkeys(self.versions, (0, 0.0))
        for _, pin in self._open(now):
            sessions, oldest = found.get(pin.version, (0, 0.0))
            found[pin.version] = (sessions + 1, max(oldest, now - pin.started))
        return found

    def restore(self, pins: Iterable[tuple[str, Pin]]) -> None:
        """Takes over pins from the store, oldest turn first."""
        self.pins.update(pins)
