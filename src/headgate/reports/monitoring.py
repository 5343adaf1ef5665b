"""What was watched: steps with both variants' numbers, the drawings, and the validation window hour by hour."""

from __future__ import annotations

from headgate.core.model import CriterionResult, Phase
from headgate.core.plan import WindowPhase
from headgate.reports import model as m
from headgate.reports import words
from headgate.reports.charts import ERROR, LATENCY, figures
from headgate.reports.compared import HEADS, NOT_MEASURED, compared
from headgate.reports.criteria import measured, named, window_over
from headgate.reports.document import (
    Block,
    Cited,
    Item,
    Line,
    Mark,
    Missing,
    Plain,
    Section,
    Span,
    Table,
    Tick,
    bullets,
    item,
    line,
    paragraph,
    section,
)
from headgate.reports.history import History
from headgate.reports.telling import at, of_created, tick
from headgate.reports.watching import states

_FIRST, _MIDDLE, _AFTER = "Initial Validation", "Continuous Monitoring", "Normal Operations"
_ELSEWHERE = frozenset({"alarms", "status"})  # criteria that have a line of their own


def monitoring(history: History, now: float) -> Section:
    """Everything that was watched during the rollout; `now` (Unix s) ends the drawings of a running one."""
    window = history.plan.validation.window
    hours = [_hours(history, i) for i in range(len(window))]
    return section(
        "Monitoring During the Rollout",
        *_speed(history),
        section("Steps", *_steps(history)),
        *_compared(history),
        section("Measurements", *(figures(history, now) or (paragraph(Missing("nothing was asked of the gateway")),))),
        *(hours or _no_window()),
        _operations(history),
    )


def _speed(history: History) -> tuple[Block, ...]:
    speed = history.plan.validation.speed
    if speed == 1:
        return ()
    times = of_created(history, f"×{speed:g}")
    return (
        paragraph(
            Plain("The validation window was accelerated", strong=True),
            " ",
            times,
            ": hours are window time, not real time.",
        ),
    )


def _no_window() -> list[Section]:
    missing = paragraph(Missing("the plan has no validation window"))
    return [section(f"Hour 0-4 ({_FIRST})", missing), section(f"Hour 4-24 ({_MIDDLE})", missing)]


def _steps(history: History) -> tuple[Block, ...]:
    if not history.looks:
        return (paragraph(Missing("no look of the analysis was made")),)
    names = ("Step", "Weight", "Sessions", "Session errors", "p95 latency", "Verdict")
    last = [look for i in range(len(history.plan.steps)) if (look := history.last_look(i))]
    rows = tuple(_step(history, look) for look in last)
    return (Table(tuple(Plain(n) for n in names), rows, line("At the last look of each step, baseline → candidate")),)


def _compared(history: History) -> tuple[Section, ...]:
    """The metrics of the last look: guardrails, objectives, what is only observed."""
    if not history.looks or not (found := list(compared(history.looks[-1].data))):
        return ()
    last, heads = history.looks[-1], tuple(Plain(name) for name in HEADS)
    rows = tuple(tuple(_cell(text, last) for text in each) for each in found)
    table = Table(heads, rows, line("At the look of ", at(last), "; bounds hold at all looks together"))
    return (section("What Was Compared", table),)


def _cell(text: str, look: m.Look) -> Line:
    if text.startswith(NOT_MEASURED):
        return line(Missing("no session told it"))
    return line(Cited(text, (look.evidence,))) if text else ()


def _step(history: History, look: m.Look) -> tuple[Line, ...]:
    verdict, proof = look.verdict, (look.evidence,)
    sessions = " → ".join(f"{n:,}" for n in _sessions(look))
    return (
        line(Cited(str(verdict.step + 1), proof)),
        line(of_created(history, words.weight(history.plan.steps[verdict.step].weight))),
        line(Cited(sessions, proof)),
        line(_pair(look, ERROR)),
        line(_pair(look, LATENCY)),
        line(Cited(f"{verdict.answer}: {verdict.reason}", proof)),
    )


def _sessions(look: m.Look) -> tuple[int, int]:
    """Those that the rates beside them are of, else those of the verdict."""
    metric, verdict = look.metric(*ERROR), look.verdict
    if metric is None or metric.n_baseline is None or metric.n_candidate is None:
        return verdict.sessions_baseline, verdict.sessions_candidate
    return metric.n_baseline, metric.n_candidate


def _pair(look: m.Look, names: tuple[str, ...]) -> Span:
    metric = look.metric(*names)
    if metric is None or metric.baseline is None or metric.candidate is None:
        return Missing("not at this look")
    both = (words.measure(metric.name, metric.baseline), words.measure(metric.name, metric.candidate))
    return Cited(" → ".join(both), (look.evidence,))


