"""Numbers of an analysis in words: odds, values with their unit."""

from __future__ import annotations


def odds(value: float) -> str:
    """22.2:1"""
    return f"{value:.3g}:1" if value < 1000 else f"{value:.0f}:1" if value < 1e6 else f"{value:.0e}:1"


def shown(name: str, value: float | None) -> str:
    """A metric's value as people read it."""
    if value is None:
        return "not measured"
    if name == "error":
        return f"{value:.2%}"
    if name == "cost":
        return f"{value:.4f} USD"
    if name.startswith(("latency", "ttft")):
        return f"{value:.0f} ms"
    return f"{value:.3f}" if name == "quality" else f"{value:.4g}"


def rounded(n: int) -> int:
    """A count of sessions as exact as an estimate is: two digits."""
    return max(1, round(n, -max(0, len(str(n)) - 2)))
