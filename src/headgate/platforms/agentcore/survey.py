"""What an account has for one agent, read and never changed: what `headgate assess` is told beyond the Platform port.

Every part stands alone: one that may not be read says so, and the others are told all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from headgate.aws import metrics
from headgate.aws.clients import Clients
from headgate.aws.faults import mapped
from headgate.aws.logs import RUNTIMES
from headgate.core.plan import Plan
from headgate.errors import PortError
from headgate.platforms.agentcore import permissions
from headgate.platforms.agentcore.runtimes import Runtimes
from headgate.ports import CloudAlarms, Data, RuntimeState

DAY_S = 86_400.0
# as published on 2026-09-26; an account's own are read from Service Quotas where that is allowed
PUBLISHED = {"endpoints of the runtime": 10, "versions of the runtime": 1000}
NEW_SESSIONS_PER_S = 25


class AgentCoreSurvey:
    """Implements ports.Surveyor. `now` is a clock in Unix seconds; `alarms` reads those that a plan names."""

    def __init__(self, clients: Clients, now: Callable[[], float], alarms: CloudAlarms | None = None) -> None:
        self._clients = clients
        self._now = now
        self._kept = alarms

    def survey(self, plan: Plan, found: RuntimeState | None) -> Data:
        """The parts by name; a part that cannot be read is {"unreadable": why}."""
        parts: dict[str, Callable[[], Any]] = {
            "identity": self._identity,
            "quotas": lambda: self._quotas(found),
            "permissions": lambda: self._permissions(plan),
        }
        if plan.platform.get("gateway"):
            parts["gateway"] = lambda: self._gateway(plan.platform.get("gateway"))
        if plan.cloudwatch and plan.cloudwatch.watch:
            parts["watched alarms"] = lambda: self._watched(plan)
        if found is not None:
            parts["runtime"] = lambda: self._runtime(found)
            parts["default"] = lambda: self._default(found)
            parts["log_groups"] = lambda: self._log_groups(found)
            parts["alarms"] = lambda: self._alarms(found)
        return {name: self._read(name, part) for name, part in parts.items()}

    def _read(self, name: str, part: Callable[[], Any]) -> Any:
        try:
            with mapped(f"reading {name}"):
                return part()
        except PortError as error:
            return {"unreadable": error.message}

    def _identity(self) -> Data:
        told = self._clients.service("sts").get_caller_identity()
        return {"account": told["Account"], "arn": told["Arn"], "region": self._clients.place.region}

    def _runtime(self, found: RuntimeState) -> Data:
        told = self._clients.control.get_agent_runtime(agentRuntimeId=found.id)
        lifecycle = told["lifecycleConfiguration"]
        return {
            "status": told["status"],
            "role": told["roleArn"],
            "protocol": told.get("protocolConfiguration", {}).get("serverProtocol", "HTTP"),
            "network": told.get("networkConfiguration", {}).get("networkMode", "PUBLIC"),
            "oauth": "authorizerConfiguration" in told,
            "artifact": "image" if "containerConfiguration" in told["agentRuntimeArtifact"] else "code",
            "session_idle_s": lifecycle.get("idleRuntimeSessionTimeout"),
            "session_longest_s": lifecycle.get("maxLifetime"),
        }

    def _default(self, found: RuntimeState) -> Data:
        """Turns that came to DEFAULT in the last day: clients that name no endpoint."""
        cloudwatch = self._clients.service("cloudwatch")
        try:
            place = metrics.bound(metrics.listed(cloudwatch, found.arn), found.arn)("DEFAULT")
        except ValueError as error:
            return {"unreadable": str(error)}
        metric = {"Namespace": metrics.NAMESPACE, "MetricName": "Invocations", "Dimensions": place}
        query = {"Id": "turns", "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"}}
        now = self._now()
        told = cloudwatch.get_metric_data(MetricDataQueries=[query], StartTime=now - DAY_S, EndTime=now)
        values = told["MetricDataResults"][0]["Values"] if told["MetricDataResults"] else []
        return {"turns_last_day": sum(values) if values else None}

    def _log_groups(self, found: RuntimeState) -> list[Data]:
        pages = self._clients.service("logs").get_paginator("describe_log_groups")
        groups = [g for page in pages.paginate(logGroupNamePrefix=f"{RUNTIMES}{found.id}-") for g in page["logGroups"]]
        return [{"name": g["logGroupName"], "retention_days": g.get("retentionInDays")} for g in groups]

    def _alarms(self, found: RuntimeState) -> list[Data]:
        """Metric alarms on this runtime, whoever made them."""
        pages = (
            self._clients.service("cloudwatch").get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm"])
        )
        alarms = [alarm for page in pages for alarm in page.get("MetricAlarms", [])]
        return [
            {"name": alarm["AlarmName"], "state": alarm["StateValue"], "metric": alarm.get("MetricName", "")}
            for alarm in alarms
            if _concerns(alarm, found)
        ]

    def _watched(self, plan: Plan) -> list[Data]:
        """The alarms that the plan names, each with its state, or with why it cannot be read."""
        assert plan.cloudwatch is not None
        if self._kept is None:
            return []
        told = {each.alarm: each for each in self._kept.read([watched.alarm for watched in plan.cloudwatch.watch])}
        return [
            {"name": watched.name, "state": told[watched.alarm].state or None, "why": told[watched.alarm].why}
            for watched in plan.cloudwatch.watch
        ]

    def _gateway(self, gateway: str) -> Data:
        control = self._clients.control
        told = control.get_gateway(gatewayIdentifier=gateway)
        lists = Runtimes(control)
        return {
            "id": gateway,
            "status": told["status"],
            "url": told.get("gatewayUrl", ""),
            "protocol": told.get("protocolType", ""),
            "authorizer": told["authorizerType"],
            "targets": len(lists.all("list_gateway_targets", "items", gatewayIdentifier=gateway)),
            "rules": len(lists.all("list_gateway_rules", "gatewayRules", gatewayIdentifier=gateway)),
        }

    def _quotas(self, found: RuntimeState | None) -> list[Data]:
        used = {
            "endpoints of the runtime": len([n for n in found.endpoints if n != "candidate"]) if found else 0,
            "versions of the runtime": len(found.versions) if found else 0,
        }
        rows: list[Data] = [
            {"quota": name, "used": used[name], "limit": limit, "room": limit - used[name], "source": "published"}
            for name, limit in PUBLISHED.items()
        ]
        rows.append(
            {"quota": "new sessions a second, whole account", "used": None, "limit": NEW_SESSIONS_PER_S, "room": None}
            | {"source": "published"}
        )
        return rows + self._own_quotas()

    def _own_quotas(self) -> list[Data]:
        try:
            with mapped("reading quotas"):
                pages = self._clients.service("service-quotas").get_paginator("list_service_quotas")
                told = [q for page in pages.paginate(ServiceCode="bedrock-agentcore") for q in page["Quotas"]]
        except PortError:
            return []
        return [
            {"quota": q["QuotaName"], "used": None, "limit": q["Value"], "room": None, "source": "Service Quotas"}
            for q in told
        ]

    def _permissions(self, plan: Plan) -> list[Data]:
        """IAM's own answer for each action that the plan needs; nothing is tried."""
        arn = self._clients.service("sts").get_caller_identity()["Arn"]
        iam = self._clients.service("iam")
        rows = []
        for statement in permissions.policy(plan)["Statement"]:
            told = iam.simulate_principal_policy(
                PolicySourceArn=principal(arn),
                ActionNames=statement["Action"],
                ResourceArns=statement["Resource"],
                ContextEntries=_context(statement),
            )
            rows += [
                {"action": each["EvalActionName"], "allowed": each["EvalDecision"] == "allowed"}
                for each in told["EvaluationResults"]
            ]
        worst = {row["action"]: all(r["allowed"] for r in rows if r["action"] == row["action"]) for row in rows}
        return [{"action": action, "allowed": allowed} for action, allowed in sorted(worst.items())]


def principal(arn: str) -> str:
    """The user or role behind a caller: IAM simulates those, not their sessions."""
    if ":assumed-role/" not in arn:
        return arn
    head, _, rest = arn.partition(":assumed-role/")
    return f"{head.replace(':sts:', ':iam:')}:role/{rest.split('/')[0]}"


def _context(statement: Mapping[str, Any]) -> list[Data]:
    equal = statement.get("Condition", {}).get("StringEquals", {})
    return [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"} for key, value in equal.items()
    ]


def _concerns(alarm: Mapping[str, Any], found: RuntimeState) -> bool:
    stats = [m["MetricStat"]["Metric"] for m in alarm.get("Metrics", []) if "MetricStat" in m]
    rows = [*alarm.get("Dimensions", []), *(d for metric in stats for d in metric.get("Dimensions", []))]
    return any(found.id in d["Value"] or d["Value"].startswith(f"{found.id.rpartition('-')[0]}::") for d in rows)
