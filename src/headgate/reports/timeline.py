"""Every dated event of a rollout, oldest first. Looks are told where the answer changed, checks where a must did."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from headgate.core.model import Phase
from headgate.reports import model as m
from headgate.reports import words
from headgate.reports.document import Block, Cited, bullets, item, paragraph
from headgate.reports.history import History

Event = tuple[m.Noted, str]

_PHASES = {
    Phase.PLANNED: "planned",
    Phase.GATING: "gates begin",
    Phase.DEPLOYING: "candidate goes behind the gateway at weight 0",
    Phase.STEPPING: "steps",
    Phase.VALIDATING: "validation window",
    Phase.HANDING_OVER: "promotion begins",
    Phase.COMPLETED: "completed",
    Phase.PAUSED: "held",
    Phase.ROLLING_BACK: "rollback begins",
    Phase.ROLLED_BACK: "rolled back",
    Phase.FAILED: "failed",
}


def timeline(history: History) -> tuple[Block, ...]:
    """One list per day, each event with the record that it comes from."""
    blocks: list[Block] = []
    for day, group in groupby(events(history), key=lambda e: words.day(e[0].at)):
        told = list(group)
        blocks.append(paragraph(Cited(day, (told[0][0].evidence,), strong=True)))
        blocks.append(bullets(*(item(Cited(f"{words.clock(n.at)}: {said}", (n.evidence,))) for n, said in told)))
    return tuple(blocks)


def events(history: History) -> list[Event]:
    """What happened, in order of time and then of the ledger."""
    told = (*_course(history), *_measured(history), *_outside(history), *_owed(history), *_taken_back(history))
    return sorted(told, key=lambda e: (e[0].at, int(e[0].evidence[1:])))


def _course(history: History) -> Iterator[Event]:
    rollout = history.rollout
    reason = rollout.reason or "no reason given"
    yield history.created, f"{rollout.id} created by {rollout.started_by}: {reason}"
    for phase in history.phases:
        again = "resumed, " if phase.was is Phase.PAUSED else ""
        yield phase, f"{again}{_PHASES[phase.phase]}: {phase.reason}"
    for weight in history.weights:
        if weight.verified:
            asked = words.clock(weight.at)
            yield weight.verified, f"{words.weight(weight.weight)} verified at the gateway, asked for at {asked}"
    for word in (*history.words, *history.forced):
        yield word, f"{word.by} said {word.verb}: {word.reason or 'no reason given'}"
    if history.promoted:
        kept = history.promoted.previous or "none"
        yield history.promoted, f"version {history.promoted.version} promoted, version {kept} kept as the previous one"
    if history.handoff:
        yield history.handoff, f"handoff package written: {history.handoff.path}"
    if history.accepted:
        yield history.accepted, f"handoff accepted by {history.accepted.by}"


def _measured(history: History) -> Iterator[Event]:
    if history.before:
        yield history.before, "baseline measured before the release"
    for gate in history.gates:
        yield gate, f"gate {gate.gate} {'passed' if gate.passed else 'failed'}: {gate.detail}"
    told: object = None
    for look in history.looks:
        verdict = look.verdict
        if (verdict.step, verdict.answer) != told:
            told = (verdict.step, verdict.answer)
            yield look, f"verdict at step {verdict.step + 1}: {verdict.answer}: {verdict.reason}"
    yield from _checks(history)


def _checks(history: History) -> Iterator[Event]:
    """The first check and the last, and each at which the number of musts that are met changed."""
    before: object = None
    for check in history.checks:
        musts = [r.met for r in check.results if r.tier == "must"]
        if musts != before or check is history.checks[-1]:
            before = musts
            met = f"{musts.count(True)} of {words.count(len(musts), 'must')} met"
            yield check, f"check {check.number}, {words.duration(check.window_s)} into the window: {met}"


def _outside(history: History) -> Iterator[Event]:
    if history.deployed:
        yield history.deployed, f"candidate version {history.deployed.version.number} built and healthy"
    for incident in history.incidents:
        yield incident, f"incident {incident.id} {incident.severity}: {incident.title}"
    for alarm in history.alarms:
        yield alarm, f"alarm {alarm.name} ({alarm.variant}): {alarm.was} to {alarm.now}"
    for health in history.health:
        yield health, f"{health.variant} {'answers' if health.healthy else 'does not answer'}: {health.detail}"
    for outage in history.outages:
        yield outage, words.outage(outage.port, outage.kind, outage.over_s)
    for moved in history.moves:
        sessions = words.count(moved.count, "session")
        yield moved, f"{sessions} moved from version {moved.source} to version {moved.target} ({moved.policy})"


def _owed(history: History) -> Iterator[Event]:
    for debt in history.debts:
        if debt.sessions:
            oldest = words.duration(debt.oldest_s)
            yield debt, f"exposure debt: {words.count(debt.sessions, 'session')} on the candidate, the oldest {oldest}"
    for failing in history.failing:
        yield failing, f"not done yet: {failing.key}: {failing.error}"


def _taken_back(history: History) -> Iterator[Event]:
    back = history.rollback
    if back is None:
        return
    if back.fault:
        yield back.fault, "the fault began"
    if back.detected:
        yield back.detected, "harm detected"
    if back.endpoint:
        yield back.endpoint, "production endpoint verified on the baseline"
    if back.drained:
        yield back.drained, "exposure debt is 0: the last session left the candidate"
