"""Is harm beyond a margin excluded? Betting against "the candidate is at least `margin` worse" (AIPW betting).

For each session z estimates the harm without bias, m1 and m0 being guesses from the past:
    z = m1 - k m0 + v/w (x - m1) - k (1-v)/(1-w) (x - m0)
Under the null E[z] >= delta the capital multiplied by 1 + lambda (delta - z) is an e-process. A grid of margins gives,
by inversion, a confidence sequence of the harm. What x, within 0 and 1, is depends on the metric:

error    whether the session had a failure. In points: delta = margin, k = 1; as a ratio: k = margin, delta = 0
times    the share of a candidate session's turns above margin x q, or of a baseline session's turns above q, q the
         baseline's past quantile: where the first share is smaller, the candidate's quantile is below margin x q
requests a session's failure less what the baseline's past rate expects of its turns, per turn of a usual session; in
         points: delta = margin, k = 1
amounts  the session's; k = margin, or (delta, k = 1) of a margin that is a difference. Clipped at twice the past 99.5 %
         quantile, and not below twice k x the mean. Where more is better: how far below the clip
scores   how far below 1 (above 0, where less is better); in points. Sessions that were not scored are left out

A candidate's session without times or amounts counts as the worst there could be: not measured is never good news.
Sessions without a value of a sampled metric are left out; whether the candidate's lack it more often is a question of
its own (`analysis.doubts`).

Sources: Waudby-Smith & Ramdas 2010.09686; Waudby-Smith, Wu, Ramdas, Karampatziakis & Mineiro 2210.10768.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import log
from typing import Any

import numpy as np

from headgate.stats.experts import Kind
from headgate.stats.reference import Law, Spent
from headgate.stats.units import FINE, SCORE_STEPS, Bools, Column, Floats, Ints, Units, amount_at, whole

_DIFFERENCES = (-0.2, -0.05, -0.02, -0.01, -0.005, 0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.4)
_RATIOS = (0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 6.0)
_PARTS = (-4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0)  # of a margin that is a difference of amounts
_LONGEST = 4.0  # times the usual turns: what a longer session counts as
# capital starts on stakes that are fixed shares of the boldest possible one, and (the first of `up`) on the stake that
# would be best if the candidate were like the baseline
_UP = np.log([0.6, 0.1, 0.15, 0.15])
_UP_STAKES = np.array([0.2, 0.5, 0.9])
_DOWN = np.log([0.3, 0.4, 0.3])
_DOWN_STAKES = np.array([0.1, 0.35, 0.75])
_TINY, _CHUNK = 1e-6, 256
_UPS, _DOWNS, _SUM, _SESSIONS = "up", "down", "sum", "harm sessions"


@dataclass(frozen=True, slots=True)
class Harm:
    """What of a metric may only not get worse: of times a tail (`level` 0.05: the 95 % quantile), else the mean.

    `flipped`: worse the other way round, as `closing.placed` says; `sampled`: sessions without a value are left out;
    `per_turn`: failures by the turn, not by the session.
    """

    metric: str
    kind: Kind
    level: float | None = None
    flipped: bool = False
    sampled: bool = False
    per_turn: bool = False

    @property
    def differences(self) -> bool:
        """Whether its margins are always differences (of shares or scores); errors may have ratios too."""
        return self.kind in {Kind.FAILURE, Kind.SCORE}

    @property
    def higher(self) -> bool:
        """Whether more of it is better."""
        return self.flipped is not (self.kind is Kind.SCORE)

    @property
    def falling(self) -> bool:
        """Whether it is a positive quantity of which more is better: its ratios are below 1."""
        return self.flipped and self.kind is not Kind.SCORE

    def turned(self, value: float, ratio: bool) -> float:
        """A ratio candidate : baseline as one above 1 where it is harm, and back; a difference stays as it is."""
        return 1.0 / value if ratio and self.falling else value


@dataclass(frozen=True, slots=True)
class _Outcomes:
    """n sessions as P margins see them: values in [0, 1]; guesses of candidate's (1) and baseline's (0) moments.

    `unit`: what a value of 1 is, in the unit of the margins that are differences.
    """

    x: Floats  # (n, P)
    m1: Floats  # (P,)
    m0: Floats
    var1: Floats
    var0: Floats
    unit: Floats | float = 1.0


class HarmSequence:
    """All margins of one metric: which are excluded, and between which bounds the harm lies, at any time.

    `margins`: (value, ratio) that must be on the grid, beside the grid's own. A ratio is candidate : baseline.
    """

    def __init__(self, harm: Harm, margins: Sequence[tuple[float, bool]]) -> None:
        if harm.kind is Kind.TIME and not all(ratio for _, ratio in margins):
            raise ValueError(f"a margin of {harm.metric} is a ratio, e.g. x1.25")
        if (harm.kind is Kind.SCORE or harm.per_turn) and any(ratio for _, ratio in margins):
            raise ValueError(f"a margin of {harm.metric} is a difference, e.g. {'+1pp' if harm.per_turn else '-0.03'}")
        self.harm = harm
        self._lay(_grid(harm, margins) | {(harm.turned(value, ratio), ratio) for value, ratio in margins})

    def _lay(self, points: set[tuple[float, bool]]) -> None:
        """Begin with these margins, as `Harm.turned` has them."""
        harm, self.points = self.harm, sorted(points)
        self._value = np.array([value for value, _ in self.points])
        self._ratio = ratio = np.array([is_ratio for _, is_ratio in self.points])
        self._differences = harm.differences or not ratio.all()
        times = np.where(ratio & (harm.level is None), self._value, 1.0)
        self._scale = 1.0 / times if harm.falling else times
        # of what more is better, how far it is below the clip: E1 <= k E0 is (1 - E1) - k (1 - E0) >= 1 - k
        self._delta = np.where(ratio, 1.0 - self._scale if harm.falling else 0.0, self._value)
        self.up, self.down = (whole(np.tile(start, (len(self.points), 1))) for start in (_UP, _DOWN))  # log capitals
        self.up_peak, self.down_peak = np.zeros(len(self.points)), np.zeros(len(self.points))  # logs
        self.growth = np.zeros(len(self.points))  # nats per session expected of a candidate like the baseline
        self.sessions = 0
        self._sum = 0  # of z at margin 0, in whole numbers, for the estimate of a difference

    def update(self, units: Units, law: Law) -> None:
        """Bet on sessions. Those at 0 or 100 %, or before the baseline's law is known, change nothing."""
        units = self._mine(units)
        for start in range(0, len(units), _CHUNK):
            part = units.part(start, min(start + _CHUNK, len(units)))
            found = self._outcomes(part, law)
            if found is not None:
                self._bet(found, part)

    def _outcomes(self, units: Units, law: Law) -> _Outcomes | None:
        return _outcomes(self.harm, self._value, self._ratio, units, law)

    def _mine(self, units: Units) -> Units:
        mask = (units.weight > 0.0) & (units.weight < 1.0)
        if self.harm.kind is Kind.SCORE or self.harm.sampled:
            column = units.columns.get(self.harm.metric)
            mask = mask & (np.zeros(len(units), bool) if column is None else column.total(len(units)) > 0.0)
        return units.of(mask)

    def summarise(self, units: Units, law: Law) -> dict[str, Ints]:
        """What these sessions do to each capital, as whole numbers that add up in any order."""
        units = self._mine(units)
        found = self._outcomes(units, law) if len(units) else None
        if found is None:
            return {}
        up, down, _, total = self._gains(found, units)
        sums = {_UPS: up.sum(axis=0), _DOWNS: down.sum(axis=0)}
        return {**sums, _SUM: np.array([total]), _SESSIONS: np.array([len(units)])}

    def absorb(self, summary: Mapping[str, Ints], weight: float, law: Law) -> None:
        """Take in what `summarise` made of sessions of one weight (0..1), with the law that they were bet on with."""
        if _UPS not in summary:
            return
        found = self._outcomes(Units.one(weight), law)
        if found is not None:
            _, _, self.growth, _ = self._gains(found, Units.one(weight))
        for name, capital, peak in ((_UPS, self.up, self.up_peak), (_DOWNS, self.down, self.down_peak)):
            np.add(capital, summary[name], out=capital)
            np.maximum(peak, np.logaddexp.reduce(capital / FINE, axis=1), out=peak)
        self._sum += int(summary[_SUM][0])
        self.sessions += int(summary[_SESSIONS][0])

    def _bet(self, found: _Outcomes, part: Units) -> None:
        up, down, self.growth, total = self._gains(found, part)
        self._sum += total
        for gains, capital, peak in ((up, self.up, self.up_peak), (down, self.down, self.down_peak)):
            logs = (capital + np.cumsum(gains, axis=0)) / FINE  # (n, P, stakes)
            most = logs.max(axis=2)
            totals = most + np.log(np.exp(logs - most[:, :, None]).sum(axis=2))
            np.maximum(peak, totals.max(axis=0), out=peak)
            np.add(capital, gains.sum(axis=0), out=capital)
        self.sessions += len(part)

    def _gains(self, found: _Outcomes, part: Units) -> tuple[Ints, Ints, Floats, int]:
        """log factors of the capitals against "at least" and "at most" this harm, (n, P, stakes), in whole numbers;
        growth (P,); the sum of z.
        """
        w, k, delta = part.weight[:, None], self._scale, self._delta / found.unit
        base = found.m1 - k * found.m0
        surprise = np.where(part.candidate[:, None], (found.x - found.m1) / w, -k * (found.x - found.m0) / (1.0 - w))
        z = base + surprise
        room_up = np.maximum(_TINY, base + np.maximum((1.0 - found.m1) / w, k * found.m0 / (1.0 - w)) - delta)
        room_down = np.maximum(_TINY, delta - base + np.maximum(found.m1 / w, k * (1.0 - found.m0) / (1.0 - w)))
        best, growth = _best_stake(delta - base, found.var1 / w + k * k * found.var0 / (1.0 - w), room_up)
        gain, loss = (delta - z) / room_up, (z - delta) / room_down
        fixed = np.broadcast_to(_UP_STAKES, (*gain.shape, len(_UP_STAKES)))
        stakes = np.concatenate((best[:, :, None], fixed), axis=2)
        zero = (surprise + base)[:, self._zero] * found.unit if self.harm.differences else np.zeros(0)
        total = int(whole(zero).sum())
        up, down = np.log1p(stakes * gain[:, :, None]), np.log1p(_DOWN_STAKES * loss[:, :, None])
        return whole(up), whole(down), growth[-1], total

    @property
    def _zero(self) -> int:
        return self.points.index((0.0, False))

    def proven(self, value: float, ratio: bool, alpha: float) -> bool:
        """Whether harm of at least this margin was excluded at level alpha, now or earlier."""
        return bool(self.up_peak[self._at(value, ratio)] >= log(1.0 / alpha))

    def evidence(self, value: float, ratio: bool) -> float:
        """The most evidence there was against harm of at least this margin, as odds."""
        return float(np.exp(min(600.0, self.up_peak[self._at(value, ratio)])))

    def needed(self, value: float, ratio: bool, alpha: float) -> int | None:
        """About how many more sessions prove a margin if the candidate is like the baseline, at this weight; None: no
        telling.

        Grows where the sessions so far speak against it: what the capital lost has to be earned again.
        """
        at = self._at(value, ratio)
        if self.proven(value, ratio, alpha):
            return 0
        if self.growth[at] <= 0.0:
            return None
        have = float(np.logaddexp.reduce(self.up[at] / FINE))
        return max(1, round((log(1.0 / alpha) - have) / float(self.growth[at])))

    def bounds(self, alpha: float) -> tuple[float | None, float | None]:
        """(lower, upper) confidence bounds of the harm, each at level alpha over all time; None: beyond the grid."""
        mine, enough = self._ratio != self.differences, log(1.0 / alpha)
        below, above = self._value[mine & (self.down_peak >= enough)], self._value[mine & (self.up_peak >= enough)]
        ratio = not self.differences
        bounds = [self.harm.turned(float(end), ratio) for end in (*below[-1:], *above[:1])]
        lower, upper = (bounds[0] if len(below) else None), (bounds[-1] if len(above) else None)
        return (upper, lower) if ratio and self.harm.falling else (lower, upper)

    @property
    def differences(self) -> bool:
        """Whether its bounds are differences; else they are ratios candidate : baseline."""
        return self._differences

    @property
    def estimate(self) -> float | None:
        """Unbiased estimate of a difference over all strata; None for ratios, or without data."""
        return self._sum / FINE / self.sessions if self.sessions and self.harm.differences else None

    def _at(self, value: float, ratio: bool) -> int:
        try:
            return self.points.index((self.harm.turned(value, ratio), ratio))
        except ValueError:
            raise ValueError(f"{self.harm.metric}: margin {value:g} is not on the grid") from None

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        arrays = (self.up, self.down, self.up_peak, self.down_peak, self.growth)
        return {
            "points": [list(point) for point in self.points],
            "state": [array.tolist() for array in arrays],
            "sessions": self.sessions,
            "sum": self._sum,
        }

    @classmethod
    def from_data(cls, harm: Harm, data: Mapping[str, Any]) -> HarmSequence:
        """The inverse of `to_data`."""
        made = cls(harm, [])
        made._lay({(value, ratio) for value, ratio in data["points"]})
        up, down, *floats = data["state"]
        made.up, made.down = np.array(up, np.int64), np.array(down, np.int64)
        made.up_peak, made.down_peak, made.growth = (np.array(each) for each in floats)
        made.sessions, made._sum = data["sessions"], data["sum"]
        return made


