"""Taking the candidate back: before any exposure (failed), after it (rolling_back, rolled_back). Part of `decide`."""

from __future__ import annotations

from dataclasses import replace

from headgate.core import facts as f
from headgate.core import policy
from headgate.core.decision import Decision, hold, incident, key, stay, traffic
from headgate.core.effects import PRODUCTION, Effect, Notify, PinEndpoint, RetireCandidate, SetTraffic
from headgate.core.model import Phase, Rollback, Rollout


def fail(rollout: Rollout, reason: str, now: float) -> Decision:
    """End before any exposure: nothing to take back but what was built and announced."""
    over = replace(rollout, phase=Phase.FAILED, finished_at=now, hold=None, weight=0.0, epoch=rollout.epoch + 1)
    effects: list[Effect] = [Notify(key(over, "notify", "failed"), "rollback", f"{over.id} failed: {reason}")]
    if policy.working_phase(rollout) is Phase.DEPLOYING:
        effects.append(SetTraffic(key(over, "traffic", over.epoch), 0.0, over.epoch, withdraw=True, deadline=now))
    effects.append(RetireCandidate(key(over, "retire")))
    return Decision(over, tuple(effects), reason)


def blame(rollout: Rollout, reason: str, now: float) -> Decision:
    """Automation's rollback: only to a baseline that is known to answer."""
    if not rollout.baseline_healthy:
        why = f"{reason}; but the baseline does not answer either"
        if rollout.phase is Phase.PAUSED:
            return Decision(rollout, (), f"{why}; held already")
        return hold(rollout, policy.AUTOMATION, why, now, incident(rollout, "P1", why))
    return take_back(rollout, policy.AUTOMATION, reason, now)


def take_back(rollout: Rollout, by: str, reason: str, now: float) -> Decision:
    if rollout.phase is Phase.ROLLING_BACK:
        return stay(rollout, "already rolling back")
    if policy.before_exposure(rollout) and rollout.rollback is None:
        return fail(rollout, f"{reason}; no session had seen the candidate", now)
    back = replace(
        rollout,
        phase=Phase.ROLLING_BACK,
        weight=0.0,
        epoch=rollout.epoch + 1,
        hold=None,
        rollback=Rollback(asked_at=now, by=by, reason=reason),
    )
    effects: tuple[Effect, ...] = (
        traffic(back),
        PinEndpoint(key(back, "pin", PRODUCTION, back.epoch), PRODUCTION, back.baseline.number),
        incident(back, "P2" if by == policy.AUTOMATION else "P3", f"rollback of {back.id}: {reason}"),
        Notify(key(back, "notify", "rollback"), "rollback", f"{back.id} is rolled back by {by}: {reason}"),
    )
    return Decision(back, effects, reason)


def debt_measured(rollout: Rollout, fact: f.DebtMeasured) -> Decision:
    back = rollout.rollback
    if rollout.phase is not Phase.ROLLING_BACK or back is None:
        return stay(rollout, "no debt is owed")
    known = replace(rollout, rollback=replace(back, debt=fact.sessions, oldest_s=fact.oldest_s))
    return rolling_back_on(known, f"exposure debt: {fact.sessions} sessions")


def _restored(back: Rollback | None) -> bool:
    """Every part of it was read back: no new session, no pointer and no open session is left on the candidate."""
    return back is not None and back.cut_over_at is not None and back.endpoint_at is not None and back.debt == 0


def rolling_back_on(rollout: Rollout, reason: str) -> Decision:
    if _restored(rollout.rollback):
        return Decision(
            rollout, (RetireCandidate(key(rollout, "retire")),), f"{reason}; nothing is left on the candidate"
        )
    return Decision(rollout, (), reason)


def retired(rollout: Rollout, now: float) -> Decision:
    if rollout.phase is not Phase.ROLLING_BACK or not _restored(rollout.rollback):
        return stay(rollout, "the candidate endpoint is gone")
    done = replace(rollout, phase=Phase.ROLLED_BACK, finished_at=now)
    return Decision(done, (), f"rolled back to version {rollout.baseline.number}")
