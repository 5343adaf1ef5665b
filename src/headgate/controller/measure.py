"""Observations -> bodies of evidence: window checks, the baseline before the release, exposure, moved sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headgate.analysis.criteria import AlarmsSeen, Measured, check
from headgate.controller.monitor import baseline_alarms
from headgate.core.codec import to_data
from headgate.core.model import CriterionResult, Rollout
from headgate.core.plan import Criterion, Tier
from headgate.core.window import elapsed_s, part_at
from headgate.ports import Data, Entry, Ledger, RuntimeState, Store
from headgate.reports.incidents import incidents_of
from headgate.stats.histogram import quantile_ms
from headgate.stats.observations import Move, Row, Session
from headgate.stats.series import Window, merge

MOVES_ITSELF = "DEFAULT"  # of AgentCore: it follows every update, and nobody can point it back
CRITICAL = frozenset({"P1", "P2"})  # severities of incidents that a release must not have
BASELINE_S = 3600.0  # how far back the baseline is measured before a release

_BEFORE = tuple(
    Criterion(Tier.SHOULD, name, "<", limit, name)
    for name, limit in (("error_rate", 1.0), ("p95", 1e9), ("first_token", 1e9), ("cost_per_day", 1e9))
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read for a check. `statuses`, `answered`: of the checks before it, as `Monitor.checks` says.

    `probe`: {"passed": bool, or None where it could not be made, "detail", "seconds"}.
    """

    total: Window
    alarms: AlarmsSeen | None
    statuses: Sequence[str | None]
    answered: Sequence[bool]
    status: str | None
    probe: Data | None = None


@dataclass(frozen=True, slots=True)
class WindowCheck:
    results: tuple[CriterionResult, ...]
    data: Data


def window_check(rollout: Rollout, store: Ledger, seen: Seen, now: float) -> WindowCheck:
    """One check of the window: every criterion of the plan, measured on the candidate since the window began."""
    window, validation = rollout.window, rollout.plan.validation
    started = window.started_at if window else now
    speed = validation.speed
    real_s = elapsed_s(rollout, now) / speed
    known = incidents_of(store.read(rollout.id, kinds=("incident.opened", "incident.joined")))
    opened = [incident.severity for incident in known if incident.at >= started]
    critical = sum(severity in CRITICAL for severity in opened)
    passed = seen.probe["passed"] if seen.probe else None
    statuses = [*seen.statuses, seen.status]
    answered = [*seen.answered, *([] if passed is None else [passed])]
    measured = Measured(
        window=seen.total,
        incidents=(critical, len(opened) - critical),
        alarms=seen.alarms,
        statuses=statuses,
        uptime=(statuses.count("READY"), len(statuses)),
        probes=(sum(answered), len(answered)),
        window_s=real_s,
        speed=speed,
    )
    results = check(validation.criteria, measured)
    at = elapsed_s(rollout, now)
    data: Data = {
        "check": len(statuses),
        "phase": next((i for i, part in enumerate(validation.window) if at < part.until_s), len(validation.window)),
        "window_s": round(at, 1),
        "real_s": round(real_s, 3),
        "results": [to_data(result) for result in results],
        "alarms": dict(seen.alarms.states) if seen.alarms else {},
        "status": seen.status,
        "totals": totals(seen.total, real_s),
        "probe": seen.probe,
        "missed": _missed(rollout, now),
    }
    return WindowCheck(results, data)


def _missed(rollout: Rollout, now: float) -> int:
    """How many checks were due before this one and never made, because no controller ran or the clock outran it."""
    window, speed = rollout.window, rollout.plan.validation.speed
    if window is None:
        return 0
    due = (window.next_at - window.started_at - window.skew_s) * speed
    return max(0, int((now - window.next_at) * speed / part_at(rollout, due).every_s))


def totals(window: Window, seconds: float) -> Data:
    """What was counted, for figures that are held against each other later. Times in seconds, None: not measured."""
    times = {
        f"{name}_{level}": None if (ms := quantile_ms(counts, q)) is None else round(ms / 1000.0, 4)
        for name, counts in (
            ("latency", window.latency),
            ("first_token", window.first_token),
            ("token_gap", window.token_gap),
        )
        for level, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    }
    return {
        "seconds": round(seconds, 3),
        "requests": window.requests,
        "errors": window.errors,
        "sessions": window.sessions,
        "streams": window.streams,
        "tokens": window.tokens_in + window.tokens_out,
        "cost_usd": round(window.cost_usd, 6),
        **times,
    }


def baseline(
    rollout: Rollout, store: Store, status: str | None, now: float, watched: Mapping[str, str] | None = None
) -> Entry:
    """The hour of the baseline before the candidate got its first session: what later figures are held against.

    `watched`: states of alarms that are kept elsewhere, by name.
    """
    since = now - BASELINE_S
    seconds = [s for s in store.seconds(rollout.agent, since=since) if s.version == rollout.baseline.number]
    measured_s = now - seconds[0].t if seconds else 0.0
    window = merge(seconds)
    results = check(_BEFORE, Measured(window, window_s=measured_s))
    metrics = {r.name: {"value": r.value, "n": r.n, "upper": r.bound, "detail": r.detail} for r in results}
    body: Data = {
        "metrics": metrics,
        "window": [now - measured_s, now],
        "totals": totals(window, measured_s),
        "alarms": {**(watched or {}), **baseline_alarms(rollout, store, now)},
        "status": status,
    }
    return Entry("evidence.baseline", body, rollout.id)


def stray(rollout: Rollout, found: RuntimeState | None) -> Entry | None:
    """An endpoint that the platform moves by itself is still on the candidate that did not make it; None: it is not."""
    live = found.endpoints.get(MOVES_ITSELF, ("", "", ""))[0] if found else ""
    if rollout.candidate is None or live != rollout.candidate.number or live == rollout.baseline.number:
        return None
    body = {"endpoint": MOVES_ITSELF, "version": live, "trusted": rollout.baseline.number}
    return Entry("endpoint.stray", body, rollout.id)


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
