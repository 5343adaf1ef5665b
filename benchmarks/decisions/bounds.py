"""The least exposure that any rule can do with: the information bound of a scenario.

H0: both variants have one law, unknown. A request (a session) that draws the candidate with probability w tells at most

    J_w = w KL(P1 || M) + (1 - w) KL(P0 || M),     M = w P1 + (1 - w) P0

nats against it (a weighted Jensen-Shannon divergence), so a test of level alpha with power near 1 needs E[sum J] >=
log(1/alpha). The bound is the number of candidate requests that the schedule serves by then, counted from the onset
where there is one. It pays neither for not knowing which metric moves nor by how much; the oracle, which knows both
laws, pays only for overshoot.
"""

from dataclasses import dataclass
from functools import cache
from math import log

import numpy as np

from benchmarks.decisions.likelihood import session_log_ratio
from benchmarks.decisions.scenarios import Scenario, Segment, sessions_of

DRAWS = 60_000  # samples per law and outcome


def gain(ratio, w):
    """w r log r - (w r + 1 - w) log(w r + 1 - w): E under P0 of it is J_w, for any pair of laws with density ratio r
    >= 0.
    """
    mixed = w * ratio + 1 - w
    with np.errstate(divide="ignore", invalid="ignore"):
        own = np.where(ratio > 0, w * ratio * np.log(ratio), 0.0)
    return own - mixed * np.log(mixed)


def bernoulli_information(p0, p1, w):
    """J_w of one yes/no: closed form, in nats."""
    return sum(q0 * float(gain(np.float64(q1 / q0), w)) for q0, q1 in ((p0, p1), (1 - p0, 1 - p1)))


def _sampled(log_ratio, w):
    """Mean of gain under P0, from equally many samples of P0 and P1, weighted to be of P0: bounded, and small where r
    ~ 1.
    """
    ratio = np.exp(np.minimum(log_ratio, 600.0))
    return float(np.mean(gain(ratio, w) * 2.0 / (1.0 + ratio)))


@cache
def request_information(baseline, candidate, w, draws=DRAWS):
    """J_w of one request, in nats. Errors are summed exactly, the rest is sampled (standard error about 1 %)."""
    rng, total = np.random.default_rng(7), 0.0
    if baseline == candidate:
        return 0.0
    for ok in (True, False):
        flags = np.full(draws, ok)
        parts = [arm.draw_rest(rng, flags) for arm in (baseline, candidate)]
        rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        rows["ok"] = np.full(2 * draws, ok)
        rest = np.exp(np.minimum(candidate.log_rest(rows) - baseline.log_rest(rows), 600.0))
        p0, p1 = (1 - arm.error if ok else arm.error for arm in (baseline, candidate))
        total += p0 * float(np.mean(gain(p1 / p0 * rest, w) * 2.0 / (1.0 + rest)))
    return total


@cache
def session_information(baseline, candidate, sessions, w, draws=DRAWS):
    """J_w of one session, in nats, sampled."""
    if baseline == candidate:
        return 0.0
    rng = np.random.default_rng(7)
    logs = []
    for arm in (baseline, candidate):
        # so many sessions that the last ones, which may lack turns, do not matter
        one = Scenario("bound", "null", (Segment(0.0, arm, arm),), ((int(draws * sessions.turns), 0.0),), sessions)
        rows = sessions_of(rng, one)
        count = int(rows["session"].max()) + 1
        logs.append(session_log_ratio(baseline, candidate, rows, owner=rows["session"], count=count, sessions=sessions))
    size = min(len(each) for each in logs)
    return _sampled(np.concatenate([each[:size] for each in logs]), w)


@dataclass(frozen=True)
class Bound:
    """`exposed`: candidate requests from the onset on until log(1/alpha) nats are there; None if the schedule ends
    before. `total`: nats over the whole schedule. `served`: candidate requests of the whole schedule from the onset on.
    """

    exposed: float | None
    total: float
    served: float


def bound(scenario, alpha=0.05, cells=400):
    """The bound of one scenario, on a grid of `cells` equal parts of the rollout."""
    share = np.arange(cells) / cells
    weight = scenario.weights(share)
    per_cell = scenario.requests / cells
    turns = scenario.sessions.turns if scenario.sessions else 1.0
    nats = np.zeros(cells)
    for i, (segment, w) in enumerate(zip(scenario.segment_of(share), weight, strict=True)):
        each = scenario.segments[segment]
        if scenario.sessions:
            one = session_information(each.baseline, each.candidate, scenario.sessions, float(w))
        else:
            one = request_information(each.baseline, each.candidate, float(w))
        nats[i] = one * per_cell / turns
    exposed = np.where(share >= scenario.onset, weight * per_cell, 0.0)
    gathered, needed = np.cumsum(nats), log(1 / alpha)
    if gathered[-1] < needed:
        return Bound(None, float(gathered[-1]), float(exposed.sum()))
    last = int(np.searchsorted(gathered, needed))
    before = gathered[last - 1] if last else 0.0
    part = (needed - before) / nats[last]
    return Bound(float(exposed[:last].sum() + part * exposed[last]), float(gathered[-1]), float(exposed.sum()))
