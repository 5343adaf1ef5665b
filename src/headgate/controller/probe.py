"""Test invocations of the validation window: one turn said to the candidate itself, past the gateway.

So it is counted by nobody as a user's, and still answers "does it answer now?" where no user happens to ask.
"""

from __future__ import annotations

import json

from headgate.controller.world import World
from headgate.core.codec import digest
from headgate.core.model import Rollout
from headgate.core.plan import Gate
from headgate.errors import HeadgateError
from headgate.ports import Data

_PATIENCE_S = 35.0  # the check goes on without an answer after this (real time)
_TIMEOUT = "30s"


class Prober:
    """Asks without keeping the loop waiting."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._jobs = world.jobs()
        self._asked_at: dict[str, float] = {}

    def close(self) -> None:
        self._jobs.close()

    def ask(self, rollout: Rollout, say: str, check: int, now: float) -> Data | None:
        """The outcome for the check of this number; {} where nothing is to be said, None while it is on its way."""
        candidate = rollout.candidate
        if not say or candidate is None:
            return {}
        key = f"{rollout.id}/probe/{check}"
        began = self._asked_at.setdefault(key, now)
        gate, url = _gate(say), candidate.url
        try:
            outcome = self._jobs.result(key, lambda: self._world.gates.run(gate, url))
        except HeadgateError as error:
            del self._asked_at[key]
            return {"passed": None, "detail": f"could not be made: {error.message}", "seconds": None}
        if outcome is None:
            if now - began < _PATIENCE_S:
                return None
            return {"passed": False, "detail": f"no answer within {_PATIENCE_S:g} s", "seconds": None}
        del self._asked_at[key]
        return {"passed": outcome.passed, "detail": outcome.detail, "seconds": outcome.seconds}


def _gate(say: str) -> Gate:
    text = json.dumps({"timeout": _TIMEOUT, "cases": [{"name": "test invocation", "turns": [{"say": say}]}]})
    return Gate("test-invocation", "test invocation", text, digest(text))
