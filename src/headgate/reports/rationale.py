"""Why this strategy, what was done so far, what risk is left: the middle of the status document."""

from __future__ import annotations

from headgate.core.model import Phase
from headgate.core.plan import Strategy
from headgate.reports import model as m
from headgate.reports import words
from headgate.reports.document import (
    Cited,
    Fields,
    Item,
    Line,
    Mark,
    Missing,
    Plain,
    Section,
    Span,
    Tick,
    bullets,
    field,
    item,
    line,
    paragraph,
    section,
)
from headgate.reports.history import History
from headgate.reports.risk import RULE, Level, found_beside, measured, mitigations, risk
from headgate.reports.telling import STRATEGY, at, between, candidate, of_created, once, recovery, tick

_DECISIONS = {
    Strategy.CANARY: "Decision: Gradual Rollout",
    Strategy.BLUE_GREEN: "Decision: Blue/Green, One Switch",
    Strategy.ALL_AT_ONCE: "Decision: All at Once, Monitored",
}

_APPROACHES = {
    Strategy.CANARY: "Approach: Steps, Then a Monitored Window",
    Strategy.BLUE_GREEN: "Approach: One Switch, Then a Monitored Window",
    Strategy.ALL_AT_ONCE: "Approach: Monitoring-Based Validation",
}


def decision(history: History) -> Section:
    """What was decided by whom, and on what grounds."""
    rollout = history.rollout
    by = of_created(history, f"{rollout.started_by}: {rollout.reason or 'no reason given'}")
    return section(
        _DECISIONS[history.plan.strategy],
        paragraph(f"Decided for {STRATEGY[history.plan.strategy]}, on ", at(history.created), ", by ", by),
        section(
            "Rationale",
            bullets(
                item(Plain("Architecture", strong=True), ": ", _architecture(history)),
                item(Plain("Already Deployed", strong=True), ": ", _live(history), children=_facts(history)),
                item(Plain("Risk Mitigation Done", strong=True), ":", children=mitigations(history)),
                item(Plain("Alternative Risk Mitigation", strong=True), ":", children=_prepared(history)),
                ordered=True,
            ),
        ),
    )


def _architecture(history: History) -> Line:
    found = history.assessment
    if found is None:
        return line(Missing("the platform was not assessed before this rollout"))
    able = ", ".join(str(s.get("kind")) for s in found.strategies if s.get("open")) or "none"
    best = found.recommended or "nothing"
    return line(Cited(f"on {found.platform}, open strategies: {able}; recommended: {best}", (found.evidence,)))


def _live(history: History) -> Line:
    known, baseline = history.registered, history.rollout.baseline
    said = of_created(history, f"version {baseline.number}")
    return line("the agent served ", said, *_since(known), " before this rollout")


def _since(known: m.Registered | None) -> tuple[Span, ...]:
    return (Plain(" since "), at(known)) if known else ()


def _facts(history: History) -> tuple[Item, ...]:
    """What was measured of the baseline, and each gate."""
    before = history.before
    if before is None:
        first = item("baseline before the release: ", Missing("nobody measured it"))
    else:
        known = [(name, data) for name, data in before.metrics.items() if data.get("value") is not None]
        told = ", ".join(
            f"{name} {words.measure(name, data['value'])}" + (f" (n={data['n']:,})" if data.get("n") else "")
            for name, data in known
        )
        span: Span = Cited(told, (before.evidence,)) if told else Missing("no session to measure")
        first = item("baseline before the release: ", span)
    gates = (
        item(
            "gate ",
            Cited(f"{g.gate} {'passed' if g.passed else 'failed'}: {g.detail}", (g.evidence,)),
            tick=tick(g.passed, g.evidence),
        )
        for g in history.gates
    )
    return (first, *gates)


def _prepared(history: History) -> tuple[Item, ...]:
    """What stands ready by the plan; a plan is not a measurement, so nothing is ticked."""
    plan = history.plan
    parts = plan.validation.window
    window: Span = of_created(history, words.duration(parts[-1].until_s)) if parts else Missing("the plan has none")
    policy = f"{plan.rollback.sessions}, deadline {words.duration(plan.rollback.deadline_s)}"
    return (
        item("validation window after the release: ", window),
        item("alarms in the plan: ", of_created(history, str(len(plan.alarms)))),
        item("rollback policy for open sessions: ", of_created(history, policy)),
        item("receivers of notifications: ", of_created(history, str(len(plan.notify)))),
    )


