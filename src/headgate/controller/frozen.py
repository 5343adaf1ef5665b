"""Evidence that an incident freezes when it is opened: what was measured then is what it is judged by later.

Series per variant, errors by kind, the last decisions, alarms, and samples of what failed, redacted where recorded.
"""

from __future__ import annotations

from headgate.controller.queries import numbers
from headgate.core.model import Rollout
from headgate.ports import Agent, Data, Record, Store
from headgate.stats.observations import Second

BEFORE_S = 900.0
_BUCKETS, _DECISIONS, _SAMPLES = 30, 10, 5
NOT_RECORDED = "not recorded: the gateway keeps counts of live turns, and no conversations"


def frozen(store: Store, rollout: Rollout | None, agent: Agent | None, now: float) -> Data:
    """`window` (from, to, Unix s), `series`, `errors`, `decisions`, `alarms`, `samples`, `live_turns`."""
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
        "live_turns": NOT_RECORDED,
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