def _best_stake(edge: Floats, variance: Floats, room: Floats) -> tuple[Floats, Floats]:
    """(share of the boldest stake, growth per session) for an expected gain `edge`; damped to stay below 1."""
    second = variance + edge * edge + _TINY * _TINY
    wish = np.maximum(0.0, edge) / second * room
    stake = wish / (1.0 + wish)
    bet = stake / room
    return stake, bet * edge - bet * bet * second / 2.0


def _grid(harm: Harm, margins: Sequence[tuple[float, bool]]) -> set[tuple[float, bool]]:
    """The margins between which a confidence sequence is drawn."""
    if harm.differences:
        return {(value, False) for value in _DIFFERENCES}
    steps = [value for value, ratio in margins if not ratio]
    if steps:
        return {(part * value, False) for value in steps for part in _PARTS}
    return {(value, True) for value in _RATIOS}


def _outcomes(harm: Harm, values: Floats, ratio: Bools, units: Units, law: Law) -> _Outcomes | None:
    """None while too little is known of the baseline."""
    if harm.per_turn:
        return _requests(len(values), units, law)
    if harm.kind is Kind.FAILURE:
        m = np.full(len(values), law.failed_rate)
        return _Outcomes(np.tile(units.failed[:, None], len(values)), m, m, m * (1.0 - m), m * (1.0 - m))
    if law.scale(harm.metric) is None:
        return None
    nothing = np.zeros(0, np.int64)
    column = units.columns.get(harm.metric, Column(nothing, np.zeros(0), np.zeros(0)))
    if harm.level is not None:
        return _tails(harm, values, units, column, law)
    if harm.kind is Kind.SCORE:
        mean, variance = law.score(harm.metric, SCORE_STEPS)
        x = column.total(len(units), np.clip(column.place / SCORE_STEPS, 0.0, 1.0)) / np.maximum(
            1.0, column.total(len(units))
        )
        m, var = np.full(len(values), mean), np.full(len(values), variance)
        return _Outcomes(np.tile(x[:, None], len(values)), m, m, var, var)
    reaches = [(float(v), 0.0) if is_ratio else (1.0, float(v)) for v, is_ratio in zip(values, ratio, strict=True)]
    count = harm.kind is Kind.COUNT
    spent = [law.spent(harm.metric, *reach, count=count, flipped=harm.flipped) for reach in reaches]
    found = _amounts(harm, spent, units, column)
    return replace(found, unit=np.where(ratio, 1.0, [each.clip for each in spent]))


