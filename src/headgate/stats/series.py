"""Seconds merged into one window: counts, errors, histograms, cost. Merging adds, so any order gives the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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
    tokens_in: int = 0
    tokens_out: int = 0
    streams: int = 0
    first_token: Mapping[int, int] = field(default_factory=dict)
    token_gap: Mapping[int, int] = field(default_factory=dict)


def merge(rows: Iterable[Second], before: Window | None = None) -> Window:
    """All rows as one window, together with what was merged before."""
    made = before or Window(0, 0, 0, {}, {}, 0.0)
    requests, errors, sessions, streams = made.requests, made.errors, made.sessions, made.streams
    cost, tokens_in, tokens_out = made.cost_usd, made.tokens_in, made.tokens_out
    latency, ttfb = dict(made.latency), dict(made.ttfb)
    first_token, token_gap = dict(made.first_token), dict(made.token_gap)
    for row in rows:
        requests += row.requests
        errors += failures(row)
        sessions += row.sessions
        cost += row.cost_usd
        tokens_in += row.tokens_in
        tokens_out += row.tokens_out
        streams += row.streams
        add_counts(latency, row.latency)
        add_counts(ttfb, row.ttfb)
        add_counts(first_token, row.first_token)
        add_counts(token_gap, row.token_gap)
    return Window(
        requests, errors, sessions, latency, ttfb, cost, tokens_in, tokens_out, streams, first_token, token_gap
    )


def failures(row: Second) -> int:
    """Requests that the agent failed; a client's own fault is none."""
    return sum(n for kind, n in row.errors.items() if kind != CLIENT_FAULT)


def add_counts(into: dict[int, int], counts: Mapping[int, int]) -> None:
    """Add one histogram to another, in place."""
    for bucket, n in counts.items():
        into[bucket] = into.get(bucket, 0) + n
