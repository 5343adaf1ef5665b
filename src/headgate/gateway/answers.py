"""The gateway's own answers, in the shape of AgentCore's errors: boto3 raises what it would raise against AWS."""

from __future__ import annotations

import json
from http.client import responses

from headgate.gateway.wire import SESSION

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE = b"Connection: close\r\n"


def served_by(session: str, version: str, variant: str) -> bytes:
    """The header lines that tell a client its session and which version served it."""
    return f"{SESSION}: {session}\r\nX-Headgate-Version: {version}\r\nX-Headgate-Variant: {variant}\r\n".encode()


def answer(status: int, body: dict[str, object], headers: bytes = b"", *, close: bool = False) -> bytes:
    """A whole response."""
    text = json.dumps(body).encode()
    reason = responses.get(status, "Refused")  # AWS has statuses of its own
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
    return head.encode() + headers + (CLOSE if close else b"") + b"\r\n" + text


def error(status: int, kind: str, message: str, headers: bytes = b"", *, close: bool = False) -> bytes:
    """An AWS-shaped error: `kind` is the exception's name in botocore's model."""
    return answer(status, {"message": message}, f"x-amzn-ErrorType: {kind}\r\n".encode() + headers, close=close)
