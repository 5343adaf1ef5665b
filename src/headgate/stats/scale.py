"""How ordinary is a value? Normal scores by the baseline's past quantiles, fitted to a histogram of places."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from statistics import NormalDist

import numpy as np

from headgate.stats.units import Column, Floats, Ints

LEVELS = (0.005, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99, 0.997)
Z_LOW, Z_HIGH = -4.0, 4.5  # one odd value must not ruin a bet
OFFSET = 2048  # histograms of places hold buckets -OFFSET .. OFFSET-1

_NORMAL = {level: NormalDist().inv_cdf(level) for level in LEVELS}


def bucketed(place: Floats) -> Ints:
    """The index of each place in a histogram of places: bucket i covers (i - 1, i]."""
    return np.clip(np.ceil(place), -OFFSET, OFFSET - 1).astype(np.int64) + OFFSET


def counted(column: Column) -> Ints:
    """The histogram of a metric's places, (2 x OFFSET,)."""
    counts = np.zeros(2 * OFFSET, np.int64)
    np.add.at(counts, bucketed(column.place), column.count.astype(np.int64))
    return counts


def to_pairs(counts: Ints) -> list[list[int]]:
    """A histogram as JSON data that keeps its keys integers: [bucket, count] of those that were hit."""
    return [[int(i) - OFFSET, int(counts[i])] for i in np.flatnonzero(counts)]


def from_pairs(pairs: Sequence[Sequence[int]]) -> Ints:
    """The inverse of `to_pairs`."""
    counts = np.zeros(2 * OFFSET, np.int64)
    for bucket, n in pairs:
        counts[bucket + OFFSET] = n
    return counts


class Scale:
    """A monotone, piecewise linear map of places to normal scores. `counts`: (2 x OFFSET,), not all zero."""

    def __init__(self, counts: Ints) -> None:
        used = np.flatnonzero(counts)
        self._buckets = used - OFFSET
        self._counts = counts[used].astype(np.float64)
        self._seen = np.cumsum(self._counts)
        self.total = float(self._seen[-1])

    @cached_property
    def _knots(self) -> tuple[Floats, Floats]:
        """(places, normal scores) between which the map is straight."""
        levels = [p for p in LEVELS if self.total * min(p, 1.0 - p) >= 5.0 or p == 0.5]
        scores = [_NORMAL[p] for p in levels]
        places = [self.quantile(p) for p in levels]
        middle = levels.index(0.5)
        # a law narrower than the grid can show is read as one bucket wide, so that a neighbouring bucket is no marvel
        for i in range(middle + 1, len(places)):
            places[i] = max(places[i], places[i - 1] + scores[i] - scores[i - 1])
        for i in range(middle - 1, -1, -1):
            places[i] = min(places[i], places[i + 1] - (scores[i + 1] - scores[i]))
        return np.array(places), np.array(scores)

    def quantile(self, level: float) -> float:
        """The place below which a share `level` of the values lies, interpolated inside its bucket."""
        rank = level * self.total
        i = min(int(np.searchsorted(self._seen, rank)), len(self._seen) - 1)
        before = self._seen[i] - self._counts[i]
        return float(self._buckets[i] - 1 + (rank - before) / self._counts[i])

    def above(self, place: float) -> float:
        """The share of the fitted values above a place; a bucket that contains the place counts in part."""
        share = np.clip(self._buckets - place, 0.0, 1.0)
        return float((share * self._counts).sum() / self.total)

    def mean(self, values: Floats) -> tuple[float, float]:
        """(mean, variance) of a quantity that has one value for each bucket in `buckets`."""
        mean = float((values * self._counts).sum() / self.total)
        return mean, float(((values - mean) ** 2 * self._counts).sum() / self.total)

    @property
    def middles(self) -> Floats:
        """The middle of each bucket that was hit, as places."""
        return np.asarray(self._buckets - 0.5, np.float64)

    def z(self, place: Floats) -> Floats:
        """The normal scores of places, within [Z_LOW, Z_HIGH]; straight on beyond the outermost quantiles."""
        places, zs = self._knots
        if len(places) == 1:
            return np.asarray(np.clip(zs[0] + place - places[0], Z_LOW, Z_HIGH))
        i = np.clip(np.searchsorted(places, place, side="right") - 1, 0, len(places) - 2)
        slope = (zs[i + 1] - zs[i]) / (places[i + 1] - places[i])
        return np.asarray(np.clip(zs[i] + slope * (place - places[i]), Z_LOW, Z_HIGH))
