"""The connection of one client: takes requests off the wire one after another and hands each to whoever answers it."""

from __future__ import annotations

import asyncio
import re
from time import perf_counter
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from headgate.gateway import answers
from headgate.gateway.relay import Exchange
from headgate.gateway.signed import SignedExchange
from headgate.gateway.stop import Stop
from headgate.gateway.wire import BODY_LIMIT, HEAD_LIMIT, BadMessage, ChunkWalker, Request, parse_request

if TYPE_CHECKING:
    from headgate.gateway.agent import ServedAgent
    from headgate.gateway.engine import Engine
    from headgate.gateway.recorder import Tape

_SESSION_ID = re.compile(rb"[a-zA-Z0-9][a-zA-Z0-9_-]{32,255}")
_PARKED = 64 * 1024  # bytes of following requests that are read ahead
_HEAD_S = 30.0  # for a head to come whole
_IDLE_S = 75.0  # between two requests
_LINGER_S = 5.0  # for a refused client to read the refusal while it is still sending


class Taker(Protocol):
    """What takes a request's body, and ends when the client goes."""

    def body(self, piece: bytes, *, done: bool) -> None:
        """The next piece of the request's body."""

    def client_lost(self) -> None:
        """The client hung up."""

    def abandon(self) -> None:
        """The request turned out to be bad; the client is told by others."""

    def hold_upstream(self) -> None:
        """The client reads more slowly than the answer comes."""

    def release_upstream(self) -> None:
        """It caught up."""


