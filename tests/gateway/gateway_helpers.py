"""A gateway in a thread, agents that do as told on real sockets, and a client that sees every byte."""

import asyncio
import contextlib
import json
import socket
import ssl
import threading
import time
from dataclasses import replace
from hashlib import sha256

import boto3
import httpx
import uvloop
from botocore.config import Config

from headgate.core.model import Version
from headgate.gateway.server import running
from headgate.gateway.settings import GatewaySettings
from headgate.ports import TrafficPolicy
from headgate.telemetry.gateway import GatewayTelemetry
from headgate.traffic.embedded import EmbeddedTraffic

ARN = "arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/coach-0123456789"
TOKEN = "a token of the tests"
SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
_TLS = ssl.create_default_context()  # never used, and slow to make for every call
PATIENCE = 20.0  # seconds; never a measure, only an end to waiting


def session_id(number):
    """A session id of a legal length."""
    return f"session-{number:026d}"


def policy(one="http://127.0.0.1:1", two=None, **members):
    """A policy of the agent `coach`: version 1 at url `one` is the baseline, version 2 at `two` the candidate."""
    base = TrafficPolicy(
        agent="coach",
        arn=ARN,
        rollout="r1",
        term=1,
        epoch=1,
        salt="salt",
        baseline=Version("1", "", one),
        candidate=Version("2", "", two) if two else None,
    )
    return replace(base, **members)


def wait_for(condition, what="the condition"):
    """Polls until the condition holds; its value."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if value := condition():
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not come about within {PATIENCE:g} s")


class FakeClock:
    """Wall-clock time that stands still until it is moved."""

    def __init__(self, now=1_700_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


def full(body, status="200 OK", headers=""):
    """A whole response as bytes."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n{headers}\r\n"
    return head.encode() + data


SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def chunk(data):
    """One HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(**members):
    """One server-sent event in a chunk of its own."""
    return chunk(b"data: " + json.dumps(members).encode() + b"\n\n")


class Upstream:
    """One version of an agent. `script(request, writer)` answers; by default with its version and what it was sent."""

    def __init__(self, version):
        self.version = version
        self.script = self.echo
        self.serve = self._serve  # a whole connection, for what a script cannot do
        self.requests = []  # (head, body)
        self.connections = 0
        self.open = 0
        self.url = ""
        self._server = None
        self._writers = set()

    async def start(self):
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self):
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def echo(self, request, writer):
        body = request[1].decode("utf-8", "replace")
        writer.write(full({"version": self.version, "got": body, "usage": {"input_tokens": 5, "output_tokens": 7}}))

    async def _accept(self, reader, writer):
        self.connections += 1
        self.open += 1
        self._writers.add(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            try:
                await self.serve(reader, writer)
            finally:
                self.open -= 1
                self._writers.discard(writer)
                writer.close()

    async def _serve(self, reader, writer):
        while not writer.is_closing():
            head = await reader.readuntil(b"\r\n\r\n")
            request = (head, await self._body(head.lower(), reader))
            self.requests.append(request)
            await self.script(request, writer)
            await writer.drain()

    async def _body(self, head, reader):
        if b"transfer-encoding: chunked" in head:
            body = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
            return body
        length = [line for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
        return await reader.readexactly(int(length[0].split(b":")[1])) if length else b""


class Live:
    """A gateway and two versions of an agent, all in one thread of their own; what it offers may be called from any
    other.
    """

    def __init__(self, home, clock=time.time, loop=uvloop.new_event_loop, **limits):
        self.settings = GatewaySettings(
            listen=("127.0.0.1", 0),
            admin=("127.0.0.1", 0),
            home=home,
            token_sha256=sha256(TOKEN.encode()).hexdigest(),
            **limits,
        )
        self.clock = clock
        self.loop_factory = loop
        self.one, self.two = Upstream("1"), Upstream("2")
        self._started = threading.Event()
        self._failure = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        assert self._started.wait(PATIENCE)
        if self._failure:
            raise self._failure
        self.traffic = EmbeddedTraffic(self.admin, TOKEN)
        self.telemetry = GatewayTelemetry(self.admin, TOKEN)
        return self

    def __exit__(self, *_):
        self.traffic.close()
        self.telemetry.close()
        self.loop.call_soon_threadsafe(self._told.set)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        if self._failure:
            raise self._failure

    def _run(self):
        try:
            with asyncio.Runner(loop_factory=self.loop_factory) as runner:
                runner.run(self._main())
        except BaseException as failure:  # noqa: BLE001 - told to the thread of the test
            self._failure = failure
            self._started.set()

    async def _main(self):
        self.loop = asyncio.get_running_loop()
        self._told = asyncio.Event()
        await self.one.start()
        await self.two.start()
        async with running(self.settings, self.clock) as (self.engine, addresses):
            self.url, self.admin = addresses["url"], addresses["admin"]
            self.port = int(self.url.rpartition(":")[2])
            self._started.set()
            await self._told.wait()
        await self.one.stop()
        await self.two.stop()
        current = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not current]
        await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), PATIENCE)

    def do(self, function, *arguments):
        """Calls a function (or runs a coroutine function) in the gateway's thread; its result."""

        async def call():
            result = function(*arguments)
            return await result if asyncio.iscoroutine(result) else result

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(PATIENCE)

    def event(self):
        """An asyncio event of the gateway's loop."""

        async def make():
            return asyncio.Event()

        return self.do(make)

    def apply(self, **members):
        """Puts a policy over both versions in force."""
        self.traffic.apply(policy(self.one.url, self.two.url, **members))

    def tick(self):
        """What the gateway does every second."""
        self.do(self.engine.tick)

    def rows(self):
        """All telemetry so far, also of the second that is not over."""

        async def commit():
            await self.engine.commit(everything=True)

        self.do(commit)
        return self.telemetry.poll("coach", "")[0]

    @contextlib.contextmanager
    def client(self):
        """An unmodified boto3 client."""
        client = agentcore(self.url)
        try:
            yield client
        finally:
            client.close()

    def post(self, session="", body=b"{}"):
        """One turn."""
        headers = {SESSION: session} if session else {}
        url = f"{self.url}/runtimes/coach/invocations"
        with httpx.Client(verify=_TLS, timeout=PATIENCE, trust_env=False) as client:
            answer = client.post(url, content=body, headers=headers)
        self.settle()
        return answer

    def settle(self):
        """What was answered is counted: the gateway does so in the step of its loop that sends the last byte."""
        self.do(lambda: None)

    def raw(self):
        """A connection that sends and shows bytes."""
        return Raw(self.port)


def agentcore(url):
    """An unmodified boto3 `bedrock-agentcore` client of the gateway."""
    return boto3.client(
        "bedrock-agentcore",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="nobody",
        aws_secret_access_key="nothing",
        config=Config(retries={"total_max_attempts": 1}, proxies={}),
    )


def head(session="", length=None, extra="", target="/runtimes/coach/invocations", version="1.1"):
    """A request head as bytes."""
    lines = [f"POST {target} HTTP/{version}", "Host: gateway"]
    if session:
        lines.append(f"{SESSION}: {session}")
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n" + extra + "\r\n").encode()


class Raw:
    """A TCP client."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.data = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def until(self, mark):
        """Reads until the mark has come; what came up to its end."""
        while mark not in self.data:
            more = self.socket.recv(65536)
            if not more:
                raise AssertionError(f"the connection ended before {mark!r} came: {self.data!r}")
            self.data += more
        end = self.data.index(mark) + len(mark)
        got, self.data = self.data[:end], self.data[end:]
        return got

    def to_end(self):
        """Reads until the gateway closes."""
        while more := self.socket.recv(65536):
            self.data += more
        return self.data

    def response(self):
        """(status, lower-case head, body) of one response with a length."""
        top = self.until(b"\r\n\r\n")
        length = [line for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        need = int(length[0].split(b":")[1])
        while len(self.data) < need:
            more = self.socket.recv(65536)
            assert more, "the body is cut"
            self.data += more
        body, self.data = self.data[:need], self.data[need:]
        return int(top.split()[1]), top.lower(), body
