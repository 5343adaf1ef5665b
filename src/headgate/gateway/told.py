"""What an agent tells of a plan's own metrics with a turn: read, checked, and added up over a session.

`"metrics": {"tool_calls": 3, "helpful": 0.8, "cached": true}` near the end of a JSON answer, or of a stream's last
event. Only declared names are read; null is not measured; what can be no such number is refused and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from headgate.core.metrics import Measure, acceptable
from headgate.stats.histogram import bucket_of


class Told(NamedTuple):
    """The values of one turn, and how many were refused."""

    values: Mapping[str, float]
    refused: int = 0


NOTHING = Told({})


def read(found: Iterable[Any], metrics: Mapping[str, str]) -> Told:
    """The first of some JSON values that tells of any of these metrics."""
    for each in found:
        if isinstance(each, dict) and not metrics.keys().isdisjoint(each):
            told = {name: each[name] for name in metrics if each.get(name) is not None}
            good = {name: number for name, value in told.items() if (number := _number(metrics[name], value)) >= 0.0}
            return Told(good, len(told) - len(good))
    return NOTHING


def _number(kind: str, value: Any) -> float:
    """The value as a number of its kind; -1 where it is none. Yes and no count as 1 and 0, but of times."""
    if isinstance(value, bool) and kind == Measure.TIME:
        return -1.0
    try:
        number = float(value) if isinstance(value, int | float) else -1.0
    except OverflowError:
        return -1.0
    return number if acceptable(kind, number) else -1.0


class Own:
    """The values of one session so far: sums with their number, of times a histogram."""

    __slots__ = ("times", "values")

    def __init__(self) -> None:
        self.values: dict[str, tuple[float, int]] = {}
        self.times: dict[str, dict[int, int]] = {}

    def add(self, told: Told, metrics: Mapping[str, str]) -> None:
        """One more turn."""
        for name, value in told.values.items():
            if metrics.get(name) == Measure.TIME:
                times, bucket = self.times.setdefault(name, {}), bucket_of(value)
                times[bucket] = times.get(bucket, 0) + 1
            else:
                total, n = self.values.get(name, (0.0, 0))
                self.values[name] = (total + value, n + 1)

    def data(self) -> dict[str, Any]:
        """What a row says of them; nothing where nothing was told."""
        told = {"values": self.values, "times": self.times}
        return {name: each for name, each in told.items() if each}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Own:
        """The inverse of `data`."""
        made = cls()
        made.values = {name: (float(total), int(n)) for name, (total, n) in data.get("values", {}).items()}
        made.times = {
            name: {int(bucket): int(n) for bucket, n in counts.items()}
            for name, counts in data.get("times", {}).items()
        }
        return made
