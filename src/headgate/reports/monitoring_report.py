"""The monitoring report: the window at hours 1 to 4, 8 and 24 as it was, from the ledger, against the baseline."""

from __future__ import annotations

from headgate.core.plan import Tier
from headgate.reports import model as m
from headgate.reports import words
from headgate.reports.criteria import measured, named, validation_status
from headgate.reports.document import (
    Block,
    Cited,
    Document,
    Fields,
    Item,
    Line,
    Mark,
    Missing,
    Plain,
    Section,
    Table,
    Tick,
    bullets,
    field,
    item,
    line,
    paragraph,
    section,
)
from headgate.reports.evidence import with_notes
from headgate.reports.history import History
from headgate.reports.telling import of_created, standing, tick
from headgate.reports.watching import against_baseline, states

HOURS = (1.0, 2.0, 3.0, 4.0, 8.0, 24.0)  # hourly at first, then at 8 h and at 24 h


def monitoring_report(history: History, head: tuple[int, str], now: float) -> Document:
    """The report at `now` (Unix s); `head` is the ledger's (count, hash)."""
    document = Document(
        kind="monitoring",
        title=line("Monitoring Report - ", of_created(history, history.agent)),
        blocks=(_letterhead(history, head, now), *_rehearsal(history)),
        sections=(
            *(_hour(history, hour) for hour in HOURS if hour * 3600 <= _end_s(history)),
            _latest(history),
            section("What Changed Meanwhile", *_changes(history)),
        ),
    )
    return with_notes(document, history.records, head, now)


def _letterhead(history: History, head: tuple[int, str], now: float) -> Fields:
    return Fields(
        (
            field("Date", Cited(words.utc(now), (f"L{head[0]}",))),
            field("Rollout", of_created(history, history.rollout.id, code=True)),
            field("Status", standing(history)),
            field("Window", validation_status(history)),
            field("Checks", _counted(history)),
        )
    )


def _counted(history: History) -> Line:
    if not history.checks:
        return line(Missing("no check was made"))
    last, missed = history.checks[-1], [c for c in history.checks if c.missed]
    made = line(Cited(f"{last.number} made", (last.evidence,)))
    if not missed:
        return made
    proof = tuple(c.evidence for c in missed)
    return line(made, ", ", Cited(f"{sum(c.missed for c in missed)} due and not made", proof))


def _rehearsal(history: History) -> tuple[Block, ...]:
    speed = history.plan.validation.speed
    if speed == 1:
        return ()
    times = of_created(history, f"×{speed:g}")
    return (paragraph(Plain("A rehearsal", strong=True), ": the window ran ", times, " as fast as the clock."),)


def _end_s(history: History) -> float:
    """How far the window goes: as planned, or as far as it was made to go."""
    parts = history.plan.validation.window
    return max([part.until_s for part in parts] + [check.window_s for check in history.checks], default=0.0)


def _hour(history: History, hour: float) -> Section:
    """The first check at this hour or after it: what stood on the ledger then."""
    at = next((c for c in history.checks if c.window_s >= hour * 3600), None)
    title = line(of_created(history, f"Hour {hour:g}"))
    if at is None:
        over = history.ending or history.promoted is not None
        why = "the rollout was over before it" if over else "the window has not come to it"
        return section(title, paragraph(Missing(why)), tick=Tick(Mark.NOT_MEASURED if over else Mark.OPEN))
    return _at(history, at, title)


def _latest(history: History) -> Section:
    title = line("The last check")
    if not history.checks:
        return section(title, paragraph(Missing("no check of the window was made")))
    last = history.checks[-1]
    return _at(history, last, line(title, Cited(f", {words.duration(last.window_s)} in", (last.evidence,))))


def _at(history: History, check: m.Check, title: Line) -> Section:
    proof = (check.evidence,)
    status = Cited(check.status, proof) if check.status else Missing("the platform could not be read")
    facts = [item("Status: ", status), item("Alarms: ", states(check.alarms, check)), _probes(history, check)]
    musts = [r.met for r in check.results if r.tier == Tier.MUST]
    met = None if None in musts and False not in musts else all(musts)
    return section(
        title,
        paragraph(Cited(f"Check {check.number}, {words.utc(check.at)}", proof)),
        bullets(*facts),
        against_baseline(history, check),
        *_criteria(check),
        tick=tick(met, check.evidence) if musts else None,
    )


def _probes(history: History, check: m.Check) -> Item:
    """Test invocations up to this check."""
    made = [c for c in history.checks if c.number <= check.number and c.probe]
    answered = [c for c in made if c.probe and c.probe.get("passed") is not None]
    if not answered:
        return item("Test invocations: ", Missing("none was answered or refused"))
    good = sum(bool(c.probe and c.probe["passed"]) for c in answered)
    proof = tuple(c.evidence for c in answered)
    return item("Test invocations: ", Cited(f"{good} of {len(answered)} passed", proof))


def _criteria(check: m.Check) -> tuple[Block, ...]:
    if not check.results:
        return ()
    proof = (check.evidence,)
    rows = tuple((line(r.tier), line(Cited(named(r.name, r.text), proof)), measured(r, check)) for r in check.results)
    return (Table((Plain("Tier"), Plain("Criterion"), Plain("So far")), rows),)


def _changes(history: History) -> tuple[Block, ...]:
    """Alarms, incidents, crossed budgets and people's words since the candidate got everybody."""
    since = history.checks[0].at if history.checks else None
    if since is None:
        return (paragraph(Missing("the window has not begun")),)
    told: list[tuple[m.Noted, str]] = [
        (alarm, f"{alarm.name}: {alarm.was} → {alarm.now}") for alarm in history.alarms if alarm.variant != "baseline"
    ]
    told += [(i, f"incident {i.id} ({i.severity}): {i.title}") for i in history.incidents]
    told += [(c, c.detail) for c in history.crossed]
    told += [(w, f"{w.verb} by {w.by}: {w.reason}") for w in history.words]
    told = sorted((pair for pair in told if pair[0].at >= since), key=lambda pair: pair[0].at)
    if not told:
        proof = tuple(check.evidence for check in history.checks)
        return (paragraph(Cited("No alarm changed, no incident was opened, nobody said anything.", proof)),)
    return (bullets(*(_change(noted, what) for noted, what in told)),)


def _change(noted: m.Noted, what: str) -> Item:
    return item(Cited(f"{words.utc(noted.at)} {what}", (noted.evidence,)))
