"""All alarms of one agent, for each variant: fed with rows of telemetry, evaluated at each whole cell of time.

As in CloudWatch, periods slide and are not aligned, and alarms are evaluated every minute (every 10 s where a period is
shorter than a minute; every hour where all periods together are longer than a day).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from headgate.analysis.alarms import ALARM, INSUFFICIENT_DATA, LOOK_BACK, beyond, look_back, state_of, too_few
from headgate.analysis.band import LEARN_S, band, outside
from headgate.analysis.composite import Composite, parts_of
from headgate.analysis.math_functions import World
from headgate.analysis.metric_math import Expression, parse
from headgate.analysis.periods import Sliding, Track
from headgate.analysis.wall_clock import Aligned, starts
from headgate.core.alarms import queries
from headgate.core.plan import AlarmSpec, CompositeSpec, MetricQuery
from headgate.stats.observations import Second

LATE_S = 3.0  # how long after its end a cell may still get rows before it is evaluated
AGENT = "agent"  # stands for a variant where an alarm is of the agent as a whole

_HOUR_S, _DAY_S = 3600.0, 86_400.0
_SHORTEST = 10  # seconds of a rehearsed period: in a shorter one chance would ring

Key = tuple[str, str]  # alarm, variant
Shape = tuple[str, str, int, str]  # metric, statistic, cells of a period, time zone where it is of the clock


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm changed its state. `at`: the end of the newest period (Unix s); `acts`: it leads to something now."""

    name: str
    variant: str
    was: str
    to: str
    at: float
    value: float | None = None
    acts: bool = True


class _Watched:
    """One alarm of one variant."""

    def __init__(self, spec: AlarmSpec, state: str, began_at: float, speed: float) -> None:
        self.spec, self.state, self.began_at = spec, state, began_at
        self.grain_s, self.length = cells_of(spec, speed)
        self.real_period_s = self.grain_s * self.length
        self.silent = True
        self.value: float | None = None
        self._shape = queries(spec)
        self._slidings: dict[str, Sliding] = {}
        self._expressions: list[tuple[str, Expression]] = []
        self._learned: deque[tuple[int, float]] = deque(maxlen=max(1, int(LEARN_S / spec.period_s)))
        self._zone = spec.wall_clock if speed == 1.0 else ""  # a rehearsal has no hours of the day
        # in a rehearsal's few seconds, one without a request is no silence
        further = 0 if self._zone else look_back(spec) if speed == 1.0 else LOOK_BACK
        self._range = spec.evaluation_periods + further
        self._hourly = spec.evaluation_periods * spec.period_s > _DAY_S and speed == 1.0

    def build(self, pool: dict[Shape, Sliding]) -> None:
        """Take the periods that it needs from the variant's pool, or put them there."""
        ids: list[str] = []
        for query in self._shape:
            if query.expression:
                self._expressions.append((query.id, parse(query.expression, ids)))
            else:
                where = (query.metric, query.statistic, self.length, self._zone)
                made = self._period(query)
                if where not in pool or pool[where].kept < made.kept:
                    pool[where] = made
                self._slidings[query.id] = pool[where]
            ids.append(query.id)

    def _period(self, query: MetricQuery) -> Sliding:
        if self._zone:
            first = starts(int(self.spec.period_s), self._zone)
            return Aligned(query.metric, query.statistic, self.length, self.spec.evaluation_periods, first)
        return Sliding(query.metric, query.statistic, self.length, (self._range - 1) * self.length + 1)

    def rebind(self, pool: Mapping[Shape, Sliding]) -> None:
        """A period of the pool may have been replaced by one that is kept for longer."""
        for name, mine in self._slidings.items():
            self._slidings[name] = pool[mine.metric, mine.statistic, mine.length, self._zone]

    def learn(self, end: int) -> None:
        if self.spec.band and end % self.length == 0 and (value := self._points(end)[-1]) is not None:
            self._learned.append((end, value))

    def evaluate(self, end: int) -> str:
        """The state after the cell `end`."""
        self.learn(end)
        ends_at = (end + 1) * self.grain_s
        if self._hourly and ends_at % _HOUR_S:
            return self.state
        values = self._points(end)
        self.value = values[-1]
        points = self._breaching(values, end)
        real = sum(point is not None for point in points)
        self.silent = real == 0
        warm = not self.spec.warm_up_s or ends_at >= self.began_at + self.spec.warm_up_s
        if not warm and real < self.spec.evaluation_periods:
            return INSUFFICIENT_DATA
        if self.value is not None and too_few(self.spec, min(s.samples for s in self._slidings.values())):
            return self.state
        return state_of(points, self.spec, self.state)

    def _breaching(self, values: list[float | None], end: int) -> list[bool | None]:
        spec = self.spec
        if not spec.band:
            return [None if value is None else beyond(value, spec) for value in values]
        since = end - spec.evaluation_periods * self.length
        usual = band([value for at, value in self._learned if at <= since], spec.band)
        return [None if value is None or usual is None else outside(value, usual, spec.op) for value in values]

    def _points(self, end: int) -> list[float | None]:
        """The values of the evaluation range, oldest first."""
        series = {name: each.series(end, self._range, self.length) for name, each in self._slidings.items()}
        for name, expression in self._expressions:
            series[name] = expression.series(World(series, self.spec.period_s))
        return series[self._shape[-1].id]


