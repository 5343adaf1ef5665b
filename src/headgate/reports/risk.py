"""What was done against risk, and the level that the evidence leaves: one rule, stated in the report that uses it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from headgate.core.model import Answer, CriterionResult, Phase
from headgate.core.plan import Strategy, Tier
from headgate.reports import model as m
from headgate.reports import words
from headgate.reports.document import Cited, Item, Line, Mark, Missing, Tick, item, line
from headgate.reports.history import History
from headgate.reports.telling import at, recovery, tick

RULE = (
    "LOW: every check below was measured and met, or no session is on the candidate. "
    "HIGH: harm was found while sessions may be on the candidate. "
    "MEDIUM: everything else, so also what was not measured."
)


class Level(StrEnum):
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"


@dataclass(frozen=True, slots=True)
class Risk:
    """The level, and the records that it rests on as lines."""

    level: Level
    reasons: tuple[Line, ...]
    evidence: tuple[str, ...]


def risk(history: History) -> Risk:
    """The level by RULE."""
    clear = not_exposed(history)
    if clear is not None:
        return Risk(Level.LOW, (clear,), (history.standing.evidence,))
    if found := harm(history):
        return Risk(Level.HIGH, tuple(found), _cited(found))
    if gaps := _gaps(history):
        return Risk(Level.MEDIUM, tuple(gaps), _cited(gaps) or (history.standing.evidence,))
    done = [each.line for each in measured(history)]
    return Risk(Level.LOW, tuple(done), _cited(done))


def found_beside(history: History, found: Risk) -> tuple[Line, ...]:
    """The reasons that are not among the checks of the rule: no exposure, or harm."""
    listed = [each.line for each in measured(history)]
    return tuple(reason for reason in found.reasons if reason not in listed)


def not_exposed(history: History) -> Line | None:
    """Why no session can be on the candidate; None where one may be."""
    if history.exposed() is None:
        return line("no session has met the candidate as of ", at(history.standing))
    back = history.rollback
    if back and back.cut_over and back.drained:
        return line("the last session left the candidate on ", at(back.drained))
    return None


def harm(history: History) -> list[Line]:
    """What was found against the candidate and is not undone."""
    found: list[Line] = []
    look = history.last_look()
    if look and look.verdict.answer is Answer.FAIL:
        found.append(line("the last verdict is ", Cited(f"FAIL: {look.verdict.reason}", (look.evidence,))))
    for result, check in must_results(history):
        if result.breached:
            found.append(line("a must is breached: ", Cited(f"{result.text}: {result.detail}", (check.evidence,))))
    ill = next((h for h in reversed(history.health) if h.variant == "candidate"), None)
    if ill and not ill.healthy:
        found.append(line("the candidate does not answer: ", Cited(ill.detail, (ill.evidence,))))
    found += [
        line("open incident ", Cited(f"{i.id} {i.severity}: {i.title}", (i.evidence,)))
        for i in history.incidents
        if i.severity in {"P1", "P2"} and history.phase is not Phase.COMPLETED
    ]
    return found


def must_results(history: History) -> list[tuple[CriterionResult, m.Check]]:
    """The musts of the last check of the window."""
    if not history.checks:
        return []
    check = history.checks[-1]
    return [(result, check) for result in check.results if result.tier == Tier.MUST]


def measured(history: History) -> tuple[Item, ...]:
    """The checks that the rule asks for: tests always, a comparison for a canary, the musts where there is a window."""
    compared = history.plan.strategy is Strategy.CANARY or bool(history.looks)
    watched = bool(history.plan.validation.window)
    return (
        _tests(history),
        *((_verdicts(history),) if compared else ()),
        *((_musts(history),) if watched else ()),
    )


def mitigations(history: History) -> tuple[Item, ...]:
    """What was done against risk before and during the release, box by box."""
    return (
        _tests(history),
        _security(history),
        _drilled(history),
        _monitoring(history),
        _rollback(history),
    )


def _cited(lines: list[Line]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(e for each in lines for span in each if isinstance(span, Cited) for e in span.evidence))


def _gaps(history: History) -> list[Line]:
    return [each.line for each in measured(history) if each.tick is None or each.tick.mark is not Mark.MET]


def _tests(history: History) -> Item:
    wanted = [g.name for g in history.plan.gates]
    runs = [g for g in history.gates if g.gate in wanted]
    if not wanted:
        return item("Tests before deployment: ", Missing("the plan names no gate"), tick=tick(None))
    if not runs:
        return item("Tests before deployment: ", Missing("no gate has run"), tick=Tick(Mark.OPEN))
    proof = tuple(run.evidence for run in runs)
    text = ", ".join(f"{run.gate} {'passed' if run.passed else 'failed'} ({run.detail})" for run in runs)
    said = line("Tests before deployment: ", Cited(text, proof))
    if any(not run.passed for run in runs):
        return item(said, tick=tick(False, *proof))
    if {run.gate for run in runs} < set(wanted):
        return item(said, "; not all have run", tick=Tick(Mark.OPEN))
    return item(said, tick=tick(True, *proof))


def _drilled(history: History) -> Item:
    """The last run of each drill; validated is what passed, and only where one was run."""
    last = {d.name: d for d in history.drills}
    if not last:
        return item("DR plan validated: ", Missing("no drill is on the ledger"), tick=tick(None))
    proof = tuple(d.evidence for d in last.values())
    told = ", ".join(f"{d.name} {'passed' if d.passed else 'failed'}" for d in last.values())
    return item("DR plan drilled: ", Cited(told, proof), tick=tick(all(d.passed for d in last.values()), *proof))


def _security(history: History) -> Item:
    runs = [g for g in history.gates if "security" in g.gate.lower()]
    if not runs:
        planned = any("security" in g.name.lower() for g in history.plan.gates)
        why = "the security gate has not run" if planned else "the plan names no security gate"
        return item("Security audit passed: ", Missing(why), tick=tick(None))
    last = runs[-1]
    return item("Security audit: ", Cited(last.detail, (last.evidence,)), tick=tick(last.passed, last.evidence))


def _monitoring(history: History) -> Item:
    seen = (*history.looks, *history.checks)
    if not seen:
        return item("Monitoring configured: ", Missing("nothing was measured yet"), tick=tick(None))
    proof = tuple(each.evidence for each in seen)
    looks, checks = words.count(len(history.looks), "look"), words.count(len(history.checks), "check")
    return item("Monitoring measured: ", Cited(f"{looks}, {checks}", proof), tick=tick(True, *proof))


def _rollback(history: History) -> Item:
    took, back = recovery(history), history.rollback
    if isinstance(took, Missing) or back is None or back.cut_over is None:
        return item("Rollback tested: ", took, tick=tick(None))
    return item("Rollback done and verified: ", took, tick=tick(True, back.cut_over.evidence))


def _verdicts(history: History) -> Item:
    """What the analysis last said of the step that is, or was, served."""
    look = history.last_look()
    if look is None:
        return item("Comparison with the baseline: ", Missing("no look of the analysis yet"), tick=tick(None))
    verdict = look.verdict
    said = line("Comparison with the baseline: ", Cited(f"{verdict.answer}: {verdict.reason}", (look.evidence,)))
    if verdict.answer is Answer.INCONCLUSIVE:
        return item(said, tick=Tick(Mark.OPEN))
    return item(said, tick=tick(verdict.answer is Answer.PASS, look.evidence))


def _musts(history: History) -> Item:
    musts = must_results(history)
    if not musts:
        return item("Musts of the validation window: ", Missing("no check of the window yet"), tick=tick(None))
    check = history.checks[-1]
    met = [r.met for r, _ in musts]
    said = line("Musts of the validation window: ", Cited(f"{met.count(True)} of {len(met)} met", (check.evidence,)))
    if None in met and False not in met:
        return item(said, tick=tick(None))
    if all(met) and history.entered(Phase.HANDING_OVER) is None:
        return item(said, ", the window is not over", tick=Tick(Mark.OPEN))
    return item(said, tick=tick(all(met), check.evidence))
