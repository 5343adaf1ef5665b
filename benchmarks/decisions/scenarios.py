"""A simulated rollout: seeded columns of requests as a judge gets them, and what it is looked at with.

A scenario is piecewise constant: segments of (baseline's law, candidate's law), over stages of (requests, weight).
Requests are independent, or turns of sessions that are assigned as a whole and whose turns are alike.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.decisions.laws import Arm

RATE = 5.0  # requests per second, where a scenario does not say otherwise
HISTORY = 2000  # requests of the baseline from before the rollout
RAMP = ((10_000, 0.10), (10_000, 0.50))
THREE_STEPS = ((6_000, 0.05), (6_000, 0.25), (8_000, 0.50))
HALVES = ((20_000, 0.50),)
LOW = ((200, 0.50),)
COLUMNS = ("t", "session", "variant", "ok", "latency_ms", "cost", "quality", "weight", "end")


@dataclass(frozen=True)
class Segment:
    """From this share of the rollout on (0 to 1), these laws."""

    start: float
    baseline: Arm
    candidate: Arm


@dataclass(frozen=True)
class Sessions:
    """Sessions of `least` to `most` turns, `gap_s` seconds apart on average; their turns are alike.

    `likeness` of the variance of log latency and log cost is the session's own. Every tenth session is five times as
    prone to errors (less where that would pass 90 %), the others less, so that the law's error rate is the mean.
    """

    least: int = 2
    most: int = 10
    likeness: float = 0.4
    gap_s: float = 20.0
    prone: float = 0.1

    @property
    def turns(self):
        """Mean turns per session."""
        return (self.least + self.most) / 2

    def rates(self, error):
        """(error rate of prone sessions, of the others)."""
        high = min(5.0 * error, max(0.9, error))
        return high, (error - self.prone * high) / (1 - self.prone)


@dataclass(frozen=True)
class Scenario:
    """One kind of rollout. kind: null (the candidate is no worse), regression (worse from the start), onset (worse from
    `onset` on).
    """

    name: str
    kind: str
    segments: tuple[Segment, ...]
    stages: tuple[tuple[int, float], ...] = RAMP
    sessions: Sessions | None = None
    past: Arm | None = None  # the law of the history, if it is not the baseline's first
    late_s: float = 0.0  # mean delay of the rows that carry a score
    late_candidate: float = 1.0  # the candidate's delay is so many times as long
    lost: float = 0.0  # share of rows that never arrive, of either variant
    lost_slow: float = 0.0  # share of rows slower than 300 ms that never arrive, of either variant
    onset: float = 0.0
    rate: float = RATE
    better: bool = False

    @property
    def requests(self):
        """Requests served in the whole rollout."""
        return sum(n for n, _ in self.stages)

    @property
    def duration(self):
        """Seconds."""
        return self.requests / self.rate

    def weights(self, share):
        """The weight in force at these shares (0 to 1) of the rollout."""
        ends = np.cumsum([n for n, _ in self.stages]) / self.requests
        index = np.searchsorted(ends, share, side="right")
        return np.array([w for _, w in self.stages])[np.minimum(index, len(self.stages) - 1)]

    def segment_of(self, share):
        """Index of the segment in force at these shares of the rollout."""
        return np.searchsorted([each.start for each in self.segments], share, side="right") - 1


class Rollout:
    """One simulated rollout: `columns` in order of arrival, `history` of the baseline, and when the candidate
    served.
    """

    def __init__(self, scenario, seed):
        self.scenario, self.seed = scenario, seed
        rng = np.random.default_rng([seed, *scenario.name.encode()])
        first = scenario.segments[0].baseline
        self.history = past_of(rng, scenario.past or first, scenario.sessions)
        rows = sessions_of(rng, scenario) if scenario.sessions else requests_of(rng, scenario)
        self.exposed_at = np.sort(rows["t"][rows["variant"] == 1])
        rows = arrived(rng, scenario, rows)
        self.arrival, self.segment = rows.pop("arrival"), rows.pop("segment")
        self.columns = {name: rows[name] for name in COLUMNS}
        self.clock = np.maximum.accumulate(self.arrival)

    def __len__(self):
        return len(self.arrival)

    def exposed(self, rows):
        """Candidate requests served by the time `rows` rows have arrived."""
        if rows == 0:
            return 0
        return int(np.searchsorted(self.exposed_at, self.clock[rows - 1], side="right"))

    def rows_until(self, exposed):
        """Rows that have arrived before the candidate has served so many requests."""
        if exposed >= len(self.exposed_at):
            return len(self)
        return int(np.searchsorted(self.clock, self.exposed_at[int(exposed)]))

    @cached_property
    def onset_row(self):
        """Rows that arrive before the onset."""
        return int(np.searchsorted(self.clock, self.scenario.onset * self.scenario.duration))

    @cached_property
    def exposed_before_onset(self):
        """Candidate requests served before the onset."""
        return int(np.searchsorted(self.exposed_at, self.scenario.onset * self.scenario.duration))

    def batches(self, looks):
        """(batch, rows so far) for each look; `looks` are rising numbers of rows."""
        start = 0
        for end in looks:
            yield {name: column[start:end] for name, column in self.columns.items()}, end
            start = end


def dense_looks(n):
    """Every 10 rows up to 500, every 25 up to 3000, then every 50; the last one at n."""
    looks = [*range(10, 500, 10), *range(500, 3000, 25), *range(3000, n, 50)]
    return [*(look for look in looks if look < n), n]


def even_looks(n, every=50):
    """Every 50 rows; the last one at n."""
    return [*range(every, n, every), n]


def _filled(rng, arms, which):
    """Outcome columns, row i drawn from arms[which[i]], in which[i] == -1 from none."""
    n = len(which)
    out = {"ok": np.ones(n, bool), "latency_ms": np.empty(n), "cost": np.empty(n), "quality": np.empty(n)}
    for i, arm in enumerate(arms):
        mine = np.flatnonzero(which == i)
        for name, values in arm.draw(rng, len(mine)).items():
            out[name][mine] = values
    return out


def _arms(scenario):
    """Both variants' laws of each segment: index 2 * segment + variant."""
    return [arm for each in scenario.segments for arm in (each.baseline, each.candidate)]


