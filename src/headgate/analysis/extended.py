"""CloudWatch's statistics beside percentiles: trimmed mean, count and sum, winsorized mean, percentile rank, IQM.

After "CloudWatch statistics definitions": bounds are percents of the values (TM(10%:90%), tm90 is TM(:90%)) or values
(TC(0.005:0.030)); the lower bound is exclusive, the upper one inclusive. PR is in percent, 0 to 100. Values come from a
histogram, so a bound that falls into a bucket is as exact as the bucket is narrow.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf

Values = Sequence[tuple[float, float]]  # (value, how many), values ascending

_BOUND = r"(\d+(?:\.\d{1,10})?%?)?"
_SHORT = re.compile(r"(tm|tc|ts|wm)(\d{1,2}(?:\.\d{1,10})?|100)")
_RANGE = re.compile(rf"(TM|TC|TS|WM|PR)\({_BOUND}:{_BOUND}\)")


@dataclass(frozen=True, slots=True)
class Extended:
    """`low`, `high`: bounds, as shares (0..1) where `shares`, else as values; None: there is none."""

    kind: str  # TM | TC | TS | WM | PR
    low: float | None
    high: float | None
    shares: bool

    @property
    def counts(self) -> bool:
        """Whether it is a number of values, or a percentage of them, and not in the metric's own unit."""
        return self.kind in {"TC", "PR"}

    def of(self, values: Values) -> float | None:
        """The statistic of some values; None where nothing is within its bounds."""
        inside = _by_rank(values, self.low, self.high) if self.shares else _by_value(values, self.low, self.high)
        return _KINDS[self.kind](self, values, inside)


def extended(statistic: str) -> Extended | None:
    """What a statistic says; None where it is none of these. Raises ValueError where its bounds make no sense."""
    if statistic == "IQM":
        return Extended("TM", 0.25, 0.75, shares=True)
    if found := _SHORT.fullmatch(statistic):
        return Extended(found[1].upper(), None, float(found[2]) / 100, shares=True)
    if not (found := _RANGE.fullmatch(statistic)):
        return None
    kind, texts = found[1], (found[2], found[3])
    given = [text for text in texts if text]
    percents = [text.endswith("%") for text in given]
    if not given or len(set(percents)) > 1:
        raise ValueError(f"{statistic}: give one bound or two, both in percent or neither")
    if percents[0] and kind == "PR":
        raise ValueError(f"{statistic}: a percentile rank is of values, e.g. PR(:0.3)")
    low, high = (None if not text else float(text.rstrip("%")) / (100 if percents[0] else 1) for text in texts)
    if (percents[0] and max(low or 0.0, high or 0.0) > 1) or (low is not None and high is not None and low >= high):
        raise ValueError(f"{statistic}: the bounds are not in order, or beyond 100%")
    return Extended(kind, low, high, shares=percents[0])


def _by_rank(values: Values, low: float | None, high: float | None) -> Values:
    """The values between two shares of them all; a bucket that a bound cuts counts in part."""
    total = sum(n for _, n in values)
    first, last = (low or 0.0) * total, (1.0 if high is None else high) * total
    ends = accumulate(n for _, n in values)
    cut = [(value, min(end, last) - max(end - n, first)) for (value, n), end in zip(values, ends, strict=True)]
    return [(value, n) for value, n in cut if n > 1e-9]


def _by_value(values: Values, low: float | None, high: float | None) -> Values:
    return [(v, n) for v, n in values if (low is None or v > low) and (high is None or v <= high)]


def _count(_of: Extended, _values: Values, inside: Values) -> float:
    return sum(n for _, n in inside)


def _sum(_of: Extended, _values: Values, inside: Values) -> float:
    return sum(v * n for v, n in inside)


def _mean(of: Extended, values: Values, inside: Values) -> float | None:
    number = _count(of, values, inside)
    return _sum(of, values, inside) / number if number else None


def _rank(of: Extended, values: Values, inside: Values) -> float:
    return 100.0 * _count(of, values, inside) / sum(n for _, n in values)


def _winsorized(of: Extended, values: Values, inside: Values) -> float | None:
    """What is outside counts as what is at the edge: of shares the outermost value inside, else the bound itself."""
    if not inside and of.shares:
        return None
    low = inside[0][0] if of.shares else -inf if of.low is None else of.low
    high = inside[-1][0] if of.shares else inf if of.high is None else of.high
    edged = [(min(max(v, low), high), n) for v, n in values]
    return _mean(of, values, edged)


_KINDS: dict[str, Callable[[Extended, Values, Values], float | None]] = {
    "TM": _mean,
    "TC": _count,
    "TS": _sum,
    "WM": _winsorized,
    "PR": _rank,
}
