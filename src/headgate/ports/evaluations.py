"""Scores that a platform's own evaluation of live sessions makes. Every call blocks; it is made from a worker."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from headgate.core.model import Version
from headgate.core.recorded import Evaluation
from headgate.ports.store import Data


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A version whose sessions are to be scored, as long as the rollout lasts. `name`: the same for every asking."""

    name: str
    version: Version
    evaluation: Evaluation
    said: str  # what people read beside it


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one evaluator said of one session, or of a turn of it. `value` None: it failed, with `error`."""

    id: str
    session: str  # its id, as clients name it
    evaluator: str
    at: float  # when it was written (Unix s)
    value: float | None
    error: str = ""


class Evaluations(Protocol):
    """`begin` and `end` are idempotent by name. `results` since a time, of what `begin` answered (name -> id).

    `trial`: another's comparison, with its results so far: {"name", "status", "running", "at", "results"}.
    """

    def begin(self, wanted: Sequence[Evaluated]) -> dict[str, str]: ...
    def results(self, ids: Collection[str], since: float) -> list[Judgement]: ...
    def end(self, names: Collection[str]) -> list[str]: ...
    def trial(self, id: str) -> Data: ...
