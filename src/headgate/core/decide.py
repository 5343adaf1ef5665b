"""decide(rollout, fact, now) -> Decision: the only place where a phase changes.

    planned -> gating -> deploying -> stepping -> validating -> handing_over -> completed
                 |           |           |            |              |
                 +--failed---+           +------------+--------------+--> rolling_back -> rolled_back
    any of the first six <-> paused (held by a person, or by "headgate" where automation cannot decide)

Rules:
 1. Only a fresh PASS, or a named person with a reason, raises a weight.
 2. Automation may lower it at any time, also under a hold; nothing but a person ends a hold.
 3. What was asked is not done: a step begins when its weight was read back from the gateway.
 4. Missing data is INCONCLUSIVE: it holds, it never advances and never rolls back.
 5. Both variants bad, or a baseline that does not answer: hold and call a person; there is nothing good to go back to.
"""

from __future__ import annotations

from dataclasses import replace

from headgate.core import facts as f
from headgate.core import policy
from headgate.core.budgets import crossed
from headgate.core.decision import Decision, hold, incident, stay, traffic
from headgate.core.drift import drifted
from headgate.core.effects import PREVIOUS, PRODUCTION
from headgate.core.gating import candidate_ready, deploy, gate_finished, gates_open, next_gating_effects, start
from headgate.core.model import FINISHED, Phase, Rollout, Variant
from headgate.core.promotion import handed_over, promote, promotion_on
from headgate.core.rollback import blame, debt_measured, fail, retired, rolling_back_on, take_back
from headgate.core.stepping import judged, next_step, one_more_approval, step_on
from headgate.core.window import clock_moved, cut_short, extend, override, window_checked


def decide(rollout: Rollout, fact: f.Fact, now: float) -> Decision:  # noqa: C901, PLR0912 - the table of all facts
    """What happens next. Nothing here acts, waits or reads a clock."""
    if rollout.phase in FINISHED:
        return stay(rollout, f"already {rollout.phase}")
    if isinstance(fact, f.PersonFact):
        return _person(rollout, fact, now)
    match fact:
        case f.Started():
            return start(rollout, now)
        case f.CandidateReady():
            return candidate_ready(rollout, fact, now)
        case f.GateFinished():
            return gate_finished(rollout, fact, now)
        case f.TrafficVerified():
            return _traffic_verified(rollout, fact, now)
        case f.EndpointVerified():
            return _endpoint_verified(rollout, fact, now)
        case f.Judged():
            return judged(rollout, fact.verdict, now)
        case f.WindowChecked():
            return window_checked(rollout, fact, now)
        case f.BudgetCrossed():
            return crossed(rollout, fact, now)
        case f.ClockMoved():
            return clock_moved(rollout, fact.by_s)
        case f.HealthChanged():
            return _health_changed(rollout, fact, now)
        case f.Drifted():
            return drifted(rollout, fact, now)
        case f.DebtMeasured():
            return debt_measured(rollout, fact)
        case f.ForcedDown():
            return take_back(rollout, fact.by, f"weight taken to 0 at the gateway by {fact.by}: {fact.reason}", now)
        case f.CandidateRetired():
            return retired(rollout, now)
        case f.IncidentOpened():
            return Decision(replace(rollout, incident=fact.incident), (), f"incident {fact.incident} opened")
        case f.HandoffWritten():
            return handed_over(rollout, fact, now)
        case f.EffectFailed():
            return _effect_failed(rollout, fact, now)
        case f.Ticked():
            return step_on(rollout, "nothing to do", now)


_VERBS = {
    f.PauseAsked: "pause",
    f.ResumeAsked: "resume",
    f.AdvanceAsked: "advance",
    f.ExtendAsked: "extend",
    f.CutShortAsked: "cut-short",
    f.OverrideAsked: "override",
    f.AbortAsked: "abort",
    f.Approved: "approve",
    f.Disapproved: "reject",
}


def _person(rollout: Rollout, fact: f.PersonFact, now: float) -> Decision:
    verb = _VERBS[type(fact)]
    if why := policy.refusal(rollout, verb, fact.by) or _nameless(verb, fact):
        return stay(rollout, f"refused: {why}")
    said = f"{verb} by {fact.by}: {fact.reason}"
    if isinstance(fact, f.WindowWord):
        return _of_the_window(rollout, fact, said, now)
    match fact:
        case f.PauseAsked():
            return hold(rollout, fact.by, fact.reason, now)
        case f.ResumeAsked():
            return _resume(rollout, said, now)
        case f.AbortAsked() | f.Disapproved():
            return take_back(rollout, fact.by, said, now)
        case f.Approved() | f.AdvanceAsked():
            agreed = replace(rollout, approved_by=(*rollout.approved_by, fact.by))
            if policy.next_approval(agreed):
                return one_more_approval(agreed, said)
            freed = replace(agreed, phase=policy.working_phase(rollout), hold=None)
            return promote(freed, said) if freed.phase is Phase.VALIDATING else next_step(freed, said, now)


