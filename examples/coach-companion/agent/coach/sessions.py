"""The sessions that a process holds: each with an agent, a journal and a lock of its own.

On AgentCore a session has a process to itself, elsewhere many share one. One Strands agent must never serve two
requests at once, so each session has its own, and its turns wait for each other.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from strands import Agent

from coach.journal import Journal


@dataclass
class Session:
    """One conversation."""

    agent: Agent
    journal: Journal = field(default_factory=Journal)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Sessions:
    """Keeps the `most` sessions that were used last; the others are forgotten."""

    def __init__(self, make_agent: Callable[[], Agent], most: int) -> None:
        self._make_agent = make_agent
        self._most = most
        self._held: OrderedDict[str, Session] = OrderedDict()

    def of(self, session_id: str | None) -> Session:
        """The session of an id; without an id there is nothing to remember."""
        if session_id is None:
            return Session(self._make_agent())
        if session_id not in self._held:
            self._held[session_id] = Session(self._make_agent())
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        self._held.move_to_end(session_id)
        return self._held[session_id]
