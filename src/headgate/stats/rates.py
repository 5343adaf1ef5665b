"""Bounds of one variant's own rate or quantile, without any comparison.

Exact bounds for one look (Clopper & Pearson 1934; order statistics), bounds that hold at every look at once (beta-
binomial mixture, Robbins 1970), and a test of a rate against a fixed limit that also sees a harm that begins late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import exp, lgamma, log, log1p
from typing import Any

from headgate.stats.histogram import BOUNDS_MS

_STEPS = 80  # halvings of [0, 1]: beyond the precision of a float
_TINY = 1e-300


def _checked(k: int, n: int, confidence: float) -> None:
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is no count")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"a confidence of {confidence!r} is not between 0 and 1")


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function (Lentz's method)."""
    c, d = 1.0, 1.0 - (a + b) * x / (a + 1.0)
    d = 1.0 / (d if abs(d) > _TINY else _TINY)
    total = d
    for m in range(1, 100_000):
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 + numerator * d
            d = 1.0 / (d if abs(d) > _TINY else _TINY)
            c = 1.0 + numerator / c
            c = c if abs(c) > _TINY else _TINY
            total *= c * d
        if abs(c * d - 1.0) < 1e-14:
            return total
    raise ArithmeticError(f"the incomplete beta function of {a:g}, {b:g} does not converge at {x:g}")


def beta_cdf(a: float, b: float, x: float) -> float:
    """P(X <= x) of a beta variable, a and b > 0."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = exp(a * log(x) + b * log1p(-x) - _log_beta(a, b))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, 1.0 - x) / b


def _beta_quantile(a: float, b: float, level: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        low, high = (middle, high) if beta_cdf(a, b, middle) < level else (low, middle)
    return (low + high) / 2.0


def exact_lower(k: int, n: int, confidence: float = 0.95) -> float:
    """Clopper-Pearson: the rate is above this with at least this confidence (one-sided)."""
    _checked(k, n, confidence)
    return 0.0 if k == 0 else _beta_quantile(k, n - k + 1, 1.0 - confidence)


def exact_upper(k: int, n: int, confidence: float = 0.95) -> float:
    """Clopper-Pearson: the rate is below this with at least this confidence (one-sided)."""
    _checked(k, n, confidence)
    return 1.0 if k == n else _beta_quantile(k + 1, n - k, confidence)


def quantile_bounds_ms(
    counts: Mapping[int, int], q: float, confidence: float = 0.95
) -> tuple[float | None, float | None]:
    """(lower, upper) one-sided bounds in ms of the q-quantile, by order statistics; None where too few values give
    one.
    """
    total = sum(counts.values())
    _checked(0, total, confidence)
    lower = _last_rank(total, q, 1.0 - confidence)
    upper = _last_rank(total, q, confidence) + 1  # the first rank that is at the quantile or above it
    low = _bucket_at(counts, lower) - 1 if lower >= 1 else None
    high = _bucket_at(counts, upper) if upper <= total else len(BOUNDS_MS)
    return (
        None if low is None else BOUNDS_MS[low] if low >= 0 else 0.0,
        BOUNDS_MS[high] if high < len(BOUNDS_MS) else None,
    )


def _last_rank(total: int, q: float, level: float) -> int:
    """The largest r in 0..total with P(Binomial(total, q) <= r - 1) <= level."""
    low, high = 0, total
    while low < high:
        r = (low + high + 1) // 2
        low, high = (r, high) if beta_cdf(total - r + 1, r, 1.0 - q) <= level else (low, r - 1)
    return low


def _bucket_at(counts: Mapping[int, int], rank: int) -> int:
    """The bucket of the value of this rank (1 is the smallest)."""
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= rank:
            return bucket
    raise ValueError(f"there is no value of rank {rank}")


def always_bounds(k: int, n: int, alpha: float) -> tuple[float, float]:
    """Bounds of a rate that hold at every look at once with probability 1 - alpha.

    They need the counts alone, so they merge.
    """
    _checked(k, n, 1.0 - alpha)
    if n == 0:
        return 0.0, 1.0
    prior = _log_beta(0.5, 0.5)
    mixture = _log_beta(k + 0.5, n - k + 0.5) - prior

    def excluded(p: float) -> bool:
        likelihood = (k * log(p) if k else 0.0) + ((n - k) * log1p(-p) if n > k else 0.0)
        return mixture - likelihood >= log(1.0 / alpha)

    return _edge(excluded, 0.0, k / n), _edge(excluded, 1.0, k / n)


def _edge(excluded: Callable[[float], bool], outside: float, inside: float) -> float:
    if outside == inside:
        return inside
    for _ in range(_STEPS):
        middle = (outside + inside) / 2.0
        if middle in {outside, inside}:
            break
        outside, inside = (middle, inside) if excluded(middle) else (outside, middle)
    return outside


class LimitTest:
    """Evidence, at any time, that a rate is above a limit and that it is below it. Values in [0, 1], one per session.

    Against "rate <= limit" the capital keeps cash, as the bet on the label does: a rate may break after a good start.
    """

    _STAKES = (0.2, 0.5, 0.9)
    _CEILING = 1e280

    def __init__(self, limit: float) -> None:
        if not 0.0 < limit < 1.0:
            raise ValueError(f"a limit of {limit!r} is not between 0 and 1")
        self.limit = limit
        self.n = 0
        self.total = 0.0
        self.forget()
        self._under = [1.0 / len(self._STAKES)] * len(self._STAKES)
        self.under_peak = 1.0

    def forget(self) -> None:
        """Start the evidence for "above" anew, e.g. after harm that was not the candidate's."""
        self._over = [0.5 / len(self._STAKES)] * len(self._STAKES)
        self._age = 0

    def update(self, x: float) -> None:
        """One session's value."""
        if not 0.0 <= x <= 1.0:
            raise ValueError(f"a value of {x!r} is not within 0 and 1")
        before = self._cash
        self.n += 1
        self.total += x
        self._age += 1
        flow = (before - self._cash) / len(self._STAKES)
        gain = (x - self.limit) / self.limit
        self._over = [
            min(self._CEILING, (c + flow) * (1.0 + f * gain)) for c, f in zip(self._over, self._STAKES, strict=True)
        ]
        loss = (self.limit - x) / (1.0 - self.limit)
        self._under = [min(self._CEILING, c * (1.0 + f * loss)) for c, f in zip(self._under, self._STAKES, strict=True)]
        self.under_peak = max(self.under_peak, sum(self._under))

    @property
    def _cash(self) -> float:
        return 0.5 * 1000.0 / (1000.0 + self._age)

    @property
    def over(self) -> float:
        """Evidence that the rate is above the limit, as odds."""
        return sum(self._over) + self._cash

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        return {
            "limit": self.limit,
            "n": self.n,
            "total": self.total,
            "age": self._age,
            "over": self._over,
            "under": self._under,
            "under_peak": self.under_peak,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> LimitTest:
        """The inverse of `to_data`."""
        made = cls(data["limit"])
        made.n, made.total, made._age = data["n"], data["total"], data["age"]
        made._over, made._under, made.under_peak = list(data["over"]), list(data["under"]), data["under_peak"]
        return made
