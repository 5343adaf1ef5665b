"""The success criteria of the validation window: what was measured, against what the plan asked for.

A criterion is met or not by what was OBSERVED, and only where enough was; `breached` needs proof (a bound at 99.9 %,
because it is looked at again and again). What was not measured is `met=None` with its reason, never a tick.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, log

from headgate.core.model import CriterionResult
from headgate.core.plan import Criterion
from headgate.stats.histogram import bucket_of, quantile_ms
from headgate.stats.rates import always_bounds, exact_lower, exact_upper, quantile_bounds_ms
from headgate.stats.series import Window

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
class AlarmsSeen:
    """What a check of the window knows of the alarms: name -> state of all, and the names that matter.

    `ringing`: of the candidate, in ALARM now; `general`: of the agent as a whole; `rang`: in ALARM earlier in the
    window; `excused`: red before the release, and never OK since; `silent`: with no measurement at all; `unread`: kept
    elsewhere and not to be read, with why.
    """

    states: Mapping[str, str]
    ringing: tuple[str, ...] = ()
    general: tuple[str, ...] = ()
    rang: tuple[str, ...] = ()
    excused: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    muted: tuple[str, ...] = ()  # in ALARM now, while a person muted them: neither blamed nor met


@dataclass(frozen=True, slots=True)
class Measured:
    """All that a check of the window knows. None: could not be read.

    `window`: the candidate's telemetry since the window began; `incidents` (critical ones, others); `statuses` of the
    platform at each check, the last one now; `uptime`, `probes`: (good, all) checks, test invocations; `window_s`: how
    long the window has lasted in real seconds; `speed`: window time / real time.
    """

    window: Window
    incidents: tuple[int, int] = (0, 0)
    alarms: AlarmsSeen | None = None
    statuses: Sequence[str | None] = ()
    uptime: tuple[int, int] | None = None
    probes: tuple[int, int] | None = None
    window_s: float = 0.0
    speed: float = 1.0


def check(criteria: Sequence[Criterion], known: Measured) -> tuple[CriterionResult, ...]:
    """Every criterion with its measurement, in the order of the plan. Raises ValueError for an unknown one."""
    results = []
    for c in criteria:
        if c.name not in _HOW:
            raise ValueError(f"nothing is known of a criterion {c.name}")
        f = _HOW[c.name](c, known)
        results.append(CriterionResult(c.tier, c.name, c.text, f.met, f.detail, f.value, f.bound, f.n, f.breached))
    return tuple(results)


def _error_rate(criterion: Criterion, known: Measured) -> Found:
    window = known.window
    return _rate(criterion, window.errors, window.requests, "requests", f" ({window.sessions} sessions began)")


def _uptime(criterion: Criterion, known: Measured) -> Found:
    good, total = known.uptime or (0, 0)
    return _rate(criterion, good, total, "health checks")


def _probes(_criterion: Criterion, known: Measured) -> Found:
    good, total = known.probes or (0, 0)
    if total == 0:
        return Found(None, "not measured: no test invocation was answered or refused yet", n=0)
    words = f"{good} of {total} test invocations passed"
    return Found(good == total, words, good / total, exact_lower(good, total, SHOWN), total)


def _incidents(_criterion: Criterion, known: Measured) -> Found:
    critical, others = known.incidents
    words = f"{critical} critical incident{'' if critical == 1 else 's'} opened"
    if others:
        words += f" ({others} of lower severity)"
    return Found(critical == 0, words, float(critical), breached=critical > 0)


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


def _quantile(criterion: Criterion, latency: Mapping[int, int], q: float, what: str = "request") -> Found:
    n = sum(latency.values())
    value = quantile_ms(latency, q)
    if value is None:
        return Found(None, f"not measured: no {what} was timed yet", n=0)
    _, high = quantile_bounds_ms(latency, q, SHOWN)
    seconds, bound = value / 1000.0, None if high is None else high / 1000.0
    slow = sum(count for bucket, count in latency.items() if bucket > bucket_of(_limit(criterion) * 1000.0))
    breached = always_bounds(slow, n, 1.0 - PROOF)[0] > 1.0 - q  # valid at every look
    words = f"{criterion.name} {seconds:.3g} s of {n} {what}s"
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


def _alarms(_criterion: Criterion, known: Measured) -> Found:
    """Do all alarms remain OK. What was red before the release neither blocks it nor is blamed on it."""
    seen = known.alarms
    if seen is None or not seen.states:
        why = "the alarms could not be read" if seen is None else "no alarms"
        return Found(None, f"not measured: {why}", n=0)
    n, also = len(seen.states), _also(seen)
    if blamed := [name for name in seen.ringing if name not in seen.excused]:
        return Found(False, f"in ALARM: {', '.join(blamed)}{also}", float(len(blamed)), n=n, breached=True)
    if general := [name for name in seen.general if name not in seen.excused]:
        words = f"in ALARM, of the agent as a whole: {', '.join(general)}{also}"
        return Found(False, words, float(len(general)), n=n)
    if rang := [name for name in seen.rang if name not in seen.excused]:
        return Found(False, f"not any more in ALARM, but was in this window: {', '.join(rang)}{also}", n=n)
    if seen.muted:
        return Found(None, f"not measured: in ALARM while muted: {', '.join(seen.muted)}{also}", n=n)
    if seen.unread:
        why = "; ".join(f"{name} ({reason})" for name, reason in sorted(seen.unread.items()))
        return Found(None, f"not measured: cannot be read: {why}; no other is in ALARM{also}", n=n)
    if unknown := sorted(name for name, state in seen.states.items() if state not in {"OK", "ALARM"}):
        return Found(None, f"not measured: without data: {', '.join(unknown)}; no other is in ALARM{also}", n=n)
    return Found(True, f"all {n} alarms are OK{also}", 0.0, n=n)


def _also(seen: AlarmsSeen) -> str:
    """What is to be known of an answer about alarms."""
    notes = []
    if seen.excused:
        notes.append(f"red before the release, and not counted: {', '.join(seen.excused)}")
    if quiet := [name for name in seen.silent if seen.states.get(name) == "OK"]:
        notes.append(f"OK for want of any data: {', '.join(quiet)}")
    return f" ({'; '.join(notes)})" if notes else ""


def _status(criterion: Criterion, known: Measured) -> Found:
    """READY all the time: now, and at every check before."""
    now = known.statuses[-1] if known.statuses else None
    n = len(known.statuses)
    if now is None:
        return Found(None, "not measured: the platform could not be read", n=n)
    if now != criterion.limit:
        return Found(False, f"the platform says {now}", n=n, breached=True)
    bad = [status for status in known.statuses if status not in {None, criterion.limit}]
    if bad:
        return Found(False, f"{now} now, but {bad[0]} at {len(bad)} of {n} checks", n=n)
    blind = sum(status is None for status in known.statuses)
    but = f"; {blind} could not be read" if blind else ""
    return Found(True, f"the platform says {now} at all {n - blind} checks{but}", n=n)


_HOW: dict[str, Callable[[Criterion, Measured], Found]] = {
    "error_rate": _error_rate,
    "p95": lambda c, known: _quantile(c, known.window.latency, 0.95),
    "p99": lambda c, known: _quantile(c, known.window.latency, 0.99),
    "first_token": lambda c, known: _quantile(c, known.window.first_token, 0.95, "stream"),
    "token_gap": lambda c, known: _quantile(c, known.window.token_gap, 0.95, "stream"),
    "cost_per_day": _cost,
    "incidents": _incidents,
    "alarms": _alarms,
    "status": _status,
    "uptime": _uptime,
    "test_invocations": _probes,
}
