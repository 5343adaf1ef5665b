"""An alarm of a plan -> what CloudWatch is asked for, exactly; and which alarms it cannot keep, with the reason. Pure.

AgentCore sends metrics per endpoint and by the minute (namespace `AWS/Bedrock-AgentCore`). What it does not send (cost,
tokens, first token, the gaps of a stream) only Headgate can evaluate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from math import ceil
from typing import Any

from headgate.analysis.composite import parse_rule, renamed
from headgate.analysis.extended import extended
from headgate.analysis.periods import quantile_of
from headgate.aws import metrics
from headgate.core.address import arn_of, endpoint_of
from headgate.core.alarms import queries
from headgate.core.clouds import cloud_name
from headgate.core.model import Version
from headgate.core.plan import AlarmSpec, CompositeSpec, MetricQuery, Plan
from headgate.ports import CloudAlarm

# our metrics -> AgentCore's. Which of its three kinds of errors has an agent's own failure (424) is not documented
SENT: dict[str, tuple[str, ...]] = {
    "requests": ("Invocations",),
    "errors": ("SystemErrors", "UserErrors", "Throttles"),
    "sessions": ("Sessions",),
    "latency": ("Latency",),
}
MOST_METRICS = 10  # of one alarm
MOST_PARTS = 100  # of one composite
_LONGEST_RULE, _LONGEST_EXPRESSION, _LONGEST_WARM_UP = 10_240, 2_048, 2_880
_MS = 1000.0  # AgentCore's Latency is in milliseconds
_BAND = "usual__band"

_OPS = {
    ">": "GreaterThanThreshold",
    ">=": "GreaterThanOrEqualToThreshold",
    "<": "LessThanThreshold",
    "<=": "LessThanOrEqualToThreshold",
    "above": "GreaterThanUpperThreshold",
    "below": "LessThanLowerThreshold",
    "outside": "LessThanLowerOrGreaterThanUpperThreshold",
}

Data = dict[str, Any]


def request(alarm: CloudAlarm, placed: metrics.Placed | None = None) -> tuple[str, Data]:
    """(boto3's method, its parameters) that make the alarm. `placed`: the dimensions of an endpoint's metrics."""
    told: Data = {
        "AlarmName": alarm.name,
        "AlarmDescription": f"Headgate: {alarm.spec.name} of {dict(alarm.tags).get('headgate:agent', '')}",
        "Tags": [{"Key": key, "Value": value} for key, value in alarm.tags],
        "ActionsEnabled": bool(alarm.actions) and alarm.heard,
        "AlarmActions": list(alarm.actions),
        "OKActions": list(alarm.actions),
    }
    if isinstance(alarm.spec, CompositeSpec):
        return "put_composite_alarm", {**told, **_composite(alarm.spec, dict(alarm.parts))}
    return "put_metric_alarm", {**told, **_metric(alarm.spec, alarm.versions, placed)}


def here(plan: Plan) -> dict[str, str]:
    """The plan's alarms that stay with Headgate: name -> why."""
    if plan.validation.speed != 1.0:
        why = "this is a rehearsal, and CloudWatch knows no speed but the clock's"
        return {spec.name: why for spec in plan.every_alarm}
    found = {spec.name: why for spec in plan.alarms if (why := _why_not(spec))}
    before = -1
    while before != len(found):  # a composite and its parts are in one place
        before = len(found)
        for spec in plan.composites:
            names = (*parse_rule(spec.rule).names, *([spec.suppressor] if spec.suppressor else []))
            if spec.name not in found and (why := _too_much(spec, plan.agent, [n for n in names if n in found])):
                found[spec.name] = why
            if spec.name in found:
                found |= {name: f"{spec.name} needs it here" for name in names if name not in found}
    return found


def _too_much(spec: CompositeSpec, agent: str, missing: list[str]) -> str:
    names = set(parse_rule(spec.rule).names)
    longest = {name: cloud_name(agent, f"{agent}-20261231-999", "candidate", name) for name in names}
    rules = (
        (missing, f"{', '.join(missing)} is not there"),
        (len(names) > MOST_PARTS, f"more than {MOST_PARTS} alarms in it"),
        (
            len(renamed(spec.rule, longest)) > _LONGEST_RULE,
            "its rule is too long with the names that alarms have there",
        ),
    )
    return next((why for broken, why in rules if broken), "")


def metrics_of(spec: AlarmSpec, endpoints: int = 1) -> int:
    """How many metrics an alarm is billed for: each that it names; a band is two more."""
    count = sum(len(SENT.get(query.metric, ())) * endpoints for query in queries(spec) if query.metric)
    return count + (2 if spec.band else 0)


def _why_not(spec: AlarmSpec) -> str:
    asked = [query for query in queries(spec) if query.metric]
    unsent = [query.metric for query in asked if query.metric not in SENT]
    counts = [q for q in asked if q.metric in SENT and q.metric != "latency" and q.statistic != "Sum"]
    both = spec.scope == "agent"
    rules = (
        (unsent, f"AgentCore sends no {', '.join(unsent)} to CloudWatch"),
        (spec.period_s % 60, "AgentCore measures by the minute: CloudWatch has no shorter period of it"),
        (counts, f"CloudWatch has only the sum of {', '.join(q.metric for q in counts)}"),
        (
            both and any(q.metric == "latency" and q.statistic not in {"Sum", "SampleCount"} for q in asked),
            "times of two endpoints cannot be put together in one alarm there",
        ),
        (metrics_of(spec, 1 + both) > MOST_METRICS + 2 * bool(spec.band), f"more than {MOST_METRICS} metrics in it"),
        (
            spec.low_samples == "ignore" and not _single(spec) and any(quantile_of(q.statistic) for q in asked),
            "CloudWatch leaves percentiles of few samples out only where an alarm has no metric math",
        ),
        (
            not all(_narrow(q.statistic) for q in asked),
            "an alarm of CloudWatch takes bounds from 10% to 90% of the values, and no fixed ones",
        ),
        (
            any("METRICS" in q.expression.upper() for q in queries(spec)) and _split(spec),
            "METRICS() would count the parts that some of its metrics are made of there",
        ),
        (any(len(q.expression) > _LONGEST_EXPRESSION for q in queries(spec)), "an expression is too long for it"),
        (spec.warm_up_s > _LONGEST_WARM_UP * 60, "CloudWatch lets an alarm warm up for two days at most"),
    )
    return next((why for broken, why in rules if broken), "")


def _single(spec: AlarmSpec) -> bool:
    """Whether it is one metric of one endpoint, without arithmetic."""
    asked = queries(spec)
    return len(asked) == 1 and not spec.band and spec.scope != "agent" and len(SENT.get(asked[0].metric, ())) == 1


def _split(spec: AlarmSpec) -> bool:
    """Whether some metric of it is put together from several series there."""
    both = spec.scope == "agent"
    return any(both or len(SENT.get(q.metric, ())) > 1 or q.metric == "latency" for q in queries(spec) if q.metric)


def _metric(spec: AlarmSpec, versions: tuple[Version, ...], placed: metrics.Placed | None) -> Data:
    told: Data = {
        "EvaluationPeriods": spec.evaluation_periods,
        "DatapointsToAlarm": spec.datapoints,
        "ComparisonOperator": _OPS[spec.op],
        "TreatMissingData": spec.missing,
    }
    if spec.warm_up_s:
        told["WarmUpConfiguration"] = {"WarmUpPeriodDurationInMinutes": max(1, ceil(spec.warm_up_s / 60))}
    if spec.wall_clock:
        told["EvaluationWindow"] = {"WallClockWindow": {"Timezone": spec.wall_clock}}
    places = [(placed or metrics.usual(arn_of(version.url)))(endpoint_of(version.url)) for version in versions]
    if _single(spec):
        return {**told, **_plain(spec, places[0])}
    period = int(spec.period_s)
    lines = [line for query in queries(spec) for line in _lines(query, places, period)]
    last = queries(spec)[-1].id
    lines = [{**line, "ReturnData": line["Id"] == last} for line in lines]
    if not spec.band:
        return {**told, "Metrics": lines, "Threshold": spec.threshold}
    usual = {"Id": _BAND, "Expression": f"ANOMALY_DETECTION_BAND({last}, {spec.band:g})", "ReturnData": True}
    return {**told, "Metrics": [*lines, usual], "ThresholdMetricId": _BAND}


def _plain(spec: AlarmSpec, place: list[Data]) -> Data:
    (query,) = queries(spec)
    percentile, beside = quantile_of(query.statistic) is not None, extended(query.statistic) is not None
    told: Data = {
        "Namespace": metrics.NAMESPACE,
        "MetricName": SENT[query.metric][0],
        "Dimensions": place,
        "Period": int(spec.period_s),
        "Threshold": spec.threshold * (_MS if _is_time(query) else 1.0),
        "ExtendedStatistic" if percentile or beside else "Statistic": query.statistic,
    }
    return {**told, "EvaluateLowSampleCountPercentile": spec.low_samples} if percentile else told


def _lines(query: MetricQuery, places: list[list[Data]], period: int) -> Iterator[Data]:
    """MetricDataQueries of one line: what CloudWatch has in several series, or another unit, is put together."""
    if query.expression:
        yield {"Id": query.id, "Expression": query.expression}
        return
    found = [(name, place) for place in places for name in SENT[query.metric]]
    if len(found) == 1 and not _is_time(query):
        yield _stat(query.id, *found[0], query.statistic, period)
        return
    ids = [f"{query.id}__{n}" for n in range(len(found))]
    for id, (name, place) in zip(ids, found, strict=True):
        yield _stat(id, name, place, query.statistic, period)
    added = " + ".join(ids)  # a series that is missing counts as 0 there, unless all are
    yield {"Id": query.id, "Expression": f"({added}) / {_MS:g}" if _is_time(query) else added}


def _is_time(query: MetricQuery) -> bool:
    beside = extended(query.statistic)
    counted = query.statistic == "SampleCount" or (beside is not None and beside.counts)
    return query.metric == "latency" and not counted


def _narrow(statistic: str) -> bool:
    """Whether an alarm of CloudWatch takes its bounds: shares from 10 to 90 % of the values, and no fixed values."""
    found = extended(statistic)
    if found is None or statistic == "IQM" or statistic[0].islower():
        return True
    return found.shares and all(bound is None or 0.1 <= bound <= 0.9 for bound in (found.low, found.high))


def _stat(id: str, name: str, place: list[Data], statistic: str, period: int) -> Data:
    metric = {"Namespace": metrics.NAMESPACE, "MetricName": name, "Dimensions": place}
    return {"Id": id, "MetricStat": {"Metric": metric, "Period": period, "Stat": statistic}}


def endpoint_in(alarm: Mapping[str, Any]) -> str:
    """The one endpoint whose metrics an alarm (of DescribeAlarms) watches; "" where it is none, or several."""
    stats = [m["MetricStat"]["Metric"] for m in alarm.get("Metrics", []) if "MetricStat" in m]
    rows = [*alarm.get("Dimensions", []), *(d for metric in stats for d in metric.get("Dimensions", []))]
    names = {d["Value"].partition("::")[2] for d in rows if d["Name"] == "Name" and "::" in d["Value"]}
    return names.pop() if len(names) == 1 else ""


def _composite(spec: CompositeSpec, parts: Mapping[str, str]) -> Data:
    told: Data = {"AlarmRule": renamed(spec.rule, parts)}
    if spec.suppressor:
        told |= {
            "ActionsSuppressor": parts[spec.suppressor],
            "ActionsSuppressorWaitPeriod": round(spec.wait_s),
            "ActionsSuppressorExtensionPeriod": round(spec.extension_s),
        }
    return told


_ARN = re.compile(r"arn:[\w-]+:cloudwatch:(?P<region>[\w-]+):(?P<account>\d{12}):alarm:(?P<name>.+)")


def asked(alarm: str, region: str) -> tuple[str, str]:
    """(region, name) of an alarm that is asked for by its name or ARN."""
    found = _ARN.fullmatch(alarm)
    return (found["region"], found["name"]) if found else (region, alarm)
