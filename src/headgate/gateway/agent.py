"""One agent as the gateway serves it: joins the pure router with pins, counters and connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from headgate.gateway.book import Kept
from headgate.gateway.failures import Failures
from headgate.gateway.meter import Meter, Turn
from headgate.gateway.pins import PinStore
from headgate.gateway.pool import Pool
from headgate.gateway.recorder import Recorder
from headgate.gateway.router import Moved, Pin, Routed, Router

if TYPE_CHECKING:
    from headgate.gateway.relay import Exchange

_SEEN_PARTS = 30  # a pin's last turn on disk is at most this part of the idle time behind: 30 s of 900 s
_MOVED = "the session was moved to another version: send the turn again"
_STOPPED = "the session was stopped"


class ServedAgent:
    """Called from the event loop only. `clock` is wall-clock time in Unix seconds."""

    def __init__(self, kept: Kept, pins: PinStore, clock: Callable[[], float]) -> None:
        self.name = kept.policy.agent
        self.kept = kept
        self.router = Router(kept.policy, kept.forced)
        self.failures = Failures()
        self.recorder = Recorder()
        self.recorder.apply(kept.policy)
        self.meter = Meter(self.name, self.recorder.close)
        self.exchanges: set[Exchange] = set()
        self.pools: dict[str, Pool] = {}
        self._pins = pins
        self._clock = clock
        self._connect_pools()

    def restore(self, sessions: Iterable[tuple[str, dict[str, object] | None]]) -> None:
        """Takes over pins and open sessions from before the restart, and makes the moves that fell due meanwhile."""
        now = self._clock()
        self.router.restore(self._pins.load(self.name))
        orphans = []
        for session, data in sessions:
            pin = self.router.pins.get(session)
            if pin is None:
                orphans.append(session)
            else:
                self.meter.restore(session, pin, data)
        self.meter.forget(orphans, now, "idle")
        self.apply(self.kept)

    def apply(self, kept: Kept) -> None:
        """Serve by this policy from the next turn on; a withdrawn version's sessions follow its rollback policy."""
        now, policy = self._clock(), kept.policy
        self.kept = kept
        self.recorder.apply(policy)
        self._moved(self.router.apply(policy, kept.forced, now), now)
        self._connect_pools()
        if policy.withdrawn and policy.sessions == "evict":
            for exchange in [each for each in self.exchanges if each.version == policy.withdrawn]:
                exchange.evict(_MOVED)

    def _connect_pools(self) -> None:
        """One pool per url; a version that came back on another port gets another, those without a version are
        closed.
        """
        before = {pool.url: pool for pool in self.pools.values()}
        self.pools = {
            number: before.get(version.url) or Pool(version.url) for number, version in self.router.versions.items()
        }
        used = {pool.url for pool in self.pools.values()}
        for url, pool in before.items():
            if url not in used:
                pool.close()

    def route(self, session: str) -> Routed:
        """The version of this turn; the pin of a new session is on disk when this returns, if the disk allows it."""
        now = self._clock()
        routed = self.router.route(session, now)
        pin = routed.pin
        if routed.fresh:
            self._pins.put(self.name, session, pin)
            self.meter.began(pin, now)
        elif routed.moved is not None:
            self._moved([routed.moved], now)
        elif (now - pin.saved) * _SEEN_PARTS > self.router.policy.session_idle_s:
            self._pins.touch(self.name, session, pin)
        return routed

    def record(self, exchange: Exchange, turn: Turn) -> None:
        """A turn ended."""
        now = self._clock()
        self.failures.note(exchange.session, exchange.tape, turn, now, self.recorder.own)
        self.recorder.turn(exchange.session, exchange.tape, turn.error)
        self.meter.turn(exchange.session, exchange.pin, turn, self.router.policy, now)

    def stop(self, session: str) -> bool:
        """The client ends the session: summarised, forgotten, its turns in flight cut. False: there is none."""
        pin = self.router.forget(session)
        if pin is None:
            return False
        self.meter.forget([session], self._clock(), "stop")
        pin.closed = True  # a turn still in flight opens no second summary
        self._pins.drop(self.name, session)
        for exchange in [each for each in self.exchanges if each.session == session]:
            exchange.evict(_STOPPED)
        return True

    def tick(self) -> None:
        """Once per second: moves that fell due, idle sessions, pins past their time."""
        now = self._clock()
        for exchange in self.exchanges:
            self.router.touch(exchange.session, now)
        self._moved(self.router.settle(now), now)
        self.meter.close_idle(now, self.router.policy.session_idle_s)
        gone = self.router.expire(now)
        self.meter.forget(gone, now, "idle")
        for session in gone:
            self._pins.drop(self.name, session)

    def debt(self) -> dict[str, tuple[int, float]]:
        """Exposure debt per version."""
        return self.router.debt(self._clock())

    def _moved(self, moves: list[Moved], now: float) -> None:
        self.meter.moved(moves, now)
        for move in moves:
            self._pins.touch(self.name, move.session, move.pin)

    def pin_of(self, session: str) -> Pin | None:
        """Where the session is pinned."""
        return self.router.pins.get(session)

    def close(self) -> None:
        """Closes the connections that wait for work."""
        for pool in self.pools.values():
            pool.close()
