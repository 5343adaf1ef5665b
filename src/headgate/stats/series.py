"""Seconds merged into one window: counts, errors, histograms, cost. Merging adds, so any order gives the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headgate.stats.observations import CLIENT_FAULT, Second


@dataclass(frozen=True, slots=True)
class Window:
    """What was counted in some seconds. `errors` are failures of the agent; `sessions` began in these seconds."""

    requests: int
    errors: int
    sessions: int
    latency: Mapping[int, int]
    ttfb: Mapping[int, int]
    cost_usd: float


def merge(rows: Iterable[Second]) -> Window:
    """All rows as one window."""
    requests = errors = sessions = 0
    cost = 0.0
    latency: dict[int, int] = {}
    ttfb: dict[int, int] = {}
    for row in rows:
        requests += row.requests
        errors += sum(n for kind, n in row.errors.items() if kind != CLIENT_FAULT)
        sessions += row.sessions
        cost += row.cost_usd
        add_counts(latency, row.latency)
        add_counts(ttfb, row.ttfb)
    return Window(requests, errors, sessions, latency, ttfb, cost)


def add_counts(into: dict[int, int], counts: Mapping[int, int]) -> None:
    """Add one histogram to another, in place."""
    for bucket, n in counts.items():
        into[bucket] = into.get(bucket, 0) + n
