"""The monitoring plan of a rollout, from the ledger: what is watched, when, and what each breach leads to."""

from __future__ import annotations

from headgate.core.plan import Budget, Tier
from headgate.reports import words
from headgate.reports.criteria import named
from headgate.reports.document import (
    Block,
    Cited,
    Document,
    Fields,
    Line,
    Missing,
    Plain,
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
from headgate.reports.telling import of_created, standing
from headgate.reports.watching import breached_when, known_figures, on_cloudwatch, over, states

_FOLLOWS = {
    Tier.MUST: "proven broken: taken back at once; not met or not measured at the end: held for a person",
    Tier.SHOULD: "reported",
    Tier.STRETCH: "reported, as a wish",
}


def monitoring_plan(history: History, head: tuple[int, str], now: float) -> Document:
    """The plan at `now` (Unix s); `head` is the ledger's (count, hash)."""
    document = Document(
        kind="monitoring-plan",
        title=line("Monitoring Plan - ", of_created(history, history.agent)),
        blocks=(_letterhead(history, head, now),),
        sections=(
            section("Validation Window", *_window(history)),
            section("Success Criteria", *_criteria(history)),
            section("Alarms", *_alarms(history)),
            section("Budgets", *_budgets(history)),
            section("Baseline", *_baseline(history)),
            section("Who Is Told", *_told(history)),
        ),
    )
    return with_notes(document, history.records, head, now)


def _letterhead(history: History, head: tuple[int, str], now: float) -> Fields:
    return Fields(
        (
            field("Date", Cited(words.day(now), (f"L{head[0]}",))),
            field("Rollout", of_created(history, history.rollout.id, code=True)),
            field("Status", standing(history)),
        )
    )


def _window(history: History) -> tuple[Block, ...]:
    validation = history.plan.validation
    if not validation.window:
        return (paragraph(Missing("the plan has no validation window")),)
    rows, start = [], 0.0
    for part in validation.window:
        hours = f"{start / 3600:g} to {part.until_s / 3600:g}"
        checks = f"{round((part.until_s - start) / part.every_s)}"
        said = line(of_created(history, f"“{part.invoke}”")) if part.invoke else line("none")
        cells = [of_created(history, text) for text in (hours, words.duration(part.every_s), checks)]
        rows.append((*(line(cell) for cell in cells), said))
        start = part.until_s
    head = tuple(Plain(name) for name in ("Hours", "A check every", "Checks", "Test invocation of each"))
    blocks: list[Block] = [
        paragraph("Each check reads the platform's status and measures every criterion on the candidate's traffic."),
        Table(head, tuple(rows)),
    ]
    after = validation.after_every_s
    later = line("every ", of_created(history, words.duration(after))) if after else line("no checks")
    blocks.append(paragraph("After the window, until the next release: ", later, "."))
    if validation.speed != 1:
        blocks.append(paragraph("A rehearsal, accelerated ", of_created(history, f"×{validation.speed:g}"), "."))
    return tuple(blocks)


def _criteria(history: History) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for tier in Tier:
        mine = [c for c in history.plan.validation.criteria if c.tier is tier]
        if mine:
            blocks.append(paragraph(Plain(tier.value, strong=True), f" ({_FOLLOWS[tier]}):"))
            blocks.append(bullets(*(item(of_created(history, named(c.name, c.text))) for c in mine)))
    return tuple(blocks) or (paragraph(Missing("the plan has no criteria")),)


def _alarms(history: History) -> tuple[Block, ...]:
    plan = history.plan
    if not plan.alarms:
        return (paragraph("The plan has no alarms of its own."), *on_cloudwatch(history))
    head = tuple(Plain(name) for name in ("Alarm", "Breached when", "Over", "Without data", "Of"))
    rows = tuple(
        tuple(line(of_created(history, text)) for text in (a.name, breached_when(a), over(a), a.missing, a.scope))
        for a in plan.alarms
    )
    blocks: list[Block] = [Table(head, rows)]
    for each in plan.composites:
        quiet = line(", quiet while ", of_created(history, each.suppressor), " is in ALARM") if each.suppressor else ()
        blocks.append(paragraph(of_created(history, f"{each.name}: {each.rule}"), quiet))
    return (*blocks, *on_cloudwatch(history))


def _budgets(history: History) -> tuple[Block, ...]:
    budgets = history.plan.budgets
    if not budgets:
        return (paragraph("The plan has no budget."),)
    head = tuple(Plain(name) for name in ("Per", "Limit", "When spent", "When projected"))
    return (Table(head, tuple(_budget(history, each) for each in budgets)),)


def _budget(history: History, budget: Budget) -> tuple[Line, ...]:
    limits = [words.usd(budget.usd)] if budget.usd is not None else []
    limits += [f"{budget.tokens:,} tokens"] if budget.tokens is not None else []
    cells = (budget.per, ", ".join(limits), str(budget.spent), str(budget.projected))
    return tuple(line(of_created(history, cell)) for cell in cells)


def _baseline(history: History) -> tuple[Block, ...]:
    before = history.before
    if before is None:
        return (paragraph(Missing("the baseline is recorded just before the first session")),)
    told = [
        item(f"{label}: ", Cited(words.measure(name, value), (before.evidence,)))
        for label, name, value in known_figures(before.totals)
    ]
    said = Cited(before.status, (before.evidence,)) if before.status else Missing("the platform could not be read")
    told += [item("alarms: ", states(before.alarms, before)), item("status: ", said)]
    red = [name for name, state in before.alarms.items() if state == "ALARM"]
    blocks: list[Block] = [bullets(*told)]
    if red:
        names = Cited(", ".join(red), (before.evidence,))
        blocks.append(paragraph("Red before the release, and so not blamed on it: ", names, "."))
    return tuple(blocks)


def _told(history: History) -> tuple[Block, ...]:
    receivers = history.plan.notify
    if not receivers:
        return (paragraph("Nobody: the plan names no receiver."),)
    return (bullets(*(item(of_created(history, f"{r.kind}: {', '.join(r.on)}")) for r in receivers)),)
