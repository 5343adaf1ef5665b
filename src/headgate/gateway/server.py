"""The gateway as a process: listens, serves until it is told to stop or its parent dies, and leaves nothing
unwritten.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from headgate.errors import Unavailable, UsageError
from headgate.gateway.admin import server as admin_server
from headgate.gateway.client import Client
from headgate.gateway.engine import Engine
from headgate.gateway.settings import Address, GatewaySettings

__all__ = ["GatewaySettings", "running", "serve"]

Ready = Callable[[dict[str, str]], None]

_BACKLOG = 1024


def serve(settings: GatewaySettings, ready: Ready) -> None:
    """Blocks until SIGTERM, SIGINT or the end of the lifeline. `ready` gets {"url", "admin"} with the actual ports.

    Raises UsageError (a fixed policy that cannot be read) and Unavailable (a port in use, a home that cannot be
    written).
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings, ready))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop
    except ImportError:  # not on every platform; about a tenth more CPU without it
        return asyncio.new_event_loop
    return uvloop.new_event_loop


async def _serve(settings: GatewaySettings, ready: Ready) -> None:
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    if settings.lifeline_fd is not None:
        loop.add_reader(settings.lifeline_fd, _lifeline, settings.lifeline_fd, told)
    async with running(settings) as (_, addresses):
        ready(addresses)
        await told.wait()


def _lifeline(descriptor: int, told: asyncio.Event) -> None:
    """The pipe can be read: nobody writes to it, so that is its end, and the parent's."""
    if not os.read(descriptor, 1):
        asyncio.get_running_loop().remove_reader(descriptor)
        told.set()


@asynccontextmanager
async def running(
    settings: GatewaySettings, clock: Callable[[], float] = time.time
) -> AsyncIterator[tuple[Engine, dict[str, str]]]:
    """A gateway in the running loop, and its addresses; stops gracefully at the end of the block."""
    async with contextlib.AsyncExitStack() as stack:
        front = stack.enter_context(contextlib.closing(_bind(settings.listen, "--listen")))
        back = stack.enter_context(contextlib.closing(_bind(settings.admin, "--admin")))
        engine = Engine(settings, clock)
        try:
            async with _listening(engine, front, back):
                yield engine, {"url": _url(front), "admin": _url(back)}
        finally:
            await engine.close()


@asynccontextmanager
async def _listening(engine: Engine, front: socket.socket, back: socket.socket) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()
    admin = admin_server(engine)
    server = await loop.create_server(lambda: Client(engine), sock=front, backlog=_BACKLOG)
    tasks = [
        loop.create_task(admin.serve(sockets=[back])),
        loop.create_task(_every(0.1, engine)),
        loop.create_task(_ticks(engine)),
    ]
    try:
        while not admin.started:
            await asyncio.sleep(0.005)
        yield
    finally:
        server.close()
        await engine.drain(engine.settings.stop_s)
        admin.should_exit = True
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _every(seconds: float, engine: Engine) -> None:
    while True:
        await asyncio.sleep(seconds)
        engine.sweep()


async def _ticks(engine: Engine) -> None:
    while True:
        # just after the second, so that its row is complete and young
        await asyncio.sleep(1.02 - engine.clock() % 1)
        try:
            await engine.tick()
        except Exception as failure:  # noqa: BLE001 - a tick that fails must not end all later ones: pins, moves, telemetry
            asyncio.get_running_loop().call_exception_handler({"message": "a tick failed", "exception": failure})


def _bind(address: Address, option: str) -> socket.socket:
    """A bound socket. Raises Unavailable (in use, not allowed) or UsageError (no such address)."""
    host, port = address
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UsageError(f"{host}:{port} is no address: {error}", f"give {option} HOST:PORT") from error
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
        bound.listen(_BACKLOG)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            mend = (
                f"stop the process that holds it (`ss -ltnp 'sport = :{port}'` names it), or give another with {option}"
            )
            raise Unavailable(f"the port {port} on {host} is in use", mend) from error
        raise Unavailable(
            f"cannot listen on {host}:{port}: {error}", f"give another with {option} HOST:PORT"
        ) from error
    return bound


def _url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
