"""The metrics by name: how each is measured and bet on, what of it may not get worse, what an estimate of it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from headgate.core.metrics import Measure, OwnMetric
from headgate.core.plan import Analysis, Step
from headgate.stats.experts import Kind
from headgate.stats.non_inferiority import Harm

# what a plan can name -> what of which metric may not get worse
HARMS: Mapping[str, Harm] = {
    "error": Harm("error", Kind.FAILURE),
    "error_per_request": Harm("error", Kind.FAILURE, per_turn=True),
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
OWN_WEIGHT = 0.12  # of a metric of the plan's own: nobody knows yet how often it gets worse
# names that a plan's own metric cannot have: of metrics, and of other members of a turn
TAKEN = frozenset(
    {*HARMS, *WEIGHTS, "t", "session", "variant", "ok", "weight", "end", "latency_ms", "ttft_ms", "cost_usd"}
)


def harms(own: Iterable[OwnMetric] = ()) -> dict[str, Harm]:
    """What a plan can name, with its own metrics: a time by its tails, `NAME_p95` and `NAME_p99`."""
    made = dict(HARMS)
    for each in own:
        if each.kind is Measure.TIME:
            made |= {f"{each.name}_{p}": Harm(each.name, Kind.TIME, level, sampled=True) for p, level in _TAILS}
        else:
            made[each.name] = Harm(each.name, Kind(each.kind.value), flipped=each.flipped, sampled=True)
    return made


_TAILS = (("p95", 0.05), ("p99", 0.01))


def flipped(known: Mapping[str, Harm]) -> frozenset[str]:
    """The metrics that are worse the other way round, as `closing.placed` says."""
    return frozenset(harm.metric for harm in known.values() if harm.flipped)


def kinds(names: Iterable[str], known: Mapping[str, Harm] = HARMS) -> dict[str, Kind]:
    """The metrics that these guardrails are of, by metric, in a fixed order; names that are none are left out."""
    wanted = {known[name].metric if name in known else name for name in names}
    found = {harm.metric: harm.kind for harm in known.values()}
    return {metric: kind for metric, kind in found.items() if metric in wanted}


def weights(metrics: Iterable[str], decisive: Iterable[str]) -> dict[str, float]:
    """The share of alpha of each metric; 0 for those that decide nothing."""
    deciding = set(decisive)
    return {name: WEIGHTS.get(name, OWN_WEIGHT) if name in deciding else 0.0 for name in metrics}


def of_metric(metric: str, names: Sequence[str], known: Mapping[str, Harm] = HARMS) -> str:
    """The first of the names that is of this metric; the metric itself where none is."""
    return next((name for name in names if name in known and known[name].metric == metric), metric)


def observed(analysis: Analysis, steps: Iterable[Step], known: Mapping[str, Harm]) -> tuple[str, ...]:
    """What decides nothing and is shown: what the plan observes, and its own metrics that it names nowhere else.

    A metric of times is shown by its 95th percentile.
    """
    named = [m.metric for step in steps for m in step.margins] + [m.metric for m in analysis.guardrails]
    named += [objective.metric for objective in analysis.objectives]
    used = {known[name].metric for name in named if name in known}
    left = [each.name for each in analysis.metrics if each.name not in used]
    names = (f"{name}_p95" if f"{name}_p95" in known else name for name in (*analysis.observe, *left))
    return tuple(dict.fromkeys(names))
