"""AgentCore's online evaluations behind the Evaluations port: one configuration per endpoint, results in CloudWatch's
logs, and AgentCore's own A/B tests, read and never changed.

A session is scored when it has been quiet for the plan's time, only where its spans are complete, and 16 to 40 minutes
after its start by what others measured; a turn that failed has no score.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from headgate.aws.clients import Clients
from headgate.aws.faults import mapped
from headgate.aws.logs import RUNTIMES
from headgate.core.address import arn_of, endpoint_of
from headgate.errors import NotFound, Rejected
from headgate.ports import Data, Evaluated, Judgement

RESULTS = "/aws/bedrock-agentcore/evaluations/results/"
_BROKEN = frozenset({"CREATE_FAILED", "UPDATE_FAILED", "ERROR"})
_LONGEST_SAID = 200


class AgentCoreEvaluations:
    """Implements ports.evaluations.Evaluations."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def begin(self, wanted: Sequence[Evaluated]) -> dict[str, str]:
        """Name -> id of each configuration; what is there already is not made again."""
        with mapped("looking for online evaluations"):
            known = {each["onlineEvaluationConfigName"]: each for each in self._all()}
        ids = {}
        for each in wanted:
            found = known.get(each.name)
            if found is None:
                with mapped(f"beginning the online evaluation of {each.said}"):
                    found = self._clients.control.create_online_evaluation_config(**request(each))
            if found["status"] in _BROKEN:
                why = found.get("failureReason") or found["status"]
                what = f"the online evaluation of {each.said} does not run: {why}"
                raise Rejected(what, "see to its role and its log group")
            ids[each.name] = str(found["onlineEvaluationConfigId"])
        return ids

    def results(self, ids: Collection[str], since: float) -> list[Judgement]:
        """All that was written since then; a group that is not there yet has nothing in it."""
        return [result for id in sorted(ids) for result in self._read(id, since)]

    def end(self, names: Collection[str]) -> list[str]:
        """Remove the configurations of these names; the results that they wrote stay."""
        gone = []
        with mapped("ending online evaluations"):
            for each in self._all():
                if each["onlineEvaluationConfigName"] in names and each["status"] != "DELETING":
                    id = each["onlineEvaluationConfigId"]
                    self._clients.control.delete_online_evaluation_config(onlineEvaluationConfigId=id)
                    gone.append(str(each["onlineEvaluationConfigName"]))
        return gone

    def trial(self, id: str) -> Data:
        """An A/B test of AgentCore, as it says itself."""
        with mapped(f"reading A/B test {id}"):
            told = self._clients.data.get_ab_test(abTestId=id)
        found = told.get("results") or {}
        at = found.get("analysisTimestamp")
        return {
            "test": id,
            "name": told["name"],
            "status": told["status"],
            "running": told["executionStatus"],
            "at": at.timestamp() if at else None,
            "results": [row for each in found.get("evaluatorMetrics", []) for row in _rows(each)],
            "why": "; ".join(told.get("errorDetails") or []),
        }

    # --- helpers

    def _all(self) -> list[Data]:
        """Every page; boto3 has no paginator for it."""
        found: list[Data] = []
        more: Data = {}
        while True:
            page = self._clients.control.list_online_evaluation_configs(maxResults=100, **more)
            found += page["onlineEvaluationConfigs"]
            if not page.get("nextToken"):
                return found
            more = {"nextToken": page["nextToken"]}

    def _read(self, id: str, since: float) -> Iterator[Judgement]:
        logs = self._clients.service("logs")
        pages = logs.get_paginator("filter_log_events")
        try:
            with mapped(f"reading the results of online evaluation {id}"):
                events = [
                    event
                    for page in pages.paginate(logGroupName=f"{RESULTS}{id}", startTime=int(since * 1000))
                    for event in page["events"]
                ]
        except NotFound:
            return
        for event in events:
            if (found := result(event["message"], event["eventId"], event["timestamp"] / 1000)) is not None:
                yield found


def request(each: Evaluated) -> Data:
    """CreateOnlineEvaluationConfig for an endpoint: its own service name, its own log group."""
    arn, endpoint = arn_of(each.version.url), endpoint_of(each.version.url)
    runtime, asked = arn.rpartition("/")[2], each.evaluation
    return {
        "clientToken": f"headgate-{sha256(each.name.encode()).hexdigest()}",
        "onlineEvaluationConfigName": each.name,
        "description": f"Headgate: {each.said}"[:_LONGEST_SAID],
        "rule": {
            "samplingConfig": {"samplingPercentage": round(100.0 * asked.share, 2)},
            "sessionConfig": {"sessionTimeoutMinutes": max(1, round(asked.session_s / 60))},
        },
        "dataSourceConfig": {
            "cloudWatchLogs": {
                "logGroupNames": [f"{RUNTIMES}{runtime}-{endpoint}"],
                "serviceNames": [f"{runtime.rpartition('-')[0]}.{endpoint}"],
            }
        },
        "evaluators": [{"evaluatorId": evaluator} for evaluator in asked.evaluators],
        "evaluationExecutionRoleArn": asked.role,
        "enableOnCreate": True,
    }


def result(text: str, id: str, at: float) -> Judgement | None:
    """A line of a results group; None where it is no result of a session."""
    try:
        told = json.loads(text).get("attributes")
    except (ValueError, AttributeError):
        return None
    if not isinstance(told, Mapping) or not told.get("session.id") or not told.get("gen_ai.evaluation.name"):
        return None
    session, evaluator = str(told["session.id"]), str(told["gen_ai.evaluation.name"])
    if error := told.get("error.type"):
        return Judgement(id, session, evaluator, at, None, str(error))
    try:
        value = float(told.get("gen_ai.evaluation.score.value", "no score"))
    except (TypeError, ValueError):
        return Judgement(id, session, evaluator, at, None, "it says no score")
    if not (math.isfinite(value) and 0.0 <= value <= 1.0):
        return Judgement(id, session, evaluator, at, None, f"it scores {value:g}: only 0 to 1 can be compared")
    return Judgement(id, session, evaluator, at, value)


def _rows(each: Mapping[str, Any]) -> Iterator[Data]:
    """What a test says of one evaluator, a line for each variant that is compared with the control."""
    control = each["controlStats"]
    for treated in each["variantResults"]:
        bounds = treated.get("confidenceInterval") or {}
        yield {
            "evaluator": str(each["evaluatorArn"]).rpartition("/")[2],
            "control_n": control["sampleSize"],
            "control_mean": control["mean"],
            "variant": treated["variantName"],
            "n": treated["sampleSize"],
            "mean": treated["mean"],
            "change": treated.get("absoluteChange"),
            "p": treated.get("pValue"),
            "lower": bounds.get("lower"),
            "upper": bounds.get("upper"),
            "significant": treated["isSignificant"],
        }
