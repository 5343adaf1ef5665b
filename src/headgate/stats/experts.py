"""Guesses at how a worse candidate would differ, each a density ratio r(x) that rises with harm.

error      a turn fails m x 0.1 sqrt(p) more often, p the baseline's past rate of a turn: at 1 % the rates 2, 3, 5.5,
           11, 23 and 51 %. A session that went well has ratio 1, but where sessions close in the order they began
times      the whole law shifted by d normal scores (body), or a share of the turns far out (tail)
amounts, scores, counts   the whole law shifted by d normal scores
together   several metrics worse at once; the ratios multiply before the bet, which a mean of bets could not do

Turns of a session are alike: their log ratios are added and divided by 1 + (turns - 1) x correlation, which for normal
scores of equal correlation is the exact likelihood ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import numpy as np

from headgate.stats.reference import Law
from headgate.stats.units import LOG_STEP, Column, Floats, Units, log_place

_LEAST = 1e-9
_TYPICAL = 0.3  # weight at which the worth of an expert is worked out
_LIMIT = 6.0  # of one session's log ratio: one odd session costs an expert at most this, plus log(1/w)


class Kind(StrEnum):
    """How a metric is measured, which says how it is bet on."""

    FAILURE = "failure"  # whether a session had a failure
    TIME = "time"  # of each turn, on a logarithmic scale
    AMOUNT = "amount"  # one positive number per session: cost, tokens
    SCORE = "score"  # from 0 to 1, per session, perhaps of a sample only
    COUNT = "count"  # whole numbers per session: tool calls, retries


_FAILURES = np.array([1.0, 2.0, 4.5, 10.0, 22.0, 50.0])  # multiples of the error scale
_SHIFTS = {
    Kind.TIME: np.array([0.2, 0.35, 0.6, 1.0, 1.6]),
    Kind.AMOUNT: np.array([0.2, 0.35, 0.6, 1.0]),
    Kind.SCORE: np.array([0.25, 0.45, 0.8, 1.4]),
    Kind.COUNT: np.array([0.2, 0.45, 0.9, 1.6]),
}
_TAIL = ((0.015, 3.0), (0.05, 2.7))  # share of the turns, and their shift
_TAIL_SHARE = 1.0 / 3.0  # of the capital of a metric of times
# several at once: the error's multiple, and the shift of each kind (0: like the baseline)
_TOGETHER: tuple[Mapping[Kind, float], ...] = (
    {Kind.FAILURE: 1.0, Kind.TIME: 0.15, Kind.AMOUNT: 0.12, Kind.SCORE: 0.15, Kind.COUNT: 0.12},
    {Kind.FAILURE: 2.5, Kind.TIME: 0.4, Kind.AMOUNT: 0.3, Kind.SCORE: 0.4, Kind.COUNT: 0.3},
    {Kind.FAILURE: 10.0, Kind.TIME: 0.8},
    {Kind.FAILURE: 4.5, Kind.SCORE: 0.5},
)
TOGETHER = "several metrics"


@dataclass(frozen=True, slots=True)
class Seen:
    """A metric of n units by a law: the sum of normal scores and the number of turns of each, made independent."""

    column: Column
    z: Floats
    alone: Floats  # how much one turn of each unit counts
    score: Floats
    turns: Floats


class View:
    """Units as a law sees them; what several experts need is worked out once.

    `tolerant`: by metric, (ratio, difference in its unit) by which the candidate's values are taken as smaller: less
    than a person notices, and without it a process that is colder because it serves a tenth of the traffic, or a cost
    that is a thousandth higher, would be convicted in the end.
    """

    def __init__(self, units: Units, law: Law, tolerant: Mapping[str, tuple[float, float]] | None = None) -> None:
        self.units, self.law, self._tolerant = units, law, tolerant or {}
        self._seen: dict[str, Seen | None] = {}

    def of(self, metric: str) -> Seen | None:
        """None where nothing was measured, or the baseline is not known yet."""
        if metric not in self._seen:
            self._seen[metric] = self._look(metric)
        return self._seen[metric]

    def _look(self, metric: str) -> Seen | None:
        column, scale = self.units.columns.get(metric), self.law.scale(metric)
        if column is None or scale is None or not len(column.unit):
            return None
        place = column.place
        if metric in self._tolerant:
            ratio, difference = self._tolerant[metric]
            better = np.maximum(_LEAST, np.exp(place * LOG_STEP) / ratio - difference)
            place = np.where(self.units.candidate[column.unit], log_place(better), place)
        n, z = len(self.units), scale.z(place)
        turns = column.total(n)
        alone = 1.0 / (1.0 + np.maximum(turns - 1.0, 0.0) * self.law.alike(metric))
        return Seen(column, z, alone, column.total(n, z) * alone, turns * alone)


@dataclass(frozen=True, slots=True)
class Family:
    """Experts of one kind on one metric (or on several together), with their shares of that metric's capital.

    `log_ratios(view)`: (n, k), None where there is nothing to bet on. `growth(law)`: nats per session that each earns
    at weight 0.3 if it is right, (k,); None: not worked out.
    """

    metric: str
    shares: Floats
    log_ratios: Callable[[View], Floats | None]
    growth: Callable[[Law], Floats | None]


def families(metrics: Mapping[str, Kind]) -> list[Family]:
    """All experts on these metrics; the shares of each metric's add up to 1."""
    return [family for name, kind in metrics.items() for family in _single(name, kind)]