def _of_the_window(rollout: Rollout, fact: f.WindowWord, said: str, now: float) -> Decision:
    match fact:
        case f.ExtendAsked():
            return extend(rollout, fact, said)
        case f.CutShortAsked():
            return cut_short(rollout, said, now)
        case f.OverrideAsked():
            if why := policy.override_refusal(rollout, fact.criterion):
                return stay(rollout, f"refused: {why}")
            return override(rollout, fact, f"{said}; {fact.criterion} decides nothing any more")


def _nameless(verb: str, fact: f.PersonFact) -> str:
    """What raises exposure, or bends the window, needs a person and a reason; to stop, anybody's word will do."""
    if verb not in policy.NEED_NAME:
        return ""
    if not fact.by.strip() or fact.by == policy.AUTOMATION:
        return f"{verb} needs a person's name, not {fact.by!r}"
    return "" if fact.reason.strip() else f"{verb} needs a reason"


def _resume(rollout: Rollout, said: str, now: float) -> Decision:
    """Ask again for whatever the phase under the hold waits for, under new keys where it may have been given up."""
    back = replace(rollout, phase=policy.working_phase(rollout), hold=None, attempt=rollout.attempt + 1)
    match back.phase:
        case Phase.GATING:
            return Decision(back, next_gating_effects(back), said) if gates_open(back) else deploy(back, said)
        case Phase.DEPLOYING:
            return deploy(back, said)
        case Phase.STEPPING:
            asked_at = now if back.approval_asked_at is not None else None
            if back.weight_at is not None:
                return Decision(replace(back, weight_at=now, approval_asked_at=asked_at), (), said)
            again = replace(back, epoch=back.epoch + 1)
            return Decision(again, (traffic(again),), said)
        case Phase.HANDING_OVER:
            return promote(back, said)
        case _:
            return Decision(back, (), said)


def _traffic_verified(rollout: Rollout, fact: f.TrafficVerified, now: float) -> Decision:
    if (fact.epoch, fact.weight) != (rollout.epoch, rollout.weight):
        return stay(rollout, f"{fact.weight:g} % of epoch {fact.epoch} is not what was asked for last")
    known = replace(rollout, verified_weight=fact.weight)
    verified = f"{fact.weight:g} % verified at the gateway"
    match policy.working_phase(rollout):
        case Phase.DEPLOYING if rollout.phase is Phase.DEPLOYING:
            return next_step(known, verified, now)
        case Phase.STEPPING if rollout.weight_at is None:
            return Decision(replace(known, weight_at=now), (), verified)
        case Phase.HANDING_OVER:
            return promotion_on(replace(known, pinned=known.pinned | {"traffic"}), verified)
        case Phase.ROLLING_BACK if rollout.rollback and rollout.rollback.cut_over_at is None:
            back = replace(rollout.rollback, cut_over_at=now)
            return rolling_back_on(replace(known, rollback=back), verified)
        case _:
            return Decision(known, (), verified)


def _endpoint_verified(rollout: Rollout, fact: f.EndpointVerified, now: float) -> Decision:
    said = f"endpoint {fact.endpoint} is live on version {fact.version}"
    phase, back = policy.working_phase(rollout), rollout.rollback
    old, new = rollout.baseline.number, rollout.candidate.number if rollout.candidate else ""
    live = (fact.endpoint, fact.version)
    if phase is Phase.HANDING_OVER and live in {(PRODUCTION, new), (PREVIOUS, old)}:
        return promotion_on(replace(rollout, pinned=rollout.pinned | {fact.endpoint}), said)
    if phase is Phase.ROLLING_BACK and live == (PRODUCTION, old) and back and back.endpoint_at is None:
        return rolling_back_on(replace(rollout, rollback=replace(back, endpoint_at=now)), said)
    return Decision(rollout, (), said)


def _health_changed(rollout: Rollout, fact: f.HealthChanged, now: float) -> Decision:
    said = f"{fact.variant} {'answers' if fact.healthy else 'does not answer'}: {fact.detail}"
    if fact.variant is Variant.BASELINE:
        known = replace(rollout, baseline_healthy=fact.healthy)
        if fact.healthy or rollout.phase in {Phase.PAUSED, Phase.ROLLING_BACK} or policy.before_exposure(rollout):
            return Decision(known, (), said)
        return hold(known, policy.AUTOMATION, said, now, incident(known, "P1", said))
    if fact.healthy or rollout.phase is Phase.ROLLING_BACK:
        return stay(rollout, said)
    return blame(rollout, said, now)


def _effect_failed(rollout: Rollout, fact: f.EffectFailed, now: float) -> Decision:
    """An effect that cannot be done: before exposure the rollout fails or waits; after it, a person is called."""
    what = fact.key.removeprefix(rollout.id + "/")
    said = f"{what}: {fact.error}"
    if what.startswith("notify/"):
        return stay(rollout, said)  # nothing waits for a message, least of all a rollback
    if fact.permanent and policy.working_phase(rollout) is Phase.GATING and what.startswith("deploy/"):
        return fail(rollout, said, now)
    called = incident(rollout, "P1" if rollout.phase is Phase.ROLLING_BACK else "P2", said, what)
    if rollout.phase in {Phase.PAUSED, Phase.ROLLING_BACK}:
        return Decision(rollout, () if rollout.phase is Phase.PAUSED else (called,), said)
    return hold(rollout, policy.AUTOMATION, said, now, called)
