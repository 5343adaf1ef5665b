"""CloudWatch's alarm evaluation on gateway telemetry: M of N datapoints, four ways to read missing data.

`state_of` follows the two tables of AWS's "Configuring how CloudWatch alarms treat missing data". How many points
beyond N are looked at is not published; as in those tables it is N + 2. Attribution to a variant is the caller's:
pass that variant's seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from headgate.core.plan import AlarmSpec
from headgate.stats.histogram import quantile_ms
from headgate.stats.observations import Second
from headgate.stats.series import Window, merge

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"

_LOOK_BACK = 2
_DAY_S = 86_400.0
_MONTH_S = 30 * _DAY_S


def state_of(points: Sequence[bool | None], spec: AlarmSpec, current: str) -> str:
    """The state that follows from points (oldest first; True: breaching, None: missing) and the current state."""
    real = [point for point in points if point is not None]
    need = spec.datapoints
    if len(real) >= spec.evaluation_periods:  # enough real points: the newest count, missing ones do not
        return ALARM if sum(real[-spec.evaluation_periods :]) >= need else OK
    if not real:
        return {"missing": INSUFFICIENT_DATA, "ignore": current, "breaching": ALARM, "notBreaching": OK}[spec.missing]
    breaching, filled = sum(real), spec.evaluation_periods - len(real)
    if spec.missing == "breaching":
        return ALARM if breaching + filled >= need else OK
    if breaching >= need:
        return ALARM
    if spec.missing == "notBreaching" or not all(real):
        return OK
    if spec.missing == "ignore":
        return current
    # all real points breach, but too few: ALARM once the oldest is M periods old (the "premature alarm" rule)
    return ALARM if len(points) - points.index(True) >= need else current


def range_s(spec: AlarmSpec) -> float:
    """How far back an evaluation looks, in seconds: telemetry from then on must be given to it."""
    return (spec.evaluation_periods + _LOOK_BACK) * spec.period_s


def datapoints(spec: AlarmSpec, seconds: Iterable[Second], now: float) -> list[bool | None]:
    """The points of the evaluation range that ends at `now`, oldest first: breaching, not, or None where nothing was
    measured.
    """
    start = now - range_s(spec)
    slots: list[list[Second]] = [[] for _ in range(spec.evaluation_periods + _LOOK_BACK)]
    for row in seconds:
        if start <= row.t < now:
            slots[int((row.t - start) // spec.period_s)].append(row)
    values = (measure(spec, merge(slot)) for slot in slots)
    return [None if value is None else _beyond(value, spec) for value in values]


def evaluate(spec: AlarmSpec, seconds: Iterable[Second], now: float, current: str = INSUFFICIENT_DATA) -> str:
    """The alarm's state at `now` (Unix s), after `current`."""
    return state_of(datapoints(spec, seconds, now), spec, current)


def measure(spec: AlarmSpec, window: Window) -> float | None:
    """One period's value in the unit of the plan (fraction, seconds, count, USD); None: missing, as without any
    traffic.
    """
    if window.requests == 0:  # CloudWatch drops a division by zero, and emits nothing where nothing was invoked
        return None
    if spec.metric == "error_rate":
        return window.errors / window.requests
    if spec.metric == "invocations":
        return float(window.requests)
    if spec.metric in {"p95", "ttfb_p95"}:
        value = quantile_ms(window.latency if spec.metric == "p95" else window.ttfb, 0.95)
        return None if value is None else value / 1000.0
    if spec.metric == "cost_per_day":
        return window.cost_usd * _DAY_S / spec.period_s
    if spec.metric == "cost_per_month":
        return window.cost_usd * _MONTH_S / spec.period_s
    raise ValueError(f"alarm {spec.name}: nothing is known of a metric {spec.metric}")


def _beyond(value: float, spec: AlarmSpec) -> bool:
    return value > spec.threshold if spec.op == ">" else value < spec.threshold