class Board:
    """The alarms of an agent. `states`, `acted`: what a board before this one said last, and acted on last.

    `speed` above 1: periods are so much shorter, at least ten seconds; their sums are of what was really seen.
    """

    def __init__(
        self,
        specs: Iterable[AlarmSpec],
        composites: Iterable[CompositeSpec] = (),
        *,
        variants: Iterable[str],
        now: float,
        began_at: float | None = None,
        speed: float = 1.0,
        states: Mapping[Key, str] | None = None,
        acted: Mapping[Key, str] | None = None,
    ) -> None:
        self.specs, self.composites = tuple(specs), tuple(composites)
        self.variants = tuple(variants)
        self._known = dict(states or {})
        self._groups: list[tuple[str, Track, list[_Watched]]] = []
        self._of_variant: dict[str, list[Track]] = {}
        began = now if began_at is None else began_at
        for variant in (*self.variants, AGENT):
            mine = [s for s in self.specs if (s.scope == AGENT) == (variant == AGENT)]
            watched = [_Watched(s, self._state(s.name, variant), began, speed) for s in mine]
            for grain in sorted({w.grain_s for w in watched}):
                self._group(variant, grain, [w for w in watched if w.grain_s == grain], now)
        self._made = {
            (spec.name, variant): Composite(
                spec, self._state(spec.name, variant), (acted or {}).get((spec.name, variant)), speed=speed
            )
            for spec in self.composites
            for variant in self.variants
        }
        self._parts = parts_of(self.composites)

    def _state(self, name: str, variant: str) -> str:
        return self._known.get((name, variant), INSUFFICIENT_DATA)

    def _group(self, variant: str, grain: float, watched: list[_Watched], now: float) -> None:
        pool: dict[Shape, Sliding] = {}
        for each in watched:
            each.build(pool)
        for each in watched:
            each.rebind(pool)
        track = Track(grain, tuple(pool.values()), _last_whole(now, grain))
        self._groups.append((variant, track, watched))
        self._of_variant.setdefault(variant, []).append(track)

    def begin(self, rows: Iterable[tuple[str, Second]]) -> None:
        """Rows from before: what they say is known, and leads to no change by itself."""
        rows = list(rows)
        back = self.reach_s()
        for _, track, watched in self._groups:
            last, track.at = track.at, track.at - int(back / track.grain_s) - 1
            self._feed(track, rows)
            while track.at < last - 1:  # the last one is evaluated: nobody may have done that
                track.advance()
                for each in watched:
                    each.learn(track.at)

    def _feed(self, track: Track, rows: list[tuple[str, Second]]) -> None:
        whose = next(variant for variant, mine, _ in self._groups if mine is track)
        for variant, row in rows:
            if whose in {variant, AGENT}:
                track.add(row)

    def reach_s(self) -> float:
        """How far back rows matter, in real seconds."""
        watched = [each for _, _, group in self._groups for each in group]
        ranges = [
            (each.spec.evaluation_periods + LOOK_BACK) * each.real_period_s
            + (LEARN_S * each.real_period_s / each.spec.period_s if each.spec.band else 0.0)
            for each in watched
        ]
        return max(ranges, default=0.0)

    def add(self, variant: str, row: Second) -> None:
        """One row of a variant."""
        for whose in dict.fromkeys((variant, AGENT)):
            for track in self._of_variant.get(whose, ()):
                track.add(row)

    def evaluate(self, now: float) -> list[Change]:
        """All changes up to `now` (Unix s), oldest first."""
        changes: list[Change] = []
        for variant, track, watched in self._groups:
            last = _last_whole(now, track.grain_s)
            while track.at < last:
                track.advance()
                changes += self._step(variant, track, watched)
        return [*changes, *self._composites(now)]

    def _step(self, variant: str, track: Track, watched: list[_Watched]) -> Iterator[Change]:
        at = (track.at + 1) * track.grain_s
        for each in watched:
            was, each.state = each.state, each.evaluate(track.at)
            if was != each.state:
                yield Change(
                    each.spec.name, variant, was, each.state, at, each.value, each.spec.name not in self._parts
                )

    def _composites(self, now: float) -> Iterator[Change]:
        for variant in self.variants:
            states = self.states(variant)
            for spec in self.composites:
                made = self._made[spec.name, variant]
                was = made.state
                changed, acts = made.step(states, now)
                states[spec.name] = made.state
                if changed or acts:
                    yield Change(spec.name, variant, was, made.state, now, None, acts and spec.name not in self._parts)

    def due(self, now: float) -> bool:
        """Whether a cell is over since the last evaluation; without one, nothing can have changed but a wait."""
        return bool(self.composites) or any(track.at < _last_whole(now, track.grain_s) for _, track, _ in self._groups)

    def states(self, variant: str) -> dict[str, str]:
        """Every alarm of a variant, and of the agent as a whole: name -> state."""
        known = {
            each.spec.name: each.state
            for whose, _, group in self._groups
            if whose in {variant, AGENT}
            for each in group
        }
        ordered = {spec.name: known.get(spec.name, INSUFFICIENT_DATA) for spec in self.specs}
        return ordered | {name: made.state for (name, whose), made in self._made.items() if whose == variant}

    def ringing(self, variant: str) -> tuple[str, ...]:
        """Alarms in ALARM that count by themselves: no part of a composite, not suppressed."""
        states = self.states(variant)
        quiet = {name for (name, whose), made in self._made.items() if whose == variant and made.suppressed}
        return tuple(n for n, state in states.items() if state == ALARM and n not in self._parts and n not in quiet)

    def silent(self, variant: str) -> tuple[str, ...]:
        """Alarms that have not one measurement to go by."""
        return tuple(
            each.spec.name
            for whose, _, group in self._groups
            if whose in {variant, AGENT}
            for each in group
            if each.silent
        )


def cells_of(spec: AlarmSpec, speed: float) -> tuple[float, int]:
    """(length of a cell in seconds, cells of a period)."""
    if speed > 1.0:
        return 1.0, max(_SHORTEST, round(spec.period_s / speed))
    grain = 60.0 if spec.period_s % 60.0 == 0 else 10.0 if spec.period_s % 10.0 == 0 else 1.0
    return grain, max(1, round(spec.period_s / grain))


def _last_whole(now: float, grain: float) -> int:
    """The last cell that is over, and that no more rows are awaited for."""
    return int((now - LATE_S) // grain) - 1
