"""StopRuntimeSession: ends a session here, and on AgentCore, where its machine would be billed until it is idle.

AWS is asked first: what it refuses the client is told, and the session is as it was. A session of which AWS knows
nothing any more is ended here all the same.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from typing import TYPE_CHECKING

from headgate.gateway import answers
from headgate.gateway.signed import headers_of
from headgate.gateway.wire import SESSION, BadMessage

if TYPE_CHECKING:
    from headgate.gateway.agent import ServedAgent
    from headgate.gateway.client import Client
    from headgate.gateway.policy import Address
    from headgate.gateway.router import Pin
    from headgate.gateway.settings import Sign

_BODY = 64 * 1024
_AWS_S = 15.0  # AWS takes up to 15 s to end a session; the answer comes at once
_GONE = 404


class Stop:
    """One request: reads its small body to the end, then ends the session."""

    def __init__(self, client: Client, agent: ServedAgent, session: str, rest: bytes, sign: Sign | None) -> None:
        self._client = client
        self._agent = agent
        self._session = session
        self._rest = rest
        self._sign = sign
        self._size = 0
        self._asking: asyncio.Task[None] | None = None
        self._over = False

    def body(self, piece: bytes, *, done: bool) -> None:
        """The body holds a client token, which nothing here needs: stopping twice is a 404, as on AWS."""
        self._size += len(piece)
        if self._size > _BODY:
            raise BadMessage("the body is too long", 413)
        if not done:
            return
        pin = self._agent.pin_of(self._session)
        pool = self._agent.pools.get(pin.version) if pin else None
        if pin is None or pool is None or not pool.address.region:
            self._end(pin)
        else:
            self._asking = asyncio.get_running_loop().create_task(self._there(pin, pool.address))

    async def _there(self, pin: Pin, place: Address) -> None:
        try:
            status, kind, text = await asyncio.get_running_loop().run_in_executor(None, self._ask, place)
        except Exception as failure:  # noqa: BLE001 - the SDK's and the network's, of many kinds
            status, kind, text = 503, "ServiceUnavailableException", f"AWS was not told to stop the session: {failure}"
        if self._over:
            return
        if status in {200, _GONE}:
            self._end(pin)
        else:
            self._answer(answers.error(status, kind, text, close=not self._client.keep))

    def _ask(self, place: Address) -> tuple[int, str, str]:
        """(status, kind of error, message) of AgentCore's own StopRuntimeSession. Blocks; on a worker's thread."""
        target, given, body = (
            place.target.replace("/invocations?", "/stopruntimesession?", 1),
            headers_of(self._rest),
            b"{}",
        )
        lines = {SESSION: self._session, "Content-Type": "application/json"}
        if given.get("authorization", "").startswith("Bearer"):  # its owner's token is what counts then
            lines["Authorization"] = given["authorization"]
        elif self._sign is None:
            raise LookupError("this gateway was started without AWS credentials")
        else:
            url = place.origin + target
            lines = dict(self._sign(url, place.region, place.profile, lines, body))
        kind = http.client.HTTPSConnection if place.tls else http.client.HTTPConnection
        connection = kind(place.host, place.port, timeout=_AWS_S)
        try:
            connection.request("POST", target, body, lines)
            answer = connection.getresponse()
            said = answer.read(_BODY)
        finally:
            connection.close()
        if answer.status == 200:
            return 200, "", ""
        kind_of = (answer.getheader("x-amzn-ErrorType") or "InternalServerException").split(":")[0]
        return answer.status, kind_of, _message(said)

    def _end(self, pin: Pin | None) -> None:
        if pin is None or not self._agent.stop(self._session):
            message = f"there is no session {self._session}"
            self._answer(answers.error(404, "ResourceNotFoundException", message, close=not self._client.keep))
            return
        headers = answers.served_by(self._session, pin.version, pin.variant)
        self._answer(answers.answer(200, {}, headers, close=not self._client.keep))

    def _answer(self, data: bytes) -> None:
        self._client.write(data)
        self._client.finished(self)

    def client_lost(self) -> None:
        """AWS may still end the session; nobody is told."""
        self._over = True

    def abandon(self) -> None:
        """Nothing to undo."""
        self._over = True

    def hold_upstream(self) -> None:
        """The answer is small."""

    def release_upstream(self) -> None:
        """The answer is small."""


def _message(said: bytes) -> str:
    try:
        told = json.loads(said)
        return str(told.get("message") or told.get("Message") or "")
    except (ValueError, AttributeError):
        return "AWS refused to stop the session"
