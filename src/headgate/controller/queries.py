"""Read models for people and programs: what CLI and dashboard show. Plain JSON data; nothing here changes anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.core import policy
from headgate.core.identity import Identity, Sameness, compare, of_record, values
from headgate.core.model import FINISHED, Rollout
from headgate.core.plan import Approval
from headgate.ports import Data, Record, Store
from headgate.reports import words
from headgate.stats.histogram import quantile_ms
from headgate.stats.observations import Second

_RATE_S = 60.0


def summary(rollout: Rollout) -> Data:
    """One line of `rollout list`."""
    return {
        "id": rollout.id,
        "agent": rollout.agent,
        "strategy": rollout.plan.strategy.value,
        "phase": rollout.phase.value,
        "weight": rollout.weight,
        "step": rollout.step,
        "baseline": rollout.baseline.number,
        "candidate": rollout.candidate.number if rollout.candidate else None,
        "created_at": rollout.created_at,
        "finished_at": rollout.finished_at,
        "started_by": rollout.started_by,
    }


def status(store: Store, rollout: Rollout, now: float) -> Data:
    """All of `rollout status`: both variants' numbers since the rollout began, the last look, what it waits for."""
    end = rollout.finished_at
    seconds = store.seconds(rollout.agent, since=rollout.created_at, until=end)
    looks = store.read(rollout.id, kinds=("evidence.look",))
    last = looks[-1] if looks else None
    decisions = store.read(rollout.id, kinds=("decision",))
    return {
        **summary(rollout),
        "steps": [_step(rollout, i) for i in range(len(rollout.plan.steps))],
        "weight_verified_at": rollout.weight_at,
        "variants": {
            "baseline": numbers(seconds, rollout.baseline.number),
            "candidate": numbers(seconds, rollout.candidate.number if rollout.candidate else ""),
        },
        "gates": [
            {"gate": g.gate, "passed": g.passed, "detail": g.detail, "evidence": list(g.evidence)}
            for g in rollout.gates
        ],
        "verdict": _verdict(rollout),
        "look": {"record": last.id, "at": last.at, **last.body["data"]} if last else None,
        "changes": changes(store, rollout),
        "drifts": [
            {"record": r.id, "at": r.at, "variants": r.body["variants"], "detail": r.body["detail"]}
            for r in store.read(rollout.id, kinds=("identity.drift",))
        ],
        "reason": decisions[-1].body["reason"] if decisions else "",
        "hold": _hold(rollout),
        "waits_for": waits_for(rollout, now),
        "sessions_per_minute": _session_rate(seconds, min(now, end) if end else now),
        "window": _window(rollout, now),
        "rollback": _rollback(rollout),
        "incident": rollout.incident or None,
        "notes": [told_of_stray(r.body) for r in store.read(rollout.id, kinds=("endpoint.stray",))],
        "effects": [{"key": p.key, "attempts": p.attempts, "error": p.error} for p in store.pending(rollout.id)],
    }


def changes(store: Store, rollout: Rollout) -> Data | None:
    """What the candidate changes, by part, and the records that say so; None: not both versions are known."""
    known = {r.body["version"]: r for r in store.read(rollout.id, kinds=("version.identity",))}
    numbers = (rollout.baseline.number, rollout.candidate.number if rollout.candidate else "")
    if not all(number in known for number in numbers):
        return None
    one, other = (known[number] for number in numbers)
    return {**parts_compared(of_record(one.body), of_record(other.body)), "records": [one.id, other.id]}


def changes_from_live(store: Store, agent: str, built: Mapping[str, str]) -> Data:
    """What a version that is built of these parts would change of an agent, and the record that says what is live."""
    served = next((known for known in store.agents() if known.name == agent), None)
    number = served.baseline.number if served else ""
    live = [
        record
        for record in store.read(kinds=("version.identity",))
        if (record.body["agent"], record.body["version"]) == (agent, number)
    ]
    if not live:
        return {"not_known_because": f"nothing is on the ledger of what {agent} is made of now"}
    compared = parts_compared(of_record(live[-1].body), Identity(built=values(built)))
    return {**compared, "version": number, "records": [live[-1].id]}


def parts_compared(one: Identity, other: Identity) -> Data:
    """Two identities by what became of each part."""
    found = compare(one, other)
    by = {answer: [each.part for each in found if each.answer is answer] for answer in Sameness}
    moved = {each.part: [each.before, each.after] for each in found if each.answer is Sameness.CHANGED}
    return {"changed": moved, "same": by[Sameness.SAME], "not_known": by[Sameness.UNKNOWN]}


def changes_in_words(data: Data) -> str:
    """What changes, in a line."""
    said = [
        f"{name}: {', '.join(parts)}"
        for name, parts in (
            ("what changes", list(data["changed"]) or ["nothing that is known"]),
            ("the same", data["same"]),
            ("not known", data["not_known"]),
        )
        if parts
    ]
    return "; ".join(said)


