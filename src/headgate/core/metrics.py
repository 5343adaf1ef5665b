"""Metrics that a plan declares: told by the agent with its turns, compared like those that Headgate measures itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Measure(StrEnum):
    """What the numbers are that an agent tells of a turn, and how a session's come of them."""

    TIME = "time"  # milliseconds, of each turn
    AMOUNT = "amount"  # of 0 or more, summed over a session
    COUNT = "count"  # the same, in ones: tool calls, retries
    SCORE = "score"  # from 0 to 1, averaged over a session


MOST = 1e9  # of a number that is told: what is beyond is a mistake, and refused


@dataclass(frozen=True, slots=True)
class OwnMetric:
    """One metric of a plan's own. `higher`: whether more of it is better."""

    name: str
    kind: Measure
    higher: bool = False

    @property
    def flipped(self) -> bool:
        """Whether it is worse the other way round from what is usual of its kind: less of it, and of a score more."""
        return self.higher is not (self.kind is Measure.SCORE)


@dataclass(frozen=True, slots=True)
class Objective:
    """What a release is to improve. It takes nothing back; `required`: nothing is promoted before it is shown."""

    metric: str
    required: bool = False


def most(kind: str) -> float:
    """The highest number that can be one of this kind; the least is 0."""
    return 1.0 if kind == Measure.SCORE else MOST


def acceptable(kind: str, value: float) -> bool:
    """Whether a number can be one of this kind; NaN and infinities never can."""
    return 0.0 <= value <= most(kind)


POINTS = frozenset({"error", "error_per_request"})  # margins that are differences in points
_HIGHER = frozenset({"quality"})  # of Headgate's own metrics, those of which more is better


def margin_text(metric: str, value: float, ratio: bool, own: Iterable[OwnMetric] = ()) -> str:
    """A margin as a plan writes it: +1pp, x1.25, -0.03, +0.5."""
    if ratio:
        return f"x{value:g}"
    if metric in POINTS:
        return f"+{round(value * 100, 10):g}pp"
    higher = metric in _HIGHER or any(each.name == metric and each.higher for each in own)
    return f"{'-' if higher else '+'}{value:g}"
