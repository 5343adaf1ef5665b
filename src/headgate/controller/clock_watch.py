"""Was the wall clock set? Seen against the clock that only counts, and after a restart against the ledger."""

from __future__ import annotations

from collections.abc import Callable

from headgate.ports import Clock

LEAST_S = 2.0  # a clock that is kept in time by small steps is not set


class ClockWatch:
    """By how much the wall clock was set since this process looked first; each rollout is told once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = clock.now() - clock.steady()
        self._told: dict[str, float] = {}

    def moved(self, rollout: str, last_said: Callable[[], float], now: float) -> float | None:
        """Seconds that this rollout has not heard of; None where there are none.

        `last_said`: when the ledger's last record of it was made; asked once, when the rollout is first seen.
        """
        offset = self._clock.now() - self._clock.steady()
        if rollout not in self._told:
            self._told[rollout] = offset
            behind = last_said() - now
            return -round(behind, 3) if behind > LEAST_S else None
        by = offset - self._told[rollout]
        if abs(by) < LEAST_S:
            return None
        self._told[rollout] = offset
        return round(by, 3)
