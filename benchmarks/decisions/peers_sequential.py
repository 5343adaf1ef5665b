"""Peers that test sequentially, re-implemented from their documents and published formulas: GrowthBook Safe Rollouts,
group sequential tests, Netflix's regression detection.
"""

from math import e, lgamma, log, log1p, sqrt

import numpy as np

from benchmarks.decisions.rules import GO_ON, KEEP, TAKE_BACK
from benchmarks.decisions.tallies import Strata, Tally, harmful


def tuned_rho(alpha, tuning=5000.0):
    """The mixing parameter of a one-sided asymptotic confidence sequence that is tightest at `tuning` observations:
    Waudby-Smith et al., arXiv 2103.06476v7, eq. 161 at 2 alpha.
    """
    nats = -2.0 * log(2.0 * alpha)
    return sqrt((nats + log(nats + 1.0)) / tuning)


def half_width(variance, n, alpha, tuning=5000.0):
    """One-sided half-width at every n at once: eq. 134 of the same paper. `variance`: of one observation."""
    rho2 = tuned_rho(alpha, tuning) ** 2
    inside = n * rho2 + 1.0
    return np.sqrt(variance * 2.0 * inside / (n**2 * rho2) * np.log1p(np.sqrt(inside) / (2.0 * alpha)))


class GrowthBook:
    """GrowthBook Safe Rollouts: roll back when the lower bound of any guardrail's harm passes 0; at the end, ship.

    As shipped each guardrail has the whole alpha and data are pooled over weights. `bonferroni` divides alpha by the
    metrics, `stratified` compares within each weight, `halves` is GrowthBook's own design: only as many requests of
    the baseline as of the candidate are compared (drawn by lot). Source: growthbook/growthbook,
    packages/stats/gbstats/frequentist/tests.py, and docs safe-rollouts; tuning parameter 5000.
    """

    def __init__(self, setting, *, bonferroni=False, stratified=False, halves=False):
        self._setting = setting
        self._alpha = setting.alpha / (len(setting.metrics) if bonferroni else 1)
        self._stratified, self._tally = stratified, Strata() if stratified else Tally()
        self._lots = np.random.default_rng(11) if halves else None
        self._seen = 0

    def update(self, batch):
        """The action after these rows."""
        self._seen += len(batch["variant"])
        self._add(batch)
        difference, spread, n = self._tally.difference()
        with np.errstate(divide="ignore", invalid="ignore"):
            lower = difference - half_width(spread * n, n, self._alpha)
        # a variance of 0 (no failure yet in either variant) is no proof
        if bool(((lower > 0) & (spread > 0)).any()):
            return TAKE_BACK
        return KEEP if self._seen >= self._setting.horizon else GO_ON

    def _add(self, batch):
        values, variant, weight = harmful(batch), batch["variant"], batch["weight"]
        if self._lots is not None:
            # at w = 0.1 one in nine of the baseline's requests is in the exposed slice
            share = np.minimum(1.0, weight / np.maximum(1e-9, 1.0 - weight))
            kept = (variant == 1) | (self._lots.random(len(variant)) < share)
            values, variant, weight = values[:, kept], variant[kept], weight[kept]
        if self._stratified:
            self._tally.add(values, variant, weight)
        else:
            self._tally.add(values, variant)


class GroupSequential:
    """A z test at 20 equally spaced looks with Pocock's constant boundary, as Spotify describes it, per metric at
    alpha / 4 one-sided (2.921 by Monte Carlo for alpha 0.05), stratified by weight. Needs the horizon.
    """

    LOOKS, BOUNDARY = 20, 2.921

    def __init__(self, setting):
        self._setting, self._tally, self._seen, self._looked = setting, Strata(), 0, 0

    def update(self, batch):
        """The action after these rows."""
        self._seen += len(batch["variant"])
        self._tally.add(harmful(batch), batch["variant"], batch["weight"])
        due = self._seen * self.LOOKS // self._setting.horizon
        if due <= self._looked:
            return GO_ON
        self._looked = due
        difference, spread, _ = self._tally.difference()
        with np.errstate(divide="ignore", invalid="ignore"):
            z = difference / np.sqrt(spread)
        if bool((z[spread > 0] >= self.BOUNDARY).any()):
            return TAKE_BACK
        return KEEP if self._seen >= self._setting.horizon else GO_ON


