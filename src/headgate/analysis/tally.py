"""What each variant did, added up for people: shares, quantiles, means. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headgate.analysis.metrics import HARMS
from headgate.stats.experts import Kind
from headgate.stats.scale import Scale, counted, from_pairs, to_pairs
from headgate.stats.units import LOG_STEP, SCORE_STEPS, Ints, Units

_FINE = 2.0**30  # so that sums do not depend on how sessions came in batches


class Tally:
    """The sessions of one variant: counts, and a histogram of places for each metric."""

    def __init__(self) -> None:
        self.sessions = self.failed = 0
        self._columns: dict[str, Ints] = {}
        self._scales: dict[str, Scale] = {}  # fitted when asked for, until more comes in
        # metric -> values measured; the sums of the values and of their places, in whole numbers of 1 / _FINE
        self._sums: dict[str, list[int]] = {}

    def add(self, units: Units) -> None:
        """Take sessions in."""
        self.sessions += len(units)
        self.failed += int(units.failed.sum())
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
                for i, values in ((1, np.exp(np.minimum(column.place * LOG_STEP, 20.0))), (2, column.place)):
                    sums[i] += int(np.floor(column.count * values * _FINE).astype(np.int64).sum())

    def measured(self, metric: str) -> int:
        """How many values of a metric were measured: sessions, or turns of metrics of times."""
        return self.sessions if metric == "error" else self._sums.get(metric, [0])[0]

    def estimate(self, name: str) -> float | None:
        """What was observed: a share, milliseconds, USD or tokens per session, a mean score; None: not measured."""
        harm = HARMS.get(name)
        if harm is None:
            return None
        metric, kind = harm.metric, harm.kind
        if kind is Kind.FAILURE:
            return self.failed / self.sessions if self.sessions else None
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
            return 1.0 - places / n / SCORE_STEPS
        return total / n - (1.0 if kind is Kind.COUNT else 0.0)

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        columns = {name: to_pairs(counts) for name, counts in sorted(self._columns.items())}
        sums = {name: self._sums[name] for name in sorted(self._sums)}
        return {"sessions": self.sessions, "failed": self.failed, "columns": columns, "sums": sums}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Tally:
        """The inverse of `to_data`."""
        made = cls()
        made.sessions, made.failed = data["sessions"], data["failed"]
        made._columns = {name: from_pairs(pairs) for name, pairs in data["columns"].items()}
        made._sums = {name: list(sums) for name, sums in data["sums"].items()}
        return made
