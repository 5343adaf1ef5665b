"""What is known of the baseline so far: the laws of its times and costs, and its error rate.

Every bet is placed with the parameters of a `Reference` that has seen only sessions BEFORE the one that is bet on
(predictable), so a stale or wrong history costs power and never validity. Laws are frozen, and renewed when a quarter
more sessions are in.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, log
from statistics import NormalDist
from typing import Any

from headgate.stats.histogram import BOUNDS_MS, bucket_of, middle_ms
from headgate.stats.observations import Session

# Differences below these are not harm: the grid's own resolution, and what no person notices. They keep the bet on
# the label from convicting a candidate whose process is a little colder because it serves a tenth of the traffic.
TOLERATED_RATIO = 1.05
TOLERATED_MS = 5.0

COST_UNIT = (
    1e-5  # costs use the grid of times: one "millisecond" is a thousandth of a cent, the last bucket begins at 12 USD
)
_LOG_STEP = log(BOUNDS_MS[1] / BOUNDS_MS[0])
_LEVELS = (0.005, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97, 0.99, 0.997)
_Z_LOW, _Z_HIGH = -4.0, 4.5  # one odd value must not ruin a bet
_FIRST, _GROWTH, _MEMORY = 5, 1.25, 4000
_MIN_UNITS = 20
_ERROR_PRIOR = (0.5, 50.0)  # half a failure in fifty sessions, before anything is known


def coordinate(value: float) -> float:
    """The place of a value (ms, or cost units) on the grid's log scale: bucket i covers (i - 1, i]."""
    return log(value) / _LOG_STEP if value > 0 else -1.0


def share_above(counts: Mapping[int, int], place: float) -> float:
    """The share of a non-empty histogram above a place on the scale; a bucket that contains the place counts in
    part.
    """
    place = min(place, len(BOUNDS_MS) - 1.0)
    above = sum(n * min(1.0, max(0.0, bucket - place)) for bucket, n in counts.items())
    return above / sum(counts.values())


def _quantile_place(counts: Mapping[int, int], level: float) -> float:
    total, seen = sum(counts.values()), 0
    for bucket in sorted(counts):
        n = counts[bucket]
        if seen + n >= level * total:
            return bucket - 1 + (level * total - seen) / n
        seen += n
    return float(max(counts))


class Scale:
    """Normal scores of a positive quantity: a monotone, piecewise linear map of its logarithm, fitted to a
    histogram.
    """

    def __init__(self, counts: Mapping[int, int]) -> None:
        self._counts = counts
        total = sum(counts.values())
        levels = [p for p in _LEVELS if total * min(p, 1 - p) >= 5 or p == 0.5]
        self._z = [NormalDist().inv_cdf(p) for p in levels]
        places = [_quantile_place(counts, p) for p in levels]
        middle = levels.index(0.5)
        # a law narrower than the grid can show is read as one bucket wide, so that a neighbouring bucket is no marvel
        for i in range(middle + 1, len(places)):
            places[i] = max(places[i], places[i - 1] + self._z[i] - self._z[i - 1])
        for i in range(middle - 1, -1, -1):
            places[i] = min(places[i], places[i + 1] - (self._z[i + 1] - self._z[i]))
        self._places = places
        self._known: dict[tuple[int, bool], float] = {}
        self._tails: dict[tuple[float, float], tuple[float, float]] = {}

    def tail(self, level: float, ratio: float) -> tuple[float, float]:
        """(place of ratio x the upper `level` quantile, the share of the fitted histogram above it)."""
        key = (level, ratio)
        if key not in self._tails:
            place = _quantile_place(self._counts, 1.0 - level) + log(ratio) / _LOG_STEP
            self._tails[key] = (place, share_above(self._counts, place))
        return self._tails[key]

    def z(self, bucket: int, tolerant: bool) -> float:
        """The normal score of a bucket, within [-4, 4.5]; `tolerant`: of a value that much better."""
        key = (bucket, tolerant)
        if key not in self._known:
            better = middle_ms(bucket) / TOLERATED_RATIO - TOLERATED_MS
            place = coordinate(max(0.5, better)) if tolerant else bucket - 0.5
            self._known[key] = min(_Z_HIGH, max(_Z_LOW, self._interpolated(place)))
        return self._known[key]

    def _interpolated(self, place: float) -> float:
        places, zs = self._places, self._z
        if len(places) == 1:
            return zs[0] + place - places[0]
        i = min(len(places) - 2, max(0, bisect_right(places, place) - 1))
        slope = (zs[i + 1] - zs[i]) / (places[i + 1] - places[i])
        return zs[i] + slope * (place - places[i])


