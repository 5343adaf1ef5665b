"""One version's process: started on a socket that outlives it, health-checked, restarted with back-off, stopped
gracefully.

The socket is bound once and passed to every successor, so the port never changes and callers that come during a quick
restart wait in its queue. While a long back-off lasts they are answered 503 at once instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import httpx

from headgate.platforms.local.logs import LogFile

log = logging.getLogger("headgate.local")

_BACKLOG = 2048  # connections that wait for an agent that is starting
_PING_PAUSE_S = 0.1
_LAUNCHER = Path(__file__).with_name("launch.py")
_DOWN_BODY = b'{"error": "the agent process is down"}'
_DOWN = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s" % (len(_DOWN_BODY), _DOWN_BODY)
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How long things may take (s). The start deadline is AWS's."""

    start_deadline_s: float = 30.0
    ping_every_s: float = 2.0
    ping_timeout_s: float = 5.0
    pings_missed: int = 3
    stop_deadline_s: float = 5.0
    backoff_first_s: float = 0.2
    backoff_last_s: float = 30.0
    healthy_again_s: float = 60.0
    answer_after_s: float = 1.0  # callers wait through a shorter back-off, and are told 503 in a longer one


class Health(StrEnum):
    CREATING = "CREATING"  # starting, or starting again
    READY = "READY"
    FAILED = "FAILED"  # never came up, or keeps dying; still tried again while an endpoint needs it


@dataclass(frozen=True, slots=True)
class Launch:
    """What to run: `python` runs `folder`/`entry` in `folder` with exactly this environment."""

    name: str
    python: str
    folder: Path
    entry: str
    environment: Mapping[str, str]
    log: Path