def phases(history: History) -> Section:
    """The three phases of the document with their status from evidence."""
    return section(_APPROACHES[history.plan.strategy], _deployment(history), _monitoring(history), _handoff(history))


def _status(history: History, done: m.Noted | None, begun: m.Noted | None) -> tuple[Fields, Tick]:
    """COMPLETE, IN PROGRESS, ENDED EARLY or NOT STARTED, each with the record that says so."""
    if done:
        said, box = line(Cited("COMPLETE", (done.evidence,), strong=True), " ", at(done)), tick(True, done.evidence)
    elif history.ending:
        end = history.standing
        text = "NOT REACHED" if begun is None else "ENDED EARLY"
        said = line(Cited(text, (end.evidence,), strong=True), " ", at(end))
        box = Tick(Mark.NOT_MEASURED) if begun is None else tick(False, end.evidence)
    elif begun:
        said, box = line(Cited("IN PROGRESS", (begun.evidence,), strong=True), " since ", at(begun)), Tick(Mark.OPEN)
    else:
        said, box = line(Plain("NOT STARTED", strong=True)), Tick(Mark.OPEN)
    return Fields((field("Status", said),)), box


def _deployment(history: History) -> Section:
    begun = history.entered(Phase.GATING, Phase.DEPLOYING, Phase.STEPPING)
    status, box = _status(history, history.entered(Phase.VALIDATING, Phase.HANDING_OVER), begun)
    made, behind = history.deployed, next((w for w in history.weights if w.verified), None)
    items = [item("build the candidate: ", candidate(history), tick=_done(history, made))]
    items += [
        item(
            "gate ", of_created(history, gate.name), ": ", _gate(history, gate.name), tick=_gate_box(history, gate.name)
        )
        for gate in history.plan.gates
    ]
    shown: Span = at(behind.verified) if behind and behind.verified else Missing("not read back from the gateway")
    items.append(item("put it behind the gateway: ", shown, tick=_done(history, behind and behind.verified)))
    items += [_step(history, i) for i in range(len(history.plan.steps))]
    return section("Phase 1: Initial Deployment", bullets(*items), status, tick=box)


def _done(history: History, noted: m.Noted | None) -> Tick:
    if noted:
        return tick(True, noted.evidence)
    return Tick(Mark.NOT_MEASURED if history.ending else Mark.OPEN)


def _gate(history: History, name: str) -> Span:
    run = next((g for g in reversed(history.gates) if g.gate == name), None)
    if run is None:
        return Missing("it has not run")
    return Cited(f"{'passed' if run.passed else 'failed'}: {run.detail}", (run.evidence,))


def _gate_box(history: History, name: str) -> Tick:
    run = next((g for g in reversed(history.gates) if g.gate == name), None)
    return tick(run.passed, run.evidence) if run else _done(history, None)


def _step(history: History, index: int) -> Item:
    """A step is done when it was left for the next one."""
    share = of_created(history, words.weight(history.plan.steps[index].weight))
    asked = next((w for w in history.weights if w.step == index and w.weight > 0 and not w.promote), None)
    if asked is None:
        return item(share, " of new sessions: ", Missing("the step was not reached"), tick=_done(history, None))
    after = next((w for w in history.weights if w.step > index and w.weight > 0), None) or history.entered(
        Phase.VALIDATING, Phase.HANDING_OVER
    )
    read: Span = Missing("not read back from the gateway") if asked.verified is None else at(asked.verified)
    look = history.last_look(index)
    told: Span = Missing("no verdict") if look is None else Cited(str(look.verdict.answer), (look.evidence,))
    said = line(share, " of new sessions: verified ", read, ", last verdict ", told)
    if after:
        return item(said, ", left after ", between(asked, after), tick=tick(True, after.evidence))
    back = history.entered(Phase.ROLLING_BACK)
    return item(said, tick=tick(False, back.evidence) if back else Tick(Mark.OPEN))


