"""One ledger record in words, the list of all records of a rollout, and the notes under every other document."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from headgate.core.identity import short
from headgate.ports import Record
from headgate.reports import words
from headgate.reports.document import Cited, Document, Fields, Note, cited, field, line
from headgate.reports.history import History

Body = Mapping[str, Any]
_LONG = 240  # characters of an unknown body that a list shows


def describe(record: Record) -> str:
    """What the record says, in one line. A kind or member that we do not know is shown as written; nothing raises."""
    teller = _TELLERS.get(record.kind)
    try:
        return teller(record.body) if teller else _raw(record.body)
    except (KeyError, TypeError, ValueError, AttributeError):
        return _raw(record.body)


def evidence_report(history: History, head: tuple[int, str], now: float) -> Document:
    """Every record of the rollout; `head` is the ledger's (count, hash) at `now` (Unix s)."""
    proof = (f"L{head[0]}",)
    about = Fields(
        (
            field("Rollout", Cited(history.rollout.id, (history.created.evidence,), code=True)),
            field("Records", Cited(str(len(history.records)), proof)),
            field("Ledger head", Cited(head[1], proof, code=True)),
            field("Written", Cited(words.utc(now), proof)),
        )
    )
    title = line("Evidence - ", Cited(history.agent, (history.created.evidence,)))
    notes = tuple(_note(record) for record in history.records.values())
    document = with_notes(Document("evidence", title, (about,)), history.records, head, now)
    return replace(document, notes=notes + tuple(n for n in document.notes if n.id not in history.records))


def with_notes(document: Document, records: Mapping[str, Record], head: tuple[int, str], now: float) -> Document:
    """The document with every record that it cites listed at its end.

    `head` is the ledger's (count, hash) at the time of writing: its last record may belong to another rollout, and is
    cited for nothing but the date and the head. Raises KeyError where any other record is not at hand.
    """
    last = f"L{head[0]}"
    notes = []
    for ref in cited(document):
        if ref == last and ref not in records:
            said = "the last record of the ledger when this was written"
            notes.append(Note(ref, words.utc(now), "head", said, head[1]))
        else:
            notes.append(_note(records[ref]))
    return replace(document, notes=tuple(notes))


def _note(record: Record) -> Note:
    return Note(record.id, words.utc(record.at), record.kind, describe(record), record.hash)


