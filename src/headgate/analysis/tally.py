"""What each variant did, added up for people: shares, quantiles, means. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headgate.stats.experts import Kind
from headgate.stats.non_inferiority import Harm
from headgate.stats.scale import Scale, counted, from_pairs, to_pairs
from headgate.stats.units import LOG_STEP, SCORE_STEPS, Ints, Units, amount_at

_FINE = 2.0**30  # so that sums do not depend on how sessions came in batches


class Tally:
    """The sessions of one variant: counts, and a histogram of places for each metric.

    `flipped`: the metrics that are worse the other way round, as `closing.placed` says.
    """

    def __init__(self, flipped: frozenset[str] = frozenset()) -> None:
        self.sessions = self.failed = self.turns = 0
        self._flipped = flipped
        self._columns: dict[str, Ints] = {}
        self._scales: dict[str, Scale] = {}  # fitted when asked for, until more comes in
        # metric -> values measured; the sums of the values and of their places, in whole numbers of 1 / _FINE
        self._sums: dict[str, list[int]] = {}

    def add(self, units: Units) -> None:
        """Take sessions in."""
        self.sessions += len(units)
        self.failed += int(units.failed.sum())
        self.turns += int(units.turns.sum())
        self.add_values(units)

    def add_values(self, units: Units) -> None:
        """Take only what was measured of sessions that are counted already."""
        self._scales = {}
        for name, column in units.columns.items():
            if len(column.unit):
                counts, before = counted(column), self._columns.get(name)
                self._columns[name] = counts if before is None else before + counts
                sums = self._sums.setdefault(name, [0, 0, 0])
                sums[0] += int(column.count.sum())
                amounts = amount_at(column.place, flipped=name in self._flipped)
                for i, values in ((1, amounts), (2, column.place)):
                    sums[i] += _sum(np.floor(column.count * values * _FINE).astype(np.int64))

    def measured(self, metric: str) -> int:
        """How many values of a metric were measured: sessions, or turns of metrics of times."""
        return self.sessions if metric == "error" else self._sums.get(metric, [0])[0]

    def compared(self, metric: str) -> int:
        """How many sessions a metric is compared over: of times it is turns that are measured."""
        return min(self.sessions, self.measured(metric))

    def estimate(self, harm: Harm | None) -> float | None:
        """What was observed: a share, milliseconds, a mean amount per session, a mean score; None: not measured."""
        if harm is None:
            return None
        metric, kind = harm.metric, harm.kind
        if kind is Kind.FAILURE:
            of = self.turns if harm.per_turn else self.sessions
            return self.failed / of if of else None
        if metric not in self._sums:
            return None
        n = self._sums[metric][0]
        total, places = (each / _FINE for each in self._sums[metric][1:])
        if kind is Kind.TIME:
            level = 1.0 - (harm.level or 0.05)
            if metric not in self._scales:
                self._scales[metric] = Scale(self._columns[metric])
            return float(np.exp(self._scales[metric].quantile(level) * LOG_STEP))
        if kind is Kind.SCORE:
            worse = places / n / SCORE_STEPS
            return worse if harm.flipped else 1.0 - worse
        return total / n - (1.0 if kind is Kind.COUNT else 0.0)

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        columns = {name: to_pairs(counts) for name, counts in sorted(self._columns.items())}
        sums = {name: self._sums[name] for name in sorted(self._sums)}
        counts = {"sessions": self.sessions, "failed": self.failed, "turns": self.turns}
        return {**counts, "columns": columns, "sums": sums}

    @classmethod
    def from_data(cls, data: Mapping[str, Any], flipped: frozenset[str] = frozenset()) -> Tally:
        """The inverse of `to_data`."""
        made = cls(flipped)
        made.sessions, made.failed, made.turns = data["sessions"], data["failed"], data["turns"]
        made._columns = {name: from_pairs(pairs) for name, pairs in data["columns"].items()}
        made._sums = {name: list(sums) for name, sums in data["sums"].items()}
        return made


def _sum(numbers: Ints) -> int:
    """The exact sum of whole numbers that may leave 64 bits together: of amounts up to 1e9."""
    return (int((numbers >> 32).sum()) << 32) + int((numbers & 0xFFFFFFFF).sum())