@dataclass(frozen=True, slots=True)
class Spent:
    """A session's cost: where it is clipped (USD), and mean and variance of the clipped cost in units of the clip."""

    clip: float
    mean: float
    variance: float


def _spent(counts: Mapping[int, int], margin: float) -> Spent:
    total = sum(counts.values())
    mean = sum(middle_ms(bucket) * n for bucket, n in counts.items()) / total
    # a clip below margin x mean would hide the very harm that the margin is about
    clip = 2.0 * max(exp(_quantile_place(counts, 0.995) * _LOG_STEP), margin * mean)
    values = [(min(1.0, middle_ms(bucket) / clip), n) for bucket, n in counts.items()]
    mean = sum(x * n for x, n in values) / total
    return Spent(clip * COST_UNIT, mean, sum((x - mean) ** 2 * n for x, n in values) / total)


class Law:
    """What the baseline was like when it was last looked at. `time` and `cost` are None while too little is known."""

    def __init__(self, turns: float, latency: Mapping[int, int], cost: Mapping[int, int]) -> None:
        self.turns = max(1.0, turns)  # per session, on average
        self.time = Scale(latency) if sum(latency.values()) >= _MIN_UNITS else None
        self.cost = Scale(cost) if sum(cost.values()) >= _MIN_UNITS else None
        self._costs = cost
        self._spent: dict[float, Spent] = {}

    def spent(self, margin: float) -> Spent:
        """A session's cost, clipped for a margin (a ratio). Only where `cost` is known."""
        if margin not in self._spent:
            self._spent[margin] = _spent(self._costs, margin)
        return self._spent[margin]


def cost_bucket(session: Session) -> int | None:
    """The bucket of a session's cost; None where none was measured."""
    return bucket_of(session.cost_usd / COST_UNIT) if session.cost_usd > 0 else None


class Reference:
    """The baseline's past. `learn` takes a baseline session AFTER everything has bet on it."""

    def __init__(self) -> None:
        self.sessions = 0
        self._failed = 0
        self._turns = 0
        self._latency: dict[int, int] = {}
        self._cost: dict[int, int] = {}
        self._next = _FIRST
        self._fitted: dict[str, Any] | None = None
        self._law = Law(1.0, {}, {})

    @property
    def law(self) -> Law:
        return self._law

    @property
    def error_rate(self) -> float:
        """Guess of the share of failing sessions, never 0."""
        return (self._failed + _ERROR_PRIOR[0]) / (self.sessions + _ERROR_PRIOR[1])

    @property
    def observed_error_rate(self) -> float | None:
        return self._failed / self.sessions if self.sessions else None

    def learn(self, session: Session) -> None:
        """Take one baseline session in."""
        self.sessions += 1
        self._failed += session.failures > 0
        self._turns += session.turns
        for bucket, n in session.latency.items():
            self._latency[bucket] = self._latency.get(bucket, 0) + n
        cost = cost_bucket(session)
        if cost is not None:
            self._cost[cost] = self._cost.get(cost, 0) + 1
        if self.sessions >= self._next:
            self._refit()

    def _refit(self) -> None:
        if self.sessions >= _MEMORY:  # forget the older half by and by: the world drifts
            self.sessions, self._failed, self._turns = self.sessions // 2, self._failed // 2, self._turns // 2
            self._latency = {k: n - n // 2 for k, n in self._latency.items()}
            self._cost = {k: n - n // 2 for k, n in self._cost.items()}
        self._next = max(self.sessions + 1, round(self.sessions * _GROWTH))
        turns = self._turns / max(1, self.sessions)
        self._fit({"turns": turns, "latency": _pairs(self._latency), "cost": _pairs(self._cost)})

    def _fit(self, fitted: dict[str, Any]) -> None:
        self._fitted = fitted
        self._law = Law(fitted["turns"], dict(fitted["latency"]), dict(fitted["cost"]))

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        return {
            "sessions": self.sessions,
            "failed": self._failed,
            "turns": self._turns,
            "latency": _pairs(self._latency),
            "cost": _pairs(self._cost),
            "next": self._next,
            "fitted": self._fitted,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Reference:
        """The inverse of `to_data`."""
        made = cls()
        made.sessions, made._failed, made._turns = data["sessions"], data["failed"], data["turns"]
        made._latency, made._cost = dict(data["latency"]), dict(data["cost"])
        made._next = data["next"]
        if data["fitted"] is not None:
            made._fit(data["fitted"])
        return made


def _pairs(counts: Mapping[int, int]) -> list[list[int]]:
    """A histogram as JSON data that keeps its keys integers."""
    return [[k, counts[k]] for k in sorted(counts)]
