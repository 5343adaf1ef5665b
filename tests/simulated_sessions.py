"""Simulated sessions for tests and benchmarks of the statistics: seeded, correlated turns, heavy tails, drift where
asked.
"""

from dataclasses import dataclass
from math import exp, sqrt

from headgate.stats.histogram import bucket_of
from headgate.stats.observations import Session


@dataclass(frozen=True)
class Law:
    """How sessions of a variant go.

    `spread` is the sd of log latency, `alike` the part of it that a session's turns share.
    """

    error: float = 0.003
    latency_ms: float = 250.0
    spread: float = 0.5
    alike: float = 0.3
    tail: float = 0.0  # share of turns that take ten times as long
    cost_usd: float = 0.0  # mean of a turn
    turns: tuple[int, int] = (3, 6)


def session(rng, number, variant, weight, law):
    """One closed session that drew its fate from `rng` (random.Random)."""
    planned = rng.randint(*law.turns)
    fails_at = rng.randint(1, planned) if rng.random() < law.error else 0
    own = rng.gauss(0.0, law.spread * sqrt(law.alike))
    latency, cost, turns = {}, 0.0, 0
    for turn in range(1, planned + 1):
        turns += 1
        ms = law.latency_ms * exp(own + rng.gauss(0.0, law.spread * sqrt(1.0 - law.alike)))
        bucket = bucket_of(ms * (10.0 if rng.random() < law.tail else 1.0))
        latency[bucket] = latency.get(bucket, 0) + 1
        cost += law.cost_usd * exp(rng.gauss(-0.18, 0.6))
        if turn == fails_at:
            break
    return Session(
        seq=number,
        t=float(number),
        variant=variant,
        version="2" if variant == "candidate" else "1",
        weight=weight,
        epoch=1,
        session=f"{number:016x}",
        started=float(number),
        turns=turns,
        failures=int(fails_at > 0),
        latency=latency,
        cost_usd=cost,
        closed_by="failure" if fails_at else "turns",
    )


def rollout(rng, weights, baseline, candidate=None, start=0):
    """Sessions of a rollout: one for each weight (percent); `baseline` and `candidate` are laws, or functions number
    -> law.
    """
    for i, weight in enumerate(weights):
        number = start + i
        chosen = rng.random() * 100.0 < weight
        law = (candidate or baseline) if chosen else baseline
        law = law(number) if callable(law) else law
        yield session(rng, number, "candidate" if chosen else "baseline", weight, law)
