"""The operators and functions of metric math on numbers and on series with missing points. See `metric_math`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeGuard

Series = list[float | None]  # oldest first, all of one length
Value = float | Series | list[Series] | str


@dataclass(frozen=True, slots=True)
class World:
    """What an expression is about: the series by id, and the length of a period in seconds."""

    series: Mapping[str, Series]
    period_s: float


Node = Callable[[World], Value]


def is_series(value: Value) -> TypeGuard[Series]:
    return isinstance(value, list) and not (value and isinstance(value[0], list))


def as_series(value: Value, world: World) -> Series:
    if isinstance(value, float):
        return [None if math.isnan(value) else value] * _length(world)
    if not is_series(value):
        raise ValueError("a series or a number is expected")
    return value


def _length(world: World) -> int:
    return max((len(series) for series in world.series.values()), default=0)


def two(op: str, left: Node, right: Node) -> Node:
    def value(world: World) -> Value:
        a, b = left(world), right(world)
        if isinstance(a, float) and isinstance(b, float):
            made = _pair(op, a, b)
            return math.nan if made is None else made
        first, second = as_series(a, world), as_series(b, world)
        constant = isinstance(a, float) or isinstance(b, float)
        return [_point(op, x, y, constant=constant) for x, y in zip(first, second, strict=True)]

    return value


def _point(op: str, x: float | None, y: float | None, *, constant: bool) -> float | None:
    """A number has no points of its own: where the series beside it has none, there is none."""
    if (x is None and y is None) or (constant and (x is None or y is None)):
        return None
    return _pair(op, x or 0.0, y or 0.0)


def _pair(op: str, x: float, y: float) -> float | None:
    if op in _COMPARISONS:
        return float(_COMPARISONS[op](x, y))
    if op in {"&&", "||"}:
        return float(bool(x) and bool(y)) if op == "&&" else float(bool(x) or bool(y))
    try:
        return _finite({"+": x + y, "-": x - y, "*": x * y}[op] if op in "+-*" else x / y if op == "/" else x**y)
    except (ZeroDivisionError, OverflowError):
        return None


_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "==": lambda x, y: x == y,
    "!=": lambda x, y: x != y,
    "<": lambda x, y: x < y,
    ">": lambda x, y: x > y,
    "<=": lambda x, y: x <= y,
    ">=": lambda x, y: x >= y,
}


def _finite(value: float | complex) -> float | None:
    return float(value) if isinstance(value, float) and math.isfinite(value) else None


def _each(work: Callable[[float], float | None]) -> Callable[..., Value]:
    def value(world: World, given: Value) -> Value:
        if isinstance(given, float):
            made = work(given)
            return math.nan if made is None else made
        return [None if x is None else work(x) for x in as_series(given, world)]

    return value


def _over(work: Callable[[Sequence[float]], float]) -> Callable[..., Value]:
    """Of one series its one number; of a list of series a series."""

    def value(world: World, given: Value) -> Value:
        if isinstance(given, list) and not is_series(given):
            rows = [[x for x in point if x is not None] for point in zip(*given, strict=True)]
            return [work(row) if row else None for row in rows]
        points = [x for x in as_series(given, world) if x is not None]
        return work(points) if points else math.nan

    return value


def _if(world: World, condition: Value, then: Value, other: Value | None = None) -> Value:
    """Without `other`: no point where the condition does not hold."""
    if isinstance(condition, float):
        chosen = then if condition else other
        return chosen if chosen is not None else _nothing(world)
    yes = as_series(then, world)
    no = _nothing(world) if other is None else as_series(other, world)
    return [
        None if c is None else (a if c else b) for c, a, b in zip(as_series(condition, world), yes, no, strict=True)
    ]


def _nothing(world: World) -> Series:
    return [None] * _length(world)


def _fill(world: World, given: Value, by: Value) -> Value:
    series = list(as_series(given, world))
    if by == "REPEAT":
        for i in range(1, len(series)):
            if series[i] is None:
                series[i] = series[i - 1]
        return series
    if by == "LINEAR":
        return _between(series)
    filler = as_series(by, world)
    return [f if x is None else x for x, f in zip(series, filler, strict=True)]


def _between(series: Series) -> Series:
    """Missing points between two known ones, on the straight line; those at the ends stay missing."""
    known = [i for i, x in enumerate(series) if x is not None]
    filled = list(series)
    for left, right in pairwise(known):
        start, end = series[left] or 0.0, series[right] or 0.0
        for i in range(left + 1, right):
            filled[i] = start + (end - start) * (i - left) / (right - left)
    return filled


def _steps(work: Callable[[float, float], float]) -> Callable[..., Value]:
    """Of each point and the known one before it (`work` takes the difference and the seconds between)."""

    def value(world: World, given: Value) -> Value:
        made, before = Series(), -1
        series = as_series(given, world)
        for i, x in enumerate(series):
            last = series[before] if before >= 0 else None
            made.append(None if x is None or last is None else work(x - last, (i - before) * world.period_s))
            before = i if x is not None else before
        return made

    return value


def _running(world: World, given: Value) -> Value:
    total, made = 0.0, Series()
    for x in as_series(given, world):
        total += x or 0.0
        made.append(None if x is None else total)
    return made


def _count(world: World, given: Value) -> Value:
    return float(sum(x is not None for x in as_series(given, world)))


def _deviation(points: Sequence[float]) -> float:
    mean = sum(points) / len(points)
    return math.sqrt(sum((x - mean) ** 2 for x in points) / len(points))


FUNCTIONS: dict[str, tuple[int, int, Callable[..., Value]]] = {
    "ABS": (1, 1, _each(abs)),
    "AVG": (1, 1, _over(lambda points: sum(points) / len(points))),
    "CEIL": (1, 1, _each(lambda x: float(math.ceil(x)))),
    "DATAPOINT_COUNT": (1, 1, _count),
    "DIFF": (1, 1, _steps(lambda rise, _s: rise)),
    "DIFF_TIME": (1, 1, _steps(lambda _rise, s: s)),
    "FILL": (2, 2, _fill),
    "FLOOR": (1, 1, _each(lambda x: float(math.floor(x)))),
    "IF": (2, 3, _if),
    "LOG": (1, 1, _each(lambda x: math.log(x) if x > 0 else None)),
    "LOG10": (1, 1, _each(lambda x: math.log10(x) if x > 0 else None)),
    "MAX": (1, 1, _over(max)),
    "METRICS": (0, 0, lambda world: list(world.series.values())),
    "MIN": (1, 1, _over(min)),
    "PERIOD": (1, 1, lambda world, _given: world.period_s),
    "RATE": (1, 1, _steps(lambda rise, s: rise / s)),
    "RUNNING_SUM": (1, 1, _running),
    "STDDEV": (1, 1, _over(_deviation)),
    "SUM": (1, 1, _over(sum)),
}
