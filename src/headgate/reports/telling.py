"""Short answers that several reports give, each with its citation: where a rollout stands, how long a recovery took."""

from __future__ import annotations

from headgate.core.model import Phase
from headgate.core.plan import Strategy
from headgate.reports import model as m
from headgate.reports import words
from headgate.reports.document import Cited, Line, Mark, Missing, Plain, Span, Tick, line
from headgate.reports.history import History

STRATEGY = {
    Strategy.CANARY: "a canary release, a little at a time",
    Strategy.BLUE_GREEN: "a blue/green release, both versions warm and one switch",
    Strategy.ALL_AT_ONCE: "a release all at once, then watched",
}

_STANDS = {
    Phase.PLANNED: "⏳ PLANNED",
    Phase.GATING: "🔄 IN PROGRESS - gates run, no session meets the candidate",
    Phase.DEPLOYING: "🔄 IN PROGRESS - the candidate is put behind the gateway at weight 0",
    Phase.STEPPING: "🔄 IN PROGRESS",
    Phase.VALIDATING: "🔄 IN PROGRESS - validation window",
    Phase.HANDING_OVER: "🔄 IN PROGRESS - promotion and handoff",
    Phase.COMPLETED: "✅ COMPLETE - promoted",
    Phase.PAUSED: "⏸ HELD - nothing moves until a person resumes",
    Phase.ROLLING_BACK: "↩ ROLLING BACK",
    Phase.ROLLED_BACK: "↩ ROLLED BACK - the baseline serves all new sessions",
    Phase.FAILED: "❌ FAILED - no session met the candidate",
}


def standing(history: History) -> Line:
    """Where the rollout stands, and at which weight."""
    said = Cited(_STANDS[history.phase], (history.standing.evidence,), strong=True)
    served = history.weight
    if served is None or served.verified is None or history.phase in {Phase.FAILED, Phase.ROLLED_BACK}:
        return line(said)
    return line(said, ", ", Cited(words.weight(served.weight), (served.verified.evidence,)), " of new sessions")


def word(history: History) -> Cited:
    """Where the rollout stands, in a word or two."""
    return Cited(_STANDS[history.phase].split(" - ")[0], (history.standing.evidence,), strong=True)


def at(noted: m.Noted) -> Cited:
    return Cited(words.utc(noted.at), (noted.evidence,))


def between(first: m.Noted, then: m.Noted) -> Cited:
    """The time from one record to another."""
    proof = tuple(dict.fromkeys((first.evidence, then.evidence)))
    return Cited(words.duration(then.at - first.at), proof)


def of_created(history: History, text: str, *, code: bool = False) -> Cited:
    """Something that stands in the plan or the rollout as it was created."""
    return Cited(text, (history.created.evidence,), code=code)


def arn(history: History) -> Span:
    """The agent's own name on its platform."""
    if history.arn:
        return of_created(history, history.arn, code=True)
    if history.registered:
        return Cited(history.registered.arn, (history.registered.evidence,), code=True)
    return Missing("no record at hand names it")


def recovery(history: History) -> Span:
    """Recovery time as measured in this rollout: from detection to the verified cut-over."""
    back = history.rollback
    if back is None:
        return Missing("nothing was rolled back in this rollout")
    if back.cut_over is None:
        return Missing("the cut-over is not verified yet")
    if back.detected is None and back.by != "headgate":
        return between(back.asked, back.cut_over)
    return between(back.detected or back.decided, back.cut_over)


def once(measured: Span) -> Line:
    """A measurement with its sample size, which is this one rollout."""
    if isinstance(measured, Cited):
        return line(measured, " (", Cited("n=1, this rollout", measured.evidence), ")")
    return line(measured)


def drained(history: History) -> Span:
    """From the decision until no session was left on the candidate."""
    back = history.rollback
    if back is None:
        return Missing("nothing was rolled back in this rollout")
    if back.drained is None:
        return Missing("sessions may still be pinned to the candidate")
    return between(back.decided, back.drained)


def steps(history: History) -> Line:
    """The plan's weights, "10 % → 50 % → 100 %"."""
    return line(of_created(history, " → ".join(words.weight(step.weight) for step in history.plan.steps) or "no step"))


def version(number: str, digest: str, evidence: str) -> Line:
    """A version: the platform's number and what it is made of."""
    said = line("version ", Cited(number, (evidence,), strong=True))
    return line(said, ", digest ", Cited(digest[:16], (evidence,), code=True)) if digest else said


def candidate(history: History) -> Line:
    if history.deployed is None:
        if history.rollout.candidate is not None:
            known = history.rollout.candidate
            return version(known.number, known.digest, history.created.evidence)
        return line(Missing("the candidate was not built"))
    known = history.deployed.version
    return version(known.number, known.digest, history.deployed.evidence)


def tick(met: bool | None, *evidence: str) -> Tick:
    """A box from a measurement; None is not measured."""
    if met is None:
        return Tick(Mark.NOT_MEASURED)
    return Tick(Mark.MET if met else Mark.NOT_MET, evidence)


def joined(spans: list[Line], separator: str = ", ") -> Line:
    """Lines one after another, with prose between them."""
    parts: list[Span] = []
    for each in spans:
        parts += [Plain(separator), *each] if parts else [*each]
    return tuple(parts)
