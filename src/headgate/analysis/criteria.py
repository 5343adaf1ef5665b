"""The success criteria of the validation window: what was measured, against what the plan asked for.

A criterion is met or not by what was OBSERVED, and only where enough was; `breached` needs proof (a bound at 99.9 %,
because it is looked at again and again). What was not measured is `met=None` with its reason, never a tick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log

from headgate.core.model import CriterionResult
from headgate.core.plan import Criterion
from headgate.stats.histogram import bucket_of, quantile_ms
from headgate.stats.observations import Second
from headgate.stats.rates import always_bounds, exact_lower, exact_upper, quantile_bounds_ms
from headgate.stats.series import Window, merge

SHOWN, PROOF = 0.95, 0.999  # confidence of the bound that is printed, and of a breach

_DAY_S = 86_400.0
_LEAST_S = 10.0  # a shorter time is not scaled to a day


@dataclass(frozen=True, slots=True)
class Found:
    """One measurement.

    `bound`: the value is, with 95 % confidence, no worse than this; `breached`: proven beyond the limit.
    """

    met: bool | None
    detail: str
    value: float | None = None
    bound: float | None = None
    n: int | None = None
    breached: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """All that a check of the window knows. None: could not be read."""

    window: Window
    incidents: int
    alarms: Mapping[str, str] | None
    status: str | None
    uptime: tuple[int, int] | None
    window_s: float
    speed: float


def check(
    criteria: Sequence[Criterion],
    seconds: Sequence[Second],
    *,
    incidents: int,
    alarms: Mapping[str, str] | None,
    status: str | None,
    uptime: tuple[int, int] | None,
    window_s: float,
    speed: float = 1.0,
) -> tuple[CriterionResult, ...]:
    """Every criterion with its measurement, in the order of the plan.

    `seconds` are the candidate's since the window began; `alarms` name -> state; `uptime` (good checks, all checks);
    `window_s` how long the window has lasted in real seconds; `speed` window time / real time. None: unreadable.
    """
    known = Measured(merge(seconds), incidents, alarms, status, uptime, window_s, speed)
    results = []
    for c in criteria:
        f = _found(c, known)
        results.append(CriterionResult(c.tier, c.name, c.text, f.met, f.detail, f.value, f.bound, f.n, f.breached))
    return tuple(results)


def _found(criterion: Criterion, known: Measured) -> Found:
    name = criterion.name
    if name == "error_rate":
        return _rate(
            criterion,
            known.window.errors,
            known.window.requests,
            "requests",
            f" ({known.window.sessions} sessions began)",
        )
    if name in {"p95", "p99"}:
        return _quantile(criterion, known.window.latency, {"p95": 0.95, "p99": 0.99}[name])
    if name == "cost_per_day":
        return _cost(criterion, known)
    if name == "incidents":
        n = known.incidents
        return Found(n == 0, f"{n} incident{'' if n == 1 else 's'} opened", float(n), breached=n > 0)
    if name == "alarms":
        return _alarms(known.alarms)
    if name == "status":
        return _status(criterion, known.status)
    if name == "uptime":
        good, total = known.uptime or (0, 0)
        return _rate(criterion, good, total, "health checks")
    raise ValueError(f"nothing is known of a criterion {name}")


def _holds(value: float, criterion: Criterion) -> bool:
    limit = _limit(criterion)
    return {"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit}[criterion.op]


def _limit(criterion: Criterion) -> float:
    if isinstance(criterion.limit, str):
        raise ValueError(f"criterion {criterion.name}: {criterion.text!r} has no number")
    return criterion.limit


def _rate(criterion: Criterion, k: int, n: int, what: str, also: str = "") -> Found:
    """A share k of n. Too small a sample is one that could not have shown the limit kept, whatever came out."""
    limit, upwards = _limit(criterion), criterion.op in {">", ">="}
    if n == 0:
        return Found(None, f"not measured: no {what} yet", n=0)
    value = k / n
    bound = exact_lower(k, n, SHOWN) if upwards else exact_upper(k, n, SHOWN)
    # the window is looked at many times, so a bound for one sample would not do
    low, high = always_bounds(k, n, 1.0 - PROOF)
    breached = high < limit if upwards else low > limit
    least = _least(limit if upwards else 1.0 - limit)
    words = (
        f"{k} of {n} {what}: {value:.2%}, {'at least' if upwards else 'at most'} {bound:.2%} with 95 % confidence{also}"
    )
    if n < least and not breached:
        return Found(None, f"not measured: {words}; {least} are needed to tell", value, bound, n)
    return Found(_holds(value, criterion), words, value, bound, n, breached)


def _least(share: float) -> int:
    """The smallest clean sample that shows, with 95 % confidence, that a share of good outcomes is exceeded (0.95 ->
    59).
    """
    if not 0.0 < share < 1.0:
        return 1
    return ceil(log(1.0 - SHOWN) / log(share))


def _quantile(criterion: Criterion, latency: Mapping[int, int], q: float) -> Found:
    n = sum(latency.values())
    value = quantile_ms(latency, q)
    if value is None:
        return Found(None, "not measured: no request was timed yet", n=0)
    _, high = quantile_bounds_ms(latency, q, SHOWN)
    seconds, bound = value / 1000.0, None if high is None else high / 1000.0
    slow = sum(count for bucket, count in latency.items() if bucket > bucket_of(_limit(criterion) * 1000.0))
    breached = always_bounds(slow, n, 1.0 - PROOF)[0] > 1.0 - q  # valid at every look
    words = f"{criterion.name} {seconds:.3g} s of {n} requests"
    least = _least(q)
    if n < least and not breached:
        return Found(None, f"not measured: {words}; {least} are needed to tell", seconds, bound, n)
    if bound is not None:
        words += f", at most {bound:.3g} s with 95 % confidence"
    return Found(_holds(seconds, criterion), words, seconds, bound, n, breached)


def _cost(criterion: Criterion, known: Measured) -> Found:
    spent, observed = known.window.cost_usd, int(known.window_s)
    if known.window.requests == 0:
        return Found(None, "not measured: no requests yet", n=0)
    if spent <= 0.0:
        return Found(None, "not measured: the agent's answers carry no usage, or the plan no prices", n=observed)
    if known.window_s < _LEAST_S:
        return Found(None, f"not measured: {spent:.4f} USD in {known.window_s:.0f} s is too short a time", n=observed)
    value = spent * _DAY_S / known.window_s
    words = f"{spent:.4f} USD in {observed} s is {value:.2f} USD per day"
    if known.speed > 1.0:
        words += f" of real time (the window ran at speed x{known.speed:g})"
    days = max(1.0, known.window_s / _DAY_S)
    return Found(_holds(value, criterion), words, value, None, observed, spent > _limit(criterion) * days)


def _alarms(alarms: Mapping[str, str] | None) -> Found:
    if not alarms:
        return Found(
            None, "not measured: the alarms could not be read" if alarms is None else "not measured: no alarms", n=0
        )
    ringing = sorted(name for name, state in alarms.items() if state == "ALARM")
    unknown = sorted(name for name, state in alarms.items() if state not in {"OK", "ALARM"})
    if ringing:
        return Found(False, f"in ALARM: {', '.join(ringing)}", float(len(ringing)), n=len(alarms), breached=True)
    if unknown:
        return Found(None, f"not measured: without data: {', '.join(unknown)}; the others are OK", n=len(alarms))
    return Found(True, f"all {len(alarms)} alarms are OK", 0.0, n=len(alarms))


def _status(criterion: Criterion, status: str | None) -> Found:
    if status is None:
        return Found(None, "not measured: the platform could not be read")
    good = status == criterion.limit
    return Found(good, f"the platform says {status}", breached=not good)
