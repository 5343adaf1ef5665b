"""Sample-ratio mismatch: do the variants get the shares of the sessions that the weights say?

An anytime-valid test on ASSIGNED sessions (not on finished ones: a broken candidate's sessions end early). Within a
stratum of weight w each session is the candidate's with probability w; the capital of a guess rho is the product of
rho^v / (w rho + 1 - w) over all strata. It depends on the counts only, so it merges by adding. A mismatch means that
routing or counting is broken, and verdicts are suspended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log
from typing import Any

ALPHA = 0.001

_RATIOS = (0.25, 0.5, 0.8, 1.25, 2.0, 4.0)


class RatioCheck:
    """Counts of assigned sessions per weight (percent)."""

    def __init__(self) -> None:
        self._counts: dict[float, list[int]] = {}
        self.peak = 1.0

    def add(self, weight: float, candidate: bool, sessions: int) -> None:
        """Sessions that began at a weight and got this variant. A weight of 0 or 100 is no lot and is not counted."""
        if sessions < 0:
            raise ValueError(f"{sessions} sessions cannot have begun")
        if 0.0 < weight < 100.0 and sessions:
            counts = self._counts.setdefault(weight, [0, 0])
            counts[int(candidate)] += sessions

    def look(self) -> bool:
        """Whether a mismatch is proven, now or at an earlier look.

        Call it when both variants' counts of a moment are in.
        """
        self.peak = max(self.peak, self.evidence)
        return self.peak >= 1.0 / ALPHA

    @property
    def evidence(self) -> float:
        """Odds that routing or counting is broken, by all that was counted so far."""
        return self._odds(_RATIOS)

    def _odds(self, ratios: Sequence[float]) -> float:
        total = 0.0
        for rho in ratios:
            capital = 0.0
            for weight, (baseline, candidate) in self._counts.items():
                w = weight / 100.0
                capital += candidate * log(rho) - (candidate + baseline) * log(w * rho + 1.0 - w)
            total += exp(min(600.0, capital)) / len(ratios)
        return total

    @property
    def too_few(self) -> float:
        """Odds that the candidate gets fewer sessions than it should, by all that was counted so far."""
        return self._odds(tuple(rho for rho in _RATIOS if rho < 1.0))

    def worst(self) -> str:
        """The largest stratum in words."""
        if not self._counts:
            return "no session was assigned"
        weight = max(self._counts, key=lambda w: sum(self._counts[w]))
        baseline, candidate = self._counts[weight]
        return f"{candidate} of {candidate + baseline} sessions went to the candidate at {weight:g} %"

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        return {"counts": [[w, *self._counts[w]] for w in sorted(self._counts)], "peak": self.peak}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> RatioCheck:
        """The inverse of `to_data`."""
        made = cls()
        made._counts = {w: [b, c] for w, b, c in data["counts"]}
        made.peak = data["peak"]
        return made
