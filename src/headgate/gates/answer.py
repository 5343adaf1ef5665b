"""What an agent answered, read from any of the shapes that agents answer in: words, failure, tools, tokens, times.

An agent's exception in mid-stream arrives as HTTP 200 with an event that has `error` and `error_type`: a failure here.

Where agents tell what they did (docs/gates.md): `usage: {input_tokens, output_tokens}` (or the camel-case names of
Bedrock), `tools: [name or {name, ...}]`, `refused: true`; in a stream, in any event. Tool uses of Strands' own events
(`current_tool_use`, `contentBlockStart`) are read too.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from headgate.gates.wire import Reply

VERSION_HEADER = "x-headgate-version"  # of a gateway's answers
# where agents put what they say; anything else is read whole
_SPOKEN = frozenset({"result", "response", "answer", "text", "delta", "content", "message", "output", "data"})
_TOLD = frozenset({"usage", "tools", "tool", "tool_calls", "refused", "current_tool_use", "event", "intent"})


@dataclass(frozen=True, slots=True)
class Answer:
    """`text`: what the agent said; `failure`: why it is no answer, or ""; `kind`: that, or a bad status, in a word.

    `seconds` in all, `first_s` to the first token. `tools`, `tokens_out`, `refused` are None where the agent does not
    tell. `data`: the JSON of the body; of a stream, the list of its events.
    """

    status: int
    text: str
    seconds: float
    failure: str = ""
    kind: str = ""
    reached: bool = True
    first_s: float | None = None
    data: Any = None
    tools: tuple[str, ...] | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    refused: bool | None = None
    stubbed: bool = False
    version: str = ""


def read(reply: Reply, *, stream: bool) -> Answer:
    """A reply as an answer; `stream`: events were asked for."""
    kind = reply.headers.get("content-type", "")
    streamed = kind.startswith("text/event-stream")
    text = reply.body.decode("utf-8", "replace")
    data, failure, word = _events(text) if streamed else _document(text, kind)
    if reply.status >= 400:
        word = reply.headers.get("x-amzn-errortype", f"http_{reply.status}").partition(":")[0]
    if stream and reply.status == 200 and not failure and not streamed:
        failure, word = f"asked for a stream, got {kind or 'no content type'}", "no stream"
    return replace(
        recalled(text if data is None else data, streamed=streamed),
        status=reply.status,
        seconds=reply.last,
        failure=failure,
        kind=word,
        data=data,
        first_s=_first_event(reply) if streamed else reply.first,
        version=reply.headers.get(VERSION_HEADER, ""),
    )


def recalled(data: Any, *, streamed: bool, failure: str = "") -> Answer:
    """An answer of its data alone, as a recording has it: words, tools, tokens; no times."""
    told = [each for each in (data if isinstance(data, list) else [data]) if isinstance(each, dict)]
    tokens = _usage(told)
    return Answer(
        200,
        _said(data) if streamed else spoken(data),
        0.0,
        failure,
        failure,
        data=data,
        tools=_tools(told),
        tokens_in=tokens[0],
        tokens_out=tokens[1],
        refused=next((each["refused"] for each in told if isinstance(each.get("refused"), bool)), None),
        stubbed=any(each.get("tools_stubbed") is True for each in told),
    )


def _document(text: str, kind: str) -> tuple[Any, str, str]:
    try:
        return json.loads(text), "", ""
    except (ValueError, RecursionError):
        return None, *(("the answer is not JSON", "not JSON") if "json" in kind else ("", ""))


def _events(text: str) -> tuple[list[Any], str, str]:
    """(all events but errors, why the stream failed, in a word)."""
    events, failure = list[Any](), ""
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")]
        if not lines:
            continue
        try:
            data: Any = json.loads("\n".join(lines))
        except (ValueError, RecursionError):
            data = "\n".join(lines)
        if isinstance(data, dict) and "error" in data and "error_type" in data:
            failure = f"the stream broke off: {data['error_type']}"
        else:
            events.append(data)
    if failure:
        return events, failure, "error in the stream"
    return events, *(("", "") if events else ("the stream had no event", "empty answer"))


def _first_event(reply: Reply) -> float:
    """When the first event had come: comments and blank lines are no token."""
    seen = b""
    for at, piece in reply.pieces:
        seen += piece
        if b"data:" in seen:
            return at
    return reply.last


def _said(events: Any) -> str:
    """The words of all events; where some have them in a known place, the others (intent, usage) have none."""
    pieces = [event for event in events if isinstance(event, dict) and isinstance(event.get("data"), str)]
    if any("delta" in event for event in pieces):  # Strands' own events, which tell each word several times
        return "".join(event["data"] for event in pieces)
    told = [event for event in events if not isinstance(event, dict) or not _SPOKEN.isdisjoint(event)]
    return "".join(map(spoken, told or [event for event in events if _TOLD.isdisjoint(event)]))


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


def _usage(told: Iterable[dict[str, Any]]) -> tuple[int | None, int | None]:
    found: tuple[int | None, int | None] = (None, None)
    for each in told:
        usage = each.get("usage")
        if isinstance(usage, dict):
            found = (_count(usage, "input_tokens", "inputTokens"), _count(usage, "output_tokens", "outputTokens"))
    return found


def _count(usage: dict[str, Any], *names: str) -> int | None:
    value = next((usage[name] for name in names if name in usage), None)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _tools(told: list[dict[str, Any]]) -> tuple[str, ...] | None:
    """Names of the tools that were called, in order; None where nothing is told of tools at all."""
    found, any_word = list[str](), False
    for each in told:
        for name in ("tools", "tool_calls"):
            if isinstance(each.get(name), list):
                any_word = True
                found += _names(each[name])
        found += _names([each[name] for name in ("tool", "current_tool_use") if name in each])
        found += _names(_strands(each))
    if not any_word and not found:
        return None
    return tuple(name for i, name in enumerate(found) if not i or found[i - 1] != name or any_word)


def _strands(event: dict[str, Any]) -> Iterator[Any]:
    try:
        yield event["event"]["contentBlockStart"]["start"]["toolUse"]
    except (KeyError, TypeError):
        return


def _names(tools: Iterable[Any]) -> Iterator[str]:
    for tool in tools:
        name = tool.get("name") or (tool.get("function") or {}).get("name") if isinstance(tool, dict) else tool
        if isinstance(name, str) and name:
            yield name
