"""The load engine: many sessions at once in one process and one event loop, and what they saw.

Two ways of arriving: `Users` (so many at once, each begins its next session when one ends; ramp and soak) and `Rate`
(sessions begin at random times at a rate, however slow the agent is). Load gates and `headgate traffic` both run on it.
"""

from __future__ import annotations

import asyncio
import random
import threading
from array import array
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from itertools import chain
from math import ceil
from time import perf_counter
from typing import Any, TypeVar

PROGRESS_S = 0.25
FLIPPED_SHOWN = 10

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end in an event loop of its own; on uvloop where there is one. For any thread."""
    try:
        import uvloop
    except ImportError:  # not on Windows
        factory = None
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)


@dataclass(frozen=True, slots=True)
class Users:
    """So many sessions at once. `ramp_s`: they arrive over so long; `soak_s` above 0: go on for so long."""

    users: int
    sessions: int
    ramp_s: float = 0.0
    soak_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Rate:
    """Sessions begin at random, `per_s` on average, for `duration_s` or until there were `sessions`; `most` at once."""

    per_s: float
    sessions: int | None = None
    duration_s: float | None = None
    most: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What was seen. Times in seconds by quantile ("p95"), of turns that were answered; None: not measured.

    `good`: sessions without a failed turn; `peak`: most sessions at once; `late_s`: how far the driver itself fell
    behind the rate at worst: above a fraction of the times measured, it was the bottleneck.
    """

    sessions: int
    good: int
    turns: int
    failures: dict[str, int]
    latency: dict[str, float | None]
    ttfb: dict[str, float | None]
    versions: dict[str, int]
    flips: int
    flipped: tuple[str, ...]
    seconds: float
    late_s: float
    peak: int
    tokens_out: int = 0

    @property
    def failed(self) -> int:
        return sum(self.failures.values())

    @property
    def success_rate(self) -> float:
        return self.good / self.sessions if self.sessions else 0.0

    @property
    def turns_per_s(self) -> float:
        return self.turns / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class Tally:
    """The sums so far, all of one event loop. Times are kept one by one: eight bytes each, and quantiles are exact."""

    sessions: int = 0
    good: int = 0
    turns: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    latency: array[float] = field(default_factory=lambda: array("d"))
    ttfb: array[float] = field(default_factory=lambda: array("d"))
    versions: dict[str, int] = field(default_factory=dict)
    flips: int = 0
    flipped: list[str] = field(default_factory=list)
    late_s: float = 0.0
    now: int = 0
    peak: int = 0
    tokens_out: int = 0

    def turn(self, failure: str, seconds: float, first_s: float | None) -> None:
        """One turn: how it failed in a word, or "" with its times."""
        self.turns += 1
        if failure:
            _count(self.failures, failure)
            return
        self.latency.append(seconds)
        if first_s is not None:
            self.ttfb.append(first_s)

    def session(self, name: str, versions: set[str], *, good: bool) -> None:
        """One session ended; it met these versions on its way."""
        self.sessions += 1
        self.good += good
        for version in versions:
            _count(self.versions, version)
        if len(versions) > 1:
            self.flips += 1
            self.flipped = [*self.flipped, name][:FLIPPED_SHOWN]

    def report(self, seconds: float, *, times: bool = True) -> LoadReport:
        """So far; without the `times`, which cost a sort."""
        nothing = array("d")
        return LoadReport(
            self.sessions,
            self.good,
            self.turns,
            dict(self.failures),
            quantiles(self.latency if times else nothing),
            quantiles(self.ttfb if times else nothing),
            dict(sorted(self.versions.items())),
            self.flips,
            tuple(self.flipped),
            seconds,
            self.late_s,
            self.peak,
            self.tokens_out,
        )


def _count(counts: dict[str, int], key: str) -> None:
    counts[key] = counts.get(key, 0) + 1


def quantiles(times: array[float]) -> dict[str, float | None]:
    """p50, p95, p99: the smallest time that at least this share of the turns did not exceed."""
    found = sorted(times)
    levels = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    return {name: found[max(0, ceil(q * len(found)) - 1)] if found else None for name, q in levels.items()}


Hold = Callable[[int], Awaitable[None]]
OnProgress = Callable[[LoadReport], None]


async def drive(
    hold: Hold,
    arrive: Users | Rate,
    tally: Tally,
    on_progress: OnProgress = lambda _report: None,
    stop: threading.Event | None = None,
) -> LoadReport:
    """Holds session 0, 1, 2, ... with `hold(number)` until all have ended; `stop` lets no further one begin.

    What `hold` raises is a fault of the driver itself: everything ends, and it is raised here.
    """
    stop, begun = stop or threading.Event(), perf_counter()

    async def held(number: int) -> None:
        tally.now += 1
        tally.peak = max(tally.peak, tally.now)
        try:
            await hold(number)
        finally:
            tally.now -= 1

    async def tell() -> None:
        while True:
            await asyncio.sleep(PROGRESS_S)
            on_progress(tally.report(perf_counter() - begun, times=False))

    telling = asyncio.ensure_future(tell())
    try:
        await (_users(held, arrive, stop) if isinstance(arrive, Users) else _rate(held, arrive, tally, stop))
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        telling.cancel()
    return tally.report(perf_counter() - begun)


async def _users(hold: Hold, arrive: Users, stop: threading.Event) -> None:
    users = arrive.users if arrive.soak_s else min(arrive.users, arrive.sessions)
    # everybody who arrives holds at least one session; the rest go to whoever is free
    rest = iter(range(users, 2**62 if arrive.soak_s else arrive.sessions))
    loop = asyncio.get_running_loop()
    until = loop.time() + arrive.ramp_s + arrive.soak_s if arrive.soak_s else None

    async def user(place: int) -> None:
        await asyncio.sleep(arrive.ramp_s * place / users)
        for number in chain([place], rest):
            if stop.is_set() or (until is not None and loop.time() >= until):
                return
            await hold(number)

    async with asyncio.TaskGroup() as group:
        for place in range(users):
            group.create_task(user(place))


async def _rate(hold: Hold, arrive: Rate, tally: Tally, stop: threading.Event) -> None:
    lots, due, number = random.Random(arrive.seed), 0.0, 0
    loop, slots = asyncio.get_running_loop(), asyncio.Semaphore(arrive.most)
    start = loop.time()

    async def one(session: int) -> None:
        try:
            await hold(session)
        finally:
            slots.release()

    async with asyncio.TaskGroup() as group:
        while (arrive.sessions is None or number < arrive.sessions) and (
            arrive.duration_s is None or due < arrive.duration_s
        ):
            if not await _due(start + due, slots, stop):
                return
            tally.late_s = max(tally.late_s, loop.time() - start - due)
            group.create_task(one(number))
            number, due = number + 1, due + lots.expovariate(arrive.per_s)


async def _due(at: float, slots: asyncio.Semaphore, stop: threading.Event) -> bool:
    """Wait for the time and for a free place; False when asked to stop."""
    loop = asyncio.get_running_loop()
    while not stop.is_set() and (left := at - loop.time()) > 0:
        await asyncio.sleep(min(left, PROGRESS_S))
    while not stop.is_set():
        try:
            async with asyncio.timeout(PROGRESS_S):
                await slots.acquire()
        except TimeoutError:
            continue
        return True
    return False
