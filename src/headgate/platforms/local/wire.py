"""A request of AWS's rest-json protocol -> parameters, results and errors -> a response."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from headgate.platforms.local.model import Operation, Problem, Shape

MAX_PAYLOAD = 100_000_000  # bytes, of InvokeAgentRuntime
MAX_BODY = 1_000_000  # bytes, of everything else
SESSION_HEADER = "x-amzn-bedrock-agentcore-runtime-session-id"

_STATUS = {
    "ValidationException": 400,
    "ServiceQuotaExceededException": 402,
    "ResourceNotFoundException": 404,
    "UnknownOperationException": 404,
    "ConflictException": 409,
    "RetryableConflictException": 409,
    "RuntimeClientError": 424,
    "InternalServerException": 500,
}


class ApiError(Exception):
    """An answer of the API that is an error: `code` is the name of its shape, `reason` and `fields` belong to
    ValidationException.
    """

    def __init__(self, code: str, message: str, *, reason: str = "", fields: list[Problem] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.fields = fields or []

    def response(self) -> Response:
        """As AWS writes it: the code in a header, the rest in the body."""
        body: dict[str, Any] = {"message": self.message}
        if self.code == "ValidationException":
            body["reason"] = self.reason or "FieldValidationFailed"
            body["fieldList"] = [{"name": name, "message": what} for name, what in self.fields]
        return JSONResponse(body, _STATUS[self.code], headers={"x-amzn-ErrorType": self.code})


def invalid(member: str, what: str) -> ApiError:
    """The answer to a member that cannot be as it is."""
    return ApiError("ValidationException", f"{member}: {what}", fields=[(member, what)])


def not_found(what: str) -> ApiError:
    return ApiError("ResourceNotFoundException", f"{what} does not exist")


async def params_of(operation: Operation, uri: Mapping[str, str], request: Request) -> dict[str, Any]:
    """The parameters of a request, checked against the model. Raises ApiError."""
    params: dict[str, Any] = {}
    for name, shape in operation.members():
        value = _outside_body(name, shape, uri, request)
        if value is not None:
            params[name] = value
    body = await _read(request, MAX_PAYLOAD if operation.payload else MAX_BODY)
    if operation.payload:
        params[operation.payload] = body
    elif body.strip():
        params = {**_parse(body), **params}
    if problems := operation.problems(params):
        raise _refusal(operation, problems)
    return params


def _outside_body(name: str, shape: Shape, uri: Mapping[str, str], request: Request) -> Any:
    place, key = shape.get("location"), shape.get("locationName", name)
    if place == "uri":
        return uri[key]
    if place == "header":
        return request.headers.get(key)
    if place == "querystring":
        text = request.query_params.get(key)
        return int(text) if text and shape["type"] == "integer" and text.lstrip("-").isdecimal() else text
    return None


async def _read(request: Request, limit: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise invalid("payload", f"is longer than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body)
    except ValueError as error:
        raise ApiError("ValidationException", f"the body is not JSON: {error}", reason="CannotParse") from error
    if not isinstance(data, dict):
        raise ApiError("ValidationException", "the body is not a JSON object", reason="CannotParse")
    return data


def _refusal(operation: Operation, problems: list[Problem]) -> ApiError:
    text = "; ".join(f"{name} {what}" for name, what in problems)
    if "ValidationException" not in operation.errors:  # deletions model none: an id that cannot exist does not exist
        return ApiError("ResourceNotFoundException", text)
    return ApiError("ValidationException", text, fields=problems)


def answer(operation: Operation, data: Mapping[str, Any]) -> Response:
    """A result as AWS writes it; members that are None are left out, times (Unix s, floats under a name ending in At)
    are ISO 8601.
    """
    return JSONResponse(_plain(data), operation.status)


def _plain(value: Any, name: str = "") -> Any:
    if isinstance(value, Mapping):
        return {k: _plain(v, k) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and name.endswith("At"):
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


def page(name: str, rows: Sequence[Mapping[str, Any]], params: Mapping[str, Any]) -> dict[str, Any]:
    """One page of a list; the token is where the next one begins."""
    start, size = params.get("nextToken") or "0", params.get("maxResults") or 100
    if not start.isdecimal() or int(start) > len(rows):
        raise invalid("nextToken", f"{start!r} is not one that was given out")
    end = int(start) + size
    return {name: list(rows[int(start) : end]), "nextToken": str(end) if end < len(rows) else None}
