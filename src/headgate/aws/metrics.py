"""Where CloudWatch has AgentCore's metrics of an endpoint: which dimensions they have, AWS does not print."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

NAMESPACE = "AWS/Bedrock-AgentCore"
OPERATION = "InvokeAgentRuntime"

Dimensions = list[dict[str, str]]
Placed = Callable[[str], Dimensions]  # of an endpoint, by its name


def usual(arn: str) -> Placed:
    """The dimensions of a runtime's endpoints as public code found them."""
    return lambda endpoint: _told({"Resource": arn, "Operation": OPERATION, "Name": f"{_head(arn)}{endpoint}"})


def listed(cloudwatch: Any, arn: str) -> list[Mapping[str, Any]]:
    """A runtime's counts of turns that CloudWatch has, with their dimensions (ListMetrics). Raises what boto3 does."""
    place = [{"Name": "Resource", "Value": arn}]
    pages = cloudwatch.get_paginator("list_metrics")
    asked = {"Namespace": NAMESPACE, "MetricName": "Invocations", "Dimensions": place}
    return [each for page in pages.paginate(**asked) for each in page["Metrics"]]


def bound(found: Sequence[Mapping[str, Any]], arn: str) -> Placed:
    """The dimensions that metrics of a runtime really have, by those that are `listed`.

    Where there are none yet, the usual ones. Raises ValueError where there are some, and none by endpoint: an alarm on
    what is never sent would be in INSUFFICIENT_DATA for ever, or in ALARM where silence breaches.
    """
    head = _head(arn)
    sets = [{d["Name"]: d["Value"] for d in each["Dimensions"]} for each in found]
    by_endpoint = [each for each in sets if any(value.startswith(head) for value in each.values())]
    if not sets or any(each.keys() == {"Resource", "Operation", "Name"} for each in by_endpoint):
        return usual(arn)
    if not by_endpoint:
        known = "; ".join(sorted({", ".join(sorted(each)) for each in sets}))
        raise ValueError(f"CloudWatch has metrics of this runtime, and none by endpoint: their dimensions are {known}")
    best = min(by_endpoint, key=lambda each: (len(each), sorted(each)))

    def placed(endpoint: str) -> Dimensions:
        return _told({k: f"{head}{endpoint}" if value.startswith(head) else value for k, value in best.items()})

    return placed


def _told(values: Mapping[str, str]) -> Dimensions:
    return [{"Name": key, "Value": value} for key, value in values.items()]


def _head(arn: str) -> str:
    """How the names of a runtime's endpoints begin: its id without the ten characters at the end."""
    return f"{arn.rpartition('/')[2].rpartition('-')[0]}::"
