"""Rollouts of a plan on simulated sessions: the real judge and the plan's own steps, under a clock that only counts.

A step is left as the core leaves it: on a PASS after its bake time; a FAIL takes the candidate back; what is not proven
within the step's time is a person's to decide. Approvals are taken as given at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from headgate.analysis.rollout_judge import RolloutJudge
from headgate.core.metrics import Measure, OwnMetric
from headgate.core.model import Answer
from headgate.core.plan import Plan
from headgate.stats.closing import placed
from headgate.stats.experts import Kind
from headgate.stats.units import Bools, Column, Floats, Units, log_place, score_place

_EVERY_S = 30.0
_HISTORY = 500  # sessions of the baseline from before
_ALIKE = 0.5  # the part of the variance of log times that a session's turns share
_COST_SPREAD, _QUALITY_SPREAD = 0.6, 0.12
_NORMAL_95 = 1.6448536


ENDS = ("promoted", "rolled back", "left to a person")


@dataclass(frozen=True, slots=True)
class OwnLaw:
    """A metric of the plan's own: its mean of a session (ms of a time), the candidate's `times` that and `more`."""

    metric: OwnMetric
    mean: float
    times: float = 1.0
    more: float = 0.0


@dataclass(frozen=True, slots=True)
class Law:
    """How sessions go. Times in ms, cost in USD; `own`: the plan's own metrics; the candidate differs from
    `worse_after_s` on.
    """

    error: float
    p50_ms: float
    p95_ms: float
    cost_usd: float
    quality: float
    turns: int
    more_error: float = 0.0
    slower: float = 1.0
    dearer: float = 1.0
    poorer: float = 0.0
    worse_after_s: float = 0.0
    own: tuple[OwnLaw, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one rollout ended, `end` one of `ENDS`."""

    end: str
    step: int  # of the plan, from 0, in which it ended
    seconds: float
    sessions: int
    exposed: int  # the candidate's
    reason: str
    passed: tuple[float, ...] = ()  # how long each step took that was left for the next one, s


def play(
    plan: Plan,
    law: Law,
    per_minute: float,
    rng: np.random.Generator,
    *,
    looks: int | None = None,
    most: int | None = None,
) -> Outcome:
    """One rollout at so many new sessions a minute, looked at every 30 s (a quarter of a short bake time), or at each
    session where they are rarer.

    To be quick: at most about so many `looks` in the time that a step may take; and where a step has a PASS after
    `most` sessions of its own, those that come until its bake time is over are counted and not drawn.
    """
    judge = RolloutJudge(plan.analysis, plan.steps)
    judge.add_units(drawn(rng, law, np.zeros(_HISTORY), np.zeros(_HISTORY, bool), harm=False), -1.0, -1.0)
    now, owed, sessions, exposed = 0.0, 0.0, 0, 0
    passed: list[float] = []
    for number, step in enumerate(plan.steps):
        began, before = now, sessions
        every = min(_EVERY_S, max(1.0, step.bake_s / 4.0))
        every = max(every, 60.0 / per_minute, step.within_s / looks if looks else 0.0)
        while True:
            now += every
            owed += per_minute * every / 60.0
            n, owed = int(owed), owed % 1.0
            if n:
                candidate = rng.random(n) < step.weight / 100.0
                weights = np.full(n, step.weight / 100.0)
                judge.add_units(drawn(rng, law, weights, candidate, harm=now > law.worse_after_s), now, now)
                sessions, exposed = sessions + n, exposed + int(candidate.sum())
            verdict = judge.verdict(number, now, now)
            if verdict.answer is Answer.FAIL:
                return Outcome("rolled back", number, now, sessions, exposed, verdict.reason, tuple(passed))
            left = max(0.0, began + step.bake_s - now)
            if verdict.answer is Answer.PASS and left and most is not None and sessions - before >= most:
                skipped = int(per_minute * left / 60.0)
                now, sessions, exposed = now + left, sessions + skipped, exposed + int(skipped * step.weight / 100.0)
                left = 0.0
            if verdict.answer is Answer.PASS and not left:
                break
            if now - began >= step.within_s:
                return Outcome("left to a person", number, now, sessions, exposed, verdict.reason, tuple(passed))
        passed.append(now - began)
    return Outcome("promoted", len(plan.steps) - 1, now, sessions, exposed, "every step passed", tuple(passed))


def drawn(rng: np.random.Generator, law: Law, weights: Floats, candidate: Bools, *, harm: bool) -> Units:
    """Sessions that ended, one for each weight (0..1); `harm`: whether the candidate's differ already."""
    n, worse = len(candidate), candidate & harm
    failed = rng.random(n) < np.where(worse, law.error + law.more_error, law.error)
    turns = np.where(failed, rng.integers(1, law.turns + 1, n), law.turns)
    owner = np.repeat(np.arange(n), turns)
    spread = log(law.p95_ms / law.p50_ms) / _NORMAL_95
    own = rng.standard_normal(n) * spread * _ALIKE**0.5
    ms = law.p50_ms * np.exp(own[owner] + spread * (1.0 - _ALIKE) ** 0.5 * rng.standard_normal(len(owner)))
    usd = law.cost_usd * np.exp(_COST_SPREAD * rng.standard_normal(n) - _COST_SPREAD**2 / 2.0)
    quality = law.quality + _QUALITY_SPREAD * rng.standard_normal(n) - np.where(worse, law.poorer, 0.0)
    one, all_of = np.ones(n), np.arange(n)
    paid = np.flatnonzero(usd > 0.0)  # a cost of nothing was not measured, as in sessions.units_of
    times = Column(owner, log_place(ms * np.where(worse[owner], law.slower, 1.0)), np.ones(len(owner)))
    spent = Column(paid, log_place((usd * np.where(worse, law.dearer, 1.0))[paid]), np.ones(len(paid)))
    columns = {"latency": times, "ttft": times, "cost": spent, "tokens": spent}
    columns["quality"] = Column(all_of, score_place(np.clip(quality, 0.0, 1.0)), one)
    for each in law.own:
        mean = np.where(worse, each.mean * each.times + each.more, each.mean)
        place = placed(_own(rng, each.metric.kind, mean), Kind(each.metric.kind.value), flipped=each.metric.flipped)
        columns[each.metric.name] = Column(all_of, place, one)
    return Units(candidate, weights, turns.astype(np.float64), failed.astype(np.float64), columns)


def _own(rng: np.random.Generator, kind: Measure, mean: Floats) -> Floats:
    """What sessions tell of a metric of the plan's own: counts of Poisson, scores round their mean, else log-normal."""
    mean = np.maximum(mean, 0.0)
    if kind is Measure.COUNT:
        return rng.poisson(mean).astype(np.float64)
    if kind is Measure.SCORE:
        return np.asarray(np.clip(mean + _QUALITY_SPREAD * rng.standard_normal(len(mean)), 0.0, 1.0))
    return np.asarray(mean * np.exp(_COST_SPREAD * rng.standard_normal(len(mean)) - _COST_SPREAD**2 / 2.0))
