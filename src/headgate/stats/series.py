"""Seconds merged into one window: counts, errors, histograms, cost. Merging adds, so any order gives the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headgate.stats.observations import Second


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted in some seconds. `seconds` is the number of different Unix seconds that any row was of."""

    requests: int
    errors: int
    sessions: int
    latency: Mapping[int, int]
    ttfb: Mapping[int, int]
    cost_usd: float
    seconds: int


def merge(rows: Iterable[Second]) -> Window:
    """All rows as one window."""
    requests = errors = sessions = 0
    cost = 0.0
    latency: dict[int, int] = {}
    ttfb: dict[int, int] = {}
    times: set[int] = set()
    for row in rows:
        requests += row.requests
        errors += sum(row.errors.values())
        sessions += row.sessions
        cost += row.cost_usd
        times.add(row.t)
        add_counts(latency, row.latency)
        add_counts(ttfb, row.ttfb)
    return Window(requests, errors, sessions, latency, ttfb, cost, len(times))


def add_counts(into: dict[int, int], counts: Mapping[int, int]) -> None:
    """Add one histogram to another, in place."""
    for bucket, n in counts.items():
        into[bucket] = into.get(bucket, 0) + n
