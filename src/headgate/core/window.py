"""The validation window: its schedule, what a check leads to, and what people may change about it. Part of `decide`.

Window time is real time times the plan's speed, counted from 100 %. It runs on the wall clock, so it survives restarts;
when the clock itself is set, `ClockMoved` moves the schedule with it, so that no time is won or lost.
"""

from __future__ import annotations

from dataclasses import replace

from headgate.core import facts as f
from headgate.core import policy
from headgate.core.decision import Decision, hold, stay
from headgate.core.model import Accepted, CriterionResult, Phase, Rollout, Window
from headgate.core.plan import Tier, WindowPhase
from headgate.core.promotion import promote
from headgate.core.rollback import blame


def validate(rollout: Rollout, reason: str, now: float) -> Decision:
    parts = rollout.plan.validation.window
    if not parts:
        return promote(rollout, f"{reason}; the plan has no validation window")
    window = Window(started_at=now, next_at=now + parts[0].every_s / rollout.plan.validation.speed)
    return Decision(
        replace(rollout, phase=Phase.VALIDATING, window=window), (), f"{reason}; the validation window begins"
    )


def elapsed_s(rollout: Rollout, now: float) -> float:
    """How long the window has lasted at `now` (Unix s), in window time; 0 before it began."""
    window = rollout.window
    if window is None:
        return 0.0
    return (now - window.started_at - window.skew_s) * rollout.plan.validation.speed


def end_s(rollout: Rollout) -> float:
    """When the window ends, in window time."""
    parts, window = rollout.plan.validation.window, rollout.window
    if window is not None and window.until_s is not None:
        return window.until_s
    return parts[-1].until_s if parts else 0.0


def part_at(rollout: Rollout, at: float) -> WindowPhase:
    """The part of the window at some window time; after the end, the last."""
    parts = rollout.plan.validation.window
    return next((part for part in parts if at < part.until_s), parts[-1])


def window_checked(rollout: Rollout, fact: f.WindowChecked, now: float) -> Decision:
    window = rollout.window
    if policy.working_phase(rollout) is not Phase.VALIDATING or window is None:
        return stay(rollout, "no check is awaited")
    at, speed = elapsed_s(rollout, now), rollout.plan.validation.speed
    next_at = now + part_at(rollout, at).every_s / speed
    known = replace(rollout, window=replace(window, checks=window.checks + 1, results=fact.results, next_at=next_at))
    accepted = {each.criterion for each in window.accepted}
    musts = [r for r in fact.results if r.tier == Tier.MUST and r.name not in accepted]
    if breached := [r for r in musts if r.breached]:
        return blame(known, f"{_name(breached[0])} is breached: {breached[0].detail}", now)
    if at < end_s(rollout) or rollout.phase is Phase.PAUSED:
        return Decision(known, (), f"check {known.window.checks if known.window else 0} of the window")
    if open_ := [r for r in musts if r.met is not True]:
        said = "not measured" if open_[0].met is None else "not met"
        return hold(known, policy.AUTOMATION, f"{_name(open_[0])} is {said}: {open_[0].detail}", now)
    but = f", {len(accepted)} of them accepted by a person" if accepted else ""
    return promote(known, f"the window ended with every must met{but}")


def _name(result: CriterionResult) -> str:
    return f"{result.name} {result.text}"


def extend(rollout: Rollout, fact: f.ExtendAsked, said: str) -> Decision:
    """The window ends later; a check that would have been the last no longer is."""
    if (window := rollout.window) is None:
        return stay(rollout, "there is no window")
    until = end_s(rollout) + fact.seconds
    changed = replace(rollout, window=replace(window, until_s=until))
    return Decision(changed, (), f"{said}; the window ends {fact.seconds:g} s later, at {until:g} s")


def cut_short(rollout: Rollout, said: str, now: float) -> Decision:
    """The next check, due at once, is the last: what is met by then is promoted, what is not holds for a person."""
    if (window := rollout.window) is None:
        return stay(rollout, "there is no window")
    until = max(0.0, elapsed_s(rollout, now))
    changed = replace(rollout, window=replace(window, until_s=until, next_at=now))
    return Decision(changed, (), f"{said}; the window ends at {until:.0f} s")


def override(rollout: Rollout, fact: f.OverrideAsked, said: str) -> Decision:
    """A must that a person takes upon themselves: it decides nothing from now on, and reports go on showing it."""
    if (window := rollout.window) is None:
        return stay(rollout, "there is no window")
    accepted = (*window.accepted, Accepted(fact.criterion, fact.by, fact.reason))
    return Decision(replace(rollout, window=replace(window, accepted=accepted)), (), said)


def clock_moved(rollout: Rollout, by_s: float) -> Decision:
    """The wall clock was set: what was counted on the old one moves along, and the last verdict is asked for anew."""
    window, moved = rollout.window, rollout
    if window is not None:
        moved = replace(moved, window=replace(window, next_at=window.next_at + by_s, skew_s=window.skew_s + by_s))
    if rollout.weight_at is not None:
        moved = replace(moved, weight_at=rollout.weight_at + by_s)
    if rollout.approval_asked_at is not None:
        moved = replace(moved, approval_asked_at=rollout.approval_asked_at + by_s)
    return Decision(replace(moved, verdict=None), (), f"the clock was set by {by_s:+.1f} s; the schedule moves with it")
