"""Counts, sums and sums of squares per variant and metric: what rules that compare means keep."""

import numpy as np


def harmful(batch):
    """A batch's metrics, each turned so that more is worse: error, latency, cost, -quality; shape (4, rows), NaN not
    measured.
    """
    return np.stack([1.0 - batch["ok"], batch["latency_ms"], batch["cost"], -batch["quality"]])


class Tally:
    """Moments of the metrics, `n`, `first` and `second` of shape (2 variants, 4 metrics)."""

    def __init__(self):
        self.n, self.first, self.second = (np.zeros((2, 4)) for _ in range(3))

    def add(self, values, variant):
        """Values of shape (4, rows) and their variants."""
        measured = ~np.isnan(values)
        filled = np.where(measured, values, 0.0)
        for v in (0, 1):
            mine = variant == v
            self.n[v] += measured[:, mine].sum(axis=1)
            self.first[v] += filled[:, mine].sum(axis=1)
            self.second[v] += (filled[:, mine] ** 2).sum(axis=1)

    def difference(self):
        """(candidate's mean - baseline's, its variance, observations of both), each of shape (4,); NaN below 2 of
        either.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = self.first / self.n
            variance = np.maximum(self.second / self.n - mean**2, 0.0) * self.n / (self.n - 1)
            spread = (variance / self.n).sum(axis=0)
        enough = (self.n >= 2).all(axis=0)
        return (
            np.where(enough, mean[1] - mean[0], np.nan),
            np.where(enough, spread, np.nan),
            self.n.sum(axis=0),
        )


class Strata:
    """A Tally per weight, and their differences pooled by precision: no Simpson's paradox when the weight moves."""

    def __init__(self):
        self._tallies = {}

    def add(self, values, variant, weight):
        """As Tally.add, with each row's weight."""
        for w in np.unique(weight):
            mine = weight == w
            self._tallies.setdefault(float(w), Tally()).add(values[:, mine], variant[mine])

    def difference(self):
        """As Tally.difference: strata weighted by n1 n0 / (n1 + n0), which does not look at outcomes."""
        total, mean, spread, count = np.zeros(4), np.zeros(4), np.zeros(4), np.zeros(4)
        for tally in self._tallies.values():
            d, v, n = tally.difference()
            usable = ~np.isnan(d)
            with np.errstate(divide="ignore", invalid="ignore"):
                share = np.where(usable, tally.n[0] * tally.n[1] / n, 0.0)
            total += share
            mean += share * np.where(usable, d, 0.0)
            spread += share**2 * np.where(usable, v, 0.0)
            count += np.where(usable, n, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return mean / total, spread / total**2, count
