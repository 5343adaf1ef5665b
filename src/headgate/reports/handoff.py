"""The handoff package for operations: what runs now, how it was proven, how to take it back, what to watch."""

from __future__ import annotations

from headgate.core.metrics import margin_text
from headgate.core.plan import AlarmSpec, Margin, Plan
from headgate.reports import model as m
from headgate.reports import words
from headgate.reports.changes import what_changed
from headgate.reports.criteria import success_criteria
from headgate.reports.document import (
    Block,
    Cited,
    Code,
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
from headgate.reports.evidence import with_notes
from headgate.reports.history import History
from headgate.reports.monitoring import monitoring
from headgate.reports.risk import RULE, mitigations, risk
from headgate.reports.telling import (
    STRATEGY,
    arn,
    candidate,
    drained,
    of_created,
    once,
    recovery,
    standing,
    tick,
    version,
)
from headgate.reports.timeline import timeline
from headgate.reports.watching import breached_when, on_cloudwatch, over

Head = tuple[int, str]


def handoff_package(history: History, head: Head, now: float) -> dict[str, Document]:
    """File stem -> document. `head` is the ledger's (count, hash), `now` the time of writing (Unix s)."""
    made = {
        "overview": _document(history, "Handoff", _overview(history, head, now)),
        "release": _document(history, "What Was Released", _release(history)),
        "proof": _document(history, "How It Was Proven", _proof(history, now)),
        "rollback": _document(history, "How to Roll Back", _rollback(history)),
        "monitoring": _document(history, "Alarms, Budgets and Criteria", _watch(history)),
        "recovery": _document(history, "Recovery Targets and Measurements", _recovery(history)),
    }
    return {name: with_notes(document, history.records, head, now) for name, document in made.items()}


def handoff_report(history: History, head: Head, now: float) -> Document:
    """The whole package as one document."""
    package = handoff_package(history, head, now)
    whole = Document(
        "handoff",
        package["overview"].title,
        package["overview"].blocks,
        tuple(part for document in package.values() for part in document.sections),
    )
    return with_notes(whole, history.records, head, now)


def _document(history: History, title: str, content: tuple[Block | Section, ...]) -> Document:
    """One section per document, so that the files can be read alone and put together."""
    heading = line(f"{title} - ", of_created(history, history.agent))
    return Document("handoff", heading, (), (section(title, *content),))


def _overview(history: History, head: Head, now: float) -> tuple[Block | Section, ...]:
    last = (f"L{head[0]}",)
    level = risk(history)
    return (
        Fields(
            (
                field("Agent", of_created(history, history.agent)),
                field("ARN", arn(history)),
                field("Rollout", of_created(history, history.rollout.id, code=True)),
                field("Status", standing(history)),
                field("Risk Level", Cited(level.level, level.evidence, strong=True)),
                field("Handed over to", of_created(history, history.plan.handoff_to)),
                field("Written", Cited(words.utc(now), last)),
                field("Ledger head", Cited(head[1], last, code=True)),
            )
        ),
        paragraph("How the level of risk is found: ", RULE),
        section(
            "Contacts",
            bullets(
                item("owner from now on: ", of_created(history, history.plan.handoff_to)),
                item("released by: ", of_created(history, history.rollout.started_by)),
                *(item("spoke during the rollout: ", *each) for each in _speakers(history)),
            ),
        ),
    )


def _speakers(history: History) -> list[Line]:
    """Each person once, with what they said last."""
    last = {word.by: word for word in (*history.words, *history.forced)}
    return [line(Cited(f"{w.by} ({w.verb}: {w.reason or 'no reason given'})", (w.evidence,))) for w in last.values()]


def _release(history: History) -> tuple[Block | Section, ...]:
    rollout, made = history.rollout, history.promoted
    kept: Line = line(Missing("no promotion is on record"))
    if made and made.previous:
        kept = line("version ", Cited(made.previous, (made.evidence,)), ", kept warm")
    return (
        Fields(
            (
                field("Runs now", candidate(history) if made else _not_promoted(history)),
                field(
                    "Ran before", version(rollout.baseline.number, rollout.baseline.digest, history.created.evidence)
                ),
                field("Kept as the previous version", kept),
                field("How", f"{STRATEGY[history.plan.strategy]}"),
                field("Why", of_created(history, rollout.reason or "no reason given")),
                field(
                    "Plan", of_created(history, f"{history.plan_path or 'given'}, digest {rollout.plan_digest[:16]}")
                ),
            )
        ),
        what_changed(history),
        section("Timeline", *timeline(history)),
    )


def _not_promoted(history: History) -> Line:
    baseline = history.rollout.baseline
    said = version(baseline.number, baseline.digest, history.created.evidence)
    return line(said, "; the candidate is not promoted: ", candidate(history))


def _proof(history: History, now: float) -> tuple[Block | Section, ...]:
    gates = bullets(*(_gate(run) for run in history.gates)) if history.gates else paragraph(Missing("no gate has run"))
    return (
        bullets(*mitigations(history)),
        section("Gates", gates),
        monitoring(history, now),
        success_criteria(history),
    )


def _gate(run: m.GateRun) -> Item:
    """A gate with its cases; boxes from the record of the run."""
    proof = (run.evidence,)
    took = "" if run.seconds is None else f", {words.duration(run.seconds)}"
    cases = (
        item(
            Cited(f"{case.get('name', '')} {case.get('detail') or ''}".strip(), proof),
            tick=tick(bool(case.get("passed")), *proof),
        )
        for case in run.cases
    )
    said = Cited(f"{run.gate}: {run.detail}{took}", proof)
    return item(said, tick=tick(run.passed, *proof), children=tuple(cases))


def _rollback(history: History) -> tuple[Block | Section, ...]:
    made, proof = history.promoted, (history.created.evidence,)
    target = f" --to {made.previous}" if made and made.previous else ""
    shown = (*proof, made.evidence) if made else proof
    agent = history.agent
    policy = history.plan.rollback
    return (
        paragraph("Back to the version before, whose endpoint is kept warm, so that nothing is built:"),
        Code(f'headgate rollback {agent}{target} --reason "..."', shown),
        paragraph("While a rollout of this agent runs:"),
        Code(f'headgate rollout abort {history.rollout.id} --reason "..."', proof),
        paragraph("Watch until no session is left on the candidate:"),
        Code(f"headgate rollout watch {history.rollout.id}", proof),
        Fields(
            (
                field("Open sessions", of_created(history, str(policy.sessions))),
                field("Deadline", of_created(history, words.duration(policy.deadline_s))),
                field("Cut-over measured", once(recovery(history))),
                field("Last session off, measured", once(drained(history))),
            )
        ),
        paragraph("Check the ledger that this package was written from:"),
        Code(f"headgate verify {history.rollout.id}\nheadgate evidence {history.rollout.id}", proof),
    )


def _watch(history: History) -> tuple[Block | Section, ...]:
    plan = history.plan
    return (
        section("Alarms", _alarms(history), *on_cloudwatch(history)),
        section("Budgets", bullets(*_budgets(history))),
        section("Guardrails", bullets(*(_guardrail(history, margin) for margin in plan.analysis.guardrails))),
        section("Notifications", bullets(*_receivers(history, plan))),
    )


def _alarms(history: History) -> Block:
    alarms = history.plan.alarms
    if not alarms:
        return paragraph("The plan has no alarms.")
    head = tuple(Plain(name) for name in ("Alarm", "When", "Over", "Missing data", "Last change"))
    return Table(head, tuple(_alarm(history, each) for each in alarms))


def _alarm(history: History, alarm: AlarmSpec) -> tuple[Line, ...]:
    last = next((a for a in reversed(history.alarms) if a.name == alarm.name), None)
    seen: Span = Missing("no change was seen")
    if last:
        seen = Cited(f"{last.now} ({last.variant}) {words.utc(last.at)}", (last.evidence,))
    plan = (of_created(history, text) for text in (alarm.name, breached_when(alarm), over(alarm), alarm.missing))
    return (*(line(cell) for cell in plan), line(seen))


def _budgets(history: History) -> tuple[Item, ...]:
    plan = history.plan
    limits = (("per day", plan.usd_per_day), ("per month", plan.usd_per_month))
    return tuple(
        item(f"{name}: ", of_created(history, words.usd(limit)) if limit is not None else "no limit in the plan")
        for name, limit in limits
    )


def _guardrail(history: History, margin: Margin) -> Item:
    bound = margin_text(margin.metric, margin.value, margin.ratio, history.plan.analysis.metrics)
    return item(of_created(history, f"{margin.metric} no worse than {bound}"))


def _receivers(history: History, plan: Plan) -> tuple[Item, ...]:
    if not plan.notify:
        return (item("the plan names no receiver"),)
    return tuple(item(of_created(history, f"{r.kind} on {', '.join(r.on)}")) for r in plan.notify)


def _data_loss(history: History) -> tuple[Span, Span]:
    """(the most that any drill lost, how many drills say so)."""
    told = [d for d in history.drills if d.records_lost is not None]
    if not told:
        why = Missing("no drill measured data loss")
        return why, why
    proof = tuple(d.evidence for d in told)
    most = max(d.records_lost or 0 for d in told)
    return Cited(words.count(most, "record"), proof), Cited(words.count(len(told), "drill"), proof)


def _recovery(history: History) -> tuple[Block | Section, ...]:
    plan = history.plan
    lost, runs = _data_loss(history)
    head = tuple(Plain(name) for name in ("Quantity", "Target", "Measured", "How often"))
    took = recovery(history)
    often = Cited("n=1, this rollout", took.evidence) if isinstance(took, Cited) else Missing("no recovery happened")
    rows = (
        (
            line("Recovery time (target: RTO)"),
            line(of_created(history, words.duration(plan.rto_s))),
            line(took),
            line(often),
        ),
        (
            line("Data loss (target: RPO)"),
            line(of_created(history, words.duration(plan.rpo_s))),
            line(lost),
            line(runs),
        ),
    )
    return (paragraph("A target is what was promised; measured is what happened."), Table(head, rows))
