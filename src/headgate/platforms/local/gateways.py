"""AgentCore Gateways of the local runtime: targets, rules, and the decisions that are kept for sessions.

As on AWS: a rule splits new sessions, a session's decision is kept for 15 idle days whatever the rule says later, and
weights are 1 to 99 of exactly two targets. One method per operation of the API, named as AWS names it.
"""

from __future__ import annotations

import random
import secrets
import string
import time
import uuid
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from headgate.platforms.local.documents import Documents
from headgate.platforms.local.state import State
from headgate.platforms.local.wire import ApiError, invalid, not_found, page

ACCOUNT = "000000000000"
RULES_MAX, TARGETS_MAX = 20, 100
DECISION_S = 15 * 86_400.0
SETTLE_S = 0.05  # how long a change is CREATING or UPDATING

Params = Mapping[str, Any]
Data = dict[str, Any]


class Gateways:
    """`url` is where this runtime answers; a gateway's own is under it."""

    def __init__(self, state: State, documents: Documents, region: str, url: str) -> None:
        self._state = state
        self._documents = documents
        self._region = region
        self._url = url
        self._random = random.Random()

    # --- gateways

    def CreateGateway(self, params: Params) -> Data:
        now, name = time.time(), params["name"]
        if any(g["name"] == name for g in self._documents.all("gateway")):
            raise ApiError("ConflictException", f"a gateway named {name} already exists")
        id = f"{name.lower()}-{_random(10, string.ascii_lowercase + string.digits)}"
        given = {k: v for k, v in params.items() if k not in {"clientToken", "tags"}}
        data = {**given, "gatewayId": id, "createdAt": now, "updatedAt": now}
        self._documents.put("gateway", "", id, data)
        return {**self._gateway_data(data), "status": "CREATING"}

    def GetGateway(self, params: Params) -> Data:
        return self._gateway_data(self._gateway(params))

    def ListGateways(self, params: Params) -> Data:
        keys = ("gatewayId", "name", "status", "description", "createdAt", "updatedAt", "authorizerType")
        rows = [self._gateway_data(g) for g in self._documents.all("gateway")]
        summaries = [{key: row.get(key) for key in keys} for row in rows]
        for row, full in zip(summaries, rows, strict=True):
            row["protocolType"] = full.get("protocolType")
        return page("items", summaries, params)

    def DeleteGateway(self, params: Params) -> Data:
        id = self._gateway(params)["gatewayId"]
        if self._documents.all("target", id):
            raise ApiError("ConflictException", f"gateway {id} has targets")
        self._documents.remove("gateway", "", id)
        return {"gatewayId": id, "status": "DELETING"}

    # --- targets

    def CreateGatewayTarget(self, params: Params) -> Data:
        now, gateway = time.time(), self._gateway(params)
        targets, name = self._documents.all("target", gateway["gatewayId"]), params.get("name", "")
        if any(t["name"] == name for t in targets):
            raise ApiError("ConflictException", f"{gateway['gatewayId']} already has a target named {name}")
        if len(targets) >= TARGETS_MAX:
            raise ApiError("ServiceQuotaExceededException", f"{TARGETS_MAX} targets, the most allowed")
        self._check_target(gateway, params)
        id = _random(10, string.ascii_letters + string.digits)
        data = {**_members(params, _TARGET), "targetId": id, "createdAt": now, "updatedAt": now}
        self._documents.put("target", gateway["gatewayId"], id, data)
        return self._target_data(gateway["gatewayId"], data)

    def UpdateGatewayTarget(self, params: Params) -> Data:
        gateway, before = self._gateway(params), self._target(params)
        self._check_target(gateway, params)
        # an update replaces what it names, and the name stays where none is given
        data = {**before, **_members(params, _TARGET), "updatedAt": time.time()}
        self._documents.put("target", gateway["gatewayId"], before["targetId"], data)
        return self._target_data(gateway["gatewayId"], data)

    def GetGatewayTarget(self, params: Params) -> Data:
        return self._target_data(params["gatewayIdentifier"], self._target(params))

    def ListGatewayTargets(self, params: Params) -> Data:
        keys = ("targetId", "name", "status", "description", "createdAt", "updatedAt")
        rows = [self._target_data("", t) for t in self._documents.all("target", self._gateway(params)["gatewayId"])]
        told = [{**{key: row.get(key) for key in keys}, "targetType": "AGENTCORE_RUNTIME"} for row in rows]
        return page("items", told, params)

    def DeleteGatewayTarget(self, params: Params) -> Data:
        gateway, target = self._gateway(params), self._target(params)
        for rule in self._documents.all("rule", gateway["gatewayId"]):
            if target["name"] in _targets_of(rule):
                raise ApiError("ConflictException", f"rule {rule['ruleId']} names the target {target['name']}")
        self._documents.remove("target", gateway["gatewayId"], target["targetId"])
        return {"gatewayArn": self._arn(gateway), "targetId": target["targetId"], "status": "DELETING"}

    # --- rules

    def CreateGatewayRule(self, params: Params) -> Data:
        now, gateway = time.time(), self._gateway(params)
        rules = self._documents.all("rule", gateway["gatewayId"])
        if len(rules) >= RULES_MAX:
            raise ApiError("ServiceQuotaExceededException", f"{RULES_MAX} rules, the most allowed")
        data = {**_members(params, _RULE), "ruleId": str(uuid.uuid4()), "createdAt": now}
        self._check_rule(gateway["gatewayId"], data)
        self._documents.put("rule", gateway["gatewayId"], data["ruleId"], data)
        return self._rule_data(gateway, data)

    def UpdateGatewayRule(self, params: Params) -> Data:
        gateway = self._gateway(params)
        data = {**self._rule(params), **_members(params, _RULE), "updatedAt": time.time()}
        self._check_rule(gateway["gatewayId"], data)
        self._documents.put("rule", gateway["gatewayId"], data["ruleId"], data)
        return self._rule_data(gateway, data)

    def GetGatewayRule(self, params: Params) -> Data:
        return self._rule_data(self._gateway(params), self._rule(params))

    def ListGatewayRules(self, params: Params) -> Data:
        gateway = self._gateway(params)
        rows = [self._rule_data(gateway, r) for r in self._documents.all("rule", gateway["gatewayId"])]
        return page("gatewayRules", rows, params)

    def DeleteGatewayRule(self, params: Params) -> Data:
        gateway, rule = self._gateway(params), self._rule(params)
        self._documents.remove("rule", gateway["gatewayId"], rule["ruleId"])
        return {"ruleId": rule["ruleId"], "status": "DELETING"}

    # --- the data path

    def route(self, gateway: str, entry: str, session: str) -> tuple[str, str]:
        """(ARN, qualifier) of a turn that came for the target `entry`. `session` "": split anew, nothing is kept."""
        targets = {t["name"]: t for t in self._documents.all("target", gateway)}
        if entry not in targets:
            raise not_found(f"target {entry} of {gateway}")
        now, key = time.time(), f"{entry}/{session}"
        kept = self._documents.get("decision", gateway, key) if session else None
        name = kept["target"] if kept and now - kept["at"] < DECISION_S and kept["target"] in targets else ""
        name = name or self._decide(gateway, entry)
        if session:
            self._documents.put("decision", gateway, key, {"target": name, "at": now})
        runtime = targets[name]["targetConfiguration"]["http"]["agentcoreRuntime"]
        return runtime["arn"], runtime.get("qualifier", "DEFAULT")

    def _decide(self, gateway: str, entry: str) -> str:
        for rule in sorted(self._documents.all("rule", gateway), key=lambda r: r["priority"]):
            if not _matches(rule, entry):
                continue
            for action in rule["actions"]:
                if "routeToTarget" in action:
                    return self._pick(action["routeToTarget"])
        return entry

    def _pick(self, route: Data) -> str:
        if "staticRoute" in route:
            return str(route["staticRoute"]["targetName"])
        first, second = route["weightedRoute"]["trafficSplit"]
        chosen = first if self._random.random() * 100 < first["weight"] else second
        return str(chosen["targetName"])

    # --- helpers

    def _gateway(self, params: Params) -> Data:
        data = self._documents.get("gateway", "", params["gatewayIdentifier"])
        if data is None:
            raise not_found(f"gateway {params['gatewayIdentifier']}")
        return data

    def _target(self, params: Params) -> Data:
        data = self._documents.get("target", self._gateway(params)["gatewayId"], params["targetId"])
        if data is None:
            raise not_found(f"target {params['targetId']}")
        return data

    def _rule(self, params: Params) -> Data:
        data = self._documents.get("rule", self._gateway(params)["gatewayId"], params["ruleId"])
        if data is None:
            raise not_found(f"rule {params['ruleId']}")
        return data

    def _check_target(self, gateway: Data, params: Params) -> None:
        http = params["targetConfiguration"].get("http", {})
        if "agentcoreRuntime" not in http:
            raise invalid("targetConfiguration", "the local runtime has targets of the kind http.agentcoreRuntime only")
        if gateway.get("protocolType"):
            raise invalid("targetConfiguration", "a gateway with a protocolType cannot have runtime targets")
        runtime = http["agentcoreRuntime"]["arn"].rpartition("/")[2]
        if self._state.runtime(runtime) is None:
            raise not_found(f"agent runtime {runtime}")

    def _check_rule(self, gateway: str, rule: Data) -> None:
        known = {t["name"] for t in self._documents.all("target", gateway)}
        for each in self._documents.all("rule", gateway):
            if each["ruleId"] != rule["ruleId"] and each["priority"] == rule["priority"]:
                raise ApiError("ConflictException", f"priority {rule['priority']} is taken by rule {each['ruleId']}")
        for name in _targets_of(rule) - known:
            raise invalid("actions", f"there is no target named {name}")
        for action in rule["actions"]:
            split = action.get("routeToTarget", {}).get("weightedRoute", {}).get("trafficSplit", [])
            if split and sum(part["weight"] for part in split) != 100:
                raise invalid("actions", "the weights of a split must sum to 100")

    def _arn(self, gateway: Data) -> str:
        return f"arn:aws:bedrock-agentcore:{self._region}:{ACCOUNT}:gateway/{gateway['gatewayId']}"

    def _gateway_data(self, data: Data) -> Data:
        url = f"{self._url}/gateway/{data['gatewayId']}"
        return {**data, "gatewayArn": self._arn(data), "gatewayUrl": url, "status": "READY"}

    def _target_data(self, gateway: str, data: Data) -> Data:
        arn = self._arn({"gatewayId": gateway}) if gateway else None
        credentials = data.get("credentialProviderConfigurations", [{"credentialProviderType": "GATEWAY_IAM_ROLE"}])
        shown = {**data, "gatewayArn": arn, "credentialProviderConfigurations": credentials}
        return {**shown, "status": _status(data, "READY"), "protocolType": "HTTP"}

    def _rule_data(self, gateway: Data, data: Data) -> Data:
        return {**data, "gatewayArn": self._arn(gateway), "status": _status(data, "ACTIVE")}


