"""The local runtime as a server: both planes of AgentCore on one port, and a look behind the scenes under /headgate."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from headgate.errors import RefusedError, UsageError
from headgate.platforms.local import wire
from headgate.platforms.local.control import Control
from headgate.platforms.local.data import DataPlane
from headgate.platforms.local.fleet import Fleet
from headgate.platforms.local.gateways import Gateways
from headgate.platforms.local.model import match, operations
from headgate.platforms.local.process import Pace
from headgate.platforms.local.state import State

log = logging.getLogger("headgate.local")

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """How to run. `listen` is (host, port), port 0 for a free one; `python` the interpreter of the agents.

    `home` is the runtime's own folder: runtime.db, artifacts/, logs/. `lifeline_fd` is the reading end of a pipe: the
    runtime stops when its other end is closed. `session_idle_s`: how long a session is remembered, and DEFAULT's
    process kept, without a turn. `s3`: code may come from buckets, read with the usual AWS configuration.
    """

    listen: tuple[str, int]
    home: Path
    python: str = sys.executable
    lifeline_fd: int | None = None
    session_idle_s: float = 900.0
    region: str = "local"
    s3: bool = False
    pace: Pace = field(default_factory=Pace)


def serve(settings: LocalSettings, ready: Callable[[dict[str, str]], None]) -> None:
    """Serve until SIGTERM, SIGINT or the end of the lifeline; `ready` gets {"url": ...} once requests are answered.

    Raises UsageError where the address cannot be had, RefusedError where another runtime works in the same folder.
    """
    operations()  # a missing description of the API is found now, not at the first request
    root = settings.home.resolve()
    root.mkdir(parents=True, exist_ok=True)
    with _locked(root / "lock"), _listening(settings.listen) as listener:
        asyncio.run(_serve(settings, root, listener, ready))


async def _serve(
    settings: LocalSettings, root: Path, listener: socket.socket, ready: Callable[[dict[str, str]], None]
) -> None:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{port}"
    app = _app(settings, root, url, lambda: ready({"url": url}))
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=3)
    server = _Server(config)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    if settings.lifeline_fd is not None:
        threading.Thread(target=_await_end, args=(settings.lifeline_fd, loop, server.stop), daemon=True).start()
    await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers, which would raise the signal again before the agents are stopped."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def stop(self) -> None:
        self.should_exit = True


def _app(settings: LocalSettings, root: Path, url: str, started: Callable[[], None]) -> Starlette:
    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        state = State(root / "runtime.db")
        fleet = Fleet(state, root, settings.python, settings.session_idle_s, settings.pace)
        gateways = app.state.gateways = Gateways(state, state.documents(), settings.region, url)
        app.state.control = Control(state, fleet, root, settings.region, gateways, buckets=settings.s3)
        app.state.data = DataPlane(state, fleet, settings.session_idle_s)
        app.state.control.drop_unused_artifacts()
        fleet.sync()
        asyncio.get_running_loop().call_soon(started)
        try:
            yield
        finally:
            await app.state.data.close()
            await fleet.close()
            state.close()

    routes = [
        Route("/headgate/healthz", _healthz),
        Route("/headgate/runtimes/{id}/versions/{number}", _version),
        Route("/headgate/digest", _digest, methods=["POST"]),
        Route("/gateway/{gateway}/{target}/{path:path}", _through_gateway, methods=["POST"]),
        Route("/{path:path}", _api, methods=_METHODS),
    ]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={wire.ApiError: _refused, Exception: _failed})


async def _api(request: Request) -> Response:
    if _of_a_page(request):
        return JSONResponse({"message": "requests of web pages are not served"}, 403)
    found = match(request.method, request.scope["raw_path"].decode("ascii"))
    if found is None:
        what = f"{request.method} {request.url.path}"
        raise wire.ApiError("UnknownOperationException", f"{what} is not an operation of the local runtime")
    operation, uri = found
    params = await wire.params_of(operation, uri, request)
    if operation.name == "InvokeAgentRuntime":
        return await _data(request).invoke(operation, params, request)
    if operation.name == "StopRuntimeSession":
        return _data(request).stop(params)
    return wire.answer(operation, await _control(request).run(operation, params))


async def _through_gateway(request: Request) -> Response:
    """A turn that comes to a gateway's own url: /TARGET/invocations, or an SDK's path under /TARGET."""
    if _of_a_page(request):
        return JSONResponse({"message": "requests of web pages are not served"}, 403)
    gateways: Gateways = request.app.state.gateways
    invoke = next(o for o in operations() if o.name == "InvokeAgentRuntime")
    gateway, target = request.path_params["gateway"], request.path_params["target"]
    arn, qualifier = gateways.route(gateway, target, request.headers.get(wire.SESSION_HEADER, ""))
    params = await wire.params_of(invoke, {"agentRuntimeArn": arn}, request)
    return await _data(request).invoke(invoke, {**params, "qualifier": qualifier}, request)


def _of_a_page(request: Request) -> bool:
    # no SDK sends it: a web page in this machine's browser must not be able to run code here
    return "origin" in request.headers


async def _healthz(_: Request) -> Response:
    return JSONResponse({"ok": True, "pid": os.getpid()})


async def _version(request: Request) -> Response:
    control, (id, number) = _control(request), (request.path_params[name] for name in ("id", "number"))
    return JSONResponse({**control.version_state(id, number), **await control.parts(id, number)})


async def _digest(request: Request) -> Response:
    operation = next(o for o in operations() if o.name == "CreateAgentRuntime")
    return JSONResponse(await _control(request).digest(await wire.params_of(operation, {}, request)))


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, wire.ApiError)
    return error.response()


async def _failed(_: Request, error: Exception) -> Response:
    # starlette logs it; the client is told no more than AWS would tell it
    return wire.ApiError("InternalServerException", f"the local runtime failed: {type(error).__name__}").response()


def _control(request: Request) -> Control:
    control: Control = request.app.state.control
    return control


def _data(request: Request) -> DataPlane:
    data: DataPlane = request.app.state.data
    return data


def _await_end(fd: int, loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    while os.read(fd, 1):
        pass
    with contextlib.suppress(RuntimeError):  # the loop is closed: it stopped by itself
        loop.call_soon_threadsafe(stop)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[IO[str]]:
    with path.open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read().strip() or "?"
            mend = "stop that one, or choose another --home"
            raise RefusedError(f"a local runtime (pid {holder}) already works in {path.parent}", mend) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield file


@contextlib.contextmanager
def _listening(address: tuple[str, int]) -> Iterator[socket.socket]:
    try:
        listener = socket.create_server(address, backlog=2048)
    except OSError as error:
        text = f"cannot listen on {address[0]}:{address[1]}: {error.strerror or error}"
        raise UsageError(text, "choose another --listen, or stop what listens there") from error
    with listener:
        # accepted connections inherit it; asyncio sets it only on sockets that were made with the protocol's number
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield listener
