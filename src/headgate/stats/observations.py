"""What a gateway measures, as values: per-second aggregates, closed sessions, moved sessions.

Aggregates merge by addition; a closed session is the unit on which the analysis bets, once. Histograms are
{bucket: count} on the grid of `histogram`. `weight` is the percent in force when the session began, `epoch` the asking
that set it.

`latency` is how long a caller waited: for the whole answer, or, where it came as a stream of tokens, the longest wait
for the next one; so a long streamed answer is not a slow one. `ttfb`: to the first byte of any answer's body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

CLIENT_FAULT = "http_4xx"  # the one kind of error that is not a failure of the agent


@dataclass(frozen=True, slots=True)
class Second:
    """One second of one variant in one weight epoch. `errors` counts by kind; `t` is the Unix second.

    `streams` of the requests were answered by a stream: `first_token` is the time to its first token, `token_gap` the
    longest time between two.
    """

    seq: int
    t: int
    variant: str
    version: str
    weight: float
    epoch: int
    requests: int
    errors: Mapping[str, int] = field(default_factory=dict)
    latency: Mapping[int, int] = field(default_factory=dict)
    ttfb: Mapping[int, int] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    sessions: int = 0  # sessions that began in this second
    streams: int = 0
    first_token: Mapping[int, int] = field(default_factory=dict)
    token_gap: Mapping[int, int] = field(default_factory=dict)
    refused: int = 0  # values of a plan's own metrics that can be none


@dataclass(frozen=True, slots=True)
class Session:
    """One session, closed at a rule that does not look at the variant: first failure, N-th turn, idle, or a stop.

    Of a plan's own metrics, by name: `values` (sum, how many turns told one), of times `times` (ms) a histogram.
    """

    seq: int
    t: float
    variant: str
    version: str
    weight: float
    epoch: int
    session: str  # hash of the id, 16 hex digits
    started: float
    turns: int
    failures: int
    latency: Mapping[int, int] = field(default_factory=dict)
    ttfb: Mapping[int, int] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    closed_by: str = "idle"  # failure | turns | idle | stop
    recorded: bool = False  # what was said in it is kept, so that it can be scored
    values: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    times: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """A session that was taken from one version to another by a rollback policy."""

    seq: int
    t: float
    session: str
    from_version: str
    to_version: str
    policy: str  # drain | handover | evict


@dataclass(frozen=True, slots=True)
class Score:
    """How good one recorded session was, 0 to 1, by the evaluators of a plan. Late: it comes after its session closed.

    `session`, `variant`, `version`, `weight` and `epoch` are those of its `Session` row; `t`: when it was scored;
    `digest`: of the evaluators, for scores of different ones are not comparable. At most one per session and digest.
    """

    t: float
    variant: str
    version: str
    weight: float
    epoch: int
    session: str
    quality: float
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Recording:
    """What was said in one session, redacted. `turns`: {payload, answer, streamed, failure}, as the gateway kept them.

    The labels are those of the session's row; `seq` grows from one recording to the next.
    """

    seq: int
    session: str
    variant: str
    version: str
    weight: float
    epoch: int
    started: float
    t: float
    turns: tuple[Mapping[str, Any], ...]


Row = Second | Session | Move


def hashed(session: str) -> str:
    """The name of a session in telemetry: 16 hex digits, so that ids do not leave what measures."""
    return sha256(session.encode()).hexdigest()[:16]


_KINDS: dict[str, type[Row]] = {"second": Second, "session": Session, "move": Move}
_HISTOGRAMS = ("latency", "ttfb", "first_token", "token_gap")


def row_from_data(data: Mapping[str, Any]) -> Row:
    """A row of the gateway's telemetry answer ({"kind": "second" | "session" | "move", ...}) as a value.

    Raises ValueError where a member is missing or unknown.
    """
    members = {k: v for k, v in data.items() if k != "kind"}
    for name in _HISTOGRAMS:
        if name in members:
            members[name] = _histogram(members[name])
    try:
        if "values" in members:
            members["values"] = {name: (float(total), int(n)) for name, (total, n) in members["values"].items()}
        if "times" in members:
            members["times"] = {name: _histogram(counts) for name, counts in members["times"].items()}
        return _KINDS[data["kind"]](**members)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a telemetry row: {error}") from error


def _histogram(counts: Mapping[Any, Any]) -> dict[int, int]:
    return {int(bucket): int(n) for bucket, n in counts.items()}
