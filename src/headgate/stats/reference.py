"""What is known of the baseline so far: how often it fails, the laws of its times, costs and scores.

Every bet is placed with a `Law` that has seen only sessions BEFORE the one that is bet on (predictable), so a stale or
wrong history costs power and never validity. A law is frozen, and renewed when a quarter more sessions are in.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from headgate.stats.scale import OFFSET, Scale, counted, from_pairs, to_pairs
from headgate.stats.units import LOG_STEP, Ints, Units, amount_at

_FIRST, _GROWTH, _MEMORY = 5, 1.25, 4000
_MIN_VALUES = 20
_ERROR_PRIOR = (0.5, 50.0)  # half a failure in fifty turns, before anything is known
_TOTALS, _ALIKE, _FINE = "*sessions", "*alike ", 2.0**20  # of a correlation's sums, which are kept as whole numbers
_ALIKE_PRIOR = (0.3, 50.0)  # how alike a session's turns are, and the pairs that this guess is worth


class Spent(NamedTuple):
    """An amount per session: where it is clipped; mean and variance of the clipped amount in units of that."""

    clip: float
    mean: float
    variance: float


class Law:
    """What the baseline was like when it was last looked at. A metric with few values has no scale yet."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._data = data
        self.turns = max(1.0, data["turns"] / max(1, data["sessions"]))  # of a session, on average
        self.error_rate = _guessed(data["failures"], data["turns"])  # of a turn, never 0
        self.failed_rate = _guessed(data["failed"], data["sessions"])  # of a session, never 0
        self._tails: dict[tuple[str, float, float], tuple[float, float]] = {}
        self._spent: dict[tuple[str, float, float], Spent] = {}

    @cached_property
    def _scales(self) -> dict[str, Scale]:
        scales = {}
        for name, pairs in self._data["columns"].items():
            counts = from_pairs(pairs)
            if counts.sum() >= _MIN_VALUES:
                scales[name] = Scale(counts)
        return scales

    def scale(self, name: str) -> Scale | None:
        """The scale of a metric; None while too little is known."""
        return self._scales.get(name)

    def alike(self, name: str) -> float:
        """The correlation of two turns of one session on a metric's scale, in [0, 0.95]."""
        product, pairs = self._data["alike"].get(name, (0.0, 0.0))
        guess, worth = _ALIKE_PRIOR
        return float(min(0.95, max(0.0, (product + guess * worth) / (pairs + worth))))

    def tail(self, name: str, level: float, ratio: float) -> tuple[float, float]:
        """(place of ratio x the upper `level` quantile, the share of the past above it). Only with a scale."""
        key = (name, level, ratio)
        if key not in self._tails:
            scale = self._scales[name]
            place = scale.quantile(1.0 - level) + float(np.log(ratio)) / LOG_STEP
            self._tails[key] = (place, scale.above(place))
        return self._tails[key]

    def spent(self, name: str, times: float, more: float = 0.0, *, count: bool = False, flipped: bool = False) -> Spent:
        """An amount, clipped at twice the past 99.5 % quantile, and not below twice (`times` x the mean + `more`): a
        clip below that would hide the very harm that a margin is about. Only with a scale.
        """
        key = (name, times, more)
        if key not in self._spent:
            scale = self._scales[name]
            amounts = amount_at(scale.middles, count=count, flipped=flipped)
            mean, _ = scale.mean(amounts)
            end = np.array([scale.quantile(0.005 if flipped else 0.995)])
            high = float(amount_at(end, count=count, flipped=flipped)[0])
            clip = 2.0 * max(high, times * mean + more, 1.0 if count else 0.0)
            mean, variance = scale.mean(np.minimum(1.0, amounts / clip))
            self._spent[key] = Spent(clip, mean, variance)
        return self._spent[key]

    def score(self, name: str, steps: float) -> tuple[float, float]:
        """(mean, variance) of a score's badness in [0, 1]. Only with a scale."""
        scale = self._scales[name]
        return scale.mean(np.clip(scale.middles / steps, 0.0, 1.0))


