"""The post-mortem draft of an incident: what the ledger knows of it, and the questions that only people can answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.errors import UsageError
from headgate.ports import Record
from headgate.reports import words
from headgate.reports.document import (
    Block,
    Cited,
    Document,
    Fields,
    Item,
    Line,
    Missing,
    Plain,
    Section,
    Span,
    Table,
    bullets,
    field,
    item,
    line,
    paragraph,
    section,
)
from headgate.reports.evidence import describe, with_notes
from headgate.reports.incidents import KINDS, Incident, Said, incidents_of

_PARTS = (("detect", "fault", "detected"), ("decide", "detected", "decided"), ("cut over", "decided", "cut_over"))
_TOLD = frozenset({"decision", "command", "alarm", "health", "gateway.forced_down", "sessions.moved", *KINDS})
_AROUND_S = 900.0


def incident_report(records: Sequence[Record], name: str, head: tuple[int, str], now: float) -> Document:
    """The draft on the incident `name`. `records` are its own and its rollout's; `head` the ledger's (count, hash)."""
    found = next((i for i in incidents_of(records) if i.id == name), None)
    if found is None:
        raise UsageError(f"there is no incident {name}", "`headgate incident list` shows them")
    own = (found.evidence,)
    document = Document(
        "incident",
        line("Post-mortem (draft) - ", Cited(found.id, own)),
        (_summary(found),),
        (
            section("Impact", *_impact(records)),
            section("Times", _times(found)),
            section("Timeline", _timeline(found, records)),
            section("Who Was Told", bullets(*_told(found, records))),
            section("Evidence Frozen at the Opening", *_evidence(found)),
            section("Diagnosis", *_diagnoses(found)),
            section("Resolution", _resolution(found)),
            _questions(),
        ),
    )
    return with_notes(document, {r.id: r for r in records}, head, now)


def _summary(found: Incident) -> Fields:
    own = (found.evidence,)
    cause: Span = Cited(f"record {found.cause}", own) if found.cause else Cited(found.by, own)
    return Fields(
        (
            field("What", Cited(found.title, own)),
            field("Severity", Cited(found.severity, own, strong=True)),
            field("State", Cited(found.state, (_last(found),), strong=True)),
            field("Agent", Cited(found.agent, own)),
            field("Rollout", Cited(found.rollout, own, code=True) if found.rollout else "none"),
            field("Opened", Cited(words.utc(found.at), own), ", by ", cause),
            field("Acknowledged", _said(found.acknowledged, "nobody has acknowledged it")),
            field("Resolved", _said(found.resolved, "it is not resolved")),
        )
    )


def _last(found: Incident) -> str:
    said = found.resolved or found.acknowledged
    return said.evidence if said else found.evidence


def _said(word: Said | None, missing: str) -> Line:
    if word is None:
        return line(missing)
    proof = (word.evidence,)
    return (Cited(f"{words.utc(word.at)}, by {word.by}: {word.reason or 'no reason given'}", proof),)


def _impact(records: Sequence[Record]) -> tuple[Block, ...]:
    total = next((r for r in reversed(records) if r.kind == "exposure.total"), None)
    debts = [r for r in records if r.kind == "exposure.debt"]
    if total is None:
        return (paragraph(Missing("no count of the candidate's sessions is on the ledger")),)
    body = total.body
    said = f"{words.count(body['sessions'], 'session')}, {words.count(body['turns'], 'turn')} on the candidate, "
    said += f"{words.count(body['failed_sessions'], 'failed session')} of {body['closed_sessions']} that ended"
    items = [item(Cited(said, (total.id,)))]
    if debts:
        most = max(debts, key=lambda r: r.body["sessions"])
        owed = f"at most {words.count(most.body['sessions'], 'session')} left on it after the cut-over"
        items.append(item(Cited(owed, (most.id,))))
    return (bullets(*items),)


def _times(found: Incident) -> Table:
    head = tuple(Plain(name) for name in ("Time to", "Took"))
    at = found.times
    rows = []
    for name, first, then in (*_PARTS, ("drain", "cut_over", "drained")):
        begin, end = (getattr(at, first), getattr(at, then)) if at else (None, None)
        span: Span = Missing("the ledger has not both ends of it")
        if at and begin is not None and end is not None:
            span = Cited(words.duration(max(0.0, end - begin)), (at.evidence,))
        rows.append((line(name), line(span)))
    waited: Span = Missing("nobody has acknowledged it")
    if found.acknowledged:
        took = words.duration(found.acknowledged.at - found.at)
        waited = Cited(took, (found.evidence, found.acknowledged.evidence))
    return Table(head, (*rows, (line("acknowledge"), line(waited))))


def _timeline(found: Incident, records: Sequence[Record]) -> Block:
    end = (found.resolved.at if found.resolved else records[-1].at) + 1.0
    mine = [r for r in records if r.kind in _TOLD and found.at - _AROUND_S <= r.at <= end]
    mine = [r for r in mine if r.kind not in KINDS or r.body.get("incident") == found.id]
    return bullets(*(item(Cited(f"{words.utc(r.at)}: {describe(r)}", (r.id,))) for r in mine))


def _told(found: Incident, records: Sequence[Record]) -> list[Item]:
    sent = [r for r in records if r.kind == "notification" and r.body["key"].startswith(f"{found.id}/")]
    items = [
        item(Cited(f"{words.utc(r.at)}: {r.body['event']} to {r.body['receiver']}: {r.body['result']}", (r.id,)))
        for r in sent
    ]
    items += [
        item(Cited(f"escalated to {', '.join(t.to)} after {words.duration(t.after_s)}", (t.evidence,)))
        for t in found.told
    ]
    return items or [item("nobody: no message of this incident is on the ledger")]


def _evidence(found: Incident) -> tuple[Block, ...]:
    frozen = found.frozen
    if frozen is None:
        return (paragraph(Missing("nothing was frozen when it was opened")),)
    proof, body = (frozen.id,), frozen.body
    blocks: list[Block] = []
    if body["series"]:
        head = tuple(Plain(name) for name in ("From", "Variant", "Version", "Turns", "Errors", "p95"))
        rows = tuple(tuple(line(Cited(cell, proof)) for cell in _row(row)) for row in body["series"])
        blocks.append(Table(head, rows))
    else:
        blocks.append(paragraph(Missing("no turn was measured before it was opened")))
    errors = [
        item(Cited(f"version {v}: " + (", ".join(f"{n} {k}" for k, n in sorted(kinds.items())) or "no error"), proof))
        for v, kinds in sorted(body["errors"].items())
    ]
    samples = [item(Cited(f"{s['gate']}, {s['case']}: {s['detail']}", (s["record"],))) for s in body["samples"]] or [
        item("failing cases of gates: none")
    ]
    samples.append(item("turns of live sessions: ", Cited(body["live_turns"], proof)))
    turns = body.get("failing_turns") or ()
    return (*blocks, *((bullets(*errors),) if errors else ()), bullets(*samples), *_turns(turns, proof))


def _turns(turns: Sequence[Mapping[str, Any]], proof: tuple[str, ...]) -> tuple[Block, ...]:
    """The failing live turns that were frozen, as they were redacted."""
    if not turns:
        return ()
    head = tuple(Plain(name) for name in ("At", "Version", "Failed", "Took", "Said", "Answered"))
    rows = tuple(
        tuple(
            line(Cited(cell, proof))
            for cell in (
                words.clock(turn["t"]),
                f"{turn['version']} ({turn['variant']})",
                turn["kind"],
                words.duration(turn["ms"] / 1000),
                turn["said"] or "nothing",
                turn["answered"] or "nothing",
            )
        )
        for turn in turns
    )
    return (Table(head, rows),)


def _row(row: dict[str, object]) -> tuple[str, ...]:
    p95 = row["p95_ms"]
    took = words.duration(float(str(p95)) / 1000) if p95 is not None else "none"
    at = words.clock(float(str(row["t"])))
    return at, str(row["variant"]), str(row["version"]), str(row["requests"]), str(row["errors"]), took


def _diagnoses(found: Incident) -> tuple[Block, ...]:
    if not found.diagnoses:
        return (paragraph("No runbook was run on it."),)
    head = tuple(Plain(name) for name in ("Runbook", "Check", "Answer", "Found"))
    rows = tuple(
        tuple(line(Cited(cell, (d.evidence,))) for cell in (d.runbook, c["check"], c["answer"], c["detail"]))
        for d in found.diagnoses
        for c in d.checks
    )
    return (Table(head, rows),)


def _resolution(found: Incident) -> Block:
    if found.resolved is None:
        return paragraph("It is not resolved.")
    proof = (found.resolved.evidence,)
    return bullets(
        item("cause: ", Cited(found.resolved.cause, proof)),
        item("by: ", Cited(f"{found.resolved.by}, {words.utc(found.resolved.at)}", proof)),
        item("why it is over: ", Cited(found.resolved.reason, proof)),
    )


def _questions() -> Section:
    return section(
        "For the Team to Write",
        bullets(
            item("What did users notice, and what were they told?"),
            item("Why did the gates let it through? Which case would have caught it?"),
            item("What was lucky?"),
            item("What is done about it, by whom, until when?"),
        ),
    )
