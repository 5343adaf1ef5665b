"""Rollouts of a plan on simulated sessions: the real judge and the plan's own steps, under a clock that only counts.

A step is left as the core leaves it: on a PASS after its bake time; a FAIL takes the candidate back; what is not proven
within the step's time is a person's to decide. Approvals are taken as given at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np

from headgate.analysis.rollout_judge import RolloutJudge
from headgate.core.model import Answer
from headgate.core.plan import Plan
from headgate.stats.units import Bools, Column, Floats, Units, log_place, score_place

_HISTORY = 500  # sessions of the baseline from before
_ALIKE = 0.5  # the part of the variance of log times that a session's turns share
_COST_SPREAD, _QUALITY_SPREAD = 0.6, 0.12
_NORMAL_95 = 1.6448536


@dataclass(frozen=True, slots=True)
class Law:
    """How sessions go. Times in ms, cost in USD; `worse_after_s`: from when on the candidate differs."""

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


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one rollout ended: promoted | rolled back | left to a person."""

    end: str
    step: int  # of the plan, from 0, in which it ended
    seconds: float
    sessions: int
    exposed: int  # the candidate's
    reason: str


def play(plan: Plan, law: Law, per_minute: float, rng: np.random.Generator) -> Outcome:
    """One rollout at so many new sessions a minute, looked at every 30 s or every session, whichever is longer."""
    judge = RolloutJudge(plan.analysis, plan.steps)
    judge.add_units(_sessions(rng, law, np.zeros(_HISTORY), np.zeros(_HISTORY, bool), harm=False), -1.0, -1.0)
    every = max(30.0, 60.0 / per_minute)
    now, owed, sessions, exposed = 0.0, 0.0, 0, 0
    for number, step in enumerate(plan.steps):
        began = now
        while True:
            now += every
            owed += per_minute * every / 60.0
            n, owed = int(owed), owed % 1.0
            if n:
                candidate = rng.random(n) < step.weight / 100.0
                weights = np.full(n, step.weight / 100.0)
                judge.add_units(_sessions(rng, law, weights, candidate, harm=now > law.worse_after_s), now, now)
                sessions, exposed = sessions + n, exposed + int(candidate.sum())
            verdict = judge.look(number, now, now).verdict
            if verdict.answer is Answer.FAIL:
                return Outcome("rolled back", number, now, sessions, exposed, verdict.reason)
            if verdict.answer is Answer.PASS and now - began >= step.bake_s:
                break
            if now - began >= step.within_s:
                return Outcome("left to a person", number, now, sessions, exposed, verdict.reason)
    return Outcome("promoted", len(plan.steps) - 1, now, sessions, exposed, "every step passed")


def _sessions(rng: np.random.Generator, law: Law, weights: Floats, candidate: Bools, *, harm: bool) -> Units:
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
    return Units(candidate, weights, turns.astype(np.float64), failed.astype(np.float64), columns)
