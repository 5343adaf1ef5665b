"""What AgentCore writes of a turn, as a value: the service span `InvokeAgentRuntime`, and the model's own spans with
their tokens. Names are AWS's and OpenTelemetry's; a line that is neither is no span.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

INVOKE = "InvokeAgentRuntime"
# error_type of AgentCore's span -> the kinds that the gateway counts
_KINDS = {"throttle": "http_429", "system": "http_5xx", "user": "http_4xx"}
_IN = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
_OUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn. `at` is its end in Unix seconds; `error` a kind, "" for none; `id` the same whenever it is read."""

    id: str
    session: str
    at: float
    latency_ms: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What one call of a model took."""

    id: str
    session: str
    at: float
    tokens_in: int
    tokens_out: int
    model: str = ""


def read(text: str) -> Turn | Usage | None:
    """A line of a `spans` stream, or of `aws/spans`."""
    try:
        data = json.loads(text)
    except ValueError:
        return None
    if not isinstance(data, dict) or not isinstance(data.get("attributes"), dict):
        return None
    told, session = data["attributes"], str(data["attributes"].get("session.id", ""))
    if not session:
        return None
    id, at = str(data.get("spanId") or told.get("aws.request_id") or ""), _end(data)
    if str(data.get("name", "")).endswith(INVOKE):
        latency = float(told.get("latency_ms") or (at - _start(data)) * 1000)
        return Turn(id, session, at, latency, _error(data, told))
    # sums of a whole invocation are repeated by spans around the calls: only `chat` is counted
    if told.get("gen_ai.operation.name") == "chat":
        model = str(told.get("gen_ai.response.model") or told.get("gen_ai.request.model") or "")
        return Usage(id, session, at, _count(told, _IN), _count(told, _OUT), model)
    return None


def is_of(text: str, runtime: str, endpoint: str) -> bool:
    """Whether a line of `aws/spans`, where all agents of an account write, is of this endpoint: by AgentCore's own
    attributes, or by the service's name that its SDK gives to an agent's spans, `NAME.ENDPOINT`.
    """
    try:
        data = json.loads(text)
        told, resource = data["attributes"], dict(dict(data.get("resource") or {}).get("attributes") or {})
    except (ValueError, TypeError, KeyError):
        return False
    if "aws.endpoint.name" in told:
        return bool(told["aws.endpoint.name"] == endpoint) and runtime in str(told.get("aws.resource.arn", runtime))
    name = f"{runtime.rpartition('-')[0]}.{endpoint}"
    return bool(resource.get("service.name") == name) and runtime in str(resource.get("cloud.resource_id", runtime))


def _error(data: Mapping[str, Any], told: Mapping[str, Any]) -> str:
    kind = str(told.get("error_type") or "")
    if kind:
        return _KINDS.get(kind.lower(), "http_5xx")
    return "http_424" if dict(data.get("status") or {}).get("code") in {"ERROR", 2} else ""


def _start(data: Mapping[str, Any]) -> float:
    return float(data.get("startTimeUnixNano") or 0) / 1e9


def _end(data: Mapping[str, Any]) -> float:
    return float(data.get("endTimeUnixNano") or 0) / 1e9


def _count(told: Mapping[str, Any], names: tuple[str, ...]) -> int:
    return next((int(told[name]) for name in names if name in told), 0)
