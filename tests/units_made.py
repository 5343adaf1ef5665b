"""Units for the tests of the statistics: seeded, one turn or several, any of them worse."""

import numpy as np

from headgate.stats.comparison import Comparison, Setting
from headgate.stats.experts import Kind
from headgate.stats.non_inferiority import Harm
from headgate.stats.reference import Reference
from headgate.stats.units import Column, Units, log_place, score_place

KINDS = {"error": Kind.FAILURE, "latency": Kind.TIME, "cost": Kind.AMOUNT, "quality": Kind.SCORE}
WEIGHTS = {"error": 0.34, "latency": 0.30, "cost": 0.12, "quality": 0.16}
HARMS = {
    "error": (Harm("error", Kind.FAILURE), [(0.01, False)]),
    "latency_p95": (Harm("latency", Kind.TIME, 0.05), [(1.25, True)]),
    "cost": (Harm("cost", Kind.AMOUNT), [(1.1, True)]),
    "quality": (Harm("quality", Kind.SCORE), [(0.03, False)]),
}


def units(n, w, *, seed=1, error=0.01, worse_error=None, slower=1.0, dearer=1.0, poorer=0.0, turns=1):
    """n sessions at weight w (0..1); what is said of `worse_`, slower, dearer, poorer is the candidate's alone."""
    rng = np.random.default_rng(seed)
    candidate = rng.random(n) < w
    failed = rng.random(n) < np.where(candidate, error if worse_error is None else worse_error, error)
    owner = np.repeat(np.arange(n), turns)
    own = np.repeat(rng.standard_normal(n) * (0.4 if turns > 1 else 0.0), turns)
    ms = 100.0 * np.exp(own + 0.6 * rng.standard_normal(n * turns)) * np.where(candidate[owner], slower, 1.0)
    usd = 0.01 * np.exp(0.8 * rng.standard_normal(n)) * np.where(candidate, dearer, 1.0)
    quality = np.clip(rng.beta(6.4, 1.6, n) - np.where(candidate, poorer, 0.0), 0.0, 1.0)
    one = np.ones(n)
    return Units(
        candidate,
        np.full(n, float(w)),
        one * turns,
        failed.astype(np.float64),
        {
            "latency": Column(owner, log_place(ms), np.ones(n * turns)),
            "cost": Column(np.arange(n), log_place(usd), one),
            "quality": Column(np.arange(n), score_place(quality), one),
        },
    )


def taught(*, n=2000, seed=99, **more):
    """A reference that knows n baseline sessions."""
    made, past, at = Reference(), units(n, 0.0, seed=seed, **more), 0
    while at < n:
        end = min(n, at + made.room)
        made.learn(past.part(at, end))
        at = end
    return made


def comparison(*, alpha=0.045, history=500, horizon=None):
    """Both tests on all four metrics, with a history."""
    made = Comparison(Setting(KINDS, WEIGHTS, HARMS, 1.0 / alpha, horizon))
    if history:
        made.remember(units(history, 0.0, seed=98))
    return made
