"""CloudWatch's alarm evaluation: states from datapoints, M of N, four ways to read missing ones, few samples.

`state_of` follows the two tables of AWS's "Configuring how CloudWatch alarms treat missing data". How many points
beyond N are looked at is not published; as in those tables it is N + 2, save where missing points breach and N is below
three: an alarm on an hour's silence would else ring after three hours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from headgate.analysis.periods import quantile_of
from headgate.core.alarms import queries
from headgate.core.plan import AlarmSpec

OK, ALARM, INSUFFICIENT_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"

LOOK_BACK = 2

_BEYOND: dict[str, Callable[[float, float], bool]] = {
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
}


def look_back(spec: AlarmSpec) -> int:
    """How many periods before the last N are looked at to find enough points."""
    return min(LOOK_BACK, spec.evaluation_periods - 1) if spec.missing == "breaching" else LOOK_BACK


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


def beyond(value: float, spec: AlarmSpec) -> bool:
    """Whether a value breaches the alarm's threshold."""
    return _BEYOND[spec.op](value, spec.threshold)


def too_few(spec: AlarmSpec, samples: float) -> bool:
    """Whether a percentile of so many samples is to be left out: fewer than 10 / (1 - p), below the median 10 / p."""
    if spec.low_samples != "ignore":
        return False
    levels = [quantile_of(query.statistic) for query in queries(spec)]
    needed = [10.0 / (min(level, 1.0 - level)) for level in levels if level is not None]
    return any(samples < n - 1e-6 for n in needed)
