"""AWS's own description of the AgentCore API, read as data: routes, members, limits, errors. What it says is what the
server checks.

The files ship inside the botocore package. They are read, not imported: a server that stands in for AWS needs none of
the SDK's code.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from headgate.errors import Unavailable

# what Headgate needs of the API; everything else answers UnknownOperationException
SERVED = {
    ("bedrock-agentcore-control", "2023-06-05"): (
        "CreateAgentRuntime",
        "UpdateAgentRuntime",
        "GetAgentRuntime",
        "ListAgentRuntimes",
        "ListAgentRuntimeVersions",
        "DeleteAgentRuntime",
        "CreateAgentRuntimeEndpoint",
        "UpdateAgentRuntimeEndpoint",
        "GetAgentRuntimeEndpoint",
        "ListAgentRuntimeEndpoints",
        "DeleteAgentRuntimeEndpoint",
        "CreateGateway",
        "GetGateway",
        "ListGateways",
        "DeleteGateway",
        "CreateGatewayTarget",
        "UpdateGatewayTarget",
        "GetGatewayTarget",
        "ListGatewayTargets",
        "DeleteGatewayTarget",
        "CreateGatewayRule",
        "UpdateGatewayRule",
        "GetGatewayRule",
        "ListGatewayRules",
        "DeleteGatewayRule",
    ),
    ("bedrock-agentcore", "2024-02-28"): ("InvokeAgentRuntime", "StopRuntimeSession"),
}

Shape = Mapping[str, Any]
Problem = tuple[str, str]  # member, what is wrong with it


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of the API. `path` is the request URI in segments, `{member}` where a member stands; `errors` code ->
    HTTP status.
    """

    name: str
    method: str
    path: tuple[str, ...]
    status: int
    input: Shape
    shapes: Mapping[str, Shape]
    errors: Mapping[str, int]
    payload: str  # the member that is the raw body, "" where the body is JSON

    def members(self) -> Iterator[tuple[str, Shape]]:
        """The members of the request, each with its shape and what the reference to it adds (where it travels)."""
        for name, reference in self.input.get("members", {}).items():
            yield name, {**self.shapes[reference["shape"]], **reference}

    def problems(self, params: Mapping[str, Any]) -> list[Problem]:
        """What the model forbids in the parameters of a request."""
        return list(_check(self.shapes, self.input, params, ""))


@cache
def operations() -> tuple[Operation, ...]:
    """The operations that are served. Raises Unavailable where botocore's data is not installed."""
    return tuple(
        _operation(model, name)
        for (service, version), names in SERVED.items()
        for model in [_load(service, version)]
        for name in names
    )


def match(method: str, raw_path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation that a request line names, with its URI members. `raw_path` is still percent-encoded: an ARN holds
    a slash.
    """
    given = [unquote(part) for part in raw_path.strip("/").split("/")]
    for operation in operations():
        if operation.method != method or len(operation.path) != len(given):
            continue
        pairs = list(zip(operation.path, given, strict=True))
        if all(have == want or want.startswith("{") for want, have in pairs):
            return operation, {want[1:-1]: have for want, have in pairs if want.startswith("{")}
    return None


def _load(service: str, version: str) -> Any:
    spec = find_spec("botocore")
    for root in (spec.submodule_search_locations or []) if spec else []:
        path = Path(root, "data", service, version, "service-2.json.gz")
        if path.exists():
            return json.loads(gzip.decompress(path.read_bytes()))
    raise Unavailable(
        f"no description of the API {service} {version} in botocore's data",
        "install the boto3 that headgate asks for: pip install 'boto3>=1.44.5'",
    )


def _operation(model: Any, name: str) -> Operation:
    data, shapes = model["operations"][name], model["shapes"]
    http = data["http"]
    request = shapes[data["input"]["shape"]]
    return Operation(
        name=name,
        method=http["method"],
        path=tuple(http["requestUri"].strip("/").split("/")),
        status=http["responseCode"],
        input=request,
        shapes=shapes,
        errors={e["shape"]: shapes[e["shape"]]["error"]["httpStatusCode"] for e in data["errors"]},
        payload=request.get("payload", ""),
    )


def _check(shapes: Mapping[str, Shape], shape: Shape, value: Any, path: str) -> Iterator[Problem]:
    kind = shape["type"]
    if kind == "structure":
        yield from _check_structure(shapes, shape, value, path)
    elif kind == "map":
        yield from _check_map(shapes, shape, value, path)
    elif kind == "list":
        if not isinstance(value, list):
            yield path, "is not a list"
            return
        yield from _check_range(shape, len(value), path, "members")
        for i, item in enumerate(value):
            yield from _check(shapes, shapes[shape["member"]["shape"]], item, f"{path}[{i}]")
    else:
        yield from _check_plain(shape, value, path)


def _check_structure(shapes: Mapping[str, Shape], shape: Shape, value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield path or "request", "is not an object"
        return
    prefix = f"{path}." if path else ""
    members = shape["members"]
    for name in shape.get("required", []):
        if value.get(name) is None:
            yield prefix + name, "is required"
    # like AWS, members that the model does not know are passed over
    given = {name: v for name, v in value.items() if name in members and v is not None}
    if shape.get("union") and len(given) != 1:
        yield path, f"needs exactly one of {', '.join(members)}"
    for name, item in given.items():
        yield from _check(shapes, shapes[members[name]["shape"]], item, prefix + name)


def _check_map(shapes: Mapping[str, Shape], shape: Shape, value: Any, path: str) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield path, "is not an object"
        return
    yield from _check_range(shape, len(value), path, "members")
    for key, item in value.items():
        yield from _check(shapes, shapes[shape["key"]["shape"]], key, f"{path} (key {key!r})")
        yield from _check(shapes, shapes[shape["value"]["shape"]], item, f"{path}.{key}")


def _check_plain(shape: Shape, value: Any, path: str) -> Iterator[Problem]:
    kind = shape["type"]
    if kind == "string":
        if not isinstance(value, str):
            yield path, "is not a string"
            return
        yield from _check_range(shape, len(value), path, "characters")
        if "pattern" in shape and not re.fullmatch(shape["pattern"], value):
            yield path, f"does not match {shape['pattern']}"
        if "enum" in shape and value not in shape["enum"]:
            yield path, f"is none of {', '.join(shape['enum'])}"
    elif kind == "boolean":
        if not isinstance(value, bool):
            yield path, "is not true or false"
    elif kind in {"integer", "long", "float", "double"}:
        whole = kind in {"integer", "long"}
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            yield path, "is not a whole number" if whole else "is not a number"
            return
        yield from _check_range(shape, value, path, "")
    elif kind == "blob":
        yield from _check_range(shape, len(value), path, "bytes")


def _check_range(shape: Shape, size: float, path: str, unit: str) -> Iterator[Problem]:
    words = f" {unit}" if unit else ""
    if size < shape.get("min", size):
        yield path, f"is {size:g}{words}, at least {shape['min']} needed"
    if size > shape.get("max", size):
        yield path, f"is {size:g}{words}, at most {shape['max']} allowed"
