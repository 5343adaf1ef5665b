"""A small HTTP/1.1 client for one event loop: thousands of open requests in one process, each timed where it is read.

One request at a time on a connection; connections are kept and used again. What goes wrong is a `Broken` with the
reason in words. httptools parses; asyncio alone carries, because a general client costs several times more per turn.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

import httptools

LARGEST = 4_000_000  # bytes of one answer
CONNECT_S = 5.0
_KEPT = 4096  # idle connections per address


class Broken(Exception):
    """No whole answer. `reached` False: not even a connection; `kind`: for counting; `headers`: what came of them."""

    def __init__(self, why: str, kind: str, *, reached: bool = True, headers: dict[str, str] | None = None) -> None:
        super().__init__(why)
        self.why = why
        self.kind = kind
        self.reached = reached
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a URL leads: host, port, whether with TLS, and the path before anything that is appended."""

    host: str
    port: int
    tls: bool
    path: str

    @classmethod
    def of(cls, url: str) -> Address:
        """Raises Broken where the URL is none."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise Broken(f"cannot be reached: {url!r} is no URL: {error}", "no url", reached=False) from None
        if parts.scheme not in {"http", "https"} or not host:
            raise Broken(f"cannot be reached: {url!r} is no http URL", "no url", reached=False)
        tls = parts.scheme == "https"
        return cls(host, port or (443 if tls else 80), tls, parts.path.rstrip("/"))

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.tls else 80) else f"{host}:{self.port}"


@dataclass(slots=True)
class Reply:
    """A whole answer. `first` and `last`: seconds from the request to the first byte of the body, and to its end.

    `pieces` are (seconds, bytes) as they were read: in a stream, when each event came.
    """

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    last: float = 0.0

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    @property
    def first(self) -> float:
        return self.pieces[0][0] if self.pieces else self.last


class _Connection(asyncio.Protocol):
    """One connection. Callbacks named on_* are httptools'."""

    __slots__ = ("_done", "_parser", "_reply", "_size", "_started", "_timer", "closed", "fresh", "heard", "transport")

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.closed = False
        self.fresh = True
        self.heard = False  # a byte of the answer came
        self._done: asyncio.Future[Reply] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reply = Reply()
        self._size = 0
        self._started = 0.0
        self._parser: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    async def ask(self, request: bytes, timeout: float) -> Reply:
        """Sends a request and waits for its answer, `timeout` seconds in all. Raises Broken."""
        loop = asyncio.get_running_loop()
        self._reply, self._size, self.heard = Reply(), 0, False
        self._parser = httptools.HttpResponseParser(self)
        self._done = loop.create_future()
        self._timer = loop.call_later(timeout, self._fail, Broken(f"no whole answer within {timeout:g} s", "timeout"))
        self._started = perf_counter()
        self.transport.write(request)
        try:
            return await self._done
        finally:
            self._timer.cancel()
            if not self._done.done() or self._done.cancelled() or self._done.exception():
                self.drop()
            self._done = None

    def data_received(self, data: bytes) -> None:
        if self._done is None or self._done.done():
            self.drop()  # nobody asked
            return
        self.heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(Broken("the connection failed: the answer switches protocols", "protocol"))
        except httptools.HttpParserError as error:
            self._fail(Broken(f"the connection failed: the answer is not HTTP: {error}", "protocol"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._reply.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > LARGEST:
            self._fail(Broken(f"the answer is larger than {LARGEST} bytes", "too large"))
            return
        self._reply.pieces.append((perf_counter() - self._started, body))

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() >= 200:
            self._finish(keep=self._parser.should_keep_alive())

    def _finish(self, *, keep: bool) -> None:
        if self._done is None or self._done.done():
            return
        self._reply.status = self._parser.get_status_code()
        self._reply.last = perf_counter() - self._started
        if not keep:
            self.closed = True
        self._done.set_result(self._reply)

    def _fail(self, broken: Broken) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_exception(broken)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._done is None or self._done.done():
            return
        headers, status = self._reply.headers, self._parser.get_status_code() if self.heard else 0
        if status >= 200 and "content-length" not in headers and "transfer-encoding" not in headers and exc is None:
            self._finish(keep=False)  # its end is the end of the connection
        else:
            why, kind = f"the connection failed: {exc or 'closed before the answer was whole'}", "connection lost"
            self._fail(Broken(why, "answer cut short" if self.heard else kind, headers=dict(headers)))

    def drop(self) -> None:
        self.closed = True
        self.transport.abort()


class Wire:
    """Connections by address. Use it within one event loop, as an async context."""

    def __init__(self) -> None:
        self._idle: dict[Address, list[_Connection]] = {}
        self._tls: ssl.SSLContext | None = None

    async def __aenter__(self) -> Wire:
        return self

    async def __aexit__(self, *_: object) -> None:
        for connections in self._idle.values():
            for connection in connections:
                connection.drop()
        self._idle.clear()
        await asyncio.sleep(0)

    async def post(self, address: Address, head: str, body: bytes, timeout: float) -> Reply:
        """One request. `head`: all of it but Host and Content-Length, each line ended by CRLF. Raises Broken."""
        request = f"{head}Host: {address.host_header}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        idle = self._idle.setdefault(address, [])
        while True:
            connection = await self._connection(address, idle, timeout)
            try:
                reply = await connection.ask(request, timeout)
            except Broken as broken:
                # one that was kept may have been closed by the other side meanwhile: nothing was answered on it
                if broken.kind == "connection lost" and not connection.fresh:
                    continue
                raise
            self._keep(connection, idle)
            return reply

    async def _connection(self, address: Address, idle: list[_Connection], timeout: float) -> _Connection:
        while idle:
            connection = idle.pop()
            if not connection.closed:
                connection.fresh = False
                return connection
        loop = asyncio.get_running_loop()
        if address.tls and self._tls is None:
            self._tls = ssl.create_default_context()
        tls = self._tls if address.tls else None
        try:
            async with asyncio.timeout(min(timeout, CONNECT_S)):
                _, made = await loop.create_connection(_Connection, address.host, address.port, ssl=tls)
        except TimeoutError:
            why = f"cannot be reached: no connection within {min(timeout, CONNECT_S):g} s"
            raise Broken(why, "connect", reached=False) from None
        except (OSError, ssl.SSLError) as error:
            raise Broken(f"cannot be reached: {error}", "connect", reached=False) from None
        return made

    def _keep(self, connection: _Connection, idle: list[_Connection]) -> None:
        if connection.closed or len(idle) >= _KEPT:
            connection.drop()
        else:
            idle.append(connection)
