"""The admin API: policies in, state and telemetry out.

Off the data path, on an address of its own, loopback and a token.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from hashlib import sha256
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from headgate.errors import Unavailable
from headgate.gateway.agent import ServedAgent
from headgate.gateway.book import Conflict, forced_data
from headgate.gateway.engine import Engine
from headgate.gateway.exposition import exposition
from headgate.gateway.journal import LIMIT, BadCursor
from headgate.gateway.policy import BadPolicy, data_of, parse

_BODY_LIMIT = 1 << 20

Handler = Callable[[Request], Awaitable[Response]]


class AdminServer(uvicorn.Server):
    """uvicorn in a loop that has its own signal handlers."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the process's signals alone."""
        yield


def server(engine: Engine) -> AdminServer:
    """The admin API of an engine, to be served on a listening socket; logs nothing."""
    config = uvicorn.Config(
        Admin(engine).app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=2
    )
    return AdminServer(config)


def _problem(status: int, message: str, **more: Any) -> Response:
    return JSONResponse({"error": message, **more}, status)


class Admin:
    """The handlers. Errors are `{"error": what, "kind": ...}`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        guarded = self._guarded
        self.app = Starlette(
            routes=[
                Route("/healthz", self._healthz),
                Route("/policy/{agent}", guarded(self._get_policy)),
                Route("/policy/{agent}", guarded(self._put_policy), methods=["PUT"]),
                Route("/policy/{agent}/force-down", guarded(self._force_down), methods=["POST"]),
                Route("/telemetry/{agent}", guarded(self._telemetry)),
                Route("/recordings/{agent}", guarded(self._recordings)),
                Route("/failures/{agent}", guarded(self._failures)),
                Route("/metrics", guarded(self._metrics)),
            ]
        )

    def _guarded(self, handler: Handler) -> Handler:
        expected = self._engine.settings.token_sha256

        async def check(request: Request) -> Response:
            if expected:
                given = request.headers.get("authorization", "").removeprefix("Bearer ")
                if not hmac.compare_digest(sha256(given.encode()).hexdigest(), expected):
                    return _problem(401, "the admin token is missing or wrong: send `Authorization: Bearer TOKEN`")
            elif request.method != "GET":
                return _problem(403, "this gateway was started without an admin token: it cannot be changed")
            if request.method != "GET" and self._engine.fixed:
                return _problem(403, f"this gateway serves the fixed policy {self._engine.settings.policy_file}")
            return await handler(request)

        return check

    async def _healthz(self, _request: Request) -> Response:
        engine = self._engine
        pins = sum(len(agent.router.pins) for agent in engine.agents.values())
        return JSONResponse({"ok": True, "pid": os.getpid(), "unpinned": engine.pins.unpinned, "pins": pins})

    def _agent(self, request: Request) -> ServedAgent | None:
        return self._engine.agents.get(request.path_params["agent"])

    def _state(self, agent: ServedAgent) -> Response:
        debt = {version: {"sessions": n, "oldest_s": oldest} for version, (n, oldest) in agent.debt().items()}
        return JSONResponse(
            {
                "policy": data_of(agent.kept.policy),
                "forced": forced_data(agent.kept.forced),
                "weight": agent.router.weight,
                "debt": debt,
                "time": self._engine.clock(),
            }
        )

    async def _get_policy(self, request: Request) -> Response:
        agent = self._agent(request)
        return self._state(agent) if agent else self._unknown(request)

    def _unknown(self, request: Request) -> Response:
        return _problem(404, f"no policy for an agent {request.path_params['agent']!r}")

    async def _put_policy(self, request: Request) -> Response:
        try:
            policy = parse(await _json(request))
            if policy.agent != request.path_params["agent"]:
                raise BadPolicy(f"`agent` is {policy.agent!r}, the path says {request.path_params['agent']!r}")
            return self._state(await self._engine.put(policy))
        except BadPolicy as error:
            return _problem(400, str(error))
        except Conflict as error:
            return _problem(409, str(error), kind=error.kind)
        except Unavailable as error:
            return _problem(503, error.message)

    async def _force_down(self, request: Request) -> Response:
        try:
            data = await _json(request)
        except BadPolicy as error:
            return _problem(400, str(error))
        by, reason = (data.get("by"), data.get("reason")) if isinstance(data, dict) else (None, None)
        if not isinstance(by, str) or not by or not isinstance(reason, str):
            return _problem(400, 'the body is {"by": who, "reason": why}')
        agent = self._agent(request)
        if agent is None:
            return self._unknown(request)
        return self._state(await self._engine.force_down(agent.name, by, reason))

    async def _telemetry(self, request: Request) -> Response:
        limit = request.query_params.get("limit", "1000")
        if not (limit.isascii() and limit.isdigit() and 0 < len(limit) < 6 and int(limit) > 0):
            return _problem(400, f"`limit` is a number from 1 to {LIMIT}")
        journal = self._engine.journal
        try:
            rows, cursor = await self._engine.on_disk(
                journal.read, request.path_params["agent"], request.query_params.get("after", ""), int(limit)
            )
        except BadCursor as error:
            return _problem(400, str(error))
        except sqlite3.Error as error:
            return _problem(503, f"the telemetry log cannot be read: {error}")
        return JSONResponse({"rows": rows, "cursor": cursor, "time": self._engine.clock()})

    async def _recordings(self, request: Request) -> Response:
        """`?after=SEQ&limit=N`: oldest first after a number; `?latest=N&version=V`: the newest of a version first."""
        agent, asked = request.path_params["agent"], request.query_params
        defaults = (("after", "0"), ("limit", "100"), ("latest", ""))
        numbers = {name: asked.get(name, default) for name, default in defaults}
        for name, text in numbers.items():
            if text and not (text.isascii() and text.isdigit() and len(text) < 19):
                return _problem(400, f"`{name}` is not a whole number")
        on_disk, kept = self._engine.on_disk, self._engine.recordings
        try:
            if numbers["latest"]:
                found = await on_disk(kept.latest, agent, asked.get("version", ""), int(numbers["latest"]))
            else:
                found = await on_disk(kept.after, agent, int(numbers["after"] or 0), int(numbers["limit"] or 0))
        except sqlite3.Error as error:
            return _problem(503, f"the recordings cannot be read: {error}")
        return JSONResponse({"recordings": found, "time": self._engine.clock()})

    async def _failures(self, request: Request) -> Response:
        """The turns that failed of late and may be kept, redacted, oldest first."""
        agent = self._agent(request)
        return self._unknown(request) if agent is None else JSONResponse({"failures": agent.failures.latest()})

    async def _metrics(self, _request: Request) -> Response:
        return PlainTextResponse(exposition(self._engine), media_type="text/plain; version=0.0.4")


async def _json(request: Request) -> Any:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _BODY_LIMIT:
            raise BadPolicy("the body is too long")
    try:
        return json.loads(body)
    except ValueError as error:
        raise BadPolicy(f"the body is not JSON: {error}") from None
