"""A budget that was crossed: the plan turns it into a warning, a hold or a rollback, once. Part of `decide`."""

from __future__ import annotations

from dataclasses import replace

from headgate.core import facts as f
from headgate.core import policy
from headgate.core.decision import Decision, hold, key, stay
from headgate.core.effects import Notify
from headgate.core.model import Phase, Rollout
from headgate.core.plan import Crossing
from headgate.core.rollback import blame


def crossed(rollout: Rollout, fact: f.BudgetCrossed, now: float) -> Decision:
    """Each budget's sum, and its projection, leads to something once in its period."""
    if fact.name in rollout.crossed:
        return stay(rollout, f"{fact.detail}; known")
    known = replace(rollout, crossed=rollout.crossed | {fact.name})
    note = Notify(key(rollout, "notify", "budget", *fact.name.split("/")), "budget", f"{rollout.id}: {fact.detail}")
    if rollout.phase is Phase.ROLLING_BACK or fact.follows is Crossing.WARN:
        return Decision(known, (note,), fact.detail)
    if fact.follows is Crossing.ROLLBACK:
        made = blame(known, fact.detail, now)
        return Decision(made.rollout, (*made.effects, note), made.reason)
    if rollout.phase is Phase.PAUSED:
        return Decision(known, (note,), f"{fact.detail}; held already")
    return hold(known, policy.AUTOMATION, fact.detail, now, note)
