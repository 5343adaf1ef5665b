"""CloudWatch behind the Telemetry port: AgentCore's spans, by endpoint, become the rows that a gateway would write.

Spans come minutes late. A minute is taken in once it can be complete: when it is older than AWS's usual delay and
CloudWatch's own count of invocations is reached, or when it is so old that nothing more is to be expected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from headgate.aws import metrics
from headgate.aws.clients import Clients
from headgate.aws.faults import mapped
from headgate.aws.logs import RUNTIMES, SHARED_SPANS
from headgate.core.plan import Plan
from headgate.errors import NotFound
from headgate.stats.observations import Row
from headgate.telemetry.cloudwatch.prices import Prices
from headgate.telemetry.cloudwatch.registry import Policy, Registry, Rules
from headgate.telemetry.cloudwatch.spans import Turn, Usage, is_of, read

MINUTE_S = 60.0
USUAL_LATE_S = 300.0  # spans take 3 to 5 minutes to appear
LATEST_S = 900.0  # what is not there by then is not waited for any longer
MOST_S = 1800.0  # of one reading
ASK_EVERY_S = 15.0
# how late a change of the split is noted: sessions that began in between count by the split before
NOTE_EVERY_S = 2.0

Data = dict[str, Any]


class Split(Protocol):
    """What splits now, and which version each endpoint has; asked before every reading."""

    def __call__(self, agent: str) -> tuple[Policy, str, str]:
        """(policy, runtime id, runtime ARN). Raises PortError."""


class KnownSessions:
    """Who is on an endpoint, as far as spans have told: what AgentCore Gateway's adapter counts and stops."""

    def __init__(self, registry: Registry, plan: Plan, now: Callable[[], float]) -> None:
        self._registry = registry
        self._idle_s = plan.session_idle_s
        self._now = now

    def open(self, agent: str, endpoint: str) -> list[tuple[str, float]]:
        """(session id, age in seconds) of the sessions known on an endpoint that are not idle."""
        now = self._now()
        return self._registry.open(agent, endpoint, now - self._idle_s - USUAL_LATE_S, now)