def dkw_band(n, alpha):
    """Half-width of a band around an empirical distribution function that holds at every n >= 1 at once: Howard &
    Ramdas, arXiv 1906.09712, eq. 3, used by Netflix (arXiv 2205.14762): 0.85 sqrt((log log(e n) + 0.8 log(1612 /
    alpha)) / n).
    """
    return 0.85 * np.sqrt((np.log(np.log(e * n)) + 0.8 * log(1612.0 / alpha)) / n)


def _log_beta(a, b):
    return lgamma(a) + lgamma(b) - lgamma(a + b)


class Netflix:
    """Netflix's rapid regression detection: time-uniform bands around both variants' distribution functions of
    latency, cost and quality, rolled back when they part in the harmful direction; failures by the anytime-valid
    multinomial test with a Dirichlet prior of concentration 100 (arXiv 2205.14762, 2011.03567).

    alpha is divided by the metrics and, over strata of weight, halved with each (the test of failures is one product
    over strata). Distribution functions are kept on 512 quantiles of the history.
    """

    PRIOR, POINTS = 100.0, 512

    def __init__(self, setting):
        self._setting, self._seen, self._strata = setting, 0, {}
        self._alpha = setting.alpha / len(setting.metrics)
        past = harmful(setting.history)[1:]
        levels = np.linspace(0.0, 1.0, self.POINTS)
        self._edges = [np.unique(np.nanquantile(each, levels)) for each in past]

    def update(self, batch):
        """The action after these rows."""
        self._seen += len(batch["variant"])
        values, variant, weight = harmful(batch), batch["variant"], batch["weight"]
        for w in np.unique(weight):
            mine = weight == w
            self._add(float(w), values[:, mine], variant[mine])
        if self._failures() or self._distributions():
            return TAKE_BACK
        return KEEP if self._seen >= self._setting.horizon else GO_ON

    def _add(self, w, values, variant):
        counts, failed = self._strata.setdefault(w, ([np.zeros((2, len(each) + 1)) for each in self._edges], [0, 0]))
        for v in (0, 1):
            mine = values[:, variant == v]
            failed[v] += int(mine[0].sum())
            for count, edges, column in zip(counts, self._edges, mine[1:], strict=True):
                known = column[~np.isnan(column)]
                count[v] += np.bincount(np.searchsorted(edges, known), minlength=len(edges) + 1)

    def failure_evidence(self):
        """Log of the evidence that failures do not split by the weights, a product over strata."""
        return self._split()[0]

    def _failures(self):
        evidence, excess = self._split()
        return excess > 0 and evidence >= log(1 / self._alpha)

    def _split(self):
        evidence, excess = 0.0, 0.0
        for w, (_, (base, cand)) in self._strata.items():
            if not 0.0 < w < 1.0:
                continue
            a, b = self.PRIOR * w, self.PRIOR * (1 - w)
            evidence += _log_beta(a + cand, b + base) - _log_beta(a, b) - cand * log(w) - base * log1p(-w)
            excess += cand - w * (cand + base)
        return evidence, excess

    def _distributions(self):
        for i, (counts, _) in enumerate(self._strata.values()):
            # two bands per stratum, each with half of its share
            alpha = self._alpha / 2 ** (i + 2)
            for count in counts:
                n = count.sum(axis=1)
                if n.min() < 1:
                    continue
                below = np.cumsum(count, axis=1)[:, :-1] / n[:, None]
                if (below[0] - below[1]).max(initial=0.0) > dkw_band(n, alpha).sum():
                    return True
        return False
