"""Tallies of a rollout, for people: both variants side by side, the baseline before, the candidate alone (at 100 %)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.analysis.tally import Tally
from headgate.stats.units import Units


class Totals:
    """What was seen of each variant, and how many sessions began at which weight (percent).

    `flipped`: the metrics that are worse the other way round.
    """

    def __init__(self, flipped: frozenset[str] = frozenset()) -> None:
        self.baseline, self.candidate = Tally(flipped), Tally(flipped)  # side by side
        self.past, self.alone = Tally(flipped), Tally(flipped)
        self.strata: dict[float, list[int]] = {}  # weight -> [baseline, candidate]
        self.first: float | None = None
        self.last: float | None = None

    def add(self, units: Units, first: float, last: float) -> None:
        """Sessions of the rollout, and when the first and the last of them ended."""
        side_by_side = (units.weight > 0.0) & (units.weight < 1.0)
        self.candidate.add(units.of(units.candidate & side_by_side))
        self.alone.add(units.of(units.candidate & ~side_by_side))
        self.baseline.add(units.of(~units.candidate))
        for weight, candidate in zip((units.weight * 100.0).tolist(), units.candidate.tolist(), strict=True):
            self.strata.setdefault(round(weight, 6), [0, 0])[int(candidate)] += 1
        self.first = first if self.first is None else min(self.first, first)
        self.last = last if self.last is None else max(self.last, last)

    def add_scores(self, units: Units) -> None:
        """Late scores: of sessions that were counted when they closed."""
        self.candidate.add_values(units.of(units.candidate))
        self.baseline.add_values(units.of(~units.candidate))

    def at(self, weight: float) -> int:
        """Sessions of the candidate that began at a weight (percent)."""
        return self.strata.get(weight, [0, 0])[1]

    def pair(self) -> tuple[Tally, Tally]:
        """(baseline, candidate) as they are best compared: side by side, else past and alone."""
        if self.candidate.sessions and self.baseline.sessions:
            return self.baseline, self.candidate
        return (
            self.baseline if self.baseline.sessions else self.past,
            self.candidate if self.candidate.sessions else self.alone,
        )

    @property
    def sessions(self) -> tuple[int, int]:
        """(baseline, candidate) sessions of the rollout."""
        return self.baseline.sessions, self.candidate.sessions + self.alone.sessions

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        return {
            "baseline": self.baseline.to_data(),
            "candidate": self.candidate.to_data(),
            "past": self.past.to_data(),
            "alone": self.alone.to_data(),
            "strata": [[w, *self.strata[w]] for w in sorted(self.strata)],
            "first": self.first,
            "last": self.last,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any], flipped: frozenset[str] = frozenset()) -> Totals:
        """The inverse of `to_data`."""
        made = cls(flipped)
        made.baseline, made.candidate, made.past, made.alone = (
            Tally.from_data(data[name], flipped) for name in ("baseline", "candidate", "past", "alone")
        )
        made.strata = {w: [b, c] for w, b, c in data["strata"]}
        made.first, made.last = data["first"], data["last"]
        return made
