"""Observations -> bodies of evidence: window checks, the baseline before the release, exposure, moved sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headgate.analysis.criteria import check
from headgate.core.codec import to_data
from headgate.core.model import CriterionResult, Rollout
from headgate.core.plan import Criterion, Tier
from headgate.ports import Data, Entry, Ledger, Store
from headgate.stats.observations import Move, Row, Session

BASELINE_S = 3600.0  # how far back the baseline is measured before a release

_BEFORE = tuple(
    Criterion(Tier.SHOULD, name, "<", limit, name)
    for name, limit in (("error_rate", 1.0), ("p95", 1e9), ("cost_per_day", 1e9))
)


@dataclass(frozen=True, slots=True)
class WindowCheck:
    results: tuple[CriterionResult, ...]
    data: Data


def window_check(
    rollout: Rollout, store: Store, alarms: Mapping[str, str], status: str | None, now: float
) -> WindowCheck:
    """One check of the window: every criterion of the plan, measured on the candidate since the window began."""
    window, candidate, validation = rollout.window, rollout.candidate, rollout.plan.validation
    started = window.started_at if window else now
    number = candidate.number if candidate else ""
    seconds = [s for s in store.seconds(rollout.agent, since=started) if s.version == number]
    incidents = [r for r in store.read(rollout.id, kinds=("incident.opened",)) if r.at >= started]
    checks = store.read(rollout.id, kinds=("evidence.window",))
    up = sum(1 for r in checks if r.body["status"] == "READY") + (status == "READY")
    results = check(
        validation.criteria,
        seconds,
        incidents=len(incidents),
        alarms=alarms if rollout.plan.alarms else None,
        status=status,
        uptime=(up, len(checks) + 1),
        window_s=now - started,
        speed=validation.speed,
    )
    at = (now - started) * validation.speed
    data: Data = {
        "check": len(checks) + 1,
        "phase": next((i for i, part in enumerate(validation.window) if at < part.until_s), len(validation.window)),
        "window_s": round(at, 1),
        "real_s": round(now - started, 3),
        "results": [to_data(result) for result in results],
        "alarms": dict(alarms),
        "status": status,
    }
    return WindowCheck(results, data)


def baseline(rollout: Rollout, store: Store, now: float) -> Entry:
    """The hour of the baseline before the candidate got its first session: what later figures are held against."""
    since = now - BASELINE_S
    seconds = [s for s in store.seconds(rollout.agent, since=since) if s.version == rollout.baseline.number]
    measured_s = now - seconds[0].t if seconds else 0.0
    results = check(_BEFORE, seconds, incidents=0, alarms=None, status=None, uptime=None, window_s=measured_s)
    metrics = {r.name: {"value": r.value, "n": r.n, "upper": r.bound, "detail": r.detail} for r in results}
    return Entry("evidence.baseline", {"metrics": metrics, "window": [now - measured_s, now]}, rollout.id)


def exposure(rollout: Rollout, store: Store) -> Entry:
    """How many sessions the candidate ever got, and how they fared."""
    number = rollout.candidate.number if rollout.candidate else ""
    seconds = [s for s in store.seconds(rollout.agent, since=rollout.created_at) if s.version == number]
    closed = [s for s in closed_sessions(rollout, store) if s.version == number]
    body: Data = {
        "sessions": sum(s.sessions for s in seconds),
        "turns": sum(s.requests for s in seconds),
        "failed_sessions": sum(1 for s in closed if s.failures),
        "closed_sessions": len(closed),
    }
    return Entry("exposure.total", body, rollout.id)


def closed_sessions(rollout: Rollout, store: Store) -> list[Session]:
    return [session for _, session in store.sessions(rollout.agent, since=rollout.created_at)]


def incident_times(rollout: Rollout, now: float) -> Entry:
    """How long each part of a rollback took; None where it was not measured."""
    back = rollout.rollback
    verdict = rollout.verdict
    body: Data = {
        "incident": rollout.incident,
        "fault_at": rollout.weight_at,
        "detected_at": verdict.at if verdict and verdict.answer == "FAIL" else (back.asked_at if back else None),
        "decided_at": back.asked_at if back else None,
        "cut_over_at": back.cut_over_at if back else None,
        "drained_at": now,
    }
    return Entry("incident.times", body, rollout.id)


def moves(rows: Sequence[Row], rollout: str, log: str, ledger: Ledger) -> list[Entry]:
    """Sessions that changed version, grouped by how; a batch of the gateway's `log` that is known is left out."""
    found = [row for row in rows if isinstance(row, Move)]
    if not found:
        return []
    noted = [r.body for r in ledger.read(rollout, kinds=("sessions.moved",))]
    known = max((body["last_seq"] for body in noted if body.get("log") == log), default=-1)
    groups: dict[tuple[str, str, str], list[Move]] = {}
    for move in found:
        if move.seq > known:
            groups.setdefault((move.policy, move.from_version, move.to_version), []).append(move)
    return [
        Entry(
            "sessions.moved",
            {
                "count": len(batch),
                "policy": how,
                "from": old,
                "to": new,
                "sessions": [m.session for m in batch],
                "log": log,
                "last_seq": batch[-1].seq,
            },
            rollout,
        )
        for (how, old, new), batch in groups.items()
    ]
