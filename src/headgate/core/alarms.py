"""What the short names of an alarm's metric stand for: metrics, statistics and metric math, as CloudWatch has them."""

from __future__ import annotations

from headgate.core.plan import AlarmSpec
from headgate.core.plan import MetricQuery as Query

_REQUESTS = Query("requests", "requests", "Sum")
_COST = Query("cost", "cost", "Sum")
_DAY_S = 86_400

NAMED: dict[str, tuple[Query, ...]] = {
    "error_rate": (Query("errors", "errors", "Sum"), _REQUESTS, Query("rate", expression="errors / requests")),
    "invocations": (_REQUESTS,),
    "sessions": (Query("sessions", "sessions", "Sum"),),
    "p50": (Query("p50", "latency", "p50"),),
    "p95": (Query("p95", "latency", "p95"),),
    "p99": (Query("p99", "latency", "p99"),),
    "ttfb_p95": (Query("p95", "ttfb", "p95"),),
    "first_token_p95": (Query("p95", "first_token", "p95"),),
    "token_gap_p95": (Query("p95", "token_gap", "p95"),),
    "tokens": (
        Query("read", "tokens_in", "Sum"),
        Query("written", "tokens_out", "Sum"),
        Query("tokens", expression="read + written"),
    ),
    "cost": (_COST,),
    "cost_per_day": (_COST, Query("projected", expression=f"cost * {_DAY_S} / PERIOD(cost)")),
    "cost_per_month": (_COST, Query("projected", expression=f"cost * {30 * _DAY_S} / PERIOD(cost)")),
}


def queries(spec: AlarmSpec) -> tuple[Query, ...]:
    """What is measured; the last one is compared. Raises ValueError for a metric that nobody knows."""
    if spec.queries:
        return spec.queries
    if spec.metric not in NAMED:
        raise ValueError(f"alarm {spec.name}: nothing is known of a metric {spec.metric}")
    return NAMED[spec.metric]
