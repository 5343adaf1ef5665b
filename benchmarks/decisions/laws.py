"""Laws of one request's outcome: whether it fails, how long it takes, what it costs, how good it is.

Each law draws samples and knows its exact density, so that bounds and the oracle need no approximation of it. Times
are in ms, cost in whatever unit, quality in (0, 1).
"""

from dataclasses import dataclass, replace
from math import exp, lgamma, log, pi, sqrt

import numpy as np

LOG_TWO_PI = log(2 * pi)
# the least the density of a mixture may be: x outside its support
NOTHING = -np.inf


@dataclass(frozen=True)
class Component:
    """`share` of a mixture: shift + scale * exp(shape * N(0, 1)), or shift + scale * Gamma(shape)."""

    share: float
    kind: str  # lognormal or gamma
    scale: float
    shape: float
    shift: float = 0.0

    @property
    def mean(self):
        """Exact."""
        spread = exp(self.shape**2 / 2) if self.kind == "lognormal" else self.shape
        return self.shift + self.scale * spread

    def draw(self, rng, n):
        """n samples, shape (n,)."""
        unit = (
            np.exp(self.shape * rng.standard_normal(n)) if self.kind == "lognormal" else rng.gamma(self.shape, size=n)
        )
        return self.shift + self.scale * unit

    def log_density(self, x):
        """Natural logarithm of the density at x; -inf where it is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = (x - self.shift) / self.scale
            logs = np.log(unit)
            if self.kind == "lognormal":
                inside = -0.5 * (logs / self.shape) ** 2 - log(self.shape) - 0.5 * LOG_TWO_PI - logs
            else:
                inside = (self.shape - 1) * logs - unit - lgamma(self.shape)
        return np.where(unit > 0, inside - log(self.scale), NOTHING)


@dataclass(frozen=True)
class Positive:
    """A mixture of components: the law of a latency or a cost."""

    components: tuple[Component, ...]

    @property
    def mean(self):
        """Exact."""
        return sum(each.share * each.mean for each in self.components)

    def draw(self, rng, n):
        """n independent samples."""
        if len(self.components) == 1:
            return self.components[0].draw(rng, n)
        which = rng.choice(len(self.components), size=n, p=[each.share for each in self.components])
        out = np.empty(n)
        for i, each in enumerate(self.components):
            mine = which == i
            out[mine] = each.draw(rng, int(mine.sum()))
        return out

    def log_density(self, x):
        """Natural logarithm of the mixture's density at x."""
        logs = np.stack([log(each.share) + each.log_density(x) for each in self.components])
        peak = logs.max(axis=0)
        safe = np.where(np.isfinite(peak), peak, 0.0)
        with np.errstate(divide="ignore"):
            return safe + np.log(np.exp(logs - safe).sum(axis=0))

    def times(self, factor):
        """Everything `factor` times as large."""
        return Positive(tuple(replace(c, scale=c.scale * factor, shift=c.shift * factor) for c in self.components))

    def plus(self, more):
        """Everything larger by `more`."""
        return Positive(tuple(replace(c, shift=c.shift + more) for c in self.components))

    def tail(self, share, factor):
        """`share` of the requests `factor` times as large, the others as before."""
        kept = tuple(replace(c, share=c.share * (1 - share)) for c in self.components)
        moved = tuple(replace(c, share=c.share * share) for c in self.times(factor).components)
        return Positive(kept + moved)

    def spread(self, factor):
        """The standard deviation of log x `factor` times as large, the median as before (lognormal only)."""
        assert all(c.kind == "lognormal" for c in self.components)
        return Positive(tuple(replace(c, shape=c.shape * factor) for c in self.components))


def lognormal(median, sigma):
    """Log-normal: `median`, and the standard deviation of log x."""
    return Positive((Component(1.0, "lognormal", median, sigma),))


def gamma(mean, shape):
    """Gamma with this mean; the coefficient of variation is 1 / sqrt(shape)."""
    return Positive((Component(1.0, "gamma", mean / shape, shape),))


def bimodal(fast, slow, share_slow, sigma):
    """Two log-normal humps, such as cached and computed answers."""
    return Positive(
        (Component(1 - share_slow, "lognormal", fast, sigma), Component(share_slow, "lognormal", slow, sigma))
    )


