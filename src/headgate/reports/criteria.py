"""Success criteria: of the deployment, and of the validation window with value, bound and sample size of each."""

from __future__ import annotations

from headgate.core.model import CriterionResult, Phase
from headgate.core.plan import Criterion, Tier
from headgate.reports import model as m
from headgate.reports import words
from headgate.reports.document import (
    Block,
    Cited,
    Item,
    Line,
    Mark,
    Missing,
    Section,
    Tick,
    bullets,
    item,
    line,
    paragraph,
    section,
)
from headgate.reports.history import History
from headgate.reports.risk import mitigations
from headgate.reports.telling import at, of_created, tick

_TIERS = {Tier.MUST: "Must", Tier.SHOULD: "Should", Tier.STRETCH: "Stretch"}


def success_criteria(history: History) -> Section:
    """The two lists of the status document, ticked from evidence only."""
    return section("Success Criteria", _deployment(history), _validation(history))


def window_over(history: History) -> bool:
    """The window ran to its end: the last check reached it, or the promotion began after checks."""
    parts = history.plan.validation.window
    if not parts or not history.checks:
        return False
    return history.checks[-1].window_s >= parts[-1].until_s or history.entered(Phase.HANDING_OVER) is not None


def validation_status(history: History) -> Line:
    """Of the window as a whole, for the footer."""
    if not history.plan.validation.window:
        return line(Missing("the plan has no validation window"))
    if not history.checks:
        return line(Missing("no check of the window was made"))
    last = history.checks[-1]
    musts = [r.met for r in last.results if r.tier == Tier.MUST]
    said = Cited(f"{musts.count(True)} of {words.count(len(musts), 'must')} met", (last.evidence,))
    if window_over(history):
        return line("OVER, " if all(musts) else "OVER, NOT PASSED, ", said)
    return line("NOT FINISHED, " if history.rollback else "IN PROGRESS, ", said)


def _deployment(history: History) -> Section:
    items = [_ready(history), *(_gate(history, gate.name) for gate in history.plan.gates)]
    items += [each for each in mitigations(history)[1:4] if _is_listed(each)]
    items += [_documents(history), _handoff(history)]
    return section("Deployment Success", bullets(*items))


def _is_listed(each: Item) -> bool:
    """Security and monitoring; the DR plan is no criterion of a deployment."""
    return not any("DR plan" in getattr(span, "text", "") for span in each.line)


def _ready(history: History) -> Item:
    made = history.deployed
    if made is None:
        failed = history.phase is Phase.FAILED
        why = "the candidate did not become ready" if failed else "the candidate is not built yet"
        return item("Agent deployed and READY: ", Missing(why), tick=Tick(Mark.NOT_MEASURED if failed else Mark.OPEN))
    said = Cited(f"version {made.version.number}", (made.evidence,))
    return item("Agent deployed and READY: ", said, tick=tick(True, made.evidence))


def _gate(history: History, name: str) -> Item:
    run = next((g for g in reversed(history.gates) if g.gate == name), None)
    said = line("Gate ", of_created(history, name))
    if run is None:
        mark = Mark.NOT_MEASURED if history.phase is Phase.FAILED else Mark.OPEN
        return item(said, ": ", Missing("it has not run"), tick=Tick(mark))
    result = Cited(f"{'passed' if run.passed else 'failed'}: {run.detail}", (run.evidence,))
    return item(said, " ", result, tick=tick(run.passed, run.evidence))


def _documents(history: History) -> Item:
    package = history.handoff
    if package is None:
        return item("Documentation complete: not written", tick=_unwritten(history))
    said = Cited(f"{words.count(len(package.files), 'file')}, digest {package.digest[:16]}", (package.evidence,))
    return item("Documentation written: ", said, tick=tick(True, package.evidence))


def _handoff(history: History) -> Item:
    package = history.handoff
    to = of_created(history, history.plan.handoff_to)
    if package is None:
        return item("Operations handoff prepared for ", to, ": not written", tick=_unwritten(history))
    return item("Operations handoff prepared for ", to, " ", at(package), tick=tick(True, package.evidence))


def _unwritten(history: History) -> Tick:
    """Open while the rollout runs; when it is over, its end says that nothing was written."""
    if history.ending:
        return tick(False, history.standing.evidence)
    return Tick(Mark.OPEN)


def _validation(history: History) -> Section:
    parts = history.plan.validation.window
    if not parts:
        return section("Validation Success", paragraph(Missing("the plan has no validation window")))
    span = of_created(history, words.duration(parts[-1].until_s))
    blocks: list[Block] = []
    if history.checks:
        last = history.checks[-1]
        reached = Cited(f"check {last.number}, {words.duration(last.window_s)} into the window", (last.evidence,))
        state = "the window is over" if window_over(history) else "so far; the window is not over"
        blocks.append(paragraph("As of ", reached, f" ({state})."))
    for tier, name in _TIERS.items():
        wanted = [c for c in history.plan.validation.criteria if c.tier is tier]
        if wanted:
            blocks += [paragraph(f"{name}:"), bullets(*(criterion(history, c) for c in wanted))]
    return section(line("Validation Success (", span, ")"), *blocks)


def criterion(history: History, wanted: Criterion) -> Item:
    """One criterion of the plan with its last measurement; a box is ticked only when the window is over."""
    text = of_created(history, named(wanted.name, wanted.text))
    if not history.checks:
        return item(text, ": ", Missing("no check of the window was made"), tick=tick(None))
    last = history.checks[-1]
    found = next((r for r in last.results if (r.tier, r.name, r.text) == (wanted.tier, wanted.name, wanted.text)), None)
    if found is None:
        return item(text, ": ", Missing("the last check did not report it"), tick=tick(None))
    return item(text, ": ", measured(found, last), tick=_box(history, found, last))


def named(name: str, text: str) -> str:
    """A criterion as "error_rate < 5%", however the plan spells it."""
    return text if text.startswith(name) else f"{name} {text}"


def measured(found: CriterionResult, check: m.Check) -> Line:
    """met / not met / not measured, with value, bound and n where the check has them."""
    proof = (check.evidence,)
    detail = found.detail.removeprefix("not measured").lstrip(": ")
    if found.met is None:
        return line(Missing(""), ": ", Cited(detail, proof)) if detail else line(Missing("the check gives no reason"))
    told = ["met" if found.met else "breached" if found.breached else "not met"]
    if found.bound is not None and found.value is not None:
        told += [words.measure(found.name, found.value), f"bound {words.measure(found.name, found.bound)}"]
        told += [f"n={found.n:,}"] if found.n is not None else []
        return line(Cited(", ".join(told), proof))
    return line(Cited(", ".join([*told, found.detail]), proof))


def _box(history: History, found: CriterionResult, check: m.Check) -> Tick:
    if found.met and not window_over(history):
        return Tick(Mark.OPEN)
    return tick(found.met, check.evidence)
