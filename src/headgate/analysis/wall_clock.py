"""Periods that end with the clock: whole minutes, hours, days and weeks of a time zone (CloudWatch's WallClockWindow).

An alarm with such a window is evaluated as often as any other, each time on the periods that are over: what happens in
the running hour or day is seen when that is over. A day on which clocks change has 23 or 25 hours. Weeks begin on
Monday.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from headgate.analysis.periods import Cell, Sliding

PERIODS = (60, 300, 3600, 86_400, 604_800)  # seconds

_DAY_S, _WEEK_S = 86_400, 604_800
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{2}):(\d{2})")
_GRAIN_S = 60


@lru_cache(maxsize=64)
def zone_of(text: str) -> tzinfo:
    """Europe/London, +05:30, UTC+05:30, GMT-08:00, Z. Raises ValueError where it is none of these."""
    if text in {"Z", "UTC", "GMT"}:
        return UTC
    if found := _OFFSET.fullmatch(text):
        hours, minutes = int(found[2]), int(found[3])
        if hours > 18 or minutes > 59 or minutes % 5:
            raise ValueError(f"{text}: an offset is a multiple of 5 minutes; write one like +05:30")
        away = timedelta(hours=hours, minutes=minutes)
        return timezone(away if found[1] == "+" else -away)
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {text}; write Europe/London or +05:30") from None


@lru_cache(maxsize=8192)
def start_of(at: float, period_s: int, zone: str) -> float:
    """When the period that `at` (Unix s) is in began."""
    here = zone_of(zone)
    local = datetime.fromtimestamp(at, here)
    if period_s < _DAY_S:
        away = (local.utcoffset() or timedelta()).total_seconds()
        return (at + away) // period_s * period_s - away
    day = local - timedelta(days=local.weekday()) if period_s == _WEEK_S else local
    return datetime(day.year, day.month, day.day, tzinfo=here).timestamp()


def starts(period_s: int, zone: str) -> Callable[[int], int]:
    """For a cell of a minute, the first cell of its period."""
    return lambda cell: int(start_of(cell * _GRAIN_S, period_s, zone) // _GRAIN_S)


class Aligned(Sliding):
    """One metric with its statistic over each whole period; `periods` of those that are over are kept."""

    def __init__(self, metric: str, statistic: str, length: int, periods: int, first: Callable[[int], int]) -> None:
        self._first = first
        self._periods = periods
        self._done: dict[int, float] = {}  # first cell of a period that is over -> its value
        super().__init__(metric, statistic, length, 1)
        self.kept = (periods + 1) * length  # how far back a late row matters

    def move(self, end: int, entering: Cell | None, leaving: Cell | None) -> None:  # noqa: ARG002 - as a sliding one
        """Cell `end` is over, and its period too if the next cell is of another."""
        if entering is not None:
            self.take(entering, 1)
        start = self._first(end)
        if self._first(end + 1) == start:
            return
        self._done[start] = self._value()
        self.clear()
        while len(self._done) > self._periods + 1:
            del self._done[min(self._done)]

    def again(self, cells: Mapping[int, Cell], changed: int, at: int) -> None:
        """A late row changed a cell: its period is reckoned anew, and those after it."""
        self.clear()
        for end in range(self._first(max(changed, at - self.kept)), at + 1):
            self.move(end, cells.get(end), None)

    def series(self, end: int, number: int, _step: int) -> list[float | None]:
        """The values of the last `number` periods that are over when cell `end` is, oldest first."""
        found, start = [], self._first(end + 1)
        for _ in range(number):
            start = self._first(start - 1)
            value = self._done.get(start, math.nan)
            found.append(None if math.isnan(value) else value)
        return found[::-1]