class Client(asyncio.Protocol):
    """One connection. `keep`: it may carry another request; `minor`: the HTTP/1.x of the request in hand."""

    __slots__ = (
        "_body_done",
        "_engine",
        "_left",
        "_lingering",
        "_parked",
        "_since",
        "_taker",
        "_tape",
        "_transport",
        "_walker",
        "held",
        "keep",
        "minor",
        "paused",
    )

    _transport: asyncio.Transport

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._taker: Taker | None = None
        self._tape: Tape | None = None  # of the request in hand, where its session is recorded
        self._parked = b""  # read, and not part of the request in hand
        self._body_done = True
        self._left = 0
        self._walker: ChunkWalker | None = None
        self._lingering = False
        self._since = perf_counter()  # of the last change of what is waited for
        self.keep = True
        self.minor = 1
        self.paused = False  # the client does not read
        self.held = False  # we do not read the client

    # --- events of asyncio -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: a client is there."""
        self._transport = transport  # type: ignore[assignment]
        self._engine.clients.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        """asyncio: it is gone."""
        self._engine.clients.discard(self)
        taker, self._taker = self._taker, None
        if taker is not None:
            taker.client_lost()

    def data_received(self, data: bytes) -> None:
        """asyncio: a piece of a request, or of the next ones."""
        if self._lingering:
            return
        try:
            if self._taker is None:
                if not self._parked:
                    self._since = perf_counter()
                self._parked += data
                self._serve()
            elif not self._body_done:
                self._feed(data)
            else:
                self._park(data)
        except BadMessage as bad:
            self._refuse_bad(bad)

    def pause_writing(self) -> None:
        """asyncio: the client reads slowly."""
        self.paused = True
        if self._taker is not None:
            self._taker.hold_upstream()

    def resume_writing(self) -> None:
        """asyncio: it caught up."""
        self.paused = False
        if self._taker is not None:
            self._taker.release_upstream()

    # --- requests --------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Takes whole heads off what was read, until one waits for something. Raises BadMessage."""
        while self._parked and self._taker is None and not self._lingering:
            end = self._parked.find(b"\r\n\r\n") + 4
            if (end if end > 3 else len(self._parked)) > HEAD_LIMIT:
                raise BadMessage(f"the head is longer than {HEAD_LIMIT} bytes")
            if end < 4:
                if b"\n\n" in self._parked or self._parked[:1] in b"\r\n":
                    raise BadMessage("a line does not end with CRLF")
                return
            head, self._parked = self._parked[:end], self._parked[end:]
            request = parse_request(head)
            self.minor, self.keep = request.minor, request.keep_alive and not self._engine.stopping
            self._left = request.length
            self._walker = ChunkWalker(strict=True) if request.chunked else None
            self._body_done = not request.chunked and not request.length
            self._dispatch(request)

    def _dispatch(self, request: Request) -> None:
        path = request.target.partition(b"?")[0]
        if path == b"/ping":
            self._ping(request)
            return
        action, agent = self._engine.find(path)
        if not action:
            self.refuse(None, 404, "UnknownOperationException", "this gateway serves POST /runtimes/AGENT/invocations")
        elif request.method != b"POST":
            self.refuse(None, 405, "UnknownOperationException", "only POST is served here")
        elif agent is None:
            self.refuse(None, 404, "ResourceNotFoundException", f"no agent is served at {path.decode()}")
        elif request.session and not _SESSION_ID.fullmatch(request.session):
            message = "a session id has 33 to 256 letters, digits, - and _, and begins with a letter or digit"
            self.refuse(None, 400, "ValidationException", message)
        elif action == "stop":
            self._stop(request, agent)
        else:
            self._invoke(request, agent)

    def _ping(self, request: Request) -> None:
        if request.method != b"GET" or not self._body_done:
            self.refuse(None, 405, "UnknownOperationException", "only GET without a body is served here")
            return
        self.write(answers.answer(200, {"status": "Healthy"}, close=not self.keep))
        self._next()

    def _invoke(self, request: Request, agent: ServedAgent) -> None:
        session = request.session.decode() or str(uuid4())
        routed = agent.route(session)
        made = SignedExchange if agent.pools[routed.version.number].address.region else Exchange
        exchange = made(self, agent, session, routed, self._engine.settings)
        agent.exchanges.add(exchange)
        self._taker = exchange
        try:
            piece = self._first_piece(request)
        except BadMessage:
            exchange.abandon()
            raise
        self._tape = exchange.tape = agent.recorder.tape(session, request.rest, fresh=routed.fresh)
        if self._tape is not None:
            self._tape.whole = not request.chunked  # its pieces would hold the sizes of the chunks too
            self._tape.ask(piece)
        exchange.start(request, piece, done=self._body_done)

    def _stop(self, request: Request, agent: ServedAgent) -> None:
        if not request.session:
            self.refuse(None, 400, "ValidationException", "the session header is missing")
            return
        stop = self._taker = Stop(self, agent, request.session.decode(), request.rest, self._engine.settings.sign)
        stop.body(self._first_piece(request), done=self._body_done)

    def _first_piece(self, request: Request) -> bytes:
        data, self._parked = self._parked, b""
        piece = self._split(data) if not self._body_done else b""
        if not self._parked and self._body_done and not piece:
            self._parked = data
        if request.expect and not self._body_done and request.minor == 1:
            self.write(answers.CONTINUE)
        return piece

    def _feed(self, data: bytes) -> None:
        piece = self._split(data)
        if self._tape is not None:
            self._tape.ask(piece)
        if self._taker is not None:
            self._taker.body(piece, done=self._body_done)

    def _split(self, data: bytes) -> bytes:
        """The part of `data` that belongs to the request in hand; the rest is parked. Raises BadMessage."""
        if self._walker is not None:
            _, end = self._walker.feed(data)
            if self._walker.total > BODY_LIMIT:
                raise BadMessage(f"the body is longer than {BODY_LIMIT} bytes", 413)
            if end < 0:
                return data
            self._body_done = True
            self._parked = data[end:]
            return data[:end]
        if len(data) < self._left:
            self._left -= len(data)
            return data
        piece, self._parked = data[: self._left], data[self._left :]
        self._left = 0
        self._body_done = True
        return piece

    def _park(self, data: bytes) -> None:
        """The next request came before this one was answered."""
        self._parked += data
        if len(self._parked) > _PARKED:
            self._transport.pause_reading()
            self.held = True

    # --- answers ---------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Sends bytes of an answer."""
        self._transport.write(data)

    def hold(self) -> None:
        """Stop reading the request."""
        self.held = True
        self._transport.pause_reading()

    def release(self) -> None:
        """Read on."""
        if self.held:
            self.held = False
            self._transport.resume_reading()

    def finished(self, taker: Taker) -> None:
        """The answer is complete. Where the request was not, `keep` is False, and what still comes is thrown away."""
        if self._taker is not taker:
            return
        self._taker = None
        self.release()
        self._next()
        try:
            self._serve()
        except BadMessage as bad:
            self._refuse_bad(bad)

    def _next(self) -> None:
        self._since = perf_counter()
        if not self.keep or self._engine.stopping:
            self._linger()

    def cut(self, taker: Taker) -> None:
        """The answer cannot be completed: the connection is torn, so that no client takes it for whole."""
        if self._taker is taker:
            self._taker = None
        taker.abandon()
        self._transport.abort()

    def _refuse_bad(self, bad: BadMessage) -> None:
        taker = self._taker
        if taker is not None:
            taker.abandon()
        self.refuse(taker, bad.status, "ValidationException", bad.message)

    def refuse(self, taker: Taker | None, status: int, name: str, message: str) -> None:
        """Answers with an error and takes nothing more from this connection: where a bad request ends is not known."""
        if self._taker is taker:
            self._taker = None
        self._engine.refused += 1
        self.write(answers.error(status, name, message, close=True))
        self._linger()

    def _linger(self) -> None:
        """Ends our side and throws away what still comes, for a reset would destroy the answer on its way."""
        self._lingering = True
        self._parked = b""
        self._since = perf_counter()
        self.release()
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()

    def expire(self, now: float) -> None:
        """Called every 100 ms: closes a client that is silent for too long. `now` as of perf_counter."""
        if self._taker is not None:
            return
        limit = _LINGER_S if self._lingering else _HEAD_S if self._parked else _IDLE_S
        if now - self._since > limit:
            self._transport.abort() if self._lingering else self._transport.close()

    def stop(self) -> None:
        """The gateway stops: a client without a request in hand is let go."""
        if self._taker is None:
            self._transport.close()

    def abort(self) -> None:
        """The gateway stops now."""
        if self._taker is not None:
            self.cut(self._taker)
        else:
            self._transport.abort()

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client to read them."""
        return self._transport.get_write_buffer_size()