def _monitoring(history: History) -> Section:
    begun = history.entered(Phase.VALIDATING)
    promoted = history.entered(Phase.HANDING_OVER)
    done = promoted if begun and history.checks else None
    status, box = _status(history, done, begun)
    names = (("error_rate", "watch for errors"), ("p95", "track performance"), ("cost_per_day", "verify costs"))
    items = [item("check the window: ", _checks(history), tick=_checked(history))]
    items += [item(f"{label}: ", *_criterion(history, name)) for name, label in names]
    return section("Phase 2: Monitoring", bullets(*items), status, tick=box)


def _checks(history: History) -> Span:
    if not history.checks:
        return Missing("no check of the window was made")
    last = history.checks[-1]
    proof = tuple(c.evidence for c in history.checks)
    return Cited(f"{words.count(len(proof), 'check')}, the last {words.duration(last.window_s)} into the window", proof)


def _checked(history: History) -> Tick:
    return tick(True, *(c.evidence for c in history.checks)) if history.checks else _done(history, None)


def _criterion(history: History, name: str) -> Line:
    """The last measurement of a metric in the window, whichever tier asked for it."""
    if not history.checks:
        return line(Missing("no check of the window was made"))
    last = history.checks[-1]
    found = next((r for r in last.results if r.name == name and r.value is not None), None)
    if found is None or found.value is None:
        return line(Missing("the last check has no value"))
    return line(Cited(words.measure(name, found.value), (last.evidence,)))


def _handoff(history: History) -> Section:
    begun, done = history.entered(Phase.HANDING_OVER), history.entered(Phase.COMPLETED)
    status, box = _status(history, done, begun)
    made, package = history.promoted, history.handoff
    accepted = history.accepted
    promoted: Span = (
        Cited(f"version {made.version}", (made.evidence,)) if made else Missing("no promotion is on record")
    )
    wrote: Span = Cited(package.path, (package.evidence,), code=True) if package else Missing("not written")
    who: Span = Cited(accepted.by, (accepted.evidence,)) if accepted else Missing("no acceptance is on the ledger")
    items = (
        item("promote the candidate: ", promoted, tick=_done(history, made)),
        item(
            "write the package for ",
            of_created(history, history.plan.handoff_to),
            ": ",
            wrote,
            tick=_done(history, package),
        ),
        item("acceptance by operations: ", who, tick=_done(history, accepted)),
    )
    return section("Phase 3: Handoff", bullets(*items), status, tick=box)


def risk_assessment(history: History) -> Section:
    """The level by the stated rule, and what lowers it, with the measured recovery time."""
    found = risk(history)
    box = tick(True, *found.evidence) if found.level is Level.LOW else None
    beside = found_beside(history, found)
    grounds = section(
        "Risks of This Rollout",
        paragraph(Cited(f"{found.level} RISK", found.evidence, strong=True), " because:"),
        bullets(*(Item(reason) for reason in beside), *measured(history)),
        paragraph("The rule: ", RULE),
        tick=box,
    )
    return section("Risk Assessment", grounds, _strategies(history))


def _strategies(history: History) -> Section:
    plan = history.plan
    parts = plan.validation.window
    every: Span = of_created(history, words.duration(parts[0].every_s)) if parts else Missing("the plan has no window")
    target = of_created(history, words.duration(plan.rto_s))
    return section(
        "Mitigation Strategies",
        bullets(
            item(Plain("Continuous Monitoring", strong=True), ": a check of the window every ", every),
            item(
                Plain("Fast Rollback", strong=True),
                ": recovery time ",
                once(recovery(history)),
                ", target ",
                target,
            ),
            item(Plain("Alarms", strong=True), ": ", of_created(history, str(len(plan.alarms))), " in the plan"),
            item(Plain("Incident Response", strong=True), ": incidents opened by this rollout ", _incidents(history)),
            item(Plain("Operations Support", strong=True), ": ", of_created(history, plan.handoff_to)),
            ordered=True,
        ),
    )


def _incidents(history: History) -> Span:
    if history.incidents:
        return Cited(str(len(history.incidents)), tuple(i.evidence for i in history.incidents))
    return Cited("0", (history.standing.evidence,))
