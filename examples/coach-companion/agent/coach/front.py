"""In front of the application: bodies that are too large or too deep are answered, not choked on; /ping says what the
version is made of, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse

LARGEST = 256 * 1024  # bytes of a request's body


class Front:
    """ASGI middleware. `identity`: the version's parts, by name."""

    def __init__(self, app: Any, identity: Callable[[], dict[str, str]] = dict) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/ping":
            await self._ping(scope, receive, send)
            return
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body = await _body(receive)
        if body is None:
            await _refuse(413, f"the request is larger than {LARGEST} bytes", scope, receive, send)
            return

        async def again() -> Any:
            nonlocal body
            if body is None:
                return await receive()  # a client that goes away is heard of
            message, body = {"type": "http.request", "body": body, "more_body": False}, None
            return message

        try:
            await self._app(scope, again, send)
        except RecursionError:
            await _refuse(400, "the payload is nested too deeply", scope, receive, send)

    async def _ping(self, scope: Any, receive: Any, send: Any) -> None:
        """The SDK's answer with one member more."""
        status, body = 200, b""

        async def caught(message: Any) -> None:
            nonlocal status, body
            status = message.get("status", status)
            body += message.get("body", b"")

        await self._app(scope, receive, caught)
        data = {**json.loads(body), "identity": self._identity()} if status == 200 else {}
        await JSONResponse(data, status_code=status)(scope, receive, send)


async def _body(receive: Any) -> bytes | None:
    """The whole body; None where it is too large, or its sender went away."""
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > LARGEST:
            return None
        if not message.get("more_body"):
            return b"".join(pieces)


async def _refuse(status: int, why: str, scope: Any, receive: Any, send: Any) -> None:
    await JSONResponse({"error": why}, status_code=status)(scope, receive, send)
