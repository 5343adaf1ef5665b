"""Simulated sessions and what a gateway would measure of them: arrivals, turns, failures and latencies by a seed.

A session asks the traffic for its version at every turn, so it is assigned, pinned and moved by the rules in force.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from math import exp
from random import Random
from typing import Any

from headgate.errors import PortError
from headgate.gateway.router import Pin
from headgate.gateway.told import NOTHING, Own, Told, read
from headgate.stats.histogram import bucket_of
from headgate.stats.observations import Move, Row, Second, Session, hashed
from headgate.testing.fake_traffic import FakeTraffic


@dataclass(frozen=True, slots=True)
class Law:
    """How the sessions of a version go. `error`: share of the sessions that fail at one of their turns.

    `tells`: what the agent tells of the plan's own metrics at a turn, drawn from the random numbers it is given.
    """

    error: float = 0.003
    latency_ms: float = 250.0
    spread: float = 0.5  # sd of log latency
    cost_usd: float = 0.001  # of a turn
    tells: Callable[[Random], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class RecordedTurn:
    """One turn as it was measured."""

    latency_ms: float
    cost_usd: float = 0.0
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Recording:
    """Sessions of a version as they were measured, in the order in which they began; the last `again` are repeated."""

    sessions: tuple[tuple[RecordedTurn, ...], ...]
    again: int = 20

    def session(self, number: int) -> tuple[RecordedTurn, ...]:
        """The turns of the version's n-th session, from 0."""
        beyond = number - len(self.sessions)
        return self.sessions[number if beyond < 0 else -(1 + beyond % min(self.again, len(self.sessions)))]


@dataclass(slots=True)
class _Open:
    """A session between its first turn and its end. A recorded one has as many turns as its recording."""

    name: str
    turns: int
    fails_at: int
    version: str = ""  # whose recording it plays
    recorded: tuple[RecordedTurn, ...] = ()
    done: int = 0
    cost: float = 0.0
    latency: dict[int, int] = field(default_factory=dict)
    own: Own = field(default_factory=Own)


Rate = Callable[[float], float]


