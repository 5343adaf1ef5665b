"""One request on its way through: client -> version -> client, piece by piece, one write per piece, nothing stored but
what a replay needs.

An exchange is a state machine fed by two protocols (`client.Client`, `pool.Upstream`). It ends exactly once, in one of
`_complete`, `_fail`, `client_lost` and `evict`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar

from headgate.gateway import answers
from headgate.gateway.meter import Turn, label_of
from headgate.gateway.pool import Pool, Upstream
from headgate.gateway.sse import Scanner, Usage
from headgate.gateway.told import NOTHING, Told
from headgate.gateway.waits import Waits
from headgate.gateway.wire import HEAD_LIMIT, SESSION, BadMessage, ChunkWalker, Request, Response, parse_response
from headgate.stats.observations import CLIENT_FAULT

if TYPE_CHECKING:
    from headgate.gateway.agent import ServedAgent
    from headgate.gateway.client import Client
    from headgate.gateway.recorder import Tape
    from headgate.gateway.router import Routed
    from headgate.gateway.settings import GatewaySettings

REPLAY_LIMIT = 256 * 1024  # bytes of a request kept for a second try on a fresh connection
_T1, _C = "T1", "C"  # AgentCore's names of the variants, in the baggage of its own A/B tests


class Exchange:
    """One request of one session to one version."""

    KINDS: ClassVar[Mapping[int, str]] = {424: "http_424", 429: "http_429"}  # 4xx that are not the client's fault
    REPLAYS: ClassVar[bool] = True  # whether a request that a stale connection swallowed is sent once more

    __slots__ = (
        "_activity",
        "_began",
        "_connecting",
        "_first",
        "_forwarded",
        "_kept",
        "_label",
        "_left",
        "_over",
        "_partial",
        "_request",
        "_request_done",
        "_request_size",
        "_response",
        "_scanner",
        "_settings",
        "_started",
        "_upstream",
        "_waits",
        "_walker",
        "agent",
        "client",
        "pin",
        "pool",
        "served",
        "session",
        "tape",
        "version",
    )

    def __init__(
        self, client: Client, agent: ServedAgent, session: str, routed: Routed, settings: GatewaySettings
    ) -> None:
        self.client = client
        self.agent = agent
        self.session = session
        self.pin = routed.pin
        self.version = routed.version.number
        self.pool: Pool = agent.pools[self.version]
        self.served = answers.served_by(session, self.version, routed.pin.variant)
        self._settings = settings
        self._label = label_of(routed.pin)
        self._started = self._activity = perf_counter()
        self._first: float | None = None
        self._waits: Waits | None = None  # of a stream
        self._upstream: Upstream | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._request: list[bytes] = []  # what was sent, or waits for a connection
        self._request_size = 0
        self._request_done = False
        self._kept = True  # `_request` holds all of the request so far
        self._began = False  # a byte of the answer came
        self._forwarded = False  # a byte of it went to the client
        self._over = False
        self._partial = b""
        self._response: Response | None = None
        self._walker: ChunkWalker | None = None
        self._left = 0
        self._scanner: Scanner | None = None
        self.tape: Tape | None = None  # where the session is recorded

    # --- request ---------------------------------------------------------------------------------------------------

    def start(self, request: Request, piece: bytes, *, done: bool) -> None:
        """Sends the head and the first piece of the body; `done`: there is no more of it."""
        given = request.baggage + b"," if request.baggage else b""
        head = b"".join(
            (
                self.pool.head,
                request.rest,
                b"Transfer-Encoding: chunked\r\n" if request.chunked else b"",
                b"Accept-Encoding: identity\r\n",  # a compressed answer could not be scanned
                f"{SESSION}: {self.session}\r\n".encode(),
                b"baggage: " + given + self.variant_baggage().encode(),
                b"\r\n\r\n",
                piece,
            )
        )
        self._request_done = done
        self._keep(head)
        connection = self.pool.take()
        if connection is None:
            self._connect()
        else:
            self._attach(connection)

    def variant_baggage(self) -> str:
        """How AgentCore's own A/B tests tell an agent which variant it is."""
        variant = _T1 if self.pin.variant == "candidate" else _C
        return f"aws.agentcore.gateway.routing_experiment_variant_name={variant}"

    def _keep(self, data: bytes) -> None:
        self._request.append(data)
        self._request_size += len(data)

    def _connect(self) -> None:
        self._connecting = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        """A fresh connection: one try more where none could be opened, for nothing was sent yet."""
        try:
            try:
                connection = await self.pool.connect(self._settings.connect_s)
            except ConnectionError:
                connection = await self.pool.connect(self._settings.connect_s)
        except (OSError, TimeoutError):
            self._connecting = None
            self._fail(503, "connect", "the agent's version cannot be reached")
            return
        self._connecting = None
        if self._over:
            self.pool.give(connection)
        else:
            self._attach(connection)

    def _attach(self, connection: Upstream) -> None:
        self._upstream = connection
        connection.exchange = self
        if self.client.paused:
            connection.transport.pause_reading()
        self.release_client()
        connection.transport.write(b"".join(self._request))
        if not connection.reused or self._request_size > REPLAY_LIMIT or not self.REPLAYS:
            self._request.clear()
            self._kept = False

    def body(self, piece: bytes, *, done: bool) -> None:
        """The next piece of the request's body."""
        self._activity = perf_counter()
        self._request_done = done
        if self._upstream is None:
            self._keep(piece)
            if self._request_size > REPLAY_LIMIT:
                self.client.hold()
            return
        self._upstream.transport.write(piece)
        if self._kept:
            self._keep(piece)
            if self._request_size > REPLAY_LIMIT:
                self._request.clear()
                self._kept = False

    def hold_client(self) -> None:
        """Stop reading the request: the version is slower."""
        self.client.hold()

    def release_client(self) -> None:
        """Read on."""
        self.client.release()

    # --- response --------------------------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """A piece of the version's answer."""
        self._activity = perf_counter()
        self._began = True
        try:
            if self._response is None:
                self._head(data)
            else:
                self._body(data, b"")
        except BadMessage as bad:
            self._fail(502, "cut", f"the agent's answer is not HTTP: {bad.message}")

    def _head(self, data: bytes) -> None:
        data = self._partial + data if self._partial else data
        while True:
            end = data.find(b"\r\n\r\n") + 4
            if (end if end > 3 else len(data)) > HEAD_LIMIT:
                raise BadMessage("a head that does not end")
            if end < 4:
                self._partial = data
                return
            response = parse_response(data[:end])
            data = data[end:]
            if response.status >= 200:
                break
            if response.status == 101:
                raise BadMessage("it switches protocols without being asked")
        self._response = response
        self._left = response.length or 0
        if response.chunked:
            self._walker = ChunkWalker(strict=False)
        if response.status >= 500:
            if self.tape is not None and not response.chunked:
                self.tape.refusal = data
            self._fail(424, "http_5xx", f"the agent failed (it answered {response.status}); its own log says why")
            return
        self._waits = Waits() if response.stream else None
        if not response.coded:
            self._scanner = Scanner(stream=response.stream)
        self._body(data, self._client_head(response))

    def _client_head(self, response: Response) -> bytes:
        ends = response.chunked or response.length is not None  # the client can tell where the answer ends
        self.client.keep = self.client.keep and ends and self.client.minor == 1 and self._request_done
        chunked = b"Transfer-Encoding: chunked\r\n" if response.chunked and self.client.minor == 1 else b""
        close = b"" if self.client.keep else answers.CLOSE
        return b"".join((b"HTTP/1.1 ", response.line, response.rest, chunked, self.served, close, b"\r\n"))

    def _body(self, data: bytes, head: bytes) -> None:
        """Passes a piece on as it came, then looks into it; `head` goes before it in the same write."""
        response = self._response
        assert response is not None
        extra = False
        if self._walker is not None:
            pieces, end = self._walker.feed(data)
            done, extra = end >= 0, 0 <= end < len(data)
            out = b"".join(pieces) if self.client.minor == 0 else data[:end] if extra else data
        else:
            out = data
            if response.length is not None and len(data) > self._left:
                out, extra = data[: self._left], True
            self._left -= len(out)
            pieces, done = [out] if out else [], response.length is not None and self._left == 0
        if pieces:
            if self._first is None:
                self._first = self._activity
            if self._waits is not None:
                self._waits.came(pieces, self._activity)
        if head or out:
            self._forwarded = True
            self.client.write(head + out if head else out)
        self._look_into(pieces, response)
        if done:
            self._complete(reusable=response.keep_alive and not extra)

    def _look_into(self, pieces: list[bytes], response: Response) -> None:
        if self._scanner is not None:
            for piece in pieces:
                self._scanner.feed(piece)
        if self.tape is not None:
            self.tape.hear(pieces, stream=response.stream)

    def hold_upstream(self) -> None:
        """Stop reading the answer: the client is slower."""
        if self._upstream is not None:
            self._upstream.transport.pause_reading()

    def release_upstream(self) -> None:
        """Read on; the wait was not the version's."""
        self._activity = perf_counter()
        if self._waits is not None:
            self._waits.resumed(self._activity)
        if self._upstream is not None:
            self._upstream.transport.resume_reading()

    # --- endings ---------------------------------------------------------------------------------------------------

    def _complete(self, *, reusable: bool) -> None:
        response = self._response
        assert response is not None
        self._over = True
        kind, usage, told = "", None, NOTHING
        if response.status >= 400:
            kind = self.KINDS.get(response.status, CLIENT_FAULT)
        if self._scanner is not None:
            self._scanner.finish()
            kind = kind or ("stream_error" if self._scanner.failed else "")
            if response.status < 400:
                usage, told = self._scanner.usage(), self._scanner.told(dict(self.agent.router.policy.metrics))
        self._record(kind, usage, told)
        self._detach(reusable=reusable and self._request_done)
        self.client.finished(self)

    def _fail(self, status: int, kind: str, message: str) -> None:
        """The version failed: counted as `kind`, and the client told as far as that is still possible."""
        if self._over:
            return
        self._over = True
        self._record(kind)
        self._detach(reusable=False)
        self._tell(status, "RuntimeClientError" if status == 424 else "InternalServerException", message)

    def _tell(self, status: int, name: str, message: str) -> None:
        if self._forwarded:
            self.client.cut(self)
            return
        close = not (self.client.keep and self._request_done)
        self.client.keep = not close
        self.client.write(answers.error(status, name, message, self.served, close=close))
        self.client.finished(self)

    def upstream_lost(self, connection: Upstream, exc: Exception | None) -> None:
        """The version closed the connection: a stale one is replaced once, if nothing of an answer came."""
        if self._over or connection is not self._upstream:
            return
        self._upstream = None
        response = self._response
        if response is not None and response.length is None and not response.chunked and exc is None:
            self._complete(reusable=False)
        elif not self._began and self._kept:
            self._connect()  # a fresh one keeps nothing, so there is no second replay
        else:
            self._fail(502, "cut", "the agent's version closed the connection before its answer was complete")

    def client_lost(self) -> None:
        """The client hung up: the version is told at once. Not a failure; its time so far is the least that it would
        have taken.
        """
        if self._over:
            return
        self._over = True
        if self.tape is not None:
            self.tape.whole = False
        if self._request_done:
            self._record("")
        self._detach(reusable=False)

    def evict(self, message: str) -> None:
        """The session is taken from this version, or stopped: cut, or answered so that the client may try again."""
        if self._over:
            return
        self._over = True
        self._detach(reusable=False)
        self._tell(409, "RetryableConflictException", message)

    def abandon(self) -> None:
        """The request itself turned out to be bad: the version is left alone, nothing is counted, the client answers
        for it.
        """
        self._over = True
        self._detach(reusable=False)

    def expire(self, now: float) -> None:
        """Called every 100 ms: ends what waited too long for the client or the version. `now` as of perf_counter."""
        waited = now - self._activity
        if not self._request_done:
            if waited > self._settings.client_s and not self.client.held:
                self.abandon()
                self.client.refuse(self, 408, "ValidationException", "the request's body did not come")
                return
        elif self.client.paused:
            if waited > self._settings.idle_s:
                self.client.cut(self)
            return
        limit = self._settings.first_byte_s if self._first is None else self._settings.idle_s
        if waited > limit:
            self._fail(504, "timeout", f"the agent's version did not answer for {limit:g} s")

    def _record(self, error: str, usage: Usage | None = None, told: Told = NOTHING) -> None:
        now = perf_counter()
        first = None if self._first is None else (self._first - self._started) * 1000
        tokens = None if self._waits is None else self._waits.until(self._started, now)
        self.agent.record(self, Turn(self._label, error, (now - self._started) * 1000, first, usage, tokens, told))

    def _detach(self, *, reusable: bool) -> None:
        self.agent.exchanges.discard(self)
        connection, self._upstream = self._upstream, None
        if connection is None:
            return
        connection.exchange = None
        if reusable:
            self.pool.give(connection)
        else:
            connection.transport.abort()
