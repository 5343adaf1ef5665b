"""What is said in a sampled part of the sessions: kept in memory until a session closes, then redacted and handed over.

Off unless the plan asks for it. Which sessions: by a hash of their id, and, unless the plan says otherwise, only those
whose client consents with the header below. Nothing is written before it is redacted; a session that is too long, or
was moved, or whose request cannot be read is not kept at all, rather than in part.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from headgate.core.assignment import sampled
from headgate.core.redact import redact_data
from headgate.ports import TrafficPolicy

CONSENT = b"x-amzn-bedrock-agentcore-runtime-custom-headgate-consent"
_YES = frozenset({b"yes", b"true", b"1"})
_LONGEST = 128 * 1024  # bytes of one request, and of one answer
_MOST_TURNS = 200
_MOST_OPEN = 20_000  # recordings that wait for their end


class Tape:
    """One turn: the bytes of its request and of its answer. `whole` False: something of it is missing.

    `recorded`: for the recording of its session. `sampled`: to be kept if it fails. `refusal`: what a failing agent
    said beside its status, as far as it came with it.
    """

    __slots__ = ("answered", "asked", "recorded", "refusal", "sampled", "size", "streamed", "whole")

    def __init__(self, *, recorded: bool, sampled: bool) -> None:
        self.recorded = recorded
        self.sampled = sampled
        self.refusal = b""
        self.asked: list[bytes] = []
        self.answered: list[bytes] = []
        self.size = 0
        self.streamed = False
        self.whole = True

    def ask(self, piece: bytes) -> None:
        self._take(self.asked, piece)

    def hear(self, pieces: Iterable[bytes], *, stream: bool) -> None:
        self.streamed = stream
        for piece in pieces:
            self._take(self.answered, piece)

    def _take(self, into: list[bytes], piece: bytes) -> None:
        self.size += len(piece)
        if self.size > 2 * _LONGEST:
            self.whole = False
            self.asked.clear()
            self.answered.clear()
        elif self.whole:
            into.append(piece)


@dataclass(slots=True)
class _Open:
    turns: list[dict[str, Any]] = field(default_factory=list)
    spoilt: bool = False


class Recorder:
    """The recordings of one agent. Used from the event loop only."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}
        self._share = 0.0
        self._consent = True
        self._failing = 0.0
        self.own: tuple[re.Pattern[str], ...] = ()  # what else must not be kept
        self.done: list[tuple[float, dict[str, Any]]] = []  # (time, recording), waiting for the disk

    def apply(self, policy: TrafficPolicy) -> None:
        """What the policy in force asks to be recorded; where it asks for nothing, what was begun is dropped."""
        self._share, self._consent = policy.record_share, policy.record_consent
        self._failing = policy.record_failing
        self.own = tuple(re.compile(pattern) for pattern in policy.record_redact)
        if not self._share:
            self._open.clear()

    def tape(self, session: str, head: bytes, *, fresh: bool) -> Tape | None:
        """A tape for this turn, or None: not sampled, no consent, or the session began before it could be recorded."""
        if not self._share and not self._failing:
            return None
        known = self._open.get(session)
        if known is not None:  # it has consented
            recorded, agreed = not known.spoilt, True
        else:
            recorded = fresh and self._share > 0 and len(self._open) < _MOST_OPEN and sampled(session, self._share)
            agreed = not self._consent or _consents(head)
        failing = agreed and self._failing > 0 and sampled(session, self._failing)
        if recorded and agreed and known is None:
            self._open[session] = _Open()
        recorded = recorded and agreed
        return Tape(recorded=recorded, sampled=failing) if recorded or failing else None

    def turn(self, session: str, tape: Tape | None, failure: str) -> None:
        """A turn ended; `failure`: how it failed, or ""."""
        kept = self._open.get(session)
        if tape is None or kept is None or not tape.recorded:
            return
        told = _told(tape, failure) if tape.whole and len(kept.turns) < _MOST_TURNS else None
        if told is None:
            self.spoil(session)
        else:
            kept.turns.append(told)

    def spoil(self, session: str) -> None:
        """Not all of this session is to be had, so nothing of it is kept."""
        if (kept := self._open.get(session)) is not None:
            kept.spoilt = True
            kept.turns.clear()

    def close(self, session: str, row: dict[str, Any]) -> bool:
        """The session closed with this summary: its recording is redacted, and waits for the disk. False: none is."""
        kept = self._open.pop(session, None)
        if kept is None or kept.spoilt or not kept.turns:
            return False
        labels = {name: row[name] for name in ("session", "variant", "version", "weight", "epoch", "started", "t")}
        turns = [redact_data(turn, self.own) for turn in kept.turns]
        self.done.append((row["t"], {**labels, "turns": turns}))
        return True

    def take(self) -> list[tuple[float, dict[str, Any]]]:
        """What is to be written now."""
        done, self.done = self.done, []
        return done


def _consents(head: bytes) -> bool:
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon and name.strip().lower() == CONSENT:
            return value.strip().lower() in _YES
    return False


def _told(tape: Tape, failure: str) -> dict[str, Any] | None:
    """A turn as data: the payload, the answer (of a stream: its events), the failure. None: the payload is no JSON."""
    try:
        payload = json.loads(b"".join(tape.asked))
    except (ValueError, RecursionError):
        return None
    text = b"".join(tape.answered).decode("utf-8", "replace")
    answer: Any = [_json(event) for event in events(text)] if tape.streamed else _json(text)
    return {"payload": payload, "answer": answer, "streamed": tape.streamed, "failure": failure}


def events(text: str) -> list[str]:
    blocks = text.replace("\r\n", "\n").split("\n\n")
    lines = ([line[5:].removeprefix(" ") for line in block.split("\n") if line.startswith("data:")] for block in blocks)
    return ["\n".join(each) for each in lines if each]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