_TARGET = ("name", "description", "targetConfiguration", "credentialProviderConfigurations", "metadataConfiguration")
_RULE = ("priority", "conditions", "actions", "description")


def _members(params: Params, names: tuple[str, ...]) -> Data:
    return {name: params[name] for name in names if params.get(name) is not None}


def _status(data: Data, settled: str) -> str:
    changed: float = data.get("updatedAt") or data["createdAt"]
    if time.time() - changed >= SETTLE_S:
        return settled
    return "CREATING" if changed == data["createdAt"] else "UPDATING"


def _targets_of(rule: Data) -> set[str]:
    """The names of all targets that a rule may send to."""
    names = set()
    for action in rule["actions"]:
        route = action.get("routeToTarget", {})
        if "staticRoute" in route:
            names.add(route["staticRoute"]["targetName"])
        names |= {part["targetName"] for part in route.get("weightedRoute", {}).get("trafficSplit", [])}
    return names


def _matches(rule: Data, entry: str) -> bool:
    """Whether a rule's conditions hold for a turn; paths are all that this runtime can tell of a caller."""
    for condition in rule.get("conditions") or []:
        paths = condition.get("matchPaths", {}).get("anyOf")
        if paths is None or not any(fnmatchcase(f"/{entry}/invocations", path) for path in paths):
            return False
    return True


def _random(length: int, letters: str) -> str:
    return "".join(secrets.choice(letters) for _ in range(length))
