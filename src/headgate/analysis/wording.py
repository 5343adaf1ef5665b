"""Numbers of an analysis in words: odds, values with their unit."""

from __future__ import annotations

from headgate.stats.experts import Kind
from headgate.stats.non_inferiority import Harm


def odds(value: float) -> str:
    """22.2:1"""
    return f"{value:.3g}:1" if value < 1000 else f"{value:.0f}:1" if value < 1e6 else f"{value:.0e}:1"


def shown(harm: Harm | None, value: float | None) -> str:
    """A metric's value as people read it."""
    if value is None or harm is None:
        return "not measured"
    if harm.kind is Kind.FAILURE:
        return f"{value:.2%}"
    if harm.kind is Kind.TIME:
        return f"{value:.0f} ms"
    if harm.metric == "cost":
        return f"{value:.4f} USD"
    return f"{value:.3f}" if harm.kind is Kind.SCORE else f"{value:.4g}"


def unit(harm: Harm | None) -> str:
    """The unit of a metric's values, in one word."""
    if harm is None:
        return ""
    return _UNITS.get(harm.metric) or _KINDS[harm.kind]


_UNITS = {"cost": "USD", "tokens": "tokens"}
_KINDS = {Kind.FAILURE: "share", Kind.TIME: "ms", Kind.AMOUNT: "amount", Kind.COUNT: "count", Kind.SCORE: "score"}


def rounded(n: int) -> int:
    """A count of sessions as exact as an estimate is: two digits."""
    return max(1, round(n, -max(0, len(str(n)) - 2)))