class AgentProcess:
    """Keeps one version alive until `stop`. `changed` is called after every change of `health`."""

    def __init__(
        self, launch: Launch, port: int, lifeline: int, changed: Callable[[AgentProcess], None], pace: Pace
    ) -> None:
        self.launch = launch
        self.health = Health.CREATING
        self.reason = ""
        self.pid: int | None = None
        self.restarts = 0
        self.last_used = time.monotonic()
        self.in_flight = 0
        self._lifeline = lifeline
        self._changed = changed
        self._pace = pace
        self._failures = 0  # in a row
        self._came_up = False
        self._healthy_since = 0.0
        self._stopping = asyncio.Event()
        self._settled = asyncio.Event()  # READY or FAILED
        self._socket = _bind(port, launch.name)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = LogFile(launch.log)
        self._task = asyncio.create_task(self._live(), name=launch.name)
        self._task.add_done_callback(_report_crash)

    async def settled(self, timeout: float) -> Health:
        """Wait until it is READY, FAILED or being stopped, at most `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._settled.wait(), timeout)
        return self.health

    @property
    def stopping(self) -> bool:
        return self._stopping.is_set()

    async def stop(self) -> None:
        """SIGTERM, time for the requests in flight, then SIGKILL. Idempotent."""
        self._stopping.set()
        self._settled.set()  # nobody waits for what will not come
        await asyncio.gather(self._task, return_exceptions=True)
        self._socket.close()
        self._log.close()

    # --- the life of it

    async def _live(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=self._pace.ping_timeout_s) as client:
            while not self._stopping.is_set():
                try:
                    why = await self._once(client)
                except OSError as error:
                    why = f"could not be started: {error}"
                if self._stopping.is_set():
                    return
                self._note_end(why)
                await self._back_off()
                self.restarts += 1

    async def _once(self, client: httpx.AsyncClient) -> str:
        """One process from start to end; why it ended."""
        self._log.begin()
        output, its_output = os.pipe()
        try:
            process = await self._spawn(its_output)
        except OSError:
            os.close(output)
            raise
        finally:
            os.close(its_output)
        self.pid = process.pid
        reader = asyncio.create_task(self._keep_output(output))
        exited = asyncio.create_task(process.wait())
        try:
            why = await self._until_ready(client, exited)
            if not why:
                self._note_ready()
                why = await self._until_ill(client, exited)
            return why
        finally:
            await self._end(process, exited)
            # a grandchild that escaped its group may hold the pipe open for ever
            await asyncio.wait({reader}, timeout=1)
            reader.cancel()
            self.pid = None

    async def _spawn(self, output: int) -> asyncio.subprocess.Process:
        launch, listener = self.launch, self._socket.fileno()
        command = [launch.python, str(_LAUNCHER), str(listener), str(self._lifeline), str(launch.folder / launch.entry)]
        return await asyncio.create_subprocess_exec(
            *command,
            cwd=launch.folder,
            env=dict(launch.environment),
            stdin=asyncio.subprocess.DEVNULL,
            # not asyncio's PIPE: its wait() would last until every grandchild has closed the pipe, too
            stdout=output,
            stderr=output,
            pass_fds=(listener, self._lifeline),
            start_new_session=True,  # a group of its own, so that what it starts can be ended with it
        )

    async def _until_ready(self, client: httpx.AsyncClient, exited: asyncio.Task[int]) -> str:
        """Empty once /ping answers, else why it never did."""
        deadline = self._pace.start_deadline_s
        # the socket listens already: the first ping waits in its queue until the agent is there
        ping = asyncio.create_task(_ping_until_well(client, deadline))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({ping, exited, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if exited.done():
                return f"{_exit_words(exited.result())} before it answered /ping"
            if stopping.done():
                return "stopped"
            fault = ping.result()
            return f"/ping did not answer 200 within {deadline:g} s ({fault})" if fault else ""
        finally:
            ping.cancel()
            stopping.cancel()

    async def _until_ill(self, client: httpx.AsyncClient, exited: asyncio.Task[int]) -> str:
        stopping = asyncio.create_task(self._stopping.wait())
        missed = 0
        try:
            while True:
                await asyncio.wait(
                    {exited, stopping}, timeout=self._pace.ping_every_s, return_when=asyncio.FIRST_COMPLETED
                )
                if exited.done():
                    return _exit_words(exited.result())
                if stopping.done():
                    return "stopped"
                fault = await _ping(client, self._pace.ping_timeout_s)
                missed = missed + 1 if fault else 0
                if missed >= self._pace.pings_missed:
                    return f"/ping missed {missed} times ({fault})"
        finally:
            stopping.cancel()

    async def _end(self, process: asyncio.subprocess.Process, exited: asyncio.Task[int]) -> None:
        if not exited.done():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            await asyncio.wait({exited}, timeout=self._pace.stop_deadline_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await exited

    async def _keep_output(self, output: int) -> None:
        reader = asyncio.StreamReader()
        pipe = os.fdopen(output, "rb", 0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        try:
            while True:
                try:
                    line = await reader.readuntil(b"\n")
                except asyncio.LimitOverrunError as error:
                    line = await reader.readexactly(error.consumed)
                self._log.write(line)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                self._log.write(error.partial)
        finally:
            transport.close()

    # --- what others are told

    def _note_ready(self) -> None:
        self._came_up = True
        self._healthy_since = time.monotonic()
        self._say(Health.READY, "")

    def _note_end(self, why: str) -> None:
        if self.health is Health.READY and time.monotonic() - self._healthy_since >= self._pace.healthy_again_s:
            self._failures = 0
        self._failures += 1
        tail = self._log.tail()
        reason = f"{why}; its last lines:\n{tail}" if tail else f"{why}; it wrote nothing"
        gone_for_good = not self._came_up or self._failures >= 3
        log.warning("%s: %s", self.launch.name, reason)
        self._say(Health.FAILED if gone_for_good else Health.CREATING, reason)

    def _say(self, health: Health, reason: str) -> None:
        self.health, self.reason = health, reason
        if health is Health.CREATING:
            self._settled.clear()
        else:
            self._settled.set()
        self._changed(self)

    async def _back_off(self) -> None:
        delay = min(self._pace.backoff_first_s * 2 ** (self._failures - 1), self._pace.backoff_last_s)
        server = None
        if delay >= self._pace.answer_after_s:
            server = await asyncio.start_server(_answer_down, sock=self._socket.dup(), backlog=_BACKLOG)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
        finally:
            if server:
                server.close()


def _bind(port: int, name: str) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the agent's connections inherit it
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        log.warning("%s: its old port %d is taken (%s); it gets a new one", name, port, error)
        listener.bind(("127.0.0.1", 0))
    listener.listen(_BACKLOG)
    return listener


async def _ping(client: httpx.AsyncClient, timeout: float) -> str:
    """What is wrong with the answer to /ping; empty for 200."""
    try:
        response = await client.get("/ping", timeout=timeout)
    except httpx.HTTPError as error:
        return str(error) or type(error).__name__
    return "" if response.status_code == 200 else f"HTTP {response.status_code}"


async def _ping_until_well(client: httpx.AsyncClient, seconds: float) -> str:
    """Ping until it answers 200 (empty) or the time is up (the last fault)."""
    end = time.monotonic() + seconds
    while fault := await _ping(client, max(end - time.monotonic(), 0.001)):
        if time.monotonic() + _PING_PAUSE_S >= end:
            return fault
        await asyncio.sleep(_PING_PAUSE_S)
    return ""


async def _answer_down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        writer.write(_DOWN)
        writer.write_eof()
        # a body left unread would turn the close into a reset, and the answer would be lost
        await asyncio.wait_for(reader.read(-1), 1)
    writer.close()


def _exit_words(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exited with code {code}"


def _report_crash(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("%s: its keeper failed", task.get_name(), exc_info=error)


def resident(pid: int | None) -> int | None:
    """Bytes of memory that a process holds; None where it has ended or the system does not tell (/proc is Linux's)."""
    try:
        fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return None
