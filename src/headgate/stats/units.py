"""Closed sessions as columns: the units that the analysis bets on, many at once.

A metric's values are places on its scale, on which higher is always worse: positive quantities (times, money, tokens)
on a logarithmic scale whose step is the histograms' bucket of 5 %, scores from 0 to 1 on one of 200 steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from headgate.stats.histogram import BOUNDS_MS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

LOG_STEP = log(BOUNDS_MS[1] / BOUNDS_MS[0])
SCORE_STEPS = 200.0
FINE = 2.0**28  # logs that are to add up exactly are kept as whole numbers of 2^-28 nats


def whole(logs: Floats) -> Ints:
    """Logs as whole numbers, rounded down: sums are the same in any order, and never claim more than they may."""
    return np.asarray(np.floor(logs * FINE)).astype(np.int64)


def log_place(values: Floats) -> Floats:
    """The places of positive values (ms, USD, tokens): bucket i of the histograms covers (i - 1, i]."""
    return np.asarray(np.log(values) / LOG_STEP)


def amount_at(place: Floats, *, count: bool = False, flipped: bool = False) -> Floats:
    """The amounts at places: the inverse of `closing.placed`. `flipped`: less is worse."""
    amounts = np.exp(np.minimum((-place if flipped else place) * LOG_STEP, 20.8))  # 1e9: what is beyond was refused
    return np.maximum(0.0, amounts - 1.0) if count else amounts


def score_place(scores: Floats) -> Floats:
    """The places of scores in [0, 1], where less is worse."""
    return (1.0 - scores) * SCORE_STEPS


@dataclass(frozen=True, slots=True)
class Column:
    """What was measured of one metric, (m,) each: of which unit (ascending), where on the scale, and how often."""

    unit: Ints
    place: Floats
    count: Floats

    def part(self, start: int, stop: int) -> Column:
        """The values of units start..stop-1, renumbered from 0."""
        a, b = np.searchsorted(self.unit, (start, stop))
        return Column(self.unit[a:b] - start, self.place[a:b], self.count[a:b])

    def of(self, mask: Bools) -> Column:
        """The values of some units, renumbered."""
        keep = mask[self.unit]
        number = np.cumsum(mask) - 1
        return Column(number[self.unit[keep]], self.place[keep], self.count[keep])

    def total(self, n: int, values: Floats | None = None) -> Floats:
        """The sum of `values` (1 where None) x count per unit, (n,)."""
        weights = self.count if values is None else self.count * values
        return np.asarray(np.bincount(self.unit, weights, n), np.float64)


@dataclass(frozen=True, slots=True)
class Units:
    """n closed sessions, in the order they closed. `weight` is the candidate's probability (0..1) when each began.

    `in_order`: those that closed in the order in which they began, so that nothing of a variant can have told when each
    was counted; None: not known of any.
    """

    candidate: Bools
    weight: Floats
    turns: Floats
    failures: Floats
    columns: Mapping[str, Column]
    in_order: Bools | None = None

    @classmethod
    def one(cls, weight: float) -> Units:
        """A session of the baseline of which nothing was measured but that it went well."""
        return cls(np.zeros(1, bool), np.full(1, weight), np.ones(1), np.zeros(1), {})

    def __len__(self) -> int:
        return len(self.candidate)

    @property
    def failed(self) -> Floats:
        """1 where a session had a failure."""
        return (self.failures > 0).astype(np.float64)

    def part(self, start: int, stop: int) -> Units:
        """Units start..stop-1."""
        at = slice(start, stop)
        columns = {name: column.part(start, stop) for name, column in self.columns.items()}
        in_order = None if self.in_order is None else self.in_order[at]
        return Units(self.candidate[at], self.weight[at], self.turns[at], self.failures[at], columns, in_order)

    def of(self, mask: Bools) -> Units:
        """Some of the units."""
        if mask.all():
            return self
        columns = {name: column.of(mask) for name, column in self.columns.items()}
        in_order = None if self.in_order is None else self.in_order[mask]
        return Units(self.candidate[mask], self.weight[mask], self.turns[mask], self.failures[mask], columns, in_order)

    @classmethod
    def joined(cls, parts: Sequence[Units]) -> Units:
        """Several batches as one, in this order."""
        if len(parts) == 1:
            return parts[0]
        starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
        names = dict.fromkeys(name for part in parts for name in part.columns)
        columns = {}
        for name in names:
            found = [(part.columns[name], at) for part, at in zip(parts, starts, strict=True) if name in part.columns]
            columns[name] = Column(
                np.concatenate([column.unit + at for column, at in found]),
                np.concatenate([column.place for column, _ in found]),
                np.concatenate([column.count for column, _ in found]),
            )
        candidate = np.concatenate([part.candidate for part in parts])
        weight, turns = (np.concatenate([getattr(part, name) for part in parts]) for name in ("weight", "turns"))
        failures = np.concatenate([part.failures for part in parts])
        known = [np.zeros(len(part), bool) if part.in_order is None else part.in_order for part in parts]
        return cls(candidate, weight, turns, failures, columns, np.concatenate(known))
