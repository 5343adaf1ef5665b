"""What goes on the ledger, and in which words: one builder for each kind of record that the controller writes."""

from __future__ import annotations

from headgate.core.codec import digest, to_data
from headgate.core.decision import Decision
from headgate.core.effects import Effect
from headgate.core.facts import Fact
from headgate.core.model import Rollout
from headgate.ports import Data, Entry, PendingEffect


def decision(before: Rollout, fact: Fact, made: Decision, now: float) -> Entry:
    """One decision, with all that replaying it needs."""
    after = made.rollout
    body: Data = {
        "fact": to_data(fact),
        "now": now,
        "before": digest(to_data(before)),
        "after": digest(to_data(after)),
        "from": before.phase.value,
        "to": after.phase.value,
        "step": after.step,
        "weight": after.weight,
        "reason": made.reason,
        "effects": [to_data(effect) for effect in made.effects],
    }
    return Entry("decision", body, before.id)


def verified(rollout: Rollout, pending: PendingEffect, now: float, detail: Data) -> Entry:
    body: Data = {
        "key": pending.key,
        "is": type(pending.effect).__name__,
        "asked_at": pending.asked_at,
        "verified_at": now,
        "seconds": round(now - pending.asked_at, 3),
        "detail": detail,
    }
    return Entry("effect.verified", body, rollout.id)


def dropped(rollout: Rollout, key: str, effect: Effect) -> Entry:
    """An effect that was asked for and must not be done any more."""
    return Entry("effect.superseded", {"key": key, "is": type(effect).__name__}, rollout.id)


def failing(rollout: Rollout, pending: PendingEffect, error: str) -> Entry:
    return Entry("effect.failing", {"key": pending.key, "error": error, "attempts": pending.attempts + 1}, rollout.id)
