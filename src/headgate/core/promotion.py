"""After 100 %: the validation window, promotion, handover. Part of `decide`."""

from __future__ import annotations

from dataclasses import replace

from headgate.core import facts as f
from headgate.core import policy
from headgate.core.decision import Decision, hold, key, stay, traffic
from headgate.core.effects import (
    PREVIOUS,
    PRODUCTION,
    Effect,
    Notify,
    PinEndpoint,
    RetireCandidate,
    WriteHandoff,
)
from headgate.core.model import CriterionResult, Phase, Rollout, Window
from headgate.core.plan import Tier
from headgate.core.rollback import blame


def validate(rollout: Rollout, reason: str, now: float) -> Decision:
    parts = rollout.plan.validation.window
    if not parts:
        return promote(rollout, f"{reason}; the plan has no validation window")
    window = Window(started_at=now, next_at=now + parts[0].every_s / rollout.plan.validation.speed)
    return Decision(
        replace(rollout, phase=Phase.VALIDATING, window=window), (), f"{reason}; the validation window begins"
    )


def window_checked(rollout: Rollout, fact: f.WindowChecked, now: float) -> Decision:
    window = rollout.window
    if policy.working_phase(rollout) is not Phase.VALIDATING or window is None:
        return stay(rollout, "no check is awaited")
    validation = rollout.plan.validation
    at = (now - window.started_at) * validation.speed
    every = next((p.every_s for p in validation.window if at < p.until_s), validation.window[-1].every_s)
    known = replace(
        rollout,
        window=replace(window, checks=window.checks + 1, results=fact.results, next_at=now + every / validation.speed),
    )
    musts = [r for r in fact.results if r.tier == Tier.MUST]
    if breached := [r for r in musts if r.breached]:
        return blame(known, f"{_name(breached[0])} is breached: {breached[0].detail}", now)
    if at < validation.window[-1].until_s or rollout.phase is Phase.PAUSED:
        return Decision(known, (), f"check {known.window.checks if known.window else 0} of the window")
    if open_ := [r for r in musts if r.met is not True]:
        said = "not measured" if open_[0].met is None else "not met"
        return hold(known, policy.AUTOMATION, f"{_name(open_[0])} is {said}: {open_[0].detail}", now)
    return promote(known, "the window ended with every must met")


def _name(result: CriterionResult) -> str:
    return f"{result.name} {result.text}"


def promote(rollout: Rollout, reason: str) -> Decision:
    """The candidate becomes the baseline; the old one stays warm under the endpoint `previous`."""
    promoting = replace(
        rollout, phase=Phase.HANDING_OVER, weight=100.0, epoch=rollout.epoch + 1, pinned=frozenset[str]()
    )
    return Decision(promoting, (*promotion_pins(promoting), traffic(promoting)), f"{reason}; promote")


def promotion_pins(rollout: Rollout) -> list[Effect]:
    candidate = rollout.candidate
    if candidate is None:
        return []
    return [
        PinEndpoint(key(rollout, "pin", PREVIOUS, rollout.epoch), PREVIOUS, rollout.baseline.number),
        PinEndpoint(key(rollout, "pin", PRODUCTION, rollout.epoch), PRODUCTION, candidate.number),
    ]


def _promoted(rollout: Rollout) -> bool:
    """Every part of the promotion was read back."""
    return rollout.pinned >= {PRODUCTION, PREVIOUS, "traffic"}


def promotion_on(rollout: Rollout, reason: str) -> Decision:
    if _promoted(rollout) and rollout.phase is Phase.HANDING_OVER:
        return Decision(rollout, (WriteHandoff(key(rollout, "handoff", rollout.epoch)),), f"{reason}; promoted")
    return Decision(rollout, (), reason)


def handed_over(rollout: Rollout, fact: f.HandoffWritten, now: float) -> Decision:
    if rollout.phase is not Phase.HANDING_OVER or not _promoted(rollout):
        return stay(rollout, "no handoff is awaited")
    done = replace(rollout, phase=Phase.COMPLETED, finished_at=now)
    text = f"{rollout.id} is completed; handoff to {rollout.plan.handoff_to} in {fact.path}"
    effects = (RetireCandidate(key(done, "retire")), Notify(key(done, "notify", "completed"), "completed", text))
    return Decision(done, effects, "promoted and handed over")
