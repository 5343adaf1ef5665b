"""What must hold of every decision, in one place, for one-step properties, the state machine and the planted faults.

Each check is written from design.md, not from the code under test.
"""

from headgate.core import facts as f
from headgate.core.effects import PREVIOUS, PRODUCTION, RetireCandidate, SetTraffic
from headgate.core.model import FINISHED, Answer, Phase, Variant

PERSON = (f.PauseAsked, f.ResumeAsked, f.AdvanceAsked, f.AbortAsked, f.Approved, f.Disapproved)
_DOWN = {Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.FAILED}
_HOLDABLE = {
    Phase.PLANNED,
    Phase.GATING,
    Phase.DEPLOYING,
    Phase.STEPPING,
    Phase.VALIDATING,
    Phase.HANDING_OVER,
}


def allowed(rollout):
    """The most of the new sessions that the candidate may get in this state, in percent."""
    if rollout.phase in _DOWN or rollout.step < 0:
        return 0.0
    return rollout.plan.steps[rollout.step].weight


def under(rollout):
    return rollout.hold.resume_to if rollout.phase is Phase.PAUSED else rollout.phase


def unsound(r):
    """What is wrong with a state by itself."""
    checks = {
        "weight above the step's": r.weight <= allowed(r),
        "a hold belongs to PAUSED and to nothing else": (r.phase is Phase.PAUSED) == (r.hold is not None),
        "held in a phase that cannot be held": r.hold is None or r.hold.resume_to in _HOLDABLE,
        "step out of range": -1 <= r.step < len(r.plan.steps),
        "exposed without a candidate": r.step < 0 or r.candidate is not None,
        "finished without a time": (r.phase in FINISHED) == (r.finished_at is not None),
        "rolled back, but not restored": r.phase is not Phase.ROLLED_BACK or restored(r),
        "completed, but not promoted": r.phase is not Phase.COMPLETED or r.pinned >= {PRODUCTION, PREVIOUS, "traffic"},
        "validating without a window": under(r) is not Phase.VALIDATING or r.window is not None,
        "stepping without a step": under(r) is not Phase.STEPPING or r.step >= 0,
    }
    return [what for what, holds in checks.items() if not holds]


def restored(r):
    back = r.rollback
    return back is not None and back.cut_over_at is not None and back.endpoint_at is not None and back.debt == 0


def violations(before, fact, now, made):
    """All that is wrong with a decision that answered `fact` at `now`; empty when it is right."""
    checks = (_finished, _down_for_ever, _raised, _held, _inconclusive, _common_cause, _baseline_down, _drift, _asked)
    found = [f"after: {what}" for what in unsound(made.rollout)]
    for check in checks:
        found += check(before, fact, now, made)
    if not made.reason:
        found.append("no reason given")
    return found


def _finished(before, fact, now, made):
    if before.phase in FINISHED and (made.rollout != before or made.effects):
        return ["a finished rollout changed"]
    return []


def _down_for_ever(before, fact, now, made):
    """After an abort, or a failure: no weight, no way up."""
    after, found = made.rollout, []
    if before.phase in _DOWN and after.phase not in _DOWN:
        found.append(f"came back from {before.phase}")
    if after.phase in _DOWN:
        found += [f"{e} while {after.phase}" for e in made.effects if isinstance(e, SetTraffic) and e.weight > 0]
        if after.weight > 0:
            found.append(f"weight {after.weight} while {after.phase}")
    if after.phase is Phase.ROLLING_BACK and not restored(after):
        found += ["retired before it was restored" for e in made.effects if isinstance(e, RetireCandidate)]
    return found


def _raised(before, fact, now, made):
    """Only a fresh PASS, a named person with a reason, or the first step after it was deployed."""
    after = made.rollout
    if after.step <= before.step and after.weight <= before.weight:
        return []
    if after.step > before.step + 1:
        return ["a step was left out"]
    approval = before.plan.steps[after.step].approval
    if isinstance(fact, f.AdvanceAsked | f.Approved):
        named = fact.by.strip() and fact.by != "headgate" and fact.reason.strip()
        agreed = {*before.approved_by, fact.by}
        named = named and (approval is None or (fact.by in approval.approvers and enough(approval, agreed)))
        approved_past_a_hold = isinstance(fact, f.Approved) and before.hold and before.hold.by != "headgate"
        return [] if named and not approved_past_a_hold else [f"{fact} raised exposure"]
    if approval is not None and not enough(approval, before.approved_by):
        return ["raised without its approval"]
    if before.step < 0:
        first = before.phase is Phase.DEPLOYING and fact == f.TrafficVerified(0.0, before.epoch)
        return [] if first else [f"the first step began on {fact}"]
    verdict = fact.verdict if isinstance(fact, f.Judged) and fact.verdict.step == before.step else before.verdict
    step, at = before.plan.steps[before.step], before.weight_at
    fresh = (
        before.phase is Phase.STEPPING
        and verdict is not None
        and verdict.answer is Answer.PASS
        and verdict.step == before.step
        and at is not None
        and now - at >= step.bake_s
        and at <= verdict.at
        and now - verdict.at <= 60.0
    )
    return [] if fresh else [f"raised by {type(fact).__name__} without a fresh PASS"]


