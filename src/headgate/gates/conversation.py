"""One turn of a real conversation over HTTP: POST {url}/invocations, answered by JSON or by events, and timed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from urllib.parse import quote

from headgate.gates.answer import VERSION_HEADER, Answer, read
from headgate.gates.wire import Address, Broken, Wire

SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
# AgentCore hands on headers of this prefix and no others
CUSTOM = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-"
CONSENTS = {f"{CUSTOM}Headgate-Consent": "yes"}  # the user agrees to being recorded
STUB_TOOLS = {f"{CUSTOM}Headgate-Tools": "stub"}  # the agent's tools must change nothing: docs/gates.md


@dataclass(frozen=True, slots=True)
class Target:
    """Who is spoken to: the head of a request to it is made once."""

    address: Address
    head: str

    @classmethod
    def of(cls, url: str, *, arn: str = "", qualifier: str = "", headers: Mapping[str, str] | None = None) -> Target:
        """A version's own URL; with an ARN, the gateway's or the runtime's data plane. Raises Broken."""
        address = Address.of(url)
        path = f"{address.path}/invocations"
        if arn:
            path = f"{address.path}/runtimes/{quote(arn, safe='')}/invocations"
        path += f"?qualifier={quote(qualifier, safe='')}" if qualifier else ""
        more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        return cls(address, f"POST {path} HTTP/1.1\r\n{more}")


@dataclass(frozen=True, slots=True)
class Said:
    """What is sent in one turn."""

    body: bytes
    content_type: str = "application/json"
    stream: bool = False

    @classmethod
    def prompt(cls, text: str, *, stream: bool, context: Mapping[str, Any] | None = None) -> Said:
        data: dict[str, Any] = {"prompt": text}
        if context:
            data["user_context"] = dict(context)
        if stream:
            data["stream"] = True
        return cls(json.dumps(data, ensure_ascii=False).encode("utf-8", "surrogatepass"), stream=stream)


async def ask(wire: Wire, target: Target, session: str, said: Said, *, timeout: float) -> Answer:
    """Says one thing in a session. What an agent or a network does wrong is an `Answer` with a failure."""
    accept = "text/event-stream" if said.stream else "application/json"
    head = f"{target.head}{SESSION_HEADER}: {session}\r\nAccept: {accept}\r\nContent-Type: {said.content_type}\r\n"
    began = perf_counter()
    try:
        reply = await wire.post(target.address, head, said.body, timeout)
    except Broken as broken:
        version = broken.headers.get(VERSION_HEADER, "")
        took = perf_counter() - began
        return Answer(0, "", took, broken.why, broken.kind, reached=broken.reached, version=version)
    return read(reply, stream=said.stream)