@dataclass(frozen=True)
class Quality:
    """Beta law of a score in (0, 1); only `scored` of the requests have one, the others are NaN."""

    mean: float = 0.80
    concentration: float = 8.05  # a + b; the standard deviation is sqrt(mean (1 - mean) / (concentration + 1))
    scored: float = 1.0

    @property
    def deviation(self):
        """Standard deviation of one score."""
        return sqrt(self.mean * (1 - self.mean) / (self.concentration + 1))

    def draw(self, rng, n):
        """n scores, NaN where not scored."""
        scores = rng.beta(self.mean * self.concentration, (1 - self.mean) * self.concentration, size=n)
        scores = np.clip(scores, 1e-9, 1 - 1e-9)
        return scores if self.scored >= 1 else np.where(rng.random(n) < self.scored, scores, np.nan)

    def log_density(self, x):
        """Of the score where there is one, 0 where there is none: nobody knows more of a request that was not
        scored.
        """
        a, b = self.mean * self.concentration, (1 - self.mean) * self.concentration
        constant = lgamma(a + b) - lgamma(a) - lgamma(b)
        value = constant + (a - 1) * np.log(x) + (b - 1) * np.log1p(-x)
        return np.where(np.isnan(x), 0.0, value)

    def less(self, drop):
        """The mean lower by `drop`, the concentration kept."""
        return replace(self, mean=self.mean - drop)


LATENCY, COST, QUALITY = lognormal(100.0, 0.6), lognormal(1.0, 0.8), Quality()


@dataclass(frozen=True)
class Arm:
    """The law of one variant's requests. Latency of failed requests may have a law of its own (fail fast, time out);
    cost is multiplied by (latency / coupled_to)^coupling: long answers cost more.
    """

    error: float = 0.01
    latency: Positive = LATENCY
    cost: Positive = COST
    quality: Quality = QUALITY
    failed_latency: Positive | None = None
    coupling: float = 0.0
    coupled_to: float = 100.0

    def draw(self, rng, n):
        """Columns ok, latency_ms, cost, quality of n independent requests."""
        ok = rng.random(n) >= self.error
        return {"ok": ok, **self.draw_rest(rng, ok)}

    def draw_rest(self, rng, ok):
        """The other columns, given which requests are ok."""
        n = len(ok)
        latency = self.latency.draw(rng, n)
        if self.failed_latency is not None:
            latency[~ok] = self.failed_latency.draw(rng, int((~ok).sum()))
        cost = self.cost.draw(rng, n) * self._dearer(latency)
        return {"latency_ms": latency, "cost": cost, "quality": self.quality.draw(rng, n)}

    def _dearer(self, latency):
        return (latency / self.coupled_to) ** self.coupling if self.coupling else 1.0

    def log_rest(self, columns):
        """Log density of everything but ok, given ok."""
        latency = columns["latency_ms"]
        value = self.latency.log_density(latency)
        if self.failed_latency is not None:
            value = np.where(columns["ok"], value, self.failed_latency.log_density(latency))
        dearer = self._dearer(latency)
        value = value + self.cost.log_density(columns["cost"] / dearer) - np.log(dearer)
        return value + self.quality.log_density(columns["quality"])

    def log_density(self, columns):
        """Log density of whole requests, shape (n,)."""
        errors = np.where(columns["ok"], np.log1p(-self.error), np.log(self.error))
        return errors + self.log_rest(columns)


def harm(baseline, candidate, rng_seed=0, n=200_000):
    """What the candidate really does to each margin's number: {error_abs, latency_p95_ratio, latency_p99_ratio,
    cost_ratio, quality_abs}. Exact, but for the quantiles, which are of n samples.
    """
    rng = np.random.default_rng(rng_seed)
    drawn = [arm.draw(rng, n) for arm in (baseline, candidate)]
    quantiles = [np.quantile(each["latency_ms"], [0.95, 0.99]) for each in drawn]
    p95, p99 = quantiles[1] / quantiles[0]
    means = [
        float(each["cost"].mean()) if arm.coupling else arm.cost.mean
        for arm, each in zip((baseline, candidate), drawn, strict=True)
    ]
    return {
        "error_abs": candidate.error - baseline.error,
        "latency_p95_ratio": float(p95),
        "latency_p99_ratio": float(p99),
        "cost_ratio": means[1] / means[0],
        "quality_abs": baseline.quality.mean - candidate.quality.mean,
    }
