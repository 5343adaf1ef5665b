"""A version became another without a deployment: the evidence begins anew. Part of `decide`.

What was measured before is about something that is not there any more, so it is no longer compared with what comes
after. Which of the two changed decides what follows:

baseline alone    the candidate is compared with what the baseline is now
both              the common cause is nobody's fault; the comparison begins anew
candidate alone   it is not what passed the gates, and was approved: unless the plan says otherwise, a person decides
"""

from __future__ import annotations

from dataclasses import replace

from headgate.core import facts as f
from headgate.core import policy
from headgate.core.decision import Decision, hold, key, stay, traffic
from headgate.core.effects import Notify
from headgate.core.gating import deploy, next_gating_effects
from headgate.core.model import Phase, Rebased, Rollout, Variant, Window

_WITH_EVIDENCE = frozenset({Phase.GATING, Phase.DEPLOYING, Phase.STEPPING, Phase.VALIDATING})


def drifted(rollout: Rollout, fact: f.Drifted, now: float) -> Decision:
    phase = policy.working_phase(rollout)
    said = f"{_whose(fact)} changed without a deployment: {fact.detail}"
    if phase not in _WITH_EVIDENCE or not fact.variants:
        return stay(rollout, said)
    if Variant.CANDIDATE not in fact.variants and rollout.weight >= 100.0:
        return stay(rollout, f"{said}; nothing is compared with it any more")
    known = _rebased(rollout, fact, phase, now)
    said = f"{said}; the evidence begins anew"
    if known.weight < rollout.weight:
        said += f" at {known.weight:g} %, beside the baseline"
    alone = fact.variants == (Variant.CANDIDATE,)
    effects = () if known.epoch == rollout.epoch else (traffic(known),)
    if rollout.phase is Phase.PAUSED:
        return Decision(known, effects, said)
    if alone and rollout.plan.watched.hold:
        return hold(known, policy.AUTOMATION, f"{said}; it is not what passed the gates", now, *effects)
    times = known.rebased.times if known.rebased else 0
    told = Notify(key(known, "notify", "drift", times), "drift", f"{rollout.id}: {said}")
    if phase is Phase.GATING:
        again = () if known.attempt == rollout.attempt else next_gating_effects(known)
        return Decision(known, (*again, told), said)
    if phase is Phase.DEPLOYING and Variant.CANDIDATE in fact.variants:
        made = deploy(known, said)
        return Decision(made.rollout, (*made.effects, told), said)
    return Decision(known, (*effects, told), said)


def _rebased(rollout: Rollout, fact: f.Drifted, phase: Phase, now: float) -> Rollout:
    """The rollout as it goes on, its evidence begun anew: at a weight where there can be any."""
    before = rollout.rebased
    if phase in {Phase.GATING, Phase.DEPLOYING}:  # no session has met the candidate
        mark = Rebased(
            now, rollout.epoch, before.times + 1 if before else 1, fact.detail, before.left if before else ()
        )
        known = replace(rollout, rebased=mark)
        if Variant.CANDIDATE not in fact.variants or rollout.candidate is None:
            return known
        if phase is Phase.GATING:
            return replace(known, gates=(), attempt=rollout.attempt + 1)
        return replace(known, approval_asked_at=None, approved_by=())
    mark = Rebased(now, rollout.epoch + 1, before.times + 1 if before else 1, fact.detail, fact.left)
    known = replace(
        rollout,
        rebased=mark,
        epoch=rollout.epoch + 1,
        verdict=None,
        approved_by=(),
        approval_asked_at=None,
    )
    if phase is Phase.VALIDATING:
        return replace(known, window=_window_anew(known, now))
    return _beside_the_baseline(replace(known, weight_at=None))


def _window_anew(rollout: Rollout, now: float) -> Window | None:
    window, validation = rollout.window, rollout.plan.validation
    if window is None or not validation.window:
        return window
    return Window(now, now + validation.window[0].every_s / validation.speed, accepted=window.accepted)


def _beside_the_baseline(rollout: Rollout) -> Rollout:
    """At 100 % nothing could be proven anew: back to the last step that has a baseline beside it, if there is one."""
    steps = rollout.plan.steps
    if steps[rollout.step].weight < 100.0:
        return rollout
    back = max((i for i, step in enumerate(steps[: rollout.step]) if step.weight < 100.0), default=None)
    return rollout if back is None else replace(rollout, step=back, weight=steps[back].weight)


def _whose(fact: f.Drifted) -> str:
    names = [variant.value for variant in fact.variants]
    return "both variants" if len(names) == 2 else f"the {names[0]}" if names else "no variant"
