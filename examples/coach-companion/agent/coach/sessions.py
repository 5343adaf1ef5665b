"""The sessions that a process holds: what was said and what is known of the person, packed small between two turns.

On AgentCore a session has a process to itself, elsewhere many share one. A Strands agent is made for each turn and not
kept: it must never serve two requests at once, a turn that failed in its middle leaves it in no state to go on, and
thousands of them would make every garbage collection a pause that all sessions feel.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from coach.journal import Journal


@dataclass
class Session:
    """One conversation. Its turns wait for each other at the lock."""

    journal: Journal = field(default_factory=Journal)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _said: str = "[]"

    def messages(self) -> list[dict[str, Any]]:
        """What was said, as Strands has it."""
        return json.loads(self._said)

    def keep(self, messages: Any) -> None:
        """Remember these as what was said."""
        self._said = json.dumps(messages, ensure_ascii=False)


class Sessions:
    """Keeps the `most` sessions that were used last; the others are forgotten."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[str, Session] = OrderedDict()

    def of(self, session_id: str | None) -> Session:
        """The session of an id; without an id there is nothing to remember."""
        if session_id is None:
            return Session()
        if session_id not in self._held:
            self._held[session_id] = Session()
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        self._held.move_to_end(session_id)
        return self._held[session_id]
