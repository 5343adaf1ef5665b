"""Work that would keep the loop waiting (suites, messages), done by a few threads and asked for by key.

A job lost in a crash is simply asked for again: its effect is still pending.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

from headgate.errors import HeadgateError

T = TypeVar("T")


class Jobs:
    """`result` starts a job once, answers None until it is done, and raises what it raised; then it forgets it."""

    def __init__(self, workers: int = 4) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="headgate-job")
        self._running: dict[str, Future[Any]] = {}

    def result(self, key: str, work: Callable[[], T]) -> T | None:
        future = self._running.get(key)
        if future is None:
            self._running[key] = self._pool.submit(work)
            return None
        if not future.done():
            return None
        del self._running[key]
        value: T = future.result()
        return value

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def pause(key: str, attempts: int, first: float, longest: float) -> float:
    """Seconds until the next attempt: doubling from `first` to `longest`; the jitter comes from the key, not chance."""
    jitter = sha256(f"{key}{attempts}".encode()).digest()[0] / 255
    return float(min(longest, first * 2**attempts) * (0.75 + 0.5 * jitter))


@dataclass(slots=True)
class Attempt:
    """One thing that is asked of the outside until it is done: pauses grow, and each failure is told once.

    `busy`: a job of it runs; `next_at`: not to be tried before; `fresh`: what went wrong just now, "": nothing new.
    """

    what: str
    next_at: float = 0.0
    failures: int = 0
    failing: str = ""
    fresh: str = ""
    busy: bool = False

    def run(self, jobs: Jobs, key: str, work: Callable[[], T], now: float) -> T | None:
        """What the work answers; None while it runs, or where it failed and is tried again later."""
        self.fresh = ""
        try:
            done = jobs.result(key, work)
        except HeadgateError as error:
            self.busy = False
            self.next_at = now + pause(key, self.failures, 2.0, 60.0)
            self.failures += 1
            if error.message != self.failing:
                self.failing, self.fresh = error.message, str(error)
            return None
        self.busy = done is None
        if done is not None:
            self.failures, self.failing = 0, ""
        return done
