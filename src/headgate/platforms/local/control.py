"""The control plane: runtimes, their immutable versions, their endpoints. One method per operation of the API, named as
AWS names it.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sqlite3
import string
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headgate.core.codec import digest as digest_data
from headgate.platforms.local import artifacts
from headgate.platforms.local.fleet import DEFAULT, MOVING, Fleet
from headgate.platforms.local.gateways import Gateways
from headgate.platforms.local.model import Operation
from headgate.platforms.local.process import Health, resident
from headgate.platforms.local.state import BuiltVersion, Endpoint, Runtime, State
from headgate.platforms.local.wire import ApiError, invalid, not_found, page

ACCOUNT = "000000000000"
ENDPOINTS_MAX = 10  # per runtime, DEFAULT counted
VERSIONS_MAX = 1000
_LIFECYCLE = {"idleRuntimeSessionTimeout": 900, "maxLifetime": 28800}  # what AWS answers where none was given
_NOT_CONFIG = frozenset({"agentRuntimeId", "agentRuntimeName", "tags"})

Params = Mapping[str, Any]
Data = dict[str, Any]


class Control:
    """Every operation commits its change and its idempotent answer in one transaction, then lets the fleet follow."""

    def __init__(
        self, state: State, fleet: Fleet, root: Path, region: str, gateways: Gateways, *, buckets: bool = False
    ) -> None:
        self._state = state
        self._buckets = buckets  # whether code may come from S3
        self._gateways = gateways
        self._fleet = fleet
        self._artifacts = root / "artifacts"
        self._parts: dict[str, Data] = {}  # by digest: nothing of a version ever changes
        self._region = region

    async def run(self, operation: Operation, params: Data) -> Data:
        """Perform an operation that the model has already accepted. Raises ApiError."""
        token = params.pop("clientToken", "")
        asked = digest_data(params)
        # the same word again gets the same answer, whatever has become of the source since
        if (before := self._before(operation, token, asked)) is not None:
            return before
        if "agentRuntimeArtifact" in params:
            params["digest"] = await asyncio.to_thread(artifacts.store, self._code(params), self._artifacts)
            if (before := self._before(operation, token, asked)) is not None:
                return before
        with self._state.transaction():
            data: Data = getattr(self if hasattr(self, operation.name) else self._gateways, operation.name)(params)
            if token:
                self._state.keep_answer(operation.name, token, asked, data, time.time())
        self._fleet.sync()
        return data

    def _before(self, operation: Operation, token: str, asked: str) -> Data | None:
        before = self._state.answered(operation.name, token) if token else None
        if before is None:
            return None
        if before[0] == asked:
            return before[1]
        text = f"clientToken {token} was used before, with other parameters"
        if "ValidationException" in operation.errors:
            raise ApiError("ValidationException", text, reason="IdempotentParameterMismatchException")
        raise ApiError("ConflictException", text)

    def arn(self, runtime: str) -> str:
        return f"arn:aws:bedrock-agentcore:{self._region}:{ACCOUNT}:runtime/{runtime}"

    # --- runtimes

    def CreateAgentRuntime(self, params: Params) -> Data:
        now, name = time.time(), params["agentRuntimeName"]
        runtime = Runtime(f"{name}-{_random(10)}", name, now, now, 0)
        try:
            self._state.add_runtime(runtime)
        except sqlite3.IntegrityError as error:
            raise ApiError("ConflictException", f"an agent runtime named {name} already exists") from error
        built = self._state.add_version(runtime.id, _config(params), params["digest"], now)
        return {**self._naming(runtime.id, built), "createdAt": now, "status": "CREATING"}

    def UpdateAgentRuntime(self, params: Params) -> Data:
        now, runtime = time.time(), self._runtime(params)
        if runtime.last >= VERSIONS_MAX:
            raise ApiError("ServiceQuotaExceededException", f"{runtime.id} has had {VERSIONS_MAX} versions")
        built = self._state.add_version(runtime.id, _config(params), params["digest"], now)
        times = {"createdAt": runtime.created, "lastUpdatedAt": now}
        return {**self._naming(runtime.id, built), **times, "status": "UPDATING"}

    def GetAgentRuntime(self, params: Params) -> Data:
        runtime = self._runtime(params)
        built = self._version(runtime.id, params.get("agentRuntimeVersion") or str(runtime.last))
        return {
            "lifecycleConfiguration": _LIFECYCLE,
            **built.config,
            **self._naming(runtime.id, built),
            "agentRuntimeName": runtime.name,
            "createdAt": runtime.created,
            "lastUpdatedAt": built.created,
            "status": "READY",
        }

    def ListAgentRuntimes(self, params: Params) -> Data:
        rows = []
        for runtime in self._state.runtimes():
            # a runtime always has a version: the last one cannot be deleted alone, DEFAULT points at it
            rows.append(self._summary(runtime, self._state.versions(runtime.id)[0]))
        return page("agentRuntimes", rows, params)

    def ListAgentRuntimeVersions(self, params: Params) -> Data:
        runtime = self._runtime(params)
        return page("agentRuntimes", [self._summary(runtime, v) for v in self._state.versions(runtime.id)], params)

    def DeleteAgentRuntime(self, params: Params) -> Data:
        runtime, number = self._runtime(params), params.get("agentRuntimeVersion")
        if number is None:
            self._state.remove_runtime(runtime.id)
            return {"status": "DELETING", "agentRuntimeId": runtime.id}
        self._version(runtime.id, number)
        for endpoint in self._state.endpoints(runtime.id):
            if number in {endpoint.live, endpoint.target}:
                raise ApiError("ConflictException", f"endpoint {endpoint.name} points at version {number}")
        self._state.remove_version(runtime.id, number)
        return {"status": "DELETING", "agentRuntimeId": runtime.id, "agentRuntimeVersion": number}

    # --- endpoints

    def CreateAgentRuntimeEndpoint(self, params: Params) -> Data:
        now, runtime, name = time.time(), self._runtime(params), params["name"]
        if self._state.endpoint(runtime.id, name):
            raise ApiError("ConflictException", f"{runtime.id} already has an endpoint named {name}")
        if len(self._state.endpoints(runtime.id)) >= ENDPOINTS_MAX:
            raise ApiError(
                "ServiceQuotaExceededException", f"{runtime.id} has {ENDPOINTS_MAX} endpoints, the most allowed"
            )
        number = params.get("agentRuntimeVersion") or str(runtime.last)
        self._version(runtime.id, number)
        endpoint = Endpoint(runtime.id, name, None, number, "CREATING", "", params.get("description"), now, now)
        self._state.put_endpoint(endpoint)
        shown = self._endpoint_data(endpoint)
        keys = ("targetVersion", "agentRuntimeEndpointArn", "agentRuntimeArn", "status", "createdAt")
        return {**{key: shown[key] for key in keys}, "agentRuntimeId": runtime.id, "endpointName": name}

    def UpdateAgentRuntimeEndpoint(self, params: Params) -> Data:
        endpoint = self._endpoint(params)
        number = params.get("agentRuntimeVersion") or endpoint.target
        if endpoint.name == DEFAULT:
            raise invalid("endpointName", "DEFAULT follows the latest version; use an endpoint of your own")
        self._version(endpoint.runtime, number)
        described = params.get("description") or endpoint.description
        moved = endpoint.moved("UPDATING", target=number, reason="", description=described)
        self._state.put_endpoint(moved)
        shown = self._endpoint_data(moved)
        return {key: shown[key] for key in shown if key not in {"name", "id", "description", "failureReason"}}

    def GetAgentRuntimeEndpoint(self, params: Params) -> Data:
        return self._endpoint_data(self._endpoint(params))

    def ListAgentRuntimeEndpoints(self, params: Params) -> Data:
        rows = [self._endpoint_data(e) for e in self._state.endpoints(self._runtime(params).id)]
        for row in rows:
            del row["failureReason"]
        return page("runtimeEndpoints", rows, params)

    def DeleteAgentRuntimeEndpoint(self, params: Params) -> Data:
        endpoint = self._endpoint(params)
        if endpoint.name == DEFAULT:
            raise ApiError("ConflictException", "DEFAULT goes only with its runtime")
        self._state.remove_endpoint(endpoint.runtime, endpoint.name)
        return {"status": "DELETING", "agentRuntimeId": endpoint.runtime, "endpointName": endpoint.name}

    # --- the extension of the local runtime

    def version_state(self, runtime: str, number: str) -> Data:
        """What AWS has no word for: digest, process and address of a version. STOPPED: no endpoint needs it."""
        built = self._version(runtime, number)
        data: Data = {
            "version": number,
            "digest": built.digest,
            "status": "STOPPED",
            "reason": "no endpoint points at it",
        }
        data |= {"url": "", "pid": None, "rss_bytes": None, "restarts": 0}
        if process := self._fleet.process(runtime, number):
            data |= {
                "status": str(process.health),
                "reason": process.reason,
                "pid": process.pid,
                "rss_bytes": resident(process.pid),
                "restarts": process.restarts,
            }
            return {**data, "url": process.url}
        for endpoint in self._state.endpoints(runtime):
            if endpoint.target == number and endpoint.status in MOVING:
                return {**data, "status": "CREATING", "reason": "its process is about to start"}
            if endpoint.target == number and endpoint.reason:
                data |= {"status": "FAILED", "reason": endpoint.reason}
        return data

    async def parts(self, runtime: str, number: str) -> Data:
        """What a version is made of: {"built": digest or value by part, "variables": its environment}."""
        built = self._version(runtime, number)
        if built.digest not in self._parts:
            code = artifacts.code_of(built.config, buckets=True)  # it was taken already
            self._parts[built.digest] = await asyncio.to_thread(artifacts.parts, code, built.digest, self._artifacts)
        return {"built": self._parts[built.digest], "variables": built.config.get("environmentVariables") or {}}

    async def digest(self, params: Params) -> Data:
        """The digest that a Create/UpdateAgentRuntime with these members would give its version."""
        return {"digest": await asyncio.to_thread(artifacts.digest_of, self._code(params), self._artifacts)}

    def drop_unused_artifacts(self) -> None:
        """Delete the copies that no version needs; at start, when none can be in the making."""
        used = {v.digest for runtime in self._state.runtimes() for v in self._state.versions(runtime.id)}
        for path in self._artifacts.iterdir() if self._artifacts.exists() else ():
            if path.name not in used:
                shutil.rmtree(path, ignore_errors=True)

    # --- helpers

    def _code(self, params: Params) -> artifacts.Code:
        return artifacts.code_of(params, buckets=self._buckets)

    def _runtime(self, params: Params) -> Runtime:
        runtime = self._state.runtime(params["agentRuntimeId"])
        if runtime is None:
            raise not_found(f"agent runtime {params['agentRuntimeId']}")
        return runtime

    def _version(self, runtime: str, number: str) -> BuiltVersion:
        built = self._state.version(runtime, number) if number.isdecimal() else None
        if built is None:
            raise not_found(f"version {number} of {runtime}")
        return built

    def _endpoint(self, params: Params) -> Endpoint:
        runtime, name = self._runtime(params), params["endpointName"]
        endpoint = self._state.endpoint(runtime.id, name)
        if endpoint is None:
            raise not_found(f"endpoint {name} of {runtime.id}")
        return endpoint

    def _naming(self, runtime: str, built: BuiltVersion) -> Data:
        return {
            "agentRuntimeArn": self.arn(runtime),
            "agentRuntimeId": runtime,
            "agentRuntimeVersion": str(built.number),
        }

    def _summary(self, runtime: Runtime, built: BuiltVersion) -> Data:
        return {
            **self._naming(runtime.id, built),
            "agentRuntimeName": runtime.name,
            # the model wants one of at least a character in a list, though none need be given
            "description": built.config.get("description") or runtime.name,
            "lastUpdatedAt": built.created,
            "status": "READY",
        }

    def _endpoint_data(self, endpoint: Endpoint) -> Data:
        reason = endpoint.reason
        process = self._fleet.process(endpoint.runtime, endpoint.live) if endpoint.live else None
        if not reason and process and process.health is Health.FAILED:
            reason = f"version {endpoint.live} keeps failing: {process.reason}"
        arn = self.arn(endpoint.runtime)
        return {
            "name": endpoint.name,
            "id": endpoint.runtime,
            "liveVersion": endpoint.live,
            "targetVersion": endpoint.target,
            "agentRuntimeArn": arn,
            "agentRuntimeEndpointArn": f"{arn}/runtime-endpoint/{endpoint.name}",
            "description": endpoint.description,
            "status": endpoint.status,
            "failureReason": reason or None,
            "createdAt": endpoint.created,
            "lastUpdatedAt": endpoint.updated,
        }


def _config(params: Params) -> Data:
    return {k: v for k, v in params.items() if k not in _NOT_CONFIG and k != "digest" and v is not None}


def _random(length: int) -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))
