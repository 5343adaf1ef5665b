"""Reads, in bytes that were already passed on, what an answer says about itself: a mid-stream failure, and its usage.

An exception of a streaming agent arrives as HTTP 200 and a last event `data: {"error": ..., "error_type": ...}`:
nobody but a reader of the stream sees it. Usage is `"usage": {"input_tokens", "output_tokens", "cost_usd"}` near the
end of a JSON body or of the last event; the plan's own metrics are `"metrics": {...}` there, or at the begin of a body.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from typing import Any, NamedTuple

from headgate.core.metrics import MOST
from headgate.gateway import told
from headgate.gateway.told import Told

_TAIL = 4096  # bytes from the end in which usage is looked for
_LINE_LIMIT = 64 * 1024  # bytes of one unfinished event line that are kept
_TRIES = 8  # members of one name that are looked at: agents may have their own of it
_MARK = b'"error_type"'
_DECODER = json.JSONDecoder()


class Usage(NamedTuple):
    """Tokens and cost of one answer. `cost_usd` None: the answer does not say, prices decide."""

    tokens_in: int
    tokens_out: int
    cost_usd: float | None


class Scanner:
    """Fed with payload (no chunk framing) in pieces of any size; keeps the last 4 KB, of a JSON body the first too, and
    an unfinished line.
    """

    __slots__ = ("_head", "_line", "_lost", "_stream", "_tail", "failed")

    def __init__(self, *, stream: bool) -> None:
        self._stream = stream
        self._head = self._tail = b""
        self._line = b""
        self._lost = False  # the current line is too long to be kept
        self.failed = False

    def feed(self, piece: bytes) -> None:
        """The next piece of payload."""
        size = len(piece)
        self._tail = piece[-_TAIL:] if size >= _TAIL else (self._tail + piece)[-_TAIL:]
        if self._stream:
            if not self.failed:
                self._events(piece)
        elif len(self._head) < _TAIL:
            self._head += piece[: _TAIL - len(self._head)]

    def _events(self, piece: bytes) -> None:
        newline = piece.rfind(b"\n")
        if newline < 0:
            self._keep(piece)
            return
        lines = self._line + piece[: newline + 1]
        if self._lost:  # only what follows the end of the long line can be read
            lines = lines[lines.find(b"\n") + 1 :]
        self._line, self._lost = b"", False
        self._keep(piece[newline + 1 :])
        if _MARK in lines:
            self.failed = any(_is_failure(line) for line in lines.split(b"\n") if _MARK in line)

    def _keep(self, part: bytes) -> None:
        if self._lost or len(self._line) + len(part) > _LINE_LIMIT:
            self._line, self._lost = b"", True
        else:
            self._line += part

    def finish(self) -> None:
        """The stream is over: a last line without its newline is read too."""
        if self._stream and not self.failed and _MARK in self._line:
            self.failed = _is_failure(self._line)

    def usage(self) -> Usage | None:
        """What the end of the answer says that it used; None where it does not say so in a readable way."""
        return _usage(next(_members(self._tail, b'"usage"'), None))

    def told(self, metrics: Mapping[str, str]) -> Told:
        """What the end of the answer tells of these metrics, or, where it tells nothing, a JSON body's beginning."""
        if not metrics:
            return told.NOTHING
        ends = (islice(_members(part, b'"metrics"'), _TRIES) for part in (self._tail, self._head))
        return told.read(chain.from_iterable(ends), metrics)


def _members(part: bytes, mark: bytes) -> Iterator[Any]:
    """What stands behind a member's name, the last one first; None where it cannot be read."""
    at = part.rfind(mark)
    while at >= 0:
        text = part[at + len(mark) :].decode("utf-8", "replace").lstrip()
        value = None
        if text.startswith(":"):
            with suppress(ValueError, RecursionError):
                value, _ = _DECODER.raw_decode(text[1:].lstrip())
        yield value
        at = part.rfind(mark, 0, at)


def _is_failure(line: bytes) -> bool:
    line = line.strip()
    if not line.startswith(b"data:"):
        return False
    try:
        event = json.loads(line[5:])
    except ValueError:
        return False
    return isinstance(event, dict) and "error" in event and "error_type" in event


def _usage(value: Any) -> Usage | None:
    if not isinstance(value, dict):
        return None
    cost: Any = value.get("cost_usd")
    known = isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost <= MOST
    return Usage(_count(value.get("input_tokens")), _count(value.get("output_tokens")), float(cost) if known else None)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else 0
