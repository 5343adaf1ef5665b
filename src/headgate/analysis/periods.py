"""Telemetry of one variant, cut into cells, and the values of the sliding periods that end at each cell.

A period's value is kept up by adding the newest cell and taking away the one that left, so a long period costs no more
than a short one. Rows that come late change their cell, and what rests on it is reckoned anew.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence

from headgate.analysis.extended import extended
from headgate.stats.histogram import middle_ms, quantile_ms
from headgate.stats.observations import Second
from headgate.stats.series import add_counts, failures

COUNTERS = ("requests", "errors", "sessions", "streams", "cost", "tokens_in", "tokens_out")
HISTOGRAMS = ("latency", "ttfb", "first_token", "token_gap")
STATISTICS = frozenset({"Sum", "SampleCount", "Average", "Minimum", "Maximum"})

_NOTHING = math.nan  # in an array, a missing point
_NO_COST = 1e-12  # USD: what is left of sums of fractions that were taken away again
_ZEROS = (0.0,) * len(COUNTERS)
_MS = 1000.0


def quantile_of(statistic: str) -> float | None:
    """0.95 of "p95"; None where it is no percentile."""
    if not statistic.startswith("p"):
        return None
    try:
        level = float(statistic[1:]) / 100.0
    except ValueError:
        return None
    return level if 0.0 < level < 1.0 else None


class Cell:
    """What was counted in one stretch of time: the counters in their order, and histograms by name."""

    __slots__ = ("counts", "histograms")

    def __init__(self) -> None:
        self.counts = array("d", _ZEROS)
        self.histograms: dict[str, dict[int, int]] | None = None

    def add(self, row: Second, wanted: Iterable[str]) -> None:
        """One row of telemetry; of the histograms only those that are wanted."""
        counts = self.counts
        counts[0] += row.requests
        counts[1] += failures(row) if row.errors else 0
        counts[2] += row.sessions
        counts[3] += row.streams
        counts[4] += row.cost_usd
        counts[5] += row.tokens_in
        counts[6] += row.tokens_out
        for name in wanted:
            if found := getattr(row, name):
                if self.histograms is None:
                    self.histograms = {}
                add_counts(self.histograms.setdefault(name, {}), found)


class Sliding:
    """One metric with its statistic over the last `length` cells, kept for the ends of the last `kept` cells."""

    def __init__(self, metric: str, statistic: str, length: int, kept: int) -> None:
        self.metric, self.statistic, self.length, self.kept = metric, statistic, length, kept
        self.histogram = metric in HISTOGRAMS
        self._counter = -1 if self.histogram else COUNTERS.index(metric)
        self._level = quantile_of(statistic)
        self._extended = extended(statistic)
        self._values = array("d", [_NOTHING]) * kept
        self.samples = 0.0  # behind the newest value
        self.clear()

    def clear(self) -> None:
        """As if no cell had been seen; the values stay."""
        self._counts: dict[int, int] = {}
        self._total = self._requests = self._tokens = 0.0

    def move(self, end: int, entering: Cell | None, leaving: Cell | None) -> None:
        """The period now ends with cell `end`."""
        if entering is not None:
            self.take(entering, 1)
        if leaving is not None:
            self.take(leaving, -1)
        self._values[end % self.kept] = self._value()

    def at(self, end: int) -> float | None:
        """The value of the period that ended with this cell; it must be one of those that are kept."""
        value = self._values[end % self.kept]
        return None if math.isnan(value) else value

    def series(self, end: int, number: int, step: int) -> list[float | None]:
        """The values of `number` periods `step` cells apart, oldest first; the newest ended with cell `end`."""
        return [self.at(e) for e in range(end - (number - 1) * step, end + 1, step)]

    def again(self, cells: Mapping[int, Cell], changed: int, at: int) -> None:
        """Reckon all values that a late row in this cell has changed, from the cells."""
        first = max(changed, at - self.kept + 1)  # the first end that is asked for
        self.clear()
        for before in range(first - self.length + 1, first):
            if (cell := cells.get(before)) is not None:
                self.take(cell, 1)
        for end in range(first, at + 1):
            self.move(end, cells.get(end), cells.get(end - self.length) if end > first else None)

    def take(self, cell: Cell, sign: int) -> None:
        """Count a cell in (1) or out (-1)."""
        counts = cell.counts
        self._requests += sign * counts[0]
        if self._counter >= 0:
            self._total += sign * counts[self._counter]
            self._tokens += sign * (counts[5] + counts[6])
            return
        mine = self._counts
        for bucket, n in (cell.histograms or {}).get(self.metric, {}).items():
            if left := mine.get(bucket, 0) + sign * n:
                mine[bucket] = left
            else:
                del mine[bucket]

    def _value(self) -> float:
        """CloudWatch emits nothing where nothing was invoked; a cost that nobody reported was not measured."""
        self.samples = self._requests
        if self._requests <= 0:
            return _NOTHING
        if self.histogram:
            return self._of_histogram()
        if self.metric == "cost" and self._total <= _NO_COST and self._tokens <= 0:
            return _NOTHING
        if self.metric.startswith("tokens") and self._tokens <= 0:
            return _NOTHING
        if self.statistic == "SampleCount":
            return self._requests
        return self._total / self._requests if self.statistic == "Average" else self._total

    def _of_histogram(self) -> float:
        self.samples = float(sum(self._counts.values()))
        if not self._counts:
            return _NOTHING
        if self._level is not None:
            return (quantile_ms(self._counts, self._level) or 0.0) / _MS
        if self._extended is not None:
            found = self._extended.of([(middle_ms(b) / _MS, self._counts[b]) for b in sorted(self._counts)])
            return _NOTHING if found is None else found
        if self.statistic == "SampleCount":
            return self.samples
        if self.statistic in {"Minimum", "Maximum"}:
            return middle_ms(min(self._counts) if self.statistic == "Minimum" else max(self._counts)) / _MS
        total = sum(middle_ms(bucket) * n for bucket, n in self._counts.items()) / _MS
        return total / self.samples if self.statistic == "Average" else total


class Track:
    """All sliding periods of one variant on one grain. `at`: the last cell that was taken in; cells count from 1970."""

    def __init__(self, grain_s: float, periods: Sequence[Sliding], at: int) -> None:
        self.grain_s = grain_s
        self.at = at
        self._periods = tuple(periods)
        self._wanted = tuple({p.metric for p in periods if p.histogram})
        # cells that may still be asked for, also when late rows come; histograms are large, and of short periods
        self._horizon = max((p.length + p.kept for p in periods), default=1)
        self._narrow = max((p.length + p.kept for p in periods if p.histogram), default=1)
        self._cells: dict[int, Cell] = {}
        self._late: int | None = None  # the earliest cell that changed after it was taken in

    def add(self, row: Second) -> None:
        """One row; it may come late."""
        cell = int(row.t // self.grain_s)
        if cell <= self.at - self._horizon:
            return
        found = self._cells.get(cell)
        if found is None:
            found = self._cells[cell] = Cell()
        found.add(row, self._wanted if cell > self.at - self._narrow else ())
        if cell <= self.at:
            self._late = cell if self._late is None else min(self._late, cell)

    def advance(self) -> None:
        """Take in one more cell."""
        if self._late is not None:
            for period in self._periods:
                period.again(self._cells, self._late, self.at)
            self._late = None
        self.at += 1
        cells, at = self._cells, self.at
        for period in self._periods:
            period.move(at, cells.get(at), cells.get(at - period.length))
        if (old := cells.get(at - self._narrow)) is not None:
            old.histograms = None
        cells.pop(at - self._horizon, None)
