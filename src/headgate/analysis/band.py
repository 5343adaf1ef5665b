"""An anomaly band of our own: what is usual, from a series' own recent past. Not AWS's model, which is not published.

Usual is the median of the last day of periods; the band is `width` spreads on either side of it. A spread is 1.4826
median absolute deviations (that of a normal distribution), and at least a quarter of the median and one. There is no
season of the day or the week in it: a day that repeats itself is as wide as its swings.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

LEARN_S = 86_400.0  # how far back
LEAST = 72  # points without which nothing is called unusual: six hours of five minutes

_NORMAL = 1.4826
_LEAST_SHARE = 0.25


def band(past: Sequence[float], width: float) -> tuple[float, float] | None:
    """(lower, upper) of what is usual after these values; None where too few are known."""
    if len(past) < LEAST:
        return None
    middle = median(past)
    spread = max(_NORMAL * median([abs(x - middle) for x in past]), _LEAST_SHARE * abs(middle), 1.0)
    return middle - width * spread, middle + width * spread


def outside(value: float, usual: tuple[float, float], op: str) -> bool:
    """Whether a value breaches the band: op above | below | outside."""
    low, high = usual
    return (op != "below" and value > high) or (op != "above" and value < low)