class CloudWatchTelemetry:
    """Implements ports.Telemetry. `now` is a clock in Unix seconds."""

    def __init__(
        self, clients: Clients, plan: Plan, registry: Registry, split: Split, now: Callable[[], float]
    ) -> None:
        self._clients = clients
        self._registry = registry
        self._split = split
        self._now = now
        self._asked_at = self._noted_at = 0.0
        self._placed: tuple[str, metrics.Placed] | None = None
        self._rules = Rules(plan.session_idle_s, plan.session_turns, Prices.of(plan))

    def poll(self, agent: str, cursor: str) -> tuple[list[Row], str]:
        """Rows after the cursor; AWS is asked at most every 15 s. Raises PortErrors: missing data is never []."""
        now = self._now()
        if now - self._noted_at >= NOTE_EVERY_S:
            self._noted_at = now
            self._registry.note(agent, now, self._split(agent)[0])
        if now - self._asked_at >= ASK_EVERY_S:
            self._asked_at = now
            self.collect(agent)
        return self._registry.rows(agent, cursor)

    def collect(self, agent: str) -> None:
        """Take in every minute that can be complete by now."""
        now, (policy, runtime, arn) = self._now(), self._split(agent)
        self._registry.note(agent, now, policy)
        self._registry.begin(agent, now - now % MINUTE_S)
        start = self._registry.until(agent)
        assert start is not None
        end = min(start + MOST_S, (now - USUAL_LATE_S) // MINUTE_S * MINUTE_S)
        if end <= start:
            return
        with mapped(f"reading the spans of {agent}"):
            found = {name: self._spans(runtime, name, start, end) for name in policy.versions}
            placed = self._place(arn)
            counted = {name: self._invocations(placed(name), start, end) for name in policy.versions if placed}
        end = _complete(found, counted, start, end, now - LATEST_S)
        if end > start:
            whole = {name: [span for span in spans if span.at < end] for name, spans in found.items()}
            self._registry.take(agent, end, whole, self._rules)

    def _spans(self, runtime: str, endpoint: str, start: float, end: float) -> list[Turn | Usage]:
        """The endpoint's spans that ended in [start, end), each once: of its own log group, where agents write since
        July 2026, and of the account's `aws/spans`, where older ones do.
        """
        found: dict[str, Turn | Usage] = {}
        own = self._events(f"{RUNTIMES}{runtime}-{endpoint}", '{ $.attributes.["session.id"] = * }', start, end)
        shared = self._events(SHARED_SPANS, f'"{runtime}"', start, end)
        for event in [*own, *(each for each in shared if is_of(each["message"], runtime, endpoint))]:
            span = read(event["message"])
            if span is not None and start <= span.at < end:
                found[f"{type(span).__name__} {span.id or event['eventId']}"] = span
        return list(found.values())

    def _events(self, group: str, pattern: str, start: float, end: float) -> Iterator[Data]:
        logs = self._clients.service("logs")
        # an event's time may be that of its writing
        times = {"startTime": int(start * 1000), "endTime": int((end + LATEST_S) * 1000)}
        pages = logs.get_paginator("filter_log_events")
        try:
            for page in pages.paginate(logGroupName=group, filterPattern=pattern, **times):
                yield from page["events"]
        except logs.exceptions.ResourceNotFoundException:
            return  # no turn has come to the endpoint yet: its group is made with the first

    def _place(self, arn: str) -> metrics.Placed | None:
        """Where the counts are, asked until there are some; None where no count is by endpoint."""
        if self._placed is None or self._placed[0] != arn:
            found = metrics.listed(self._clients.service("cloudwatch"), arn)
            try:
                placed = metrics.bound(found, arn)
            except ValueError:
                return None
            if not found:
                return placed
            self._placed = arn, placed
        return self._placed[1]

    def _invocations(self, place: metrics.Dimensions, start: float, end: float) -> dict[float, float]:
        """CloudWatch's own count of turns, by minute; minutes without a turn have none."""
        metric = {"Namespace": metrics.NAMESPACE, "MetricName": "Invocations", "Dimensions": place}
        query = {"Id": "turns", "MetricStat": {"Metric": metric, "Period": int(MINUTE_S), "Stat": "Sum"}}
        pages = self._clients.service("cloudwatch").get_paginator("get_metric_data")
        counts: dict[float, float] = {}
        for page in pages.paginate(MetricDataQueries=[query], StartTime=start, EndTime=end):
            for result in page["MetricDataResults"]:
                counts |= {at.timestamp(): n for at, n in zip(result["Timestamps"], result["Values"], strict=True)}
        return counts


def _complete(
    found: dict[str, list[Turn | Usage]],
    counted: dict[str, dict[float, float]],
    start: float,
    end: float,
    given_up: float,
) -> float:
    """Up to when everything that CloudWatch counted has been seen, or is not waited for any longer."""
    at = start
    while at < end:
        for name, spans in found.items():
            seen = sum(1 for span in spans if isinstance(span, Turn) and at <= span.at < at + MINUTE_S)
            if seen < counted.get(name, {}).get(at, 0.0) and at + MINUTE_S > given_up:
                return at
        at += MINUTE_S
    return end


def split_of(plan: Plan, platform: Any, traffic: Any) -> Split:
    """`Split` from the two ports that know: who splits, and what each endpoint has."""

    def ask(agent: str) -> tuple[Policy, str, str]:
        found = platform.find(agent)
        if found is None:
            raise NotFound(f"the platform has no agent {plan.agent}")
        versions = {name: live for name, (live, _, _) in found.endpoints.items() if live and name not in _NOT_SERVED}
        try:
            state = traffic.read(agent)
        except NotFound:
            return Policy(0.0, 0, "", versions), found.id, found.arn
        return Policy(state.weight, state.epoch, state.candidate, versions), found.id, found.arn

    return ask


_NOT_SERVED = frozenset({"DEFAULT", "candidate"})  # the latter is another name of a seat
