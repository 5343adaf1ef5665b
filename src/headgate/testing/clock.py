"""A clock that a test moves: sleeping takes no time and makes it later, so a 24-hour rollout runs in a second."""

from __future__ import annotations

import threading


class FakeClock:
    """Implements ports.Clock. `start`: Unix seconds. Threads may share it."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self._now = start
        self._set = 0.0
        self._woken = False
        self._lock = threading.Lock()

    def now(self) -> float:
        """Unix seconds of the test's time."""
        with self._lock:
            return self._now

    def steady(self) -> float:
        """Seconds that `jump` does not change."""
        with self._lock:
            return self._now - self._set

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock: later, or with less than zero earlier."""
        with self._lock:
            self._now += seconds
            self._set += seconds

    def sleep(self, seconds: float) -> None:
        """Make it `seconds` later; after a `wake`, return at once with no time gone, as a cut sleep would."""
        with self._lock:
            if not self._woken:
                self._now += max(0.0, seconds)
            self._woken = False

    def wake(self) -> None:
        """Cut the next sleep short."""
        with self._lock:
            self._woken = True

    def advance(self, seconds: float) -> None:
        """Make it `seconds` later, from the test's side: no sleep is meant, and no wake is used up."""
        with self._lock:
            self._now += seconds
