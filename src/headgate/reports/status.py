"""The status document of a rollout, from the ledger: what a team once wrote by hand, a record behind every tick."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from headgate.core.model import FINISHED, Phase
from headgate.core.plan import Strategy
from headgate.reports import model as m
from headgate.reports import words
from headgate.reports.changes import what_changed
from headgate.reports.criteria import success_criteria, validation_status
from headgate.reports.document import (
    Block,
    Cited,
    Code,
    Document,
    Field,
    Fields,
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
from headgate.reports.models import comparison
from headgate.reports.monitoring import monitoring
from headgate.reports.rationale import decision, phases, risk_assessment
from headgate.reports.risk import risk
from headgate.reports.telling import STRATEGY, arn, candidate, joined, of_created, standing, steps, version, word
from headgate.reports.timeline import timeline
from headgate.reports.verdict import alternative, reason, recommendation

Head = tuple[int, str]

# what the hand-written document claimed about the platform, for a ledger without an assessment
_CLAIMS = (
    "single agent instance",
    "no built-in traffic splitting",
    "no blue/green deployment",
    "agent is either deployed or not deployed",
)
# files of the handoff package, by the names of the document's last section
_DOCUMENTS = (
    ("Monitoring Plan", "monitoring"),
    ("Operations Handoff", "overview"),
    ("Incident Response", "rollback"),
    ("DR Plan", "recovery"),
)


def status_report(history: History, head: Head, now: float) -> Document:
    """The status document at `now` (Unix s), in any phase of any strategy; `head` is the ledger's (count, hash)."""
    document = Document(
        kind="status",
        title=line("Gradual Rollout Status - ", of_created(history, history.agent)),
        blocks=(_letterhead(history, head, now),),
        sections=(
            section("Rollout Assessment", _deployment(history), what_changed(history), _analysis(history)),
            decision(history),
            phases(history),
            risk_assessment(history),
            section("Rollout Timeline", *timeline(history)),
            monitoring(history, now),
            success_criteria(history),
            comparison(history),
            *_trial(history),
            _conclusion(history),
            _documentation(history),
        ),
        footer=_footer(history, head, now),
    )
    return with_notes(document, history.records, head, now)


def _head_of(head: Head) -> tuple[str, ...]:
    return (f"L{head[0]}",)


def _letterhead(history: History, head: Head, now: float) -> Fields:
    return Fields(
        (
            field("Date", Cited(words.day(now), _head_of(head))),
            field("Agent", of_created(history, history.agent)),
            field("ARN", arn(history)),
            field("Rollout", of_created(history, history.rollout.id, code=True)),
            field("Status", standing(history)),
        )
    )


def _deployment(history: History) -> Section:
    served = history.weight
    first = history.exposed()
    level: Line = line(Missing("no weight was read back from the gateway"))
    if served and served.verified:
        level = line(
            Cited(words.weight(served.weight), (served.verified.evidence,)), " of new sessions to the candidate"
        )
    began: Line = line(Missing("the candidate has served no session"))
    if first and first.verified:
        began = line(Cited(words.utc(first.verified.at), (first.verified.evidence,)))
    elif first:
        began = line(Missing("asked for, not read back from the gateway"))
    baseline = history.rollout.baseline
    return section(
        "Current Deployment Status",
        Fields(
            (
                field("Deployment Level", level),
                field("Deployment Date", began),
                field("Deployment Method", f"{STRATEGY[history.plan.strategy]}, platform ", _platform(history)),
                field("Baseline", version(baseline.number, baseline.digest, history.created.evidence)),
                field("Candidate", candidate(history)),
                *_stray(history),
            )
        ),
    )


def _stray(history: History) -> tuple[Field, ...]:
    """Where clients that name no endpoint are: nobody would look for them there."""
    if (stray := history.stray) is None:
        return ()
    where = Cited(f"still on version {stray.version}", (stray.evidence,), strong=True)
    return (field(stray.endpoint, where, ": a client that names no endpoint gets it; it moves with the next update"),)


def _platform(history: History) -> Cited:
    return of_created(history, history.plan.platform.kind)


def _analysis(history: History) -> Section:
    chosen = history.plan.strategy is Strategy.CANARY
    how = line(" as planned (", steps(history), "):") if chosen else line(", which this plan does not choose:")
    blocks: list[Block] = [
        paragraph(Plain("Gradual rollout", strong=True), how),
        bullets(
            item("a part of the new sessions meets the candidate, the rest the baseline"),
            item("both are measured at the same time and compared at each step"),
            item("a session stays on the version that it began on"),
            item("what is worse is taken back before the next step"),
        ),
        paragraph(Plain("What the platform can and cannot do", strong=True), ", claim by claim:"),
        _claims(history),
    ]
    if history.assessment and history.assessment.strategies:
        blocks.append(_strategies(history.assessment))
    return section("Gradual Rollout Analysis", *blocks)