class FakeSessions:
    """Traffic of one agent. `rate`: sessions per minute at a Unix time. Implements ports.Telemetry.

    `laws` (version number -> Law, or a Recording to play) may be changed at any time; `trouble`, while set, is raised
    by `poll`, and `blind` makes the gateway measure nothing.
    """

    def __init__(
        self, agent: str, traffic: FakeTraffic, laws: dict[str, Law | Recording], rate: Rate, seed: int = 0
    ) -> None:
        self.laws = laws
        self.rate = rate
        self.trouble: PortError | None = None
        self.blind = False
        self.grain_s = 1  # seconds that one row stands for
        self.turn_gap_s = 5.0
        self._agent, self._traffic = agent, traffic
        self._log = f"sim-{seed}"
        self._random = Random(seed)
        self._numbers = count(1)
        self._begun: dict[str, int] = {}  # number of the version's last session that plays a recording
        self._due: list[tuple[float, int, _Open]] = []
        self._next: float | None = None
        self._rows: list[Row] = []
        self._seconds: dict[tuple[int, str, float, int], list[_Turn]] = {}

    # --- the port

    def poll(self, agent: str, cursor: str) -> tuple[list[Row], str]:
        """Rows after the cursor, oldest first, at most 5,000."""
        if self.trouble:
            raise self.trouble
        log, _, number = cursor.rpartition(":")
        after = int(number) if log == self._log else 0
        rows = self._rows[after : after + 5000] if agent == self._agent else []
        return rows, f"{self._log}:{after + len(rows)}"

    # --- time passes

    def advance(self, now: float) -> None:
        """Everything that sessions do until `now`."""
        if self._traffic.policy(self._agent) is None:
            return
        self._arrive(now)
        while self._due and self._due[0][0] <= now:
            at, _, session = heapq.heappop(self._due)
            self._turn(session, at)
        for move in self._traffic.moved():
            self._put(Move(0, now, hashed(move.session), move.from_version, move.pin.version, move.policy))
        self._flush(now)

    def _arrive(self, now: float) -> None:
        at = now if self._next is None else self._next
        while at <= now:
            number = next(self._numbers)
            turns = self._random.randint(3, 6)
            session = _Open(f"session-{number:08d}", turns, 0)
            heapq.heappush(self._due, (at, number, session))
            rate = self.rate(at)
            # without arrivals, look again in a minute
            at += self._random.expovariate(rate / 60.0) if rate > 0 else 60.0
        self._next = at

    def _turn(self, session: _Open, at: float) -> None:
        routed = self._traffic.route(self._agent, session.name, at)
        turn = self._lived(session, routed.version.number, routed.pin.variant)
        session.latency[turn.bucket] = session.latency.get(turn.bucket, 0) + 1
        session.cost += turn.cost_usd
        session.own.add(turn.told, self._metrics())
        second = int(at) // self.grain_s * self.grain_s
        key = (second, routed.version.number, routed.pin.weight, routed.pin.epoch)
        self._seconds.setdefault(key, []).append(turn)
        if turn.failed or session.done == session.turns:
            self._close(session, routed.pin, at, failed=turn.failed)
        else:
            heapq.heappush(self._due, (at + self.turn_gap_s, next(self._numbers), session))

    def _lived(self, session: _Open, version: str, variant: str) -> _Turn:
        """The session's next turn, by the law of the version or as it was recorded."""
        law = self.laws.get(version, Law())
        session.done += 1
        if isinstance(law, Recording):
            played, first = self._played_turn(session, law, version), session.done == 1
            return _Turn(variant, bucket_of(played.latency_ms), played.failed, played.cost_usd, first, NOTHING)
        if session.done == 1 and self._random.random() < law.error:
            session.fails_at = self._random.randint(1, session.turns)
        bucket = bucket_of(law.latency_ms * exp(self._random.gauss(0.0, law.spread)))
        told = read([law.tells(self._random)], self._metrics()) if law.tells else NOTHING
        return _Turn(variant, bucket, session.done == session.fails_at, law.cost_usd, session.done == 1, told)

    def _metrics(self) -> Mapping[str, str]:
        policy = self._traffic.policy(self._agent)
        return dict(policy.metrics) if policy else {}

    def _played_turn(self, session: _Open, recording: Recording, version: str) -> RecordedTurn:
        """The session's next turn on a version; one that was moved goes on at the same turn of another recording."""
        if session.version != version:
            begun = self._begun[version] = self._begun.get(version, -1) + 1
            session.version, session.recorded = version, recording.session(begun)
            if session.done == 1:
                session.turns = len(session.recorded)
        return session.recorded[min(session.done, len(session.recorded)) - 1]

    def _close(self, session: _Open, pin: Pin, at: float, *, failed: bool) -> None:
        self._traffic.end(self._agent, session.name)
        row = Session(
            seq=0,
            t=at,
            variant=pin.variant,
            version=pin.version,
            weight=pin.weight,
            epoch=pin.epoch,
            session=hashed(session.name),
            started=pin.started,
            turns=session.done,
            failures=int(failed),
            latency=session.latency,
            ttfb=session.latency,
            cost_usd=round(session.cost, 9),
            closed_by="failure" if failed else "stop",
            values=session.own.values,
            times=session.own.times,
        )
        self._put(row)

    def _flush(self, now: float) -> None:
        """Rows of the seconds that are over."""
        whole = sorted(key for key in self._seconds if key[0] + self.grain_s <= now)
        for key in whole:
            t, version, weight, epoch = key
            self._put(_second(t, version, weight, epoch, self._seconds.pop(key)))

    def _put(self, row: Second | Session | Move) -> None:
        if not self.blind:
            self._rows.append(replace(row, seq=len(self._rows) + 1))


@dataclass(frozen=True, slots=True)
class _Turn:
    variant: str
    bucket: int
    failed: bool
    cost_usd: float
    first: bool
    told: Told


def _second(t: int, version: str, weight: float, epoch: int, turns: list[_Turn]) -> Second:
    latency: dict[int, int] = {}
    for turn in turns:
        latency[turn.bucket] = latency.get(turn.bucket, 0) + 1
    failed = sum(turn.failed for turn in turns)
    return Second(
        seq=0,
        t=t,
        variant=turns[0].variant,
        version=version,
        weight=weight,
        epoch=epoch,
        requests=len(turns),
        errors={"agent": failed} if failed else {},
        latency=latency,
        ttfb=latency,
        cost_usd=round(sum(turn.cost_usd for turn in turns), 9),
        sessions=sum(turn.first for turn in turns),
        refused=sum(turn.told.refused for turn in turns),
    )