def _requests(points: int, units: Units, law: Law) -> _Outcomes:
    """Failures by the turn. x = (failed - p t) / T, p the baseline's past rate of a turn, t the session's turns and T
    those of a usual one, moved into [0, 1]. Where sessions are equally long, or p is right, the difference of means is
    that of the rates.
    """
    p, usual = law.error_rate, law.turns
    least = _LONGEST * p  # how far below 0 the longest session gets
    unit = 1.0 / usual + least
    turns = np.minimum(units.turns, _LONGEST * usual)
    x = ((units.failed - p * turns) / usual + least) / unit
    m = np.full(points, least / unit)
    var = np.full(points, p * (1.0 - p) / usual / unit**2)
    return _Outcomes(np.tile(x[:, None], points), m, m, var, var, unit)


def _tails(harm: Harm, values: Floats, units: Units, column: Column, law: Law) -> _Outcomes:
    n, turns, level = len(units), column.total(len(units)), harm.level or 0.0
    base, m0 = law.tail(harm.metric, level, 1.0)
    tails = [law.tail(harm.metric, level, float(value)) for value in values]
    m1 = np.array([share for _, share in tails])
    # a place inside a bucket of a histogram counts in part
    above = [column.total(n, np.clip(column.place + 0.5 - place, 0.0, 1.0)) for place in (base, *(p for p, _ in tails))]
    shares = np.array([share / np.maximum(turns, 1.0) for share in above])  # (1 + P, n)
    x = np.where(units.candidate[:, None], shares[1:].T, np.tile(shares[0][:, None], len(values)))
    x[turns == 0.0] = units.candidate[turns == 0.0, None].astype(np.float64)
    alike = law.alike(harm.metric)
    turned = law.turns / (1.0 + (law.turns - 1.0) * alike)  # how many independent turns a session is worth
    var1, var0 = m1 * (1.0 - m1) / turned, m0 * (1.0 - m0) / turned
    return _Outcomes(x, m1, np.full(len(values), m0), var1, np.full(len(values), var0))


def _amounts(harm: Harm, spent: Sequence[Spent], units: Units, column: Column) -> _Outcomes:
    n, measured = len(units), column.total(len(units)) > 0.0
    amount = amount_at(column.place, count=harm.kind is Kind.COUNT, flipped=harm.flipped)
    shares = [column.total(n, np.minimum(1.0, amount / each.clip)) for each in spent]
    x, mean = np.array(shares).T, np.array([each.mean for each in spent])
    if harm.flipped:
        x, mean = 1.0 - x, 1.0 - mean
    x[~measured] = units.candidate[~measured, None].astype(np.float64)
    variance = np.array([each.variance for each in spent])
    return _Outcomes(x, mean, mean, variance, variance)
