"""Evidence that an incident freezes when it is opened: what was measured then is what it is judged by later.

Series per variant, errors by kind, the last decisions, alarms, and samples of what failed: cases of gates, and live
turns where the plan records them. Each was redacted when recorded, and is here once more: a ledger never forgets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from headgate.controller.queries import numbers
from headgate.core.model import Rollout
from headgate.core.plan import Plan
from headgate.core.redact import redact
from headgate.errors import PortError
from headgate.ports import Agent, Data, FailingTurn, Record, Recordings, Store
from headgate.stats.observations import Second

BEFORE_S = 900.0
_BUCKETS, _DECISIONS, _SAMPLES, _TURNS = 30, 10, 5, 5
_LONGEST = 600  # characters of what was said in a turn, and of the answer


def frozen(
    store: Store, recordings: Recordings | None, rollout: Rollout | None, agent: Agent | None, now: float
) -> Data:
    """`window` (from, to, Unix s), `series`, `errors`, `decisions`, `alarms`, `samples`, `live_turns` in words, and
    `failing_turns`: the last few of each version.
    """
    name = rollout.agent if rollout else agent.name if agent else ""
    seconds = store.seconds(name, since=now - BEFORE_S, until=now + 1.0)
    versions = sorted({s.version for s in seconds})
    mine = store.read(rollout.id, kinds=("decision", "alarm", "evidence.gate")) if rollout else []
    return {
        "window": [now - BEFORE_S, now],
        "series": [row for version in versions for row in _series(seconds, version, now)],
        "errors": {version: numbers(seconds, version)["errors"] for version in versions},
        "decisions": [_decision(r) for r in mine if r.kind == "decision"][-_DECISIONS:],
        "alarms": {f"{r.body['name']}/{r.body.get('variant', '')}": r.body["to"] for r in mine if r.kind == "alarm"},
        "samples": _samples(mine),
        **_live(recordings, name, rollout.plan if rollout else agent.plan if agent else None),
    }


def _live(recordings: Recordings | None, agent: str, plan: Plan | None) -> Data:
    """Failing live turns; where there are none, why."""

    def none(why: str) -> Data:
        return {"live_turns": why, "failing_turns": []}

    recording = plan.recording if plan else None
    if recording is None or not recording.failing_share:
        return none("not recorded: the plan's `recording` keeps none")
    if recordings is None:
        return none("not recorded: nothing here keeps them")
    try:
        found = recordings.failing(agent)
    except PortError as error:
        return none(f"not to be read: {error.message}")
    own = [re.compile(pattern) for pattern in recording.redact]
    kept = [_turn(t, own) for v in sorted({t.version for t in found}) for t in _last(found, v)]
    if not kept:
        return none("none failed of late in the sessions that may be kept")
    share = f"{recording.failing_share:.0%} of the sessions{', by consent' if recording.consent else ''}"
    return {"live_turns": f"the last that failed of {share}, redacted", "failing_turns": kept}


def _last(turns: Sequence[FailingTurn], version: str) -> list[FailingTurn]:
    return [t for t in turns if t.version == version][-_TURNS:]


def _turn(turn: FailingTurn, own: Sequence[re.Pattern[str]]) -> Data:
    return {
        "t": turn.t,
        "session": turn.session,
        "variant": turn.variant,
        "version": turn.version,
        "kind": turn.kind,
        "ms": turn.ms,
        "said": redact(turn.said, own)[:_LONGEST],
        "answered": redact(turn.answered, own)[:_LONGEST],
    }


def _series(seconds: list[Second], version: str, now: float) -> list[Data]:
    """One row per half minute in which the version served."""
    wide, rows = BEFORE_S / _BUCKETS, []
    for i in range(_BUCKETS):
        begin = now - BEFORE_S + i * wide
        found = [s for s in seconds if s.version == version and begin <= s.t < begin + wide]
        if found:
            n = numbers(found, version)
            rows.append(
                {
                    "t": round(begin, 1),
                    "version": version,
                    "variant": found[-1].variant,
                    "requests": n["requests"],
                    "errors": sum(n["errors"].values()),
                    "p95_ms": n["p95_ms"],
                    "cost_usd": n["cost_usd"],
                }
            )
    return rows


def _decision(record: Record) -> Data:
    return {"record": record.id, "at": record.at, "reason": record.body["reason"]}


def _samples(records: list[Record]) -> list[Data]:
    """Failing cases of gates: their excerpts were redacted when they were recorded."""
    failing = [
        {"record": r.id, "gate": r.body["gate"], "case": c.get("name", ""), "detail": c.get("detail", "")}
        for r in records
        if r.kind == "evidence.gate"
        for c in r.body.get("cases", ())
        if not c.get("passed")
    ]
    return failing[-_SAMPLES:]
