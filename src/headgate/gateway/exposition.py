"""The gateway's counters as Prometheus text."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.gateway.engine import Engine

_HELP = {
    "requests_total": ("counter", "Requests that a version answered or failed to answer."),
    "sessions_total": ("counter", "Sessions that began."),
    "errors_total": ("counter", "Requests by kind of error; http_4xx is the client's fault."),
    "latency_milliseconds_total": ("counter", "Time to the last byte, summed."),
    "refused_values_total": ("counter", "Values of the plan's own metrics that can be none."),
    "weight": ("gauge", "Percent of new sessions that go to the candidate."),
    "in_flight": ("gauge", "Requests in flight."),
    "open_sessions": ("gauge", "Exposure debt: sessions pinned to a version that are not idle."),
    "pins": ("gauge", "Sessions that have a pin."),
    "unpinned_total": ("counter", "Sessions served before their pin was on disk."),
    "refused_total": ("counter", "Requests refused before they had a session."),
    "clients": ("gauge", "Client connections."),
    "lost_rows_total": ("counter", "Telemetry rows given up because the disk refused them."),
}

Sample = tuple[str, dict[str, str], float]  # name, labels, value


def _samples(engine: Engine) -> Iterator[Sample]:
    for name, agent in engine.agents.items():
        for (variant, version), total in agent.meter.totals.items():
            labels = {"agent": name, "variant": variant, "version": version}
            yield "requests_total", labels, total.requests
            yield "sessions_total", labels, total.sessions
            yield "latency_milliseconds_total", labels, total.latency_ms
            if total.refused:
                yield "refused_values_total", labels, total.refused
            for kind, count in total.errors.items():
                yield "errors_total", {**labels, "kind": kind}, count
        yield "weight", {"agent": name}, agent.router.weight
        yield "in_flight", {"agent": name}, len(agent.exchanges)
        yield "pins", {"agent": name}, len(agent.router.pins)
        for version, (sessions, _) in agent.debt().items():
            yield "open_sessions", {"agent": name, "version": version}, sessions
    yield "unpinned_total", {}, engine.pins.unpinned
    yield "refused_total", {}, engine.refused
    yield "clients", {}, len(engine.clients)
    yield "lost_rows_total", {}, engine.journal.lost


def exposition(engine: Engine) -> str:
    """All samples, grouped by name as the format asks."""
    by_name: dict[str, list[str]] = {name: [] for name in _HELP}
    for name, labels, value in _samples(engine):
        # label values are names and numbers that the policy parser let through: nothing in them needs escaping
        inner = ",".join(f'{key}="{text}"' for key, text in labels.items())
        by_name[name].append(
            f"headgate_gateway_{name}{{{inner}}} {value!r}" if inner else f"headgate_gateway_{name} {value!r}"
        )
    lines: list[str] = []
    for name, samples in by_name.items():
        kind, help_text = _HELP[name]
        if samples:
            lines += [f"# HELP headgate_gateway_{name} {help_text}", f"# TYPE headgate_gateway_{name} {kind}", *samples]
    return "\n".join(lines) + "\n"
