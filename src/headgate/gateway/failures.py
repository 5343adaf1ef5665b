"""Turns that failed, a few of each version, for the evidence of an incident: redacted before they are kept, in memory.

Only of sessions that the plan's `recording` samples and whose client consents. A storm of failures costs one redaction
a second and version; what is older, beyond the number, or from before a restart is gone.
"""

from __future__ import annotations

import json
import re
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Any

from headgate.core.redact import redact, redact_data
from headgate.gateway.meter import Turn
from headgate.gateway.recorder import Tape, events
from headgate.stats.observations import CLIENT_FAULT, hashed

_MOST = 10  # of a version
_VERSIONS = 8
_EVERY_S = 1.0  # at most one of a version in so long
_LONGEST = 600  # characters of what is kept
_LARGEST = 32 * 1024  # bytes that are looked at
_SPOKEN = ("text", "delta", "data", "content", "message", "error")


class Failures:
    """The failing turns of one agent. Used from the event loop only."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, deque[dict[str, Any]]] = OrderedDict()

    def note(self, session: str, tape: Tape | None, turn: Turn, now: float, own: Sequence[re.Pattern[str]]) -> None:
        """A turn ended: it is kept if it failed and may be kept. `own`: what else must not be kept."""
        if tape is None or not tape.sampled or turn.error in {"", CLIENT_FAULT}:
            return
        variant, version, _, epoch = turn.label
        kept = self._of.setdefault(version, deque(maxlen=_MOST))
        if kept and 0 <= now - kept[-1]["t"] < _EVERY_S:
            return
        self._of.move_to_end(version)
        if len(self._of) > _VERSIONS:
            self._of.popitem(last=False)
        kept.append(
            {
                "t": round(now, 3),
                "session": hashed(session),
                "variant": variant,
                "version": version,
                "epoch": epoch,
                "kind": turn.error,
                "ms": round(turn.latency, 1),
                "said": _safe(_said(tape), own),
                "answered": _safe(_answered(tape), own),
            }
        )

    def latest(self) -> list[dict[str, Any]]:
        """All that are kept, oldest first."""
        return sorted((each for kept in self._of.values() for each in kept), key=lambda each: float(each["t"]))


def _said(tape: Tape) -> str | None:
    return None if not tape.whole else _text(b"".join(tape.asked))


def _answered(tape: Tape) -> str | None:
    """In a stream a word may be cut by its events, so what was said is joined before it is redacted."""
    raw = tape.refusal or b"".join(tape.answered)
    if not tape.streamed or tape.refusal:
        return None if not tape.whole else _text(raw)
    if not tape.whole or len(raw) > _LARGEST:
        return None
    return "".join(map(_spoken, events(raw.decode("utf-8", "replace"))))


def _spoken(event: str) -> str:
    """The text that an event carries; what it is else is not kept."""
    try:
        data = json.loads(event)
    except (ValueError, RecursionError):
        return event
    if isinstance(data, dict):
        return " ".join(str(data[name]) for name in _SPOKEN if isinstance(data.get(name), str))
    return data if isinstance(data, str) else ""


def _text(raw: bytes) -> str | None:
    """JSON with its secret members struck out, or the text as it is; None: too long to be looked at."""
    if len(raw) > _LARGEST:
        return None
    text = raw.decode("utf-8", "replace")
    try:
        return json.dumps(redact_data(json.loads(text)), ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _safe(text: str | None, own: Sequence[re.Pattern[str]]) -> str:
    if text is None:
        return "(too long, or not whole: not kept)"
    found = redact(" ".join(text.split()), own)
    return found if len(found) <= _LONGEST else found[: _LONGEST - 3] + "..."
