"""Scenarios drawn at random from wide priors, by seed: what the named ones cannot be tuned for."""

from dataclasses import replace

import numpy as np

from benchmarks.decisions.bounds import bound
from benchmarks.decisions.catalogue import QUIET, both, changing, day, incidents, worse
from benchmarks.decisions.laws import Arm, Quality, bimodal, gamma, lognormal
from benchmarks.decisions.scenarios import HALVES, RAMP, THREE_STEPS, Scenario, Segment, Sessions

TWO_AND_A_HALF = 2.5  # of the information that is needed: then the oracle's power is about 0.99
METRICS = ("error", "latency", "cost", "quality", "tail")


def _between(rng, low, high):
    """Log-uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def random_arm(rng, *, alike=False):
    """A baseline: 0.1 to 8 % errors, latencies of 20 ms to 20 s of four shapes, cost and quality of any spread;
    `alike` ones are log-normal, as sessions of alike turns need.
    """
    median, sigma = _between(rng, 20.0, 20_000.0), rng.uniform(0.25, 1.1)
    shapes = (
        lognormal(median, sigma),
        gamma(median, _between(rng, 0.8, 8.0)),
        bimodal(median, median * _between(rng, 2.0, 10.0), rng.uniform(0.1, 0.6), rng.uniform(0.2, 0.6)),
        lognormal(median, sigma).tail(0.01, 20.0),
    )
    latency = shapes[0] if alike else shapes[rng.integers(4)]
    cost = lognormal(_between(rng, 1e-4, 1.0), rng.uniform(0.2, 1.4))
    scored = float(rng.choice([1.0, 1.0, 0.2]))
    quality = Quality(rng.uniform(0.55, 0.93), _between(rng, 3.0, 30.0), scored)
    coupling = 0.0 if alike else float(rng.choice([0.0, 0.4]))
    return Arm(_between(rng, 0.001, 0.08), latency, cost, quality, coupling=coupling, coupled_to=median)


def random_harm(rng, arm, *, alike=False):
    """The arm, worse in one to three metrics by effects from small to gross."""
    moved = rng.choice(METRICS[:4] if alike else METRICS, size=rng.choice([1, 1, 2, 3]), replace=False)
    tail = (rng.uniform(0.01, 0.08), _between(rng, 4.0, 15.0)) if "tail" in moved else None
    error = min(0.9, arm.error * _between(rng, 1.5, 40.0)) if "error" in moved else None
    return worse(
        arm,
        error=error,
        latency=_between(rng, 1.1, 3.0) if "latency" in moved else 1.0,
        cost=_between(rng, 1.1, 2.5) if "cost" in moved else 1.0,
        quality=arm.quality.mean * rng.uniform(0.03, 0.3) if "quality" in moved else 0.0,
        tail=tail,
    )


def _schedule(rng):
    return (RAMP, RAMP, THREE_STEPS, HALVES, ((20_000, 0.1),))[rng.integers(5)]


def random_regression(seed):
    """A regression that the oracle finds in nearly every rollout; drawn again until it is one."""
    rng = np.random.default_rng([seed, 1])
    while True:
        sessions = Sessions(likeness=rng.uniform(0.1, 0.6)) if rng.random() < 0.25 else None
        arm = random_arm(rng, alike=sessions is not None)
        candidate = random_harm(rng, arm, alike=sessions is not None)
        segments = (Segment(0.0, arm, candidate),)
        drawn = Scenario(f"any_{seed}", "regression", segments, _schedule(rng), sessions)
        found = bound(drawn)
        if found.exposed is not None and found.total >= TWO_AND_A_HALF * np.log(20):
            return drawn


def random_null(seed):
    """A null with one or two of: sessions, drift, incidents, a swing, stale history, lost rows, a better candidate, few
    requests.
    """
    rng = np.random.default_rng([seed, 2])
    trait = rng.choice(["plain", "sessions", "drift", "incident", "day", "stale", "lost", "better", "quiet", "late"])
    arm = random_arm(rng, alike=trait == "sessions")
    drawn = Scenario(f"none_{seed}", "null", both(arm), _schedule(rng))
    bad = worse(arm, error=min(0.5, arm.error * 3), latency=1.5, cost=1.2, quality=arm.quality.mean * 0.05)
    low, quick, cheap = rng.uniform((0.3, 0.6, 0.7), 1.0)
    good = worse(arm, error=arm.error * low, latency=quick, cost=cheap)
    changes = {
        "plain": {},
        "sessions": {"sessions": Sessions(likeness=rng.uniform(0.1, 0.6))},
        "drift": {"segments": changing((0.0, arm), (0.3, bad), (0.5, bad), (0.75, arm))},
        "incident": {"segments": incidents(arm)},
        "day": {"segments": day(arm)},
        "stale": {"past": random_arm(rng)},
        "lost": {"lost": 0.1, "lost_slow": 0.4},
        "better": {"segments": (Segment(0.0, arm, good),), "better": True},
        "quiet": dict(QUIET),
        "late": {"late_s": _between(rng, 10.0, 600.0)},
    }
    return replace(drawn, **changes[str(trait)])


def named(name):
    """The scenario of a family by its name: any_12, none_7."""
    family, seed = name.split("_")
    return {"any": random_regression, "none": random_null}[family](int(seed))
