"""What a policy is in AgentCore Gateway's words: targets by name, one rule with one action."""

from __future__ import annotations

from typing import Any

from headgate.core.address import arn_of, endpoint_of
from headgate.core.model import Version
from headgate.core.plan import SessionPolicy
from headgate.errors import Rejected
from headgate.ports import TrafficPolicy
from headgate.traffic.agentcore_gateway.marks import Mark

Data = dict[str, Any]


def check(policy: TrafficPolicy) -> None:
    """What a managed rule cannot say, or no gateway should."""
    numbers = [version.number for version in served(policy)]
    candidate = policy.candidate.number if policy.candidate else ""
    rules = (
        (0 <= policy.weight <= 100, f"{policy.weight:g} is no percentage"),
        (policy.weight == int(policy.weight), f"AgentCore Gateway splits in whole percents, not {policy.weight:g}"),
        (policy.weight == 0 or policy.candidate is not None, "a weight above 0 without a candidate"),
        (policy.sessions in set(SessionPolicy), f"sessions cannot {policy.sessions}"),
        (len(set(numbers)) == len(numbers), "one version is named twice among baseline, candidate and retired"),
        (policy.withdrawn != policy.baseline.number, "the baseline is withdrawn: there would be nothing to serve"),
        (policy.weight == 0 or policy.withdrawn != candidate, "a weight above 0 for a candidate that is withdrawn"),
    )
    for holds, complaint in rules:
        if not holds:
            raise Rejected(f"this policy of {policy.agent} cannot be served: {complaint}")


def served(policy: TrafficPolicy) -> list[Version]:
    """Baseline, candidate if there is one, retired."""
    return [policy.baseline, *([policy.candidate] if policy.candidate else []), *policy.retired]


def actions(agent: str, baseline: str, candidate: str, weight: float) -> list[Data]:
    """The rule's one action: 0 and 100 are no splits."""
    old, new = name_of(agent, baseline), name_of(agent, candidate)
    if weight in {0, 100}:
        return [{"routeToTarget": {"staticRoute": {"targetName": new if weight else old}}}]
    split = [
        {"name": "baseline", "targetName": old, "weight": 100 - int(weight)},
        {"name": "candidate", "targetName": new, "weight": int(weight)},
    ]
    return [{"routeToTarget": {"weightedRoute": {"trafficSplit": split}}}]


def weight(agent: str, mark: Mark, rule: Data) -> float:
    """What the rule does, not what the mark says that it should."""
    route = rule["actions"][0].get("routeToTarget", {})
    new = name_of(agent, mark.candidate)
    if "staticRoute" in route:
        return 100.0 if mark.candidate and route["staticRoute"]["targetName"] == new else 0.0
    split = route.get("weightedRoute", {}).get("trafficSplit", [])
    return float(sum(part["weight"] for part in split if part["targetName"] == new))


def name(agent: str, version: Version) -> str:
    return name_of(agent, version.number)


def name_of(agent: str, number: str) -> str:
    return f"{agent.replace('_', '-')}-v{number}"


def arn(version: Version) -> str:
    return arn_of(version.url)


def qualifier(version: Version) -> str:
    return endpoint_of(version.url)


def configuration(arn: str, qualifier: str) -> Data:
    return {"http": {"agentcoreRuntime": {"arn": arn, "qualifier": qualifier}}}


def runtime(target: Data) -> Data:
    found: Data = target["targetConfiguration"]["http"]["agentcoreRuntime"]
    return found


def made(agent: str) -> str:
    """The description of a target that Headgate made for a version of the agent: others are never removed."""
    return f"headgate/target of {agent}"
