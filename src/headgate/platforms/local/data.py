"""The data plane: InvokeAgentRuntime, relayed to the version's process as it comes, and StopRuntimeSession.

Unlike on AWS a session has no machine of its own: sessions of one version share its process, and a session whose
endpoint moves gets the new version at its next turn.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from headgate.platforms.local.control import ACCOUNT
from headgate.platforms.local.fleet import DEFAULT, MOVING, Fleet
from headgate.platforms.local.model import Operation
from headgate.platforms.local.process import AgentProcess, Health
from headgate.platforms.local.state import Runtime, State
from headgate.platforms.local.wire import SESSION_HEADER, ApiError, not_found

START_S = 30.0  # AWS's limit for an agent to come up at its first call
_TIMEOUT = httpx.Timeout(900.0, connect=5.0, pool=60.0)  # AWS's limit for one synchronous answer is 15 minutes
_CUSTOM = "x-amzn-bedrock-agentcore-runtime-custom-"
_ECHOED = ("content-type", "content-encoding", "mcp-session-id", "mcp-protocol-version")
_STOPPED = {"error": "the session was stopped", "error_type": "SessionStopped"}


@dataclass(slots=True)
class Conversation:
    """A session that somebody has used. `stopped` cuts its open streams."""

    used: float
    stopped: asyncio.Event = field(default_factory=asyncio.Event)


class DataPlane:
    """Finds the version behind a qualifier and relays to it. All on the event loop's thread."""

    def __init__(self, state: State, fleet: Fleet, session_idle_s: float) -> None:
        self._state = state
        self._fleet = fleet
        self._idle_s = session_idle_s
        self._sessions: dict[tuple[str, str, str], Conversation] = {}
        self._client = httpx.AsyncClient(timeout=_TIMEOUT, limits=httpx.Limits(max_connections=None), trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    async def invoke(self, operation: Operation, params: Mapping[str, Any], request: Request) -> Response:
        """One turn. Raises ApiError; an agent that fails is RuntimeClientError, without the agent's own words."""
        runtime, name = self._address(params)
        session = params.get("runtimeSessionId") or str(uuid.uuid4())
        process = await self._process(runtime, name)
        conversation = self._conversation((runtime.id, name, session))
        headers = {**_forwarded(operation, params, request), SESSION_HEADER: session}
        process.in_flight += 1  # from here on it is not idle, also while it starts
        try:
            await _up(process)
            turn = self._client.build_request(
                "POST", f"{process.url}/invocations", content=params["payload"], headers=headers
            )
            response = await _send(self._client, turn)
        except BaseException:
            process.in_flight -= 1
            process.last_used = time.monotonic()
            raise
        echoed = {key: response.headers[key] for key in _ECHOED if key in response.headers}
        return _Relay(response, {**echoed, SESSION_HEADER: session}, process, conversation)

    def stop(self, params: Mapping[str, Any]) -> Response:
        """StopRuntimeSession: cut the session's open streams and forget it."""
        runtime, name = self._address(params)
        session = params["runtimeSessionId"]
        self._forget_idle()
        conversation = self._sessions.pop((runtime.id, name, session), None)
        if conversation is None:
            raise not_found(f"session {session} at {name} of {runtime.id}")
        conversation.stopped.set()
        return Response("{}", media_type="application/json", headers={SESSION_HEADER: session})

    def _address(self, params: Mapping[str, Any]) -> tuple[Runtime, str]:
        """The runtime that an ARN, or a bare id, names, and the endpoint."""
        given = params["agentRuntimeArn"]
        account, _, id = given.rpartition(":runtime/") if given.startswith("arn:") else ("", "", given)
        runtime = self._state.runtime(id)
        right_account = account.endswith(f":{ACCOUNT}") if account else params.get("accountId", ACCOUNT) == ACCOUNT
        if runtime is None or not right_account:
            raise not_found(f"agent runtime {given}")
        return runtime, params.get("qualifier") or DEFAULT

    async def _process(self, runtime: Runtime, name: str) -> AgentProcess:
        endpoint = self._state.endpoint(runtime.id, name)
        if endpoint is None:
            raise not_found(f"endpoint {name} of {runtime.id}")
        if endpoint.live is None and endpoint.status in MOVING:
            raise ApiError("RetryableConflictException", f"endpoint {name} is being created")
        if endpoint.live is None:
            raise ApiError("RuntimeClientError", f"endpoint {name} failed to start: {endpoint.reason}")
        process = await self._fleet.ensure(runtime.id, endpoint.live)
        if process is None:
            raise ApiError("RetryableConflictException", f"version {endpoint.live} is being taken down")
        return process

    def _conversation(self, key: tuple[str, str, str]) -> Conversation:
        self._forget_idle()
        conversation = self._sessions.pop(key, None) or Conversation(0.0)
        conversation.used = time.monotonic()
        self._sessions[key] = conversation  # last in, so that the oldest are first
        return conversation

    def _forget_idle(self) -> None:
        oldest = time.monotonic() - self._idle_s
        while self._sessions and (first := next(iter(self._sessions))) and self._sessions[first].used < oldest:
            del self._sessions[first]


class _Relay(StreamingResponse):
    """The agent's answer, passed on chunk by chunk; lets go of the process whatever becomes of the client."""

    def __init__(
        self, response: httpx.Response, headers: dict[str, str], process: AgentProcess, session: Conversation
    ) -> None:
        super().__init__(_chunks(response, session.stopped), response.status_code, headers)
        self._response = response
        self._process = process

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._process.in_flight -= 1
            self._process.last_used = time.monotonic()
            await self._response.aclose()


async def _chunks(response: httpx.Response, stopped: asyncio.Event) -> AsyncGenerator[bytes, None]:
    stop = asyncio.create_task(stopped.wait())
    chunks = response.aiter_raw()
    try:
        while True:
            following = asyncio.ensure_future(anext(chunks, None))
            await asyncio.wait({following, stop}, return_when=asyncio.FIRST_COMPLETED)
            if stop.done():
                following.cancel()
                await asyncio.wait({following})
                # a cut stream must not look complete: the SDK's form of a failure in mid-stream
                yield f"data: {json.dumps(_STOPPED)}\n\n".encode()
                return
            chunk = following.result()
            if chunk is None:
                return
            yield chunk
    finally:
        stop.cancel()


async def _up(process: AgentProcess) -> None:
    """Wait until the process can answer. Raises ApiError where it cannot."""
    health = await process.settled(START_S)
    if process.stopping:
        raise ApiError("RetryableConflictException", "the version is being taken down")
    if health is not Health.READY:
        late = "Runtime initialization time exceeded. Please make sure that initialization completes in 30s."
        raise ApiError("RuntimeClientError", process.reason if health is Health.FAILED else late)


async def _send(client: httpx.AsyncClient, turn: httpx.Request) -> httpx.Response:
    try:
        response = await client.send(turn, stream=True)
    except httpx.TimeoutException as error:
        raise ApiError("RuntimeClientError", "the agent did not answer in time") from error
    except httpx.HTTPError as error:
        raise ApiError("RuntimeClientError", f"the agent's process broke off: {type(error).__name__}") from error
    if response.status_code >= 400:
        await response.aclose()
        text = f"Received error ({response.status_code}) from runtime. Its log in runtime/logs says more."
        raise ApiError("RuntimeClientError", text)
    return response


def _forwarded(operation: Operation, params: Mapping[str, Any], request: Request) -> dict[str, str]:
    """The headers that reach an agent: those the API models, and custom ones; never the signature."""
    modelled = {
        s["locationName"]: params[n] for n, s in operation.members() if s.get("location") == "header" and n in params
    }
    custom = {key: value for key, value in request.headers.items() if key.startswith(_CUSTOM)}
    return {"Content-Type": "application/json", "Accept-Encoding": "identity", **modelled, **custom}
