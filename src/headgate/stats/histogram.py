"""The one grid of time buckets that gateway, analysis and reports share: mergeable by adding counts.

Bounds grow by 5 % from 1 ms to 20 minutes, so a quantile read from it is within 2.5 % of the true one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

_GROWTH = 1.05
_LAST_MS = 1_200_000.0


def _bounds() -> tuple[float, ...]:
    bounds = [1.0]
    while bounds[-1] < _LAST_MS:
        bounds.append(bounds[-1] * _GROWTH)
    return tuple(bounds)


BOUNDS_MS: tuple[float, ...] = _bounds()  # bucket i holds (BOUNDS_MS[i-1], BOUNDS_MS[i]]; the last is open


def bucket_of(ms: float) -> int:
    """The bucket of a duration in milliseconds (>= 0)."""
    return bisect_left(BOUNDS_MS, ms)


def middle_ms(bucket: int) -> float:
    """The value that stands for a bucket: the geometric middle of its bounds."""
    if bucket <= 0:
        return BOUNDS_MS[0]
    if bucket >= len(BOUNDS_MS):
        return BOUNDS_MS[-1]
    return float((BOUNDS_MS[bucket - 1] * BOUNDS_MS[bucket]) ** 0.5)


def quantile_ms(counts: Mapping[int, int], q: float) -> float | None:
    """The q-quantile (0..1) in milliseconds of {bucket: count}; None where nothing was counted."""
    total = sum(counts.values())
    if total <= 0:
        return None
    rank, seen = q * total, 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= rank:
            return middle_ms(bucket)
    return middle_ms(max(counts))