def _guessed(happened: float, of: float) -> float:
    return min(0.9, (happened + _ERROR_PRIOR[0]) / (of + _ERROR_PRIOR[1]))


class Reference:
    """The baseline's past. `learn` takes baseline sessions AFTER everything has bet on them."""

    def __init__(self) -> None:
        self._sums: dict[str, Ints] = {_TOTALS: np.zeros(4, np.int64)}
        self._next = _FIRST
        self._fitted = self._now()
        self.law = Law(self._fitted)

    @property
    def sessions(self) -> int:
        """How many sessions it knows, less those that it has forgotten."""
        return int(self._sums[_TOTALS][0])

    @property
    def room(self) -> int:
        """How many baseline sessions may still be bet on, and then learnt, with the present law (>= 1)."""
        return max(1, self._next - self.sessions)

    def learn(self, units: Units) -> None:
        """Take baseline sessions in; at most `room` of them, so that laws do not depend on how sessions are batched."""
        self.absorb(self.summarise(units))

    def summarise(self, units: Units) -> dict[str, Ints]:
        """What these baseline sessions teach, as whole numbers that add up in any order."""
        totals = [len(units), units.failed.sum(), units.failures.sum(), units.turns.sum()]
        made: dict[str, Ints] = {_TOTALS: np.array(totals).astype(np.int64)}
        for name, column in units.columns.items():
            if not len(column.unit):
                continue
            made[name] = counted(column)
            turns = column.total(len(units))
            scale = self.law.scale(name) if turns.max() > 1.0 else None
            if scale is not None:
                z = scale.z(column.place)
                product = column.total(len(units), z) ** 2 - column.total(len(units), z * z)
                fine = np.floor(product * _FINE).astype(np.int64)
                made[_ALIKE + name] = np.array([fine.sum(), np.rint(turns * (turns - 1.0)).astype(np.int64).sum()])
        return made

    def absorb(self, learnt: Mapping[str, Ints]) -> None:
        """Take in what `summarise` made of sessions that have been bet on."""
        for name, counts in learnt.items():
            mine = self._sums.get(name)
            self._sums[name] = counts.copy() if mine is None else mine + counts
        if self.sessions >= self._next:
            self._refit()

    def _refit(self) -> None:
        if self.sessions >= _MEMORY:  # forget the older half by and by: the world drifts
            self._sums = {name: counts - counts // 2 for name, counts in self._sums.items()}
        self._next = max(self.sessions + 1, round(self.sessions * _GROWTH))
        self._fitted = self._now()
        self.law = Law(self._fitted)

    def _now(self) -> dict[str, Any]:
        sessions, failed, failures, turns = self._sums[_TOTALS].tolist()
        alike = {n.removeprefix(_ALIKE): c for n, c in sorted(self._sums.items()) if n.startswith(_ALIKE)}
        return {
            "sessions": sessions,
            "failed": failed,
            "failures": failures,
            "turns": turns,
            "columns": {n: to_pairs(c) for n, c in sorted(self._sums.items()) if len(c) == 2 * OFFSET},
            "alike": {name: [counts.tolist()[0] / _FINE, counts.tolist()[1]] for name, counts in alike.items()},
        }

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        return {"now": self._now(), "next": self._next, "fitted": self._fitted}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Reference:
        """The inverse of `to_data`."""
        made, now = cls(), data["now"]
        totals = [now[name] for name in ("sessions", "failed", "failures", "turns")]
        made._sums = {_TOTALS: np.array(totals, np.int64)}
        made._sums.update({name: from_pairs(pairs) for name, pairs in now["columns"].items()})
        made._sums.update({_ALIKE + name: np.array([round(a * _FINE), b]) for name, (a, b) in now["alike"].items()})
        made._next, made._fitted = data["next"], dict(data["fitted"])
        made.law = Law(made._fitted)
        return made