def _claims(history: History) -> Table:
    head = (Plain("Claim"), Plain("Answer"), Plain("Because"))
    found = history.assessment
    if found is None or not found.claims:
        why = "no assessment of the platform is on the ledger"
        return Table(head, tuple((line(claim), line(Missing(why)), ()) for claim in _CLAIMS))
    return Table(head, tuple(_claim(found, claim) for claim in found.claims))


def _claim(found: m.Assessment, claim: Mapping[str, Any]) -> tuple[Line, ...]:
    proof, holds = (found.evidence,), claim.get("holds")
    answer: Span = Missing("the assessment could not tell")
    if isinstance(holds, bool):
        answer = Cited("holds" if holds else "does not hold", proof)
    because = str(claim.get("because") or "")
    return (
        line(Cited(str(claim.get("claim", "")), proof)),
        line(answer),
        line(Cited(because, proof)) if because else (),
    )


def _strategies(found: m.Assessment) -> Table:
    proof = (found.evidence,)
    rows = tuple(
        (
            line(Cited(str(each.get("kind", "")), proof)),
            line(Cited("open" if each.get("open") else "closed", proof)),
            line(Cited(str(each["missing"]), proof)) if each.get("missing") else (),
        )
        for each in found.strategies
    )
    return Table((Plain("Strategy"), Plain("Open here"), Plain("What is missing")), rows)


def _trial(history: History) -> tuple[Section, ...]:
    """What an A/B test of AgentCore says, where the plan names one."""
    if (trial := history.trial) is None:
        return ()
    proof = (trial.evidence,)
    head = tuple(Plain(name) for name in ("Evaluator", "Control", "Treatment", "Change", "Interval", "p"))
    rows = tuple(tuple(line(Cited(text, proof)) for text in _trial_row(each)) for each in trial.results)
    said = paragraph(
        Cited(f"{trial.name} ({trial.state})", proof), ", read from AgentCore, not measured here: it decides nothing."
    )
    body: Block = Table(head, rows) if rows else paragraph(Missing("it has no results yet"))
    return (section("A/B test of AgentCore", said, body),)


def _trial_row(each: Mapping[str, Any]) -> Iterator[str]:
    def number(name: str) -> str:
        value = each.get(name)
        return "not told" if value is None else f"{value:.3g}"

    yield str(each.get("evaluator", ""))
    yield f"{number('control_mean')} of {words.count(int(each.get('control_n') or 0), 'session')}"
    yield f"{number('mean')} of {words.count(int(each.get('n') or 0), 'session')}"
    yield number("change") + (", significant by AgentCore" if each.get("significant") else "")
    yield f"{number('lower')} to {number('upper')}"
    yield number("p")


def _conclusion(history: History) -> Section:
    level = risk(history)
    grounds = joined(list(level.reasons), "; ")
    return section(
        line("Conclusion: ", word(history)),
        Fields(
            (
                field("Reason", reason(history)),
                field("Alternative", alternative(history)),
                field("Risk Level", Cited(level.level, level.evidence, strong=True), " (", grounds, ")"),
                field("Recommendation", recommendation(history)),
            )
        ),
    )


def _documentation(history: History) -> Section:
    return section("Documentation", Fields(tuple(_written(history, *each) for each in _DOCUMENTS)))


def _written(history: History, label: str, part: str) -> Field:
    package = history.handoff
    found = next((f for f in package.files if part in f.rsplit("/", 1)[-1]), None) if package else None
    if package is None or found is None:
        return field(label, "not written")
    return field(label, Cited(found, (package.evidence,), code=True))


def _footer(history: History, head: Head, now: float) -> tuple[Block, ...]:
    count, digest = head
    final = history.phase in FINISHED and history.phase is not Phase.FAILED
    kind = "gradual" if history.plan.strategy is Strategy.CANARY else "not gradual"
    return (
        Fields(
            (
                field("Document Status", "FINAL" if final or history.phase is Phase.FAILED else "INTERIM"),
                field("Rollout Status", word(history), f" ({kind})"),
                field("Validation Status", validation_status(history)),
                field("Last Updated", Cited(words.utc(now), _head_of(head))),
                field(
                    "Ledger",
                    Cited(words.count(count, "record"), _head_of(head)),
                    ", head ",
                    Cited(digest, _head_of(head), code=True),
                ),
            )
        ),
        paragraph("Check that no record was changed, dropped or reordered:"),
        Code(f"headgate verify --head {digest}", _head_of(head)),
    )
