"""A turn of a version on AgentCore: InvokeAgentRuntime with the endpoint as qualifier, signed as AWS wants it.

AWS's signature covers the whole body, so the request waits for its end; the answer is passed on as it comes. A turn is
sent once: where a connection breaks it is not known whether the agent ran, and it must not run twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import perf_counter
from typing import TYPE_CHECKING, ClassVar

from headgate.gateway.relay import Exchange
from headgate.gateway.wire import SESSION, ChunkWalker, Request

if TYPE_CHECKING:
    from headgate.gateway.agent import ServedAgent
    from headgate.gateway.client import Client
    from headgate.gateway.router import Routed
    from headgate.gateway.settings import GatewaySettings

# of the client's own signature, and of what this hop decides itself
_DROPPED = frozenset({b"x-amz-date", b"x-amz-content-sha256", b"content-length", b"accept-encoding"})


class SignedExchange(Exchange):
    """One request of one session to one endpoint of an AgentCore runtime."""

    __slots__ = ("_baggage", "_dechunk", "_lines", "_payload", "_signing")

    # what the platform itself refuses is no fault of the client: it did not choose role, endpoint or quota
    KINDS: ClassVar[Mapping[int, str]] = {
        402: "http_402",
        403: "http_403",
        404: "http_404",
        424: "http_424",
        429: "http_429",
    }
    REPLAYS: ClassVar[bool] = False

    def __init__(
        self, client: Client, agent: ServedAgent, session: str, routed: Routed, settings: GatewaySettings
    ) -> None:
        super().__init__(client, agent, session, routed, settings)
        self._payload: list[bytes] = []
        self._lines: dict[str, str] = {}
        self._dechunk: ChunkWalker | None = None
        self._signing: asyncio.Task[None] | None = None

    def start(self, request: Request, piece: bytes, *, done: bool) -> None:
        """Takes the head and the first piece of the body; `done`: there is no more of it."""
        self._lines = headers_of(request.rest)
        self._lines |= {SESSION: self.session, "Accept-Encoding": "identity"}
        given = f"{request.baggage.decode('latin-1')}," if request.baggage else ""
        self._lines["baggage"] = given + self.variant_baggage()
        self._dechunk = ChunkWalker(strict=True) if request.chunked else None
        self.body(piece, done=done)

    def body(self, piece: bytes, *, done: bool) -> None:
        """The next piece of the request's body; after the last one the turn is signed and sent."""
        self._activity = perf_counter()
        self._request_done = done
        self._payload += self._dechunk.feed(piece)[0] if self._dechunk else [piece]
        if done:
            self._signing = asyncio.get_running_loop().create_task(self._sign())

    async def _sign(self) -> None:
        body, sign, place = b"".join(self._payload), self._settings.sign, self.pool.address
        self._payload.clear()
        try:
            if sign is None:
                raise LookupError("this gateway was started without AWS credentials")
            signed = self._lines
            if not self._lines.get("authorization", "").startswith("Bearer"):  # its owner's token is what counts then
                url = place.origin + place.target
                work = asyncio.get_running_loop().run_in_executor
                signed = dict(await work(None, sign, url, place.region, place.profile, self._lines, body))
        except Exception as failure:  # noqa: BLE001 - the SDK's, of many kinds: no credentials, no answer of their source
            self._fail(503, "credentials", f"the turn cannot be signed for AWS: {failure}")
            return
        finally:
            self._signing = None
        if self._over:
            return
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.items() if name.lower() != "host")
        self._keep(self.pool.head + f"{lines}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body)
        connection = self.pool.take()
        if connection is None:
            self._connect()
        else:
            self._attach(connection)


def headers_of(rest: bytes) -> dict[str, str]:
    """The header lines that are passed on, by lower-case name."""
    found: dict[str, str] = {}
    for line in rest.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        key = name.strip().lower()
        if colon and key not in _DROPPED and not key.startswith(b"amz-sdk-"):
            before = f"{found[key.decode()]}," if key.decode() in found else ""
            found[key.decode()] = before + value.strip(b" \t").decode("latin-1")
    return found