def told_of_stray(body: Data) -> str:
    """What a person has to know of an endpoint that is still on a version which was taken back."""
    name, there = body["endpoint"], body["version"]
    return (
        f"{name} is on version {there}, which was not promoted; version {body['trusted']} is trusted. A client that "
        f"names no endpoint gets {there}: have it name `production`, or come through the gateway. {name} moves with "
        "the next update of the runtime; that anything else moves it is not documented"
    )


def records(store: Store, rollout: Rollout) -> list[Record]:
    """What reports are made of: the rollout's own records, and those of its agent that belong to no rollout."""
    mine = store.read(rollout.id)
    agents = [
        r
        for r in store.read(kinds=("assessment", "agent.registered", "drill", "version.identity"))
        if r.body["agent"] == rollout.agent
    ]
    return sorted([*agents, *mine], key=lambda record: record.seq)


def numbers(seconds: Sequence[Second], version: str) -> Data:
    """One version's counts and quantiles."""
    mine = [s for s in seconds if s.version == version]
    latency: dict[int, int] = {}
    errors: dict[str, int] = {}
    for second in mine:
        _add(latency, second.latency)
        _add(errors, second.errors)
    requests = sum(s.requests for s in mine)
    return {
        "version": version or None,
        "sessions": sum(s.sessions for s in mine),
        "requests": requests,
        "errors": errors,
        "error_rate": sum(errors.values()) / requests if requests else None,
        "p50_ms": quantile_ms(latency, 0.5),
        "p95_ms": quantile_ms(latency, 0.95),
        "cost_usd": round(sum(s.cost_usd for s in mine), 6),
        "tokens": sum(s.tokens_in + s.tokens_out for s in mine),
        "refused_values": sum(s.refused for s in mine),
    }


def waits_for(rollout: Rollout, now: float) -> str:
    """In words, what would have to happen next."""
    if rollout.phase in FINISHED:
        return ""
    if rollout.hold:
        return f"a person: held by {rollout.hold.by}: {rollout.hold.reason}"
    if rollout.approval_asked_at is not None and (approval := policy.next_approval(rollout)):
        return _approval(rollout, approval, rollout.approval_asked_at)
    if rollout.step >= 0 and rollout.weight_at is not None and rollout.window is None and rollout.rollback is None:
        left = rollout.plan.steps[rollout.step].bake_s - (now - rollout.weight_at)
        return f"baking for another {left:.0f} s" if left > 0 else "a PASS"
    return ""


def _approval(rollout: Rollout, approval: Approval, asked_at: float) -> str:
    said = f"approval by {policy.approval_asked_of(approval)}"
    if rollout.approved_by:
        said += f" ({', '.join(rollout.approved_by)} agreed)"
    if approval.within_s is None:
        return said
    return f"{said} until {words.utc(asked_at + approval.within_s)}, else {approval.otherwise}"


def _add(total: dict[Any, int], more: Any) -> None:
    for key, count in more.items():
        total[key] = total.get(key, 0) + count


def _session_rate(seconds: Sequence[Second], now: float) -> float | None:
    recent = [s for s in seconds if s.t >= now - _RATE_S]
    if not recent:
        return None
    span = max(1.0, min(_RATE_S, now - recent[0].t))
    return round(sum(s.sessions for s in recent) * 60.0 / span, 1)


def _step(rollout: Rollout, index: int) -> Data:
    step = rollout.plan.steps[index]
    state = "done" if index < rollout.step or rollout.window else "now" if index == rollout.step else "to come"
    return {"weight": step.weight, "bake_s": step.bake_s, "min_sessions": step.min_sessions, "state": state}


def _verdict(rollout: Rollout) -> Data | None:
    verdict = rollout.verdict
    if verdict is None:
        return None
    return {
        "answer": verdict.answer.value,
        "reason": verdict.reason,
        "at": verdict.at,
        "sessions_baseline": verdict.sessions_baseline,
        "sessions_candidate": verdict.sessions_candidate,
        "evidence": list(verdict.evidence),
    }


def _hold(rollout: Rollout) -> Data | None:
    hold = rollout.hold
    return {"by": hold.by, "reason": hold.reason, "at": hold.at} if hold else None


def _window(rollout: Rollout, now: float) -> Data | None:
    window, parts = rollout.window, rollout.plan.validation.window
    if window is None or not parts:
        return None
    speed = rollout.plan.validation.speed
    return {
        "at_s": round(min(parts[-1].until_s, ((rollout.finished_at or now) - window.started_at) * speed), 1),
        "until_s": parts[-1].until_s,
        "speed": speed,
        "checks": window.checks,
        "criteria": [
            {"tier": r.tier, "text": f"{r.name} {r.text}", "met": r.met, "value": r.value, "n": r.n, "detail": r.detail}
            for r in window.results
        ],
    }


def _rollback(rollout: Rollout) -> Data | None:
    back = rollout.rollback
    if back is None:
        return None
    return {
        "asked_at": back.asked_at,
        "by": back.by,
        "reason": back.reason,
        "cut_over_s": round(back.cut_over_at - back.asked_at, 3) if back.cut_over_at else None,
        "debt": back.debt,
        "oldest_s": back.oldest_s,
    }