def requests_of(rng, scenario):
    """Independent requests, each a session of its own."""
    n = scenario.requests
    share = np.arange(n) / n
    weight, segment = scenario.weights(share), scenario.segment_of(share)
    variant = (rng.random(n) < weight).astype(np.int8)
    rows = _filled(rng, _arms(scenario), 2 * segment + variant)
    rows |= {"t": (np.arange(n) + rng.random(n)) / scenario.rate, "session": np.arange(n), "variant": variant}
    return rows | {"weight": weight, "end": np.ones(n, bool), "segment": segment}


def _correlated(rng, arms, which, owner, sessions):
    """As _filled, for turns of sessions: `owner` is each row's session, whose effects its turns share."""
    count = int(owner.max()) + 1
    rows = _filled(rng, arms, which)
    prone = rng.random(count) < sessions.prone
    effects = {name: rng.standard_normal(count) for name in ("latency_ms", "cost")}
    luck = rng.random(len(which))
    own, rest = np.sqrt(sessions.likeness), np.sqrt(1 - sessions.likeness)
    noise = {name: rng.standard_normal(len(which)) for name in effects}
    for i, arm in enumerate(arms):
        mine = np.flatnonzero(which == i)
        whose = owner[mine]
        high, low = sessions.rates(arm.error)
        rows["ok"][mine] = luck[mine] >= np.where(prone[whose], high, low)
        for name, law in (("latency_ms", arm.latency), ("cost", arm.cost)):
            (part,) = law.components
            assert part.kind == "lognormal"
            assert part.shift == 0.0
            unit = own * effects[name][whose] + rest * noise[name][mine]
            rows[name][mine] = part.scale * np.exp(part.shape * unit)
    return rows


def _turns(rng, sessions, starts):
    """(session of each turn, its time, whether it is the last), in order of time."""
    turns = rng.integers(sessions.least, sessions.most + 1, size=len(starts))
    owner = np.repeat(np.arange(len(starts)), turns)
    first = np.cumsum(turns) - turns
    gaps = rng.exponential(sessions.gap_s, size=len(owner))
    gaps[first] = 0.0
    total = np.cumsum(gaps)
    t = starts[owner] + total - np.repeat(total[first], turns)
    end = np.zeros(len(owner), bool)
    end[first + turns - 1] = True
    order = np.argsort(t, kind="stable")
    return owner[order], t[order], end[order]


def sessions_of(rng, scenario):
    """Turns of sessions: variant, weight and laws are those of the session's start."""
    sessions, length = scenario.sessions, scenario.duration
    count = int(scenario.requests / sessions.turns) + 1
    starts = np.sort(rng.random(count)) * length
    share = starts / length
    weight, segment = scenario.weights(share), scenario.segment_of(share)
    variant = (rng.random(count) < weight).astype(np.int8)
    owner, t, end = _turns(rng, sessions, starts)
    kept = slice(0, scenario.requests)
    owner, t, end = owner[kept], t[kept], end[kept]
    rows = _correlated(rng, _arms(scenario), (2 * segment + variant)[owner], owner, sessions)
    rows |= {"t": t, "session": owner, "variant": variant[owner], "weight": weight[owner]}
    return rows | {"end": end, "segment": segment[owner]}


def past_of(rng, arm, sessions):
    """HISTORY requests of the baseline alone, at negative times and weight 0."""
    scenario = Scenario("past", "null", (Segment(0.0, arm, arm),), ((HISTORY, 0.0),), sessions)
    rows = sessions_of(rng, scenario) if sessions else requests_of(rng, scenario)
    n = len(rows["t"])
    rows |= {"t": rows["t"] - rows["t"][-1] - 1.0, "session": -1 - rows["session"], "weight": np.zeros(n)}
    return {name: rows[name] for name in COLUMNS}


def arrived(rng, scenario, rows):
    """The rows that arrive, in that order; scored ones may be late, some of either variant are lost."""
    n = len(rows["t"])
    delay = np.zeros(n)
    if scenario.late_s:
        mean = scenario.late_s * np.where(rows["variant"] == 1, scenario.late_candidate, 1.0)
        delay = np.where(np.isnan(rows["quality"]), 0.0, rng.exponential(1.0, n) * mean)
    kept = np.ones(n, bool)
    if scenario.lost or scenario.lost_slow:
        gone = scenario.lost + np.where(rows["latency_ms"] > 300.0, scenario.lost_slow, 0.0)
        kept = rng.random(n) >= gone
    arrival = rows["t"] + delay
    order = np.argsort(np.where(kept, arrival, np.inf), kind="stable")[: int(kept.sum())]
    return {name: column[order] for name, column in (rows | {"arrival": arrival}).items()}
