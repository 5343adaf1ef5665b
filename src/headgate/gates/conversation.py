"""One turn of a real conversation over HTTP: POST {url}/invocations, answered by JSON or a stream of events, and timed.

An agent's exception in mid-stream arrives as HTTP 200 with an event that has `error` and `error_type`: a failure here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx

SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
_LARGEST = 4_000_000  # bytes of one answer
_CONNECT_S = 5.0
# where agents put what they say; anything else is read whole
_SPOKEN = frozenset({"result", "response", "answer", "text", "delta", "content", "message", "output", "data"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: `text` is what the agent said, `failure` why it is no answer, or "", `seconds` in all."""

    status: int
    text: str
    seconds: float
    failure: str = ""
    reached: bool = True


def ask(client: httpx.Client, url: str, session: str, say: str, *, stream: bool, timeout: float) -> Answer:
    """Says one thing in a session. What an agent or a network does wrong is an `Answer` with a failure."""
    began = time.perf_counter()
    headers = {SESSION_HEADER: session, "Accept": "text/event-stream" if stream else "application/json"}
    body = {"prompt": say, "stream": True} if stream else {"prompt": say}
    limits = httpx.Timeout(timeout, connect=min(timeout, _CONNECT_S))

    def passed() -> float:
        return time.perf_counter() - began

    try:
        with client.stream("POST", f"{url.rstrip('/')}/invocations", json=body, headers=headers, timeout=limits) as got:
            raw = b"".join(_bounded(got, timeout, began))
            status, kind = got.status_code, got.headers.get("content-type", "")
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        return Answer(0, "", passed(), f"cannot be reached: {error}", reached=False)
    except httpx.TimeoutException:
        return Answer(0, "", passed(), f"no whole answer within {timeout:g} s")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Answer(0, "", passed(), f"the connection failed: {error or type(error).__name__}")
    except _TooLarge:
        return Answer(0, "", passed(), f"the answer is larger than {_LARGEST} bytes")
    text, failure = _read(raw, kind)
    if stream and status == 200 and not failure and not kind.startswith("text/event-stream"):
        failure = f"asked for a stream, got {kind or 'no content type'}"
    return Answer(status, text, passed(), failure)


class _TooLarge(Exception):
    pass


def _bounded(got: httpx.Response, timeout: float, began: float) -> Iterator[bytes]:
    """The body, no longer than the timeout in all: httpx alone only bounds the wait for each piece."""
    size = 0
    for piece in got.iter_bytes():
        size += len(piece)
        if size > _LARGEST:
            raise _TooLarge
        if time.perf_counter() - began > timeout:
            raise httpx.ReadTimeout("too slow as a whole")
        yield piece


def _read(raw: bytes, kind: str) -> tuple[str, str]:
    """(what was said, why it failed)."""
    if kind.startswith("text/event-stream"):
        return _events(raw.decode("utf-8", "replace"))
    text = raw.decode("utf-8", "replace")
    try:
        data = json.loads(text)
    except ValueError:
        return text, "the answer is not JSON" if "json" in kind else ""
    return spoken(data), ""


def _events(text: str) -> tuple[str, str]:
    """The words of all events; where some have them in a known place, the others (intent, usage) have none."""
    events, failure = [], ""
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if not lines:
            continue
        try:
            data: Any = json.loads("\n".join(lines))
        except ValueError:
            data = "\n".join(lines)
        if isinstance(data, dict) and "error" in data and "error_type" in data:
            failure = f"the stream broke off: {data['error_type']}"
        else:
            events.append(data)
    told = [event for event in events if not isinstance(event, dict) or not _SPOKEN.isdisjoint(event)]
    return "".join(map(spoken, told or events)), failure or ("" if events else "the stream had no event")


def spoken(data: Any) -> str:
    """The words in an answer of any shape."""
    if isinstance(data, str):
        return data
    if isinstance(data, list):
        return "\n".join(filter(None, map(spoken, data)))
    if isinstance(data, dict):
        known = [value for name, value in data.items() if name in _SPOKEN]
        return spoken(known or [value for value in data.values() if isinstance(value, str | list | dict)])
    return ""
