"""The metrics by name: how each is measured and bet on, what of it may not get worse, what an estimate of it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from headgate.stats.experts import Kind
from headgate.stats.non_inferiority import Harm

# what a plan can name -> what of which metric may not get worse
HARMS: Mapping[str, Harm] = {
    "error": Harm("error", Kind.FAILURE),
    "latency_p95": Harm("latency", Kind.TIME, 0.05),
    "latency_p99": Harm("latency", Kind.TIME, 0.01),
    "ttft_p95": Harm("ttft", Kind.TIME, 0.05),
    "ttft_p99": Harm("ttft", Kind.TIME, 0.01),
    "cost": Harm("cost", Kind.AMOUNT),
    "tokens": Harm("tokens", Kind.AMOUNT),
    "quality": Harm("quality", Kind.SCORE),
}
# shares of alpha, rescaled to the metrics that decide: learnt from what agents are usually bad in
WEIGHTS: Mapping[str, float] = {
    "error": 0.34,
    "latency": 0.30,
    "ttft": 0.16,
    "cost": 0.12,
    "tokens": 0.08,
    "quality": 0.16,
}


def kinds(names: Iterable[str]) -> dict[str, Kind]:
    """The metrics that these guardrails are of, by metric, in a fixed order; names that are none are left out."""
    wanted = {HARMS[name].metric if name in HARMS else name for name in names}
    known = {harm.metric: harm.kind for harm in HARMS.values()}
    return {metric: kind for metric, kind in known.items() if metric in wanted}


def weights(metrics: Iterable[str], decisive: Iterable[str]) -> dict[str, float]:
    """The share of alpha of each metric; 0 for those that decide nothing."""
    deciding = set(decisive)
    return {name: WEIGHTS[name] if name in deciding else 0.0 for name in metrics}


def of_metric(metric: str, names: Sequence[str]) -> str:
    """The first of the names that is of this metric; the metric itself where none is."""
    return next((name for name in names if name in HARMS and HARMS[name].metric == metric), metric)
