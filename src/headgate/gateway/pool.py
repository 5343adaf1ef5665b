"""Connections to one version: opened on demand, kept alive, the last used first, so that surplus ones grow old and
are closed.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING

from headgate.gateway.policy import address

if TYPE_CHECKING:
    from headgate.gateway.relay import Exchange

_IDLE = 256  # connections kept without work
_FRESH_S = 15.0  # how long one to AgentCore is trusted without work


class Upstream(asyncio.Protocol):
    """One connection to a version; carries one exchange at a time and passes its events on."""

    __slots__ = ("exchange", "free_since", "pool", "reused", "transport")

    transport: asyncio.Transport

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.exchange: Exchange | None = None
        self.reused = False
        self.free_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: the connection is open."""
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """asyncio: a piece of an answer; without an exchange it belongs to nothing, and the connection is not to be
        trusted.
        """
        if self.exchange is None:
            self.transport.abort()
        else:
            self.exchange.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the connection is gone."""
        self.pool.lost(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.upstream_lost(self, exc)

    def pause_writing(self) -> None:
        """asyncio: the version reads more slowly than the client sends."""
        if self.exchange is not None:
            self.exchange.hold_client()

    def resume_writing(self) -> None:
        """asyncio: it caught up."""
        if self.exchange is not None:
            self.exchange.release_client()


@cache
def _tls() -> ssl.SSLContext:
    """One for all pools: loading the certificates takes tens of milliseconds."""
    return ssl.create_default_context()


class Pool:
    """The connections to one url. `url` as in a policy."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.address = address(url)
        self._tls = _tls() if self.address.tls else None
        host = self.address.origin.partition("//")[2]
        if not self.address.region:
            host = host if host.rpartition(":")[2].isdigit() else f"{host}:{self.address.port}"
        self.head = f"POST {self.address.target} HTTP/1.1\r\nHost: {host}\r\n".encode()
        self._idle: list[Upstream] = []
        self._closed = False

    def take(self) -> Upstream | None:
        """The connection that was used last, or None: open one."""
        while self._idle:
            connection = self._idle.pop()
            # a turn on AgentCore is never sent twice, so a connection that may be stale is not worth the try
            old = bool(self.address.region) and perf_counter() - connection.free_since > _FRESH_S
            if old:
                connection.transport.close()
            elif not connection.transport.is_closing():
                connection.reused = True
                return connection
        return None

    async def connect(self, seconds: float) -> Upstream:
        """A new connection. Raises OSError or TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(seconds):
            _, connection = await loop.create_connection(
                lambda: Upstream(self), self.address.host, self.address.port, ssl=self._tls
            )
        return connection

    def give(self, connection: Upstream) -> None:
        """The connection is free again."""
        connection.exchange = None
        if self._closed or len(self._idle) >= _IDLE:
            connection.transport.close()
        else:
            connection.transport.resume_reading()
            connection.free_since = perf_counter()
            self._idle.append(connection)

    def lost(self, connection: Upstream) -> None:
        """The connection is gone; a version closes idle ones after some seconds."""
        if connection in self._idle:
            self._idle.remove(connection)

    def close(self) -> None:
        """No policy names this url any more: what is in flight finishes, nothing is kept."""
        self._closed = True
        for connection in self._idle:
            connection.transport.close()
        self._idle.clear()
