"""What each variant did, added up for people: rates, quantiles, means, sessions per weight. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.stats.histogram import quantile_ms
from headgate.stats.observations import Session
from headgate.stats.series import add_counts

_QUANTILES = {"latency_p95": 0.95, "latency_p99": 0.99}


class Tally:
    """The sessions of one variant."""

    def __init__(self) -> None:
        self.sessions = self.failed = 0
        self.cost_usd = 0.0
        self.latency: dict[int, int] = {}

    def add(self, session: Session) -> None:
        """Take one session in."""
        self.sessions += 1
        self.failed += session.failures > 0
        self.cost_usd += session.cost_usd
        add_counts(self.latency, session.latency)

    def estimate(self, metric: str) -> float | None:
        """The metric as observed: a share, milliseconds, or USD per session; None: not measured."""
        if metric == "error":
            return self.failed / self.sessions if self.sessions else None
        if metric == "cost":
            return self.cost_usd / self.sessions if self.cost_usd > 0 else None
        if metric in _QUANTILES:
            return quantile_ms(self.latency, _QUANTILES[metric])
        return None

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        latency = [[k, self.latency[k]] for k in sorted(self.latency)]
        return {"sessions": self.sessions, "failed": self.failed, "cost_usd": self.cost_usd, "latency": latency}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Tally:
        """The inverse of `to_data`."""
        made = cls()
        made.sessions, made.failed, made.cost_usd = data["sessions"], data["failed"], data["cost_usd"]
        made.latency = dict(data["latency"])
        return made


class Totals:
    """Tallies of both variants while they ran side by side, of the baseline before, and of the candidate alone (at 100
    %).
    """

    def __init__(self) -> None:
        self.baseline, self.candidate = Tally(), Tally()  # side by side
        self.past, self.alone = Tally(), Tally()
        self.strata: dict[float, list[int]] = {}  # weight -> [baseline, candidate]
        self.first: float | None = None
        self.last: float | None = None

    def add(self, session: Session) -> None:
        """One session of the rollout."""
        is_candidate = session.variant == "candidate"
        side_by_side = 0.0 < session.weight < 100.0
        tally = (self.candidate if side_by_side else self.alone) if is_candidate else self.baseline
        tally.add(session)
        self.strata.setdefault(session.weight, [0, 0])[int(is_candidate)] += 1
        self.first = session.t if self.first is None else min(self.first, session.t)
        self.last = session.t if self.last is None else max(self.last, session.t)

    def add_past(self, session: Session) -> None:
        """One session of the baseline alone."""
        self.past.add(session)

    def at(self, weight: float) -> int:
        """Sessions of the candidate that began at a weight."""
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
    def from_data(cls, data: Mapping[str, Any]) -> Totals:
        """The inverse of `to_data`."""
        made = cls()
        made.baseline, made.candidate = Tally.from_data(data["baseline"]), Tally.from_data(data["candidate"])
        made.past, made.alone = Tally.from_data(data["past"]), Tally.from_data(data["alone"])
        made.strata = {w: [b, c] for w, b, c in data["strata"]}
        made.first, made.last = data["first"], data["last"]
        return made