def enough(approval, names):
    """So many different people as the plan asks for, all of them named by it."""
    return len(set(names) & set(approval.approvers)) >= approval.count


def _held(before, fact, now, made):
    """Nothing but a person ends a hold, save to lower; and an automatic hold never takes the place of a person's."""
    after, found = made.rollout, []
    if before.phase is not Phase.PAUSED:
        return []
    if after.phase is not Phase.PAUSED and after.phase not in _DOWN and not isinstance(fact, PERSON):
        found.append(f"{type(fact).__name__} ended a hold")
    if after.weight > before.weight and not isinstance(fact, PERSON):
        found.append("raised under a hold")
    if after.hold != before.hold and after.hold is not None and not isinstance(fact, f.PauseAsked):
        found.append("a hold was replaced without a person")
    return found


def _inconclusive(before, fact, now, made):
    """It never advances and never rolls back. (A deadline that passed at the same moment may.)"""
    if not isinstance(fact, f.Judged) or fact.verdict.answer is not Answer.INCONCLUSIVE:
        return []
    after, asked = made.rollout, before.approval_asked_at
    within = None if asked is None else before.plan.steps[before.step + 1].approval.within_s
    late = within is not None and now - asked >= within
    if after.step > before.step or (after.phase in _DOWN - {before.phase} and not late):
        return ["an INCONCLUSIVE moved the rollout"]
    return []


def _common_cause(before, fact, now, made):
    if not isinstance(fact, f.Judged) or not fact.verdict.common_cause:
        return []
    awaited = before.phase in {Phase.STEPPING, Phase.VALIDATING} and fact.verdict.step == before.step
    after = made.rollout
    if after.phase in _DOWN - {before.phase} or (awaited and after.phase is not Phase.PAUSED):
        return ["a common cause did not hold"]
    return []


def _baseline_down(before, fact, now, made):
    """There is nothing good to go back to: only a person may decide to go back."""
    down = not before.baseline_healthy
    if isinstance(fact, f.HealthChanged) and fact.variant is Variant.BASELINE:
        down = not fact.healthy
    by_person = isinstance(fact, (*PERSON, f.ForcedDown)) or before.phase is Phase.PLANNED
    if down and before.step >= 0 and not by_person and before.phase not in _DOWN and made.rollout.phase in _DOWN:
        return ["rolled back to a baseline that does not answer"]
    return []


def _drift(before, fact, now, made):
    """A candidate that became another keeps nothing that was shown of the old one, and gets no more sessions."""
    after = made.rollout
    if not isinstance(fact, f.Drifted) or Variant.CANDIDATE not in fact.variants:
        return []
    if under(before) not in {Phase.GATING, Phase.STEPPING, Phase.VALIDATING} or before.candidate is None:
        return []
    kept = {
        "a verdict": under(before) is not Phase.GATING and after.verdict is not None,
        "gates": under(before) is Phase.GATING and bool(after.gates),
        "an approval": bool(after.approved_by) or after.approval_asked_at is not None,
        "a bake time": under(before) is Phase.STEPPING and after.weight_at is not None,
        "checks of the window": under(before) is Phase.VALIDATING and after.window.checks > 0,
    }
    found = [f"{what} outlived a drift" for what, is_kept in kept.items() if is_kept]
    return [*found, *(["a drift raised exposure"] if after.weight > before.weight or after.step > before.step else [])]


def _asked(before, fact, now, made):
    """Every effect has a key of its own, of this rollout; what is asked of the gateway is what is allowed."""
    after, found = made.rollout, []
    keys = [e.key for e in made.effects]
    if len(set(keys)) != len(keys) or not all(key.startswith(f"{after.id}/") for key in keys):
        found.append(f"keys {keys}")
    sets = [e for e in made.effects if isinstance(e, SetTraffic)]
    for effect in sets:
        if effect.weight > allowed(after) or (effect.weight, effect.epoch) != (after.weight, after.epoch):
            found.append(f"asked {effect} in {after.phase}")
        if effect.epoch <= before.epoch:
            found.append(f"epoch {effect.epoch} asked twice")
    gone_before_it_came = after.phase is Phase.FAILED and under(before) is not Phase.DEPLOYING
    if (after.weight, after.epoch) != (before.weight, before.epoch) and not sets and not gone_before_it_came:
        found.append("the weight changed and nobody asked the gateway")
    return found


def clashes(known, effects):
    """Effects whose key was given before to something else; `known` (key -> effect) takes the new ones in."""
    found = []
    for effect in effects:
        if known.setdefault(effect.key, effect) != effect:
            found.append(f"{effect.key} is {known[effect.key]} and {effect}")
    return found
