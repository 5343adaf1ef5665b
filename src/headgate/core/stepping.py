"""From step to step: what raises a weight, and what waits. Part of `decide`."""

from __future__ import annotations

from dataclasses import replace

from headgate.core import policy
from headgate.core.decision import Decision, hold, incident, key, stay, traffic
from headgate.core.effects import Effect, Notify
from headgate.core.model import Answer, Phase, Rollout, Verdict
from headgate.core.plan import Otherwise, Strategy
from headgate.core.promotion import promotion_pins
from headgate.core.rollback import blame
from headgate.core.window import validate


def next_step(rollout: Rollout, reason: str, now: float) -> Decision:
    """The step after this one, the window after the last, unless an approval is missing."""
    following = rollout.step + 1
    if following >= len(rollout.plan.steps):
        return validate(rollout, reason, now)
    if policy.next_approval(rollout) is not None:
        return _ask_approval(rollout, reason, now)
    step = rollout.plan.steps[following]
    raised = replace(
        rollout,
        phase=Phase.STEPPING,
        step=following,
        weight=step.weight,
        epoch=rollout.epoch + 1,
        weight_at=None,
        verdict=None,
        approved_by=(),
        approval_asked_at=None,
    )
    effects: list[Effect] = [traffic(raised)]
    if rollout.plan.strategy is Strategy.ALL_AT_ONCE:
        effects += promotion_pins(raised)
    text = f"{rollout.id}: {step.weight:g} % of new sessions: {reason}"
    effects.append(Notify(key(raised, "notify", "step", following), "advanced", text))
    return Decision(raised, tuple(effects), f"{reason}; {step.weight:g} % of new sessions to the candidate")


def _ask_approval(rollout: Rollout, reason: str, now: float) -> Decision:
    if rollout.approval_asked_at is not None:
        return stay(rollout, "waiting for an approval")
    asked = replace(rollout, approval_asked_at=now)
    approval = policy.next_approval(rollout)
    names = policy.approval_asked_of(approval) if approval else ""
    text = f"{rollout.id} waits for approval by {names}: {reason}"
    return Decision(asked, (Notify(key(asked, "notify", "approval", asked.step + 1), "approval", text),), text)


def one_more_approval(rollout: Rollout, said: str) -> Decision:
    """One of several people has agreed; the others are told, and nothing moves."""
    approval = policy.next_approval(rollout)
    missing = policy.missing_approvals(approval, rollout.approved_by) if approval else 0
    text = f"{said}; {rollout.id} waits for {missing} more"
    which = key(rollout, "notify", "approval", rollout.step + 1, len(rollout.approved_by))
    return Decision(rollout, (Notify(which, "approval", text),), text)


def judged(rollout: Rollout, verdict: Verdict, now: float) -> Decision:
    phase = policy.working_phase(rollout)
    if phase not in {Phase.STEPPING, Phase.VALIDATING} or verdict.step != rollout.step:
        return stay(rollout, "no verdict is awaited")
    known = replace(rollout, verdict=verdict)
    if verdict.common_cause:
        if rollout.phase is Phase.PAUSED:
            return Decision(known, (), f"{verdict.reason}; held already")
        return hold(known, policy.AUTOMATION, verdict.reason, now, incident(known, "P2", verdict.reason))
    if verdict.answer is Answer.FAIL:
        return blame(known, verdict.reason, now)
    return step_on(known, f"{verdict.answer}: {verdict.reason}", now)


def step_on(rollout: Rollout, reason: str, now: float) -> Decision:
    """Whether time and the last verdict move a step that nobody holds."""
    if rollout.phase in {Phase.DEPLOYING, Phase.STEPPING} and rollout.approval_asked_at is not None:
        return _approval_due(rollout, reason, now)
    if rollout.phase is not Phase.STEPPING:
        return Decision(rollout, (), reason)
    if policy.passed(rollout, now) and policy.baked(rollout, now):
        verdict = rollout.verdict
        return next_step(rollout, f"PASS at {rollout.weight:g} %: {verdict.reason if verdict else ''}", now)
    if policy.overdue(rollout, now):
        why = rollout.verdict.reason if rollout.verdict else "no verdict"
        return hold(rollout, policy.AUTOMATION, f"not proven within the step's time: {why}", now)
    return Decision(rollout, (), reason)


def _approval_due(rollout: Rollout, reason: str, now: float) -> Decision:
    approval, asked = policy.next_approval(rollout), rollout.approval_asked_at
    if approval is None or asked is None or approval.within_s is None or now - asked < approval.within_s:
        return Decision(rollout, (), reason)
    said = "not enough people approved in time" if rollout.approved_by else "nobody approved in time"
    if approval.otherwise is Otherwise.ROLLBACK:
        return blame(rollout, said, now)
    return hold(rollout, policy.AUTOMATION, said, now)