def together(metrics: Mapping[str, Kind]) -> Family | None:
    """The experts that think several of these metrics worse at once; None where too few are watched."""
    guesses = [guess for guess in _TOGETHER if sum(kind in guess for kind in metrics.values()) > 1]
    if not guesses:
        return None
    failing = _failing(np.array([guess.get(Kind.FAILURE, 0.0) for guess in guesses]))
    shifts = {name: np.array([guess.get(kind, 0.0) for guess in guesses]) for name, kind in metrics.items()}
    failures = Kind.FAILURE in metrics.values()

    def log_ratios(view: View) -> Floats:
        made = failing(view) if failures else np.zeros((len(view.units), len(guesses)))
        for name, kind in metrics.items():
            seen = None if kind is Kind.FAILURE else view.of(name)
            if seen is not None:
                made = made + _normal_shift(seen, shifts[name])
        return made

    return Family(TOGETHER, np.full(len(guesses), 1.0 / len(guesses)), log_ratios, _unknown)


def _single(name: str, kind: Kind) -> list[Family]:
    if kind is Kind.FAILURE:
        return [Family(name, np.full(len(_FAILURES), 1.0 / len(_FAILURES)), _failing(_FAILURES), _failing_growth)]
    shifts = _SHIFTS[kind]
    left = 1.0 - _TAIL_SHARE if kind is Kind.TIME else 1.0
    made = [Family(name, np.full(len(shifts), left / len(shifts)), _shifted(name, shifts), _shift_growth(shifts))]
    if kind is Kind.TIME:
        made.append(Family(name, np.full(len(_TAIL), _TAIL_SHARE / len(_TAIL)), _tailed(name), _unknown))
    return made


def _rates(law: Law, multiples: Floats) -> tuple[float, Floats]:
    """A turn's failure rate: the baseline's, and the guessed ones (a multiple of 0: the baseline's)."""
    p = law.error_rate
    worse = np.maximum(1.05 * p, p + multiples * 0.1 * sqrt(p))
    return p, np.where(multiples > 0.0, np.minimum(0.97, worse), p)


def _failing(multiples: Floats) -> Callable[[View], Floats]:
    """Failures are bet on, and sessions that went well only where they closed in the order they began: elsewhere a
    variant whose sessions merely end later, because it is colder or slower, would be convicted of failing.
    """

    def log_ratios(view: View) -> Floats:
        p0, p1 = _rates(view.law, multiples)
        failed, in_order = view.units.failed, view.units.in_order
        made = np.outer(failed, np.log(p1 / p0))
        if in_order is not None and in_order.any():
            made += np.outer((1.0 - failed) * in_order, np.log1p(-p1) - np.log1p(-p0))
        return np.asarray(made)

    return log_ratios


def _failing_growth(law: Law) -> Floats:
    p0, p1 = _rates(law, _FAILURES)
    ratio = p1 / p0
    failing = _TYPICAL * p1 + (1.0 - _TYPICAL) * p0
    growth = _TYPICAL * p1 * np.log(ratio) - failing * np.log(_TYPICAL * ratio + 1.0 - _TYPICAL)
    return np.asarray(growth * law.turns)


def _normal_shift(seen: Seen, shifts: Floats) -> Floats:
    return np.asarray(np.outer(seen.score, shifts) - np.outer(seen.turns, shifts * shifts / 2.0))


def _shifted(name: str, shifts: Floats) -> Callable[[View], Floats | None]:
    def log_ratios(view: View) -> Floats | None:
        seen = view.of(name)
        return None if seen is None else _normal_shift(seen, shifts)

    return log_ratios


def _tailed(name: str) -> Callable[[View], Floats | None]:
    def log_ratios(view: View) -> Floats | None:
        seen = view.of(name)
        if seen is None:
            return None
        ratios = [np.log1p(part * np.expm1(d * seen.z - d * d / 2.0)) for part, d in _TAIL]
        return np.stack([seen.column.total(len(view.units), each) * seen.alone for each in ratios], axis=1)

    return log_ratios


def _shift_growth(shifts: Floats) -> Callable[[Law], Floats]:
    worth = np.asarray(_TYPICAL * (1.0 - _TYPICAL) * shifts * shifts / 2.0)
    return lambda _: worth


def _unknown(_: Law) -> None:
    return None


def log_ratios(view: View, bank: Sequence[Family]) -> Floats:
    """log r of each unit and expert, (n, K), within +-_LIMIT; 0 where nothing was measured."""
    blocks = []
    for family in bank:
        found = family.log_ratios(view)
        blocks.append(np.zeros((len(view.units), len(family.shares))) if found is None else found)
    return np.clip(np.concatenate(blocks, axis=1), -_LIMIT, _LIMIT)
