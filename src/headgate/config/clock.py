"""The real clock: the one place that reads the machine's time."""

from __future__ import annotations

import contextlib
import queue
import threading
import time


class SystemClock:
    """Implements ports.Clock. `wake` may be called from any thread and from a signal handler."""

    def __init__(self) -> None:
        # SimpleQueue.put may interrupt a get of its own thread without deadlock; Event.set in a signal handler may not
        self._wakes: queue.SimpleQueue[None] = queue.SimpleQueue()

    def now(self) -> float:
        """Unix seconds, UTC."""
        return time.time()

    def steady(self) -> float:
        """Seconds that only grow, from nowhere in particular; while the machine sleeps they stand still."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait, or return early on a `wake`, also one that came since the last sleep. One thread sleeps at a time."""
        with contextlib.suppress(queue.Empty):
            self._wakes.get(timeout=min(max(0.0, seconds), threading.TIMEOUT_MAX))
            while True:  # several wakes are one
                self._wakes.get_nowait()

    def wake(self) -> None:
        """End the sleep of now, or else the next one."""
        self._wakes.put(None)
