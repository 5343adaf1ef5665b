"""What a plan's alarms cost on CloudWatch: an estimate from prices as they were listed on a day. Data, never truth.

Source: aws.amazon.com/cloudwatch/pricing, in the wording that public guides had of it on 2026-02-15, for us-east-1.
An alarm is billed by the metrics that it names, by the hour that it exists; the first ten of an account are free.
"""

from __future__ import annotations

from typing import Any

from headgate.core.plan import AlarmSpec, Plan
from headgate.telemetry.cloudwatch.alarm_requests import here, metrics_of

PRICES_OF = "2026-02-15"
USD_PER_METRIC = 0.10  # of a standard-resolution alarm, a month; a band counts as two metrics more
USD_PER_COMPOSITE = 0.50
MONTH_H = 730.0


def estimate(plan: Plan) -> dict[str, Any]:
    """How many of each kind, both variants together; `usd_per_month` while they exist, free ones not deducted."""
    stay = here(plan)
    specs = [spec for spec in plan.every_alarm if spec.name not in stay]
    metrics = alarms = composites = 0
    for spec in specs:
        if not isinstance(spec, AlarmSpec):
            composites += 2
            continue
        alarms += 1 if spec.scope == "agent" else 2
        metrics += metrics_of(spec, 2) if spec.scope == "agent" else 2 * metrics_of(spec)
    month = metrics * USD_PER_METRIC + composites * USD_PER_COMPOSITE
    return {
        "made": [spec.name for spec in specs],
        "here": stay,
        "alarms": alarms,
        "metrics": metrics,
        "composites": composites,
        "usd_per_month": round(month, 2),
        "usd_per_day": round(month * 24 / MONTH_H, 3),
        "prices_of": PRICES_OF,
    }
