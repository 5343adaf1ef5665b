"""Is harm beyond a margin excluded? Betting against "the candidate is at least `margin` worse" (AIPW betting).

For each session z estimates the harm without bias, m1 and m0 being guesses from the past:
    z = m1 - k m0 + v/w (x - m1) - k (1-v)/(1-w) (x - m0)
Under the null E[z] >= delta the capital multiplied by 1 + lambda (delta - z) is an e-process. A grid of margins gives,
by inversion, a confidence sequence of the harm. What x is depends on the metric:

error    whether the session had a failure. In points: delta = margin, k = 1; as a ratio: k = margin, delta = 0
latency  the share of a candidate session's turns above margin x q, or of a baseline session's turns above q, q the
         baseline's past quantile: where the first share is smaller, the candidate's quantile is below margin x q
cost     the session's; k = margin. Clipped at twice the past 99.5 % quantile, and not below twice k x the mean

Sources: Waudby-Smith & Ramdas 2010.09686; Waudby-Smith, Wu, Ramdas, Karampatziakis & Mineiro 2210.10768.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log, sqrt
from typing import Any, NamedTuple

from headgate.stats.observations import Session
from headgate.stats.reference import Law, Reference, Spent, share_above

LEVELS = {"latency_p95": 0.05, "latency_p99": 0.01}
METRICS = ("error", "latency_p95", "latency_p99", "cost")

_DIFFERENCES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
_RATIOS = (1.0, 1.1, 1.25, 1.5, 2.0, 3.0, 6.0)
# capital starts on stakes that are fixed shares of the boldest possible one, and (the first of `up`) on the stake that
# would be best if the candidate were like the baseline
_UP = (0.6, 0.1, 0.15, 0.15)
_UP_STAKES = ((1, 0.2), (2, 0.5), (3, 0.9))
_DOWN = (0.3, 0.4, 0.3)
_DOWN_STAKES = ((0, 0.1), (1, 0.35), (2, 0.75))
_CEILING, _TINY = 1e280, 1e-6


class Outcome(NamedTuple):
    """A session as one margin sees it: its value in [0, 1], guesses of candidate's (1) and baseline's (0) moments."""

    x: float
    m1: float
    m0: float
    var1: float
    var0: float


class Point:
    """One margin: `up` holds the capital against "harm >= margin", `down` that against "harm <= margin"."""

    def __init__(self, value: float, ratio: bool) -> None:
        self.value, self.ratio = value, ratio
        self.up = list(_UP)
        self.down = list(_DOWN)
        self.up_peak = self.down_peak = 1.0
        self.growth = 0.0  # of log capital, per session of the last weight, expected of a candidate like the baseline

    def update(self, outcome: Outcome, candidate: bool, w: float, scale: float, delta: float) -> None:
        """Bet on one session of a stratum with 0 < w < 1."""
        m1, m0 = outcome.m1, outcome.m0
        base = m1 - scale * m0
        z = base + (outcome.x - m1) / w if candidate else base - scale * (outcome.x - m0) / (1.0 - w)
        room_up = max(_TINY, base + max((1.0 - m1) / w, scale * m0 / (1.0 - w)) - delta)
        room_down = max(_TINY, delta - base + max(m1 / w, scale * (1.0 - m0) / (1.0 - w)))
        variance = outcome.var1 / w + scale * scale * outcome.var0 / (1.0 - w)
        stake, self.growth = _best_stake(delta - base, variance, room_up)
        gain, loss = (delta - z) / room_up, (z - delta) / room_down
        up, down = self.up, self.down
        up[0] *= 1.0 + stake * gain
        for i, f in _UP_STAKES:
            up[i] *= 1.0 + f * gain
        for i, f in _DOWN_STAKES:
            down[i] *= 1.0 + f * loss
        total_up, total_down = sum(up), sum(down)
        if total_up > self.up_peak:
            self.up_peak = min(_CEILING, total_up)
            self.up = [min(_CEILING, c) for c in up]
        if total_down > self.down_peak:
            self.down_peak = min(_CEILING, total_down)
            self.down = [min(_CEILING, c) for c in down]


def _best_stake(edge: float, variance: float, room: float) -> tuple[float, float]:
    """(share of the boldest stake, growth per session) for an expected gain `edge`; damped to stay below 1."""
    if edge <= 0.0:
        return 0.0, 0.0
    second = variance + edge * edge + _TINY * _TINY
    wish = edge / second * room
    stake = wish / (1.0 + wish)
    bet = stake / room
    return stake, bet * edge - bet * bet * second / 2.0


class HarmSequence:
    """All margins of one metric: which are excluded, and between which bounds the harm lies, at any time.

    `margins`: (value, ratio) that must be on the grid, beside the grid's own.
    """

    def __init__(self, metric: str, margins: Sequence[tuple[float, bool]]) -> None:
        if metric not in METRICS:
            raise ValueError(f"no harm is defined for {metric}; there are {', '.join(METRICS)}")
        if metric != "error" and not all(ratio for _, ratio in margins):
            raise ValueError(f"a margin of {metric} is a ratio, e.g. x1.25")
        self.metric = metric
        grid = {(v, True) for v in _RATIOS} if metric != "error" else {(v, False) for v in _DIFFERENCES}
        self.points = [Point(value, ratio) for value, ratio in sorted(grid | set(margins))]
        self.sessions = 0
        self._harm = 0.0  # sum of z at margin 0 (error) for the estimate

    def update(self, session: Session, reference: Reference) -> None:
        """Bet on one session. Sessions at 0 or 100 %, or before the baseline's law is known, change nothing."""
        w = session.weight / 100.0
        if w <= 0.0 or w >= 1.0:
            return
        candidate = session.variant == "candidate"
        outcomes = self._outcomes(session, candidate, reference)
        if outcomes is None:
            return
        scaled = self.metric not in LEVELS
        for point, outcome in zip(self.points, outcomes, strict=True):
            scale = point.value if point.ratio and scaled else 1.0
            point.update(outcome, candidate, w, scale, 0.0 if point.ratio else point.value)
        if self.metric == "error":
            surprise = outcomes[0].x - outcomes[0].m1
            self._harm += surprise / w if candidate else -surprise / (1.0 - w)
        self.sessions += 1

    def _outcomes(self, session: Session, candidate: bool, reference: Reference) -> list[Outcome] | None:
        """The session as each margin sees it; None while too little is known of the baseline."""
        if self.metric in LEVELS:
            level = LEVELS[self.metric]
            return _latency_outcomes(session, candidate, reference.law, level, [p.value for p in self.points])
        if self.metric == "error":
            m = reference.error_rate
            variance = m * (1.0 - m)
            one = Outcome(float(session.failures > 0), m, m, variance, variance)
            return [one] * len(self.points)
        law = reference.law
        if law.cost is None:
            return None
        return [_cost_outcome(session, candidate, law.spent(point.value)) for point in self.points]

    def proven(self, value: float, ratio: bool, alpha: float) -> bool:
        """Whether harm of at least this margin was excluded at level alpha, now or earlier."""
        return self._point(value, ratio).up_peak >= 1.0 / alpha

    def evidence(self, value: float, ratio: bool) -> float:
        """The most evidence there was against harm of at least this margin."""
        return self._point(value, ratio).up_peak

    def needed(self, value: float, ratio: bool, alpha: float) -> int | None:
        """About how many more sessions prove a margin if the candidate is like the baseline, at this weight; None: no
        telling.

        Grows where the sessions so far speak against it: what the capital lost has to be earned again.
        """
        point = self._point(value, ratio)
        if point.up_peak >= 1.0 / alpha:
            return 0
        if point.growth <= 0.0:
            return None
        return max(1, round((log(1.0 / alpha) - log(max(1e-300, sum(point.up)))) / point.growth))

    def bounds(self, alpha: float) -> tuple[float | None, float | None]:
        """(lower, upper) confidence bounds of the harm, each at level alpha over all time; None: beyond the grid."""
        kind = self.metric != "error"
        mine = [p for p in self.points if p.ratio is kind]
        below = [p.value for p in mine if p.down_peak >= 1.0 / alpha]
        above = [p.value for p in mine if p.up_peak >= 1.0 / alpha]
        return (max(below) if below else None, min(above) if above else None)

    @property
    def estimate(self) -> float | None:
        """Unbiased estimate of the difference in error rates over all strata; None for other metrics, or without
        data.
        """
        return self._harm / self.sessions if self.sessions and self.metric == "error" else None

    def _point(self, value: float, ratio: bool) -> Point:
        for point in self.points:
            if point.value == value and point.ratio is ratio:
                return point
        raise ValueError(f"{self.metric}: margin {value:g} is not on the grid")

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        points = [[p.value, p.ratio, p.up, p.down, p.up_peak, p.down_peak, p.growth] for p in self.points]
        return {"metric": self.metric, "points": points, "sessions": self.sessions, "harm": self._harm}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> HarmSequence:
        """The inverse of `to_data`."""
        made = cls(data["metric"], [])
        made.points = []
        for value, ratio, up, down, up_peak, down_peak, growth in data["points"]:
            point = Point(value, ratio)
            point.up, point.down, point.up_peak, point.down_peak, point.growth = (
                list(up),
                list(down),
                up_peak,
                down_peak,
                growth,
            )
            made.points.append(point)
        made.sessions, made._harm = data["sessions"], data["harm"]
        return made


def _latency_outcomes(
    session: Session, candidate: bool, law: Law, level: float, margins: Sequence[float]
) -> list[Outcome] | None:
    if law.time is None:
        return None
    base, m0 = law.time.tail(level, 1.0)
    alike = sqrt(law.turns)
    # not measured is never good news for the candidate
    x = float(candidate) if not session.latency else share_above(session.latency, base)
    outcomes = []
    for margin in margins:
        place, m1 = law.time.tail(level, margin)
        if candidate and session.latency:
            x = share_above(session.latency, place)
        outcomes.append(Outcome(x, m1, m0, m1 * (1.0 - m1) / alike, m0 * (1.0 - m0) / alike))
    return outcomes


def _cost_outcome(session: Session, candidate: bool, spent: Spent) -> Outcome:
    x = min(1.0, session.cost_usd / spent.clip)
    if candidate and session.cost_usd <= 0.0:  # not measured is never good news for the candidate
        x = 1.0
    return Outcome(x, spent.mean, spent.mean, spent.variance, spent.variance)
