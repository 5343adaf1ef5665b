"""Gates against versions that do not speak plain HTTP: a way to them is opened for the time of the suite."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from headgate.core.plan import Gate
from headgate.ports import GateOutcome, GateRunner

Way = Callable[[str], AbstractContextManager[str]]


class ReachingGates:
    """Implements ports.GateRunner over another one. `way` answers the plain url by which a version's is reached."""

    def __init__(self, inner: GateRunner, way: Way) -> None:
        self._inner = inner
        self._way = way

    def run(self, gate: Gate, url: str) -> GateOutcome:
        """As the inner one does."""
        if url.startswith("http"):
            return self._inner.run(gate, url)
        with self._way(url) as reached:
            return self._inner.run(gate, reached)