def _hours(history: History, index: int) -> Section:
    """One part of the window: agent status, smoke tests, alarms and every criterion; wishes do not sway its box."""
    window = history.plan.validation.window
    start = window[index - 1].until_s if index else 0.0
    hours = f"Hour {start / 3600:g}-{window[index].until_s / 3600:g}"
    title = line(of_created(history, f"{hours} ({_MIDDLE if index else _FIRST})"))
    checks = [c for c in history.checks if min(c.phase, len(window) - 1) == index]
    if not checks:
        why = "no check was made in this part of the window"
        return section(title, paragraph(Missing(why)), tick=Tick(Mark.NOT_MEASURED if history.ending else Mark.OPEN))
    items = [
        _status(checks),
        *([_smoke(history)] if index == 0 else []),
        _alarms(checks),
        *_criteria(checks[-1], "must"),
    ]
    wishes = _criteria(checks[-1], "should", "stretch")
    proof = tuple(c.evidence for c in checks)
    made = Cited(
        f"{words.count(len(checks), 'check')}, every {words.duration(window[index].every_s)} of window time", proof
    )
    return section(
        title, paragraph(made), bullets(*items, *wishes), tick=_overall(history, checks, window[index], items)
    )


def _overall(history: History, checks: list[m.Check], part: WindowPhase, items: list[Item]) -> Tick:
    marks = {i.tick.mark for i in items if i.tick}
    proof = tuple(c.evidence for c in checks)
    over = window_over(history) or history.checks[-1].window_s >= part.until_s
    if Mark.NOT_MET in marks:
        return tick(False, *proof)
    if not over:
        return Tick(Mark.OPEN)
    return tick(None if Mark.NOT_MEASURED in marks else True, *proof)


def _status(checks: list[m.Check]) -> Item:
    proof = tuple(c.evidence for c in checks)
    bad = [c for c in checks if c.status not in {"READY", ""}]
    if bad:
        said = Cited(f"{bad[0].status} at check {bad[0].number}", (bad[0].evidence,))
        return item("Agent status: ", said, tick=tick(False, bad[0].evidence))
    if any(not c.status for c in checks):
        return item("Agent status: ", Missing("the platform could not be read at every check"), tick=tick(None))
    return item("Agent status: ", Cited("READY at every check", proof), tick=tick(True, *proof))


def _smoke(history: History) -> Item:
    run = next((g for g in reversed(history.gates) if "smoke" in g.gate.lower()), None)
    if run is None:
        return item("Smoke tests: ", Missing("the plan has no smoke gate that ran"), tick=tick(None))
    said = Cited(f"{'passed' if run.passed else 'failed'}: {run.detail}", (run.evidence,))
    return item("Smoke tests (before the release): ", said, tick=tick(run.passed, run.evidence))


def _alarms(checks: list[m.Check]) -> Item:
    """All OK at every check, or which were not. No data is not OK."""
    red = [(c, name) for c in checks for name, state in sorted(c.alarms.items()) if state == "ALARM"]
    if red:
        names = ", ".join(dict.fromkeys(name for _, name in red))
        proof = tuple(dict.fromkeys(c.evidence for c, _ in red))
        return item("Alarms: ", Cited(f"in ALARM: {names}", proof), tick=tick(False, *proof))
    last = checks[-1]
    if not last.alarms:
        return item("Alarms: ", Missing("the check read no alarm"), tick=tick(None))
    blind = sorted(name for name, state in last.alarms.items() if state != "OK")
    if blind:
        said = Cited(f"no data for {', '.join(blind)}", (last.evidence,))
        return item("Alarms: ", Missing("not all alarms have data"), ", ", said, tick=tick(None))
    proof = tuple(c.evidence for c in checks)
    said = Cited(f"all {len(last.alarms)} OK at check {last.number}, none in ALARM at any check", proof)
    return item("Alarms: ", said, tick=tick(True, *proof))


def _criteria(last: m.Check, *tiers: str) -> list[Item]:
    return [_criterion(r, last) for r in last.results if r.name not in _ELSEWHERE and r.tier in tiers]


def _criterion(result: CriterionResult, check: m.Check) -> Item:
    said = Cited(named(result.name, result.text), (check.evidence,))
    return item(said, ": ", measured(result, check), tick=tick(result.met, check.evidence))


def _operations(history: History) -> Section:
    """After the window: whose it is now, and what was seen of it since."""
    window = history.plan.validation.window
    hours: Span = (
        of_created(history, f"Hour {window[-1].until_s / 3600:g}+ ({_AFTER})")
        if window
        else Plain(f"Hour 24+ ({_AFTER})")
    )
    to = of_created(history, history.plan.handoff_to)
    package = history.handoff
    owner = line("written for ", to, " ", at(package)) if package else line("for ", to, ": not written")
    return section(
        line(hours),
        bullets(
            item("Standard monitoring: ", *_afterwards(history)),
            item("Operations team ownership: handoff package ", owner),
            item("Regular health checks: ", *_health_afterwards(history)),
        ),
    )


def _afterwards(history: History) -> Line:
    """The alarms at the last check after the window."""
    if not history.operations:
        return line(_not_afterwards(history))
    return states(history.operations[-1].alarms, history.operations[-1])


def _health_afterwards(history: History) -> Line:
    if not history.operations:
        return line(_not_afterwards(history))
    proof = tuple(c.evidence for c in history.operations)
    ready = sum(c.status == "READY" for c in history.operations)
    made = f"{ready} of {words.count(len(history.operations), 'check')} found it READY"
    return line(Cited(made, proof))


def _not_afterwards(history: History) -> Missing:
    early = history.rollback is not None or history.phase is Phase.FAILED
    if early:
        return Missing("the rollout ended before it")
    asked = history.plan.validation.after_every_s > 0
    return Missing("no check was made after the window yet" if asked else "a rollout ends with the handoff")
