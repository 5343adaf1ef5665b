"""What each variant did, added up for people: shares, quantiles, means. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headgate.analysis.metrics import HARMS
from headgate.stats.experts import Kind
from headgate.stats.scale import OFFSET, Scale, bucketed
from headgate.stats.units import LOG_STEP, SCORE_STEPS, Ints, Units

_FINE = 2.0**30  # so that sums do not depend on how sessions came in batches


class Tally:
    """The sessions of one variant: counts, and a histogram of places for each metric."""

    def __init__(self) -> None:
        self.sessions = self.failed = 0
        self._failures = self._turns = 0.0
        self._columns: dict[str, Ints] = {}
        self._scales: dict[str, Scale] = {}  # fitted when asked for, until more comes in
        # metric -> values measured; the sums of the values and of their places, in whole numbers of 1 / _FINE
        self._sums: dict[str, list[int]] = {}

    def add(self, units: Units) -> None:
        """Take sessions in."""
        self.sessions += len(units)
        self.failed += int(units.failed.sum())
        self._failures += float(units.failures.sum())
        self._turns += float(units.turns.sum())
        self.add_values(units)

    def add_values(self, units: Units) -> None:
        """Take only what was measured of sessions that are counted already."""
        self._scales = {}
        for name, column in units.columns.items():
            if len(column.unit):
                counts = self._columns.setdefault(name, np.zeros(2 * OFFSET, np.int64))
                np.add.at(counts, bucketed(column.place), column.count.astype(np.int64))
                sums = self._sums.setdefault(name, [0, 0, 0])
                sums[0] += int(column.count.sum())
                for i, values in ((1, np.exp(np.minimum(column.place * LOG_STEP, 20.0))), (2, column.place)):
                    sums[i] += int(np.floor(column.count * values * _FINE).astype(np.int64).sum())

    def measured(self, metric: str) -> int:
        """How many values of a metric were measured: sessions, or turns of metrics of times."""
        return self.sessions if metric == "error" else self._sums.get(metric, [0])[0]

    def estimate(self, name: str, kind: Kind | None = None) -> float | None:
        """What was observed: a share, milliseconds, USD or tokens per session, a mean score; None: not measured.

        `kind`: of a metric that a plan defines.
        """
        harm = HARMS.get(name)
        metric, kind = (harm.metric, harm.kind) if harm else (name, kind)
        if kind is Kind.FAILURE:
            return self.failed / self.sessions if self.sessions else None
        if metric not in self._sums or kind is None:
            return None
        n = self._sums[metric][0]
        total, places = (each / _FINE for each in self._sums[metric][1:])
        if kind is Kind.TIME:
            level = 0.95 if harm is None or harm.level is None else 1.0 - harm.level
            if metric not in self._scales:
                self._scales[metric] = Scale(self._columns[metric])
            return float(np.exp(self._scales[metric].quantile(level) * LOG_STEP))
        if kind is Kind.SCORE:
            return 1.0 - places / n / SCORE_STEPS
        return total / n - (1.0 if kind is Kind.COUNT else 0.0)

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        columns = {
            name: [[int(i) - OFFSET, int(counts[i])] for i in np.flatnonzero(counts)]
            for name, counts in sorted(self._columns.items())
        }
        totals = [self.sessions, self.failed, self._failures, self._turns]
        return {"totals": totals, "columns": columns, "sums": {n: self._sums[n] for n in sorted(self._sums)}}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Tally:
        """The inverse of `to_data`."""
        made = cls()
        made.sessions, made.failed, made._failures, made._turns = data["totals"]
        for name, pairs in data["columns"].items():
            counts = np.zeros(2 * OFFSET, np.int64)
            for bucket, n in pairs:
                counts[bucket + OFFSET] = n
            made._columns[name] = counts
        made._sums = {name: list(sums) for name, sums in data["sums"].items()}
        return made
