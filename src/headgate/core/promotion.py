"""After the validation window: promotion, handover. Part of `decide`."""

from __future__ import annotations

from dataclasses import replace

from headgate.core import facts as f
from headgate.core.decision import Decision, key, stay, traffic
from headgate.core.effects import (
    PREVIOUS,
    PRODUCTION,
    Effect,
    Notify,
    PinEndpoint,
    RetireCandidate,
    WriteHandoff,
)
from headgate.core.model import Phase, Rollout


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