def _raw(body: Body) -> str:
    text = json.dumps(body, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= _LONG else f"{text[:_LONG]} …"


def _created(b: Body) -> str:
    r = b["rollout"]
    plan = r["plan"]
    return (
        f"rollout {r['id']} of {r['agent']} created by {r['started_by']}: {plan['strategy']}, "
        f"baseline version {r['baseline']['number']}; plan {b.get('plan_path') or 'given'} ({r['plan_digest'][:12]})"
    )


def _decision(b: Body) -> str:
    move = f"{b['from']} -> {b['to']}" if b["from"] != b["to"] else f"in {b['to']}"
    asked = [effect["is"] for effect in b.get("effects", ())]
    effects = f"; asked: {', '.join(asked)}" if asked else ""
    fact = (b.get("fact") or {}).get("is", "")
    return f"{move}{f' on {fact}' if fact else ''}: {b['reason']}{effects}"


def _verified(b: Body) -> str:
    took = f" after {words.duration(b['seconds'])}" if b.get("seconds") is not None else ""
    return f"{b['is']} verified{took} ({b['key']})"


def _look(b: Body) -> str:
    v = b["verdict"]
    sessions = (
        f"{words.count(v['sessions_candidate'], 'session')} of the candidate, {v['sessions_baseline']} of the baseline"
    )
    return f"{v['answer']} at step {v['step'] + 1}: {v['reason']} ({sessions})"


def _gate(b: Body) -> str:
    took = f" in {words.duration(b['seconds'])}" if b.get("seconds") is not None else ""
    return f"gate {b['gate']} {'passed' if b['passed'] else 'failed'}{took}: {b['detail']}"


def _window(b: Body) -> str:
    results = b.get("results", ())
    met = sum(1 for r in results if r["met"])
    red = [name for name, state in (b.get("alarms") or {}).items() if state != "OK"]
    alarms = f"; not OK: {', '.join(sorted(red))}" if red else ""
    when = words.duration(b["window_s"])
    return f"check {b['check']} at {when} of the window: {met} of {len(results)} criteria met{alarms}"


def _before(b: Body) -> str:
    values = ", ".join(
        f"{name} {words.measure(name, m['value'])}" for name, m in b["metrics"].items() if m.get("value") is not None
    )
    return f"baseline before the release: {values or 'nothing measured'}"


def _identity(b: Body) -> str:
    parts = {**b["built"], **b["told"]}
    named = ", ".join(f"{part} {short(value)}" for part, value in parts.items())
    return f"version {b['version']} is made of {named or 'nothing that is known'}"


def _assessment(b: Body) -> str:
    open_ = [s["kind"] for s in b.get("strategies", ()) if s.get("open")]
    best = b.get("recommended") or "none"
    return f"platform {b['platform']}: open are {', '.join(open_) or 'none'}; recommended: {best}"


def _times(b: Body) -> str:
    names = ("fault", "detected", "decided", "cut_over", "drained")
    told = [f"{n.replace('_', ' ')} {words.clock(b[f'{n}_at'])}" for n in names if b.get(f"{n}_at") is not None]
    return f"{b['incident']}: {', '.join(told) or 'nothing measured'}"


def _why(b: Body) -> str:
    return b.get("reason") or "no reason given"


def _exposure(b: Body) -> str:
    return f"the candidate had {words.count(b['sessions'], 'session')}, {b.get('failed_sessions')} of them failed"


_TELLERS: Mapping[str, Callable[[Body], str]] = {
    "rollout.created": _created,
    "decision": _decision,
    "effect.verified": _verified,
    "effect.superseded": lambda b: f"{b['is']} is not wanted any more ({b['key']})",
    "port.away": lambda b: f"{words.outage(b['port'], b['kind'], None)}: {b['error']}",
    "port.back": lambda b: words.outage(b["port"], b["kind"], b["away_s"]),
    "effect.failing": lambda b: f"{b['key']} is failing, tried {words.count(b['attempts'], 'time')}: {b['error']}",
    "evidence.look": _look,
    "evidence.gate": _gate,
    "evidence.window": _window,
    "evidence.baseline": _before,
    "version.identity": _identity,
    "identity.drift": lambda b: (
        f"{' and '.join(b.get('variants') or ['the baseline'])} changed without a deployment: {b['detail']}"
    ),
    "assessment": _assessment,
    "command": lambda b: f"{b['by']} said {b['verb']}: {b.get('reason') or 'no reason given'}",
    "gateway.forced_down": lambda b: f"{b['by']} took the weight to 0 at the gateway: {b.get('reason')}",
    "sessions.moved": lambda b: (
        f"{words.count(b['count'], 'session')} moved from {b['from']} to {b['to']} ({b['policy']})"
    ),
    "endpoint.stray": lambda b: (
        f"{b['endpoint']} is still on version {b['version']}; {b['trusted']} is trusted, and only an update moves it"
    ),
    "exposure.debt": lambda b: (
        f"{words.count(b['sessions'], 'session')} still on the candidate, oldest {b['oldest_s']:.0f} s"
    ),
    "exposure.total": _exposure,
    "incident.opened": lambda b: f"{b['incident']} {b['severity']}: {b['title']}",
    "incident.times": _times,
    "alarm": lambda b: f"alarm {b['name']} ({b['variant']}): {b['from']} -> {b['to']}",
    "alarm.reading": lambda b: (
        f"alarm {b['name']} ({b['variant']}) " + (f"cannot be read: {b['why']}" if b["why"] else "can be read again")
    ),
    "alarms.made": lambda b: (
        f"{words.count(len(b['alarms']), 'alarm')} made on CloudWatch"
        + (f"; evaluated here: {', '.join(sorted(b['here']))}" if b["here"] else "")
    ),
    "alarms.failing": lambda b: (
        f"alarms on CloudWatch could not be {'made' if b['what'] == 'make' else 'ended'}: {b['error']}"
    ),
    "alarms.ended": lambda b: f"alarms on CloudWatch: {b['removed']} removed, {len(b['left'])} left",
    "evaluation.begun": lambda b: (
        "AgentCore evaluates sessions: "
        + ", ".join(f"{variant} by {id}" for variant, id in b["configurations"].items())
    ),
    "evaluation.failing": lambda b: f"evaluation by AgentCore ({b['what']}): {b['error']}",
    "evaluation.ended": lambda b: (
        f"evaluation by AgentCore ended: {words.count(len(b['removed']), 'configuration')} removed"
    ),
    "evidence.ab_test": lambda b: (
        f"A/B test {b['name']} of AgentCore is {b['running']}, {words.count(len(b['results']), 'result')}"
    ),
    "budget.crossed": lambda b: str(b["detail"]),
    "clock.moved": lambda b: f"the clock was set by {b['by_s']:+.1f} s",
    "operations.check": lambda b: f"version {b['version']} is {b['status'] or 'not to be read'}",
    "health": lambda b: f"{b['variant']} {'answers' if b['healthy'] else 'does not answer'}: {b['detail']}",
    "handoff.written": lambda b: f"handoff package in {b['path']}: {', '.join(b['files'])}",
    "handoff.accepted": lambda b: (
        f"handoff accepted by {b['by']} for {b['to']}: {b.get('reason') or 'no reason given'}"
    ),
    "drill": lambda b: f"drill {b['drill']} {'passed' if b['passed'] else 'failed'}: {b['detail']}",
    "notification": lambda b: (
        f"{b['event']} to {b['receiver']}: {b['result']}, {words.count(b['attempts'], 'attempt')}"
    ),
    "evaluation.judged": lambda b: (
        f"{words.count(b['sessions'], 'live session')} judged: {b['answers']} answers, {b['usd']:.4f} USD"
    ),
    "mute.set": lambda b: f"{b['by']} muted {', '.join(b['alarms']) or 'all alarms'} of {b['agent']}: {b['reason']}",
    "mute.ended": lambda b: f"mute {b['mute']} ended by {b['by']}: {b['reason']}",
    "notification.retried": lambda b: (
        f"{b['event']} to {b['receiver']}, which was {b['was']}, is sent once more by {b['by']}: {b['reason']}"
    ),
    "incident.joined": lambda b: f"{b['incident']} {b['severity']}: also {b['title']}",
    "incident.evidence": lambda b: (
        f"{b['incident']}: evidence frozen, {words.count(len(b['series']), 'row')} of series"
    ),
    "incident.acknowledged": lambda b: (
        f"{b['incident']} acknowledged by {b['by']}: {b.get('reason') or 'no reason given'}"
    ),
    "incident.escalated": lambda b: f"{b['incident']} escalated to {', '.join(b['to'])}",
    "incident.diagnosed": lambda b: (
        f"{b['incident']}: runbook {b['runbook']} run by {b['by']}, "
        + ", ".join(f"{c['check']} {c['answer']}" for c in b["checks"])
    ),
    "incident.resolved": lambda b: f"{b['incident']} resolved by {b['by']}: {b['cause']} ({b['reason']})",
    "agent.registered": lambda b: f"{b['agent']} registered with version {b['version']} ({b['arn']})",
    "agent.promoted": lambda b: (
        f"{b['agent']}: version {b['version']} promoted, {b.get('previous') or 'none'} before it"
    ),
    "lease.taken": lambda b: f"{b['holder']} drives with term {b['term']}",
}
