"""The two ways to release, side by side: their phases, pros and cons, and this rollout's numbers where they exist."""

from __future__ import annotations

from headgate.core.plan import Strategy
from headgate.reports import words
from headgate.reports.document import (
    Block,
    Cited,
    Item,
    Line,
    Missing,
    Plain,
    Section,
    Span,
    Table,
    bullets,
    item,
    line,
    paragraph,
    section,
)
from headgate.reports.history import History
from headgate.reports.telling import between, drained, of_created, recovery

_NOT_THIS = Missing("this rollout went the other way")


def comparison(history: History) -> Section:
    """Gradual against all at once; only the way that was gone has numbers."""
    return section(
        "Comparison: Gradual vs. All-at-Once Rollout", _gradual(history), _at_once(history), _numbers(history)
    )


def _gradual(history: History) -> Section:
    weights = [step.weight for step in history.plan.steps]
    named: list[Line] = [line("Route a small part of the new sessions to it"), line("Raise the weight after each PASS")]
    if history.plan.strategy is Strategy.CANARY:
        named = [
            line("Route ", of_created(history, words.weight(w)), " of new sessions to it, compare") for w in weights
        ]
    return section(
        "Gradual Rollout",
        *_list(
            "Phases",
            "Deploy the new version beside the old one",
            *named,
            "Promote, keep the old version warm",
            ordered=True,
        ),
        *_list(
            "Pros",
            "Few sessions meet a bad version",
            "Both versions are compared at the same time",
            "Taking back is a change of weight",
        ),
        *_list(
            "Cons",
            "Needs something that splits sessions",
            "Two versions run, and cost, for a while",
            "Takes as long as the proof takes",
        ),
    )


def _at_once(history: History) -> Section:
    window = history.plan.validation.window
    watched: Line = line("Watch the validation window")
    if window:
        watched = line("Watch for ", of_created(history, words.duration(window[-1].until_s)))
    return section(
        "All-at-Once Rollout",
        *_list(
            "Phases",
            "Deploy the new version",
            "All new sessions meet it",
            watched,
            "Roll back if it is worse",
            ordered=True,
        ),
        *_list("Pros", "Simpler", "One version runs", "Done sooner"),
        *_list(
            "Cons",
            "Every new session meets a bad version",
            "No baseline to compare with at the same time",
            "Harm is found by bounds alone",
        ),
        *_list(
            "Mitigation",
            "Tests before the release",
            "A rollback that was measured",
            "A monitored window",
            "Incidents with their times",
        ),
    )


def _list(title: str, *items: str | Line, ordered: bool = False) -> tuple[Block, ...]:
    entries: tuple[Item, ...] = tuple(item(each) for each in items)
    return (paragraph(Plain(title, strong=True), ":"), bullets(*entries, ordered=ordered))


def _numbers(history: History) -> Section:
    """A row per quantity: the way that was gone in its column."""
    gradual = history.plan.strategy is Strategy.CANARY
    rows = [
        ("Sessions that met the candidate", _sessions(history)),
        ("Sessions that failed on the candidate", _failed(history)),
        ("From fault to detection", _detection(history)),
        ("From detection to cut-over", line(recovery(history))),
        ("From decision until no session was left", line(drained(history))),
        ("From the first session to promotion", line(_promotion(history))),
    ]
    other = line(_NOT_THIS)
    cells = tuple((line(name), value, other) if gradual else (line(name), other, value) for name, value in rows)
    head = (Plain("Measured in this rollout"), Plain("Gradual"), Plain("All at once"))
    return section("Measured", Table(head, cells))


def _sessions(history: History) -> Line:
    total, look = history.exposure, history.last_look()
    if total and total.sessions is not None:
        turns = "" if total.turns is None else f", {words.count(total.turns, 'turn')}"
        return line(Cited(f"{total.sessions:,}{turns}", (total.evidence,)))
    if look:
        return line(Cited(f"{look.verdict.sessions_candidate:,}", (look.evidence,)), " so far, at the last look")
    return line(Missing("no count is on the ledger"))


def _failed(history: History) -> Line:
    total = history.exposure
    if total is None or total.failed is None:
        return line(Missing("no count is on the ledger"))
    return line(Cited(f"{total.failed:,}", (total.evidence,)))


def _detection(history: History) -> Line:
    back = history.rollback
    if back is None:
        return line(Missing("nothing was rolled back in this rollout"))
    if back.fault is None or back.detected is None:
        return line(Missing("nobody measured when the fault began, or when it was seen"))
    return line(between(back.fault, back.detected))


def _promotion(history: History) -> Span:
    first, made = history.exposed(), history.promoted
    if first is None or first.verified is None or made is None:
        return Missing("the candidate was not promoted")
    return between(first.verified, made)
