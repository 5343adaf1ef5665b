"""How it ended, or stands: the reason, what was done instead, and the recommendation that follows by rule."""

from __future__ import annotations

from headgate.core.model import Phase
from headgate.core.plan import Strategy
from headgate.reports import model as m
from headgate.reports import words
from headgate.reports.document import Cited, Line, Mark, Missing, line
from headgate.reports.history import History
from headgate.reports.risk import Level, measured, risk
from headgate.reports.telling import at, of_created


def reason(history: History) -> Line:
    """Why the rollout stands where it stands: the reason of the decision that put it there."""
    told = history.standing
    back = history.rollback
    if history.phase is Phase.ROLLED_BACK and back:
        return line(Cited(back.reason, (back.decided.evidence,)))
    if history.phase is Phase.COMPLETED and (promoted := history.ended(Phase.HANDING_OVER)):
        return line(Cited(promoted.reason, (promoted.evidence,)))
    if history.phase is Phase.STEPPING:
        told = next(w for w in reversed(history.weights) if w.step >= 0)
    if isinstance(told, m.Entered | m.Weight):
        return line(Cited(told.reason, (told.evidence,)))
    return line("the rollout was created on ", at(told), " and has not started")


def alternative(history: History) -> Line:
    """What stands beside the strategy: the monitored window, or that there is none."""
    parts = history.plan.validation.window
    if not parts:
        return line(Missing("the plan has no validation window"))
    until = of_created(history, words.duration(parts[-1].until_s))
    if history.plan.strategy is Strategy.CANARY:
        return line("a validation window of ", until, " follows the last step")
    return line("a validation window of ", until, " watches the release instead of steps")


def recommendation(history: History) -> Line:
    """What to do next, by phase and risk."""
    ref = of_created(history, history.rollout.id)
    match history.phase:
        case Phase.COMPLETED:
            if all(each.tick and each.tick.mark is Mark.MET for each in measured(history)):
                return line("Keep the candidate and go on with normal operations.")
            return line("Keep watching: it was promoted although not everything was measured and met.")
        case Phase.ROLLED_BACK:
            return line("Do not release this candidate again before the reason above is found and mended.")
        case Phase.ROLLING_BACK:
            return line("Watch until no session is left on the candidate: headgate rollout watch ", ref)
        case Phase.FAILED:
            return line("Mend what the reason above names, then: headgate rollout retry ", ref)
        case Phase.PAUSED:
            return line("A person decides: headgate rollout resume, advance or abort ", ref)
        case _ if risk(history).level is Level.HIGH:
            return line("Take it back: headgate rollout abort ", ref)
        case _:
            return line("Let it go on; nothing needs a person now.")
