"""Who may do what, and when: pure predicates that `decide` and the shell ask. Nothing here changes a phase."""

from __future__ import annotations

from headgate.core.effects import DeployCandidate, Effect, PinEndpoint, RunGate, SetTraffic, WriteHandoff
from headgate.core.model import FINISHED, Answer, Phase, Rollout
from headgate.core.plan import Approval, Tier

AUTOMATION = "headgate"  # the name under which automation holds
WINDOW_VERBS = frozenset({"extend", "cut-short", "override"})
NEED_NAME = frozenset({"advance", "approve"}) | WINDOW_VERBS
FRESH_S = 60.0  # a verdict older than this proves nothing about now

_BEFORE_EXPOSURE = frozenset({Phase.PLANNED, Phase.GATING, Phase.DEPLOYING})


def working_phase(rollout: Rollout) -> Phase:
    """The phase under a hold, or the phase itself."""
    return rollout.hold.resume_to if rollout.phase is Phase.PAUSED and rollout.hold else rollout.phase


def exposed(rollout: Rollout) -> bool:
    """Whether any session may have got the candidate."""
    return rollout.step >= 0


def before_exposure(rollout: Rollout) -> bool:
    return not exposed(rollout) and working_phase(rollout) in _BEFORE_EXPOSURE


def held_by_person(rollout: Rollout) -> bool:
    return rollout.hold is not None and rollout.hold.by != AUTOMATION


def next_approval(rollout: Rollout) -> Approval | None:
    """The approval that the next step waits for, if it waits for one."""
    steps, following = rollout.plan.steps, rollout.step + 1
    approval = steps[following].approval if following < len(steps) else None
    return approval if approval and missing_approvals(approval, rollout.approved_by) else None


def missing_approvals(approval: Approval, given: tuple[str, ...]) -> int:
    """How many more different people, of those that the plan names, must agree."""
    return max(0, approval.count - len({name for name in given if name in approval.approvers}))


def approval_asked_of(approval: Approval) -> str:
    """Whose approval it is, in words: "2 of ana, ben"."""
    names = ", ".join(approval.approvers)
    return names if approval.count == 1 else f"{approval.count} of {names}"


def baked(rollout: Rollout, now: float) -> bool:
    """The weight was verified at the gateway at least the bake time ago."""
    return rollout.weight_at is not None and now - rollout.weight_at >= rollout.plan.steps[rollout.step].bake_s


def overdue(rollout: Rollout, now: float) -> bool:
    """What the traffic could not prove within the step's time, it will not prove unasked."""
    return rollout.weight_at is not None and now - rollout.weight_at >= rollout.plan.steps[rollout.step].within_s


def passed(rollout: Rollout, now: float) -> bool:
    """A fresh PASS of the current step, made after its weight was verified."""
    verdict = rollout.verdict
    return (
        verdict is not None
        and verdict.answer is Answer.PASS
        and verdict.step == rollout.step
        and rollout.weight_at is not None
        and rollout.weight_at <= verdict.at
        and now - verdict.at <= FRESH_S
    )


def in_force(rollout: Rollout) -> bool:
    """The gateway was seen to serve what was asked of it last: should it lose that, telling it again raises nothing."""
    match working_phase(rollout):
        case Phase.DEPLOYING:
            return True
        case Phase.STEPPING | Phase.VALIDATING:
            return rollout.weight_at is not None
        case Phase.HANDING_OVER:
            return "traffic" in rollout.pinned
        case Phase.ROLLING_BACK:
            return rollout.rollback is not None and rollout.rollback.cut_over_at is not None
        case _:
            return False


def superseded(effect: Effect, rollout: Rollout) -> bool:
    """Whether an effect that was asked for must not be done any more, because the rollout moved on."""
    phase = working_phase(rollout)
    match effect:
        case SetTraffic():
            return effect.epoch < rollout.epoch
        case PinEndpoint():
            taken_back = rollout.rollback is not None or rollout.phase is Phase.FAILED
            return taken_back and rollout.candidate is not None and effect.version == rollout.candidate.number
        case DeployCandidate() | RunGate():  # a resume asks anew, under the key of its attempt
            return phase is not Phase.GATING or not effect.key.endswith(f"/{rollout.attempt}")
        case WriteHandoff():
            return phase is not Phase.HANDING_OVER
        case _:
            return False


def refusal(rollout: Rollout, verb: str, by: str) -> str:
    """Why a person's word cannot be taken now; "" when it can. The shell asks before it promises anything."""
    phase = rollout.phase
    if phase in FINISHED:
        return f"rollout {rollout.id} has ended ({phase})"
    if phase is Phase.ROLLING_BACK and verb not in {"abort"}:
        return f"rollout {rollout.id} is being rolled back: it can only be watched"
    if verb in WINDOW_VERBS:
        return "" if _in_window(rollout) else f"rollout {rollout.id} is not in its validation window ({phase})"
    if verb == "resume" and phase is not Phase.PAUSED:
        return f"rollout {rollout.id} is not paused ({phase})"
    if verb == "advance":
        return _advance_refusal(rollout, by)
    if verb == "approve" and rollout.hold and held_by_person(rollout):
        return f"rollout {rollout.id} is held by {rollout.hold.by}: it must be resumed before it is approved"
    if verb in {"approve", "reject"}:
        return _approval_refusal(rollout, by) or (_twice(by) if verb == "approve" and by in rollout.approved_by else "")
    return ""


def _advance_refusal(rollout: Rollout, by: str) -> str:
    if before_exposure(rollout):
        return f"rollout {rollout.id} is {working_phase(rollout)}: gates cannot be skipped, and nothing is exposed yet"
    if working_phase(rollout) is Phase.HANDING_OVER:
        return f"rollout {rollout.id} is promoted already"
    approval = next_approval(rollout)
    if approval and by not in approval.approvers:
        return f"the next step of {rollout.id} needs the approval of {approval_asked_of(approval)}"
    return _twice(by) if approval and by in rollout.approved_by else ""


def _in_window(rollout: Rollout) -> bool:
    return working_phase(rollout) is Phase.VALIDATING and rollout.window is not None


def override_refusal(rollout: Rollout, criterion: str) -> str:
    """Why this criterion cannot be overridden; "" when it can."""
    musts = list(dict.fromkeys(c.name for c in rollout.plan.validation.criteria if c.tier is Tier.MUST))
    if criterion in musts:
        return ""
    return f"{criterion} is no must of the plan's window: there are {', '.join(musts) or 'none'}"


def _approval_refusal(rollout: Rollout, by: str) -> str:
    approval = next_approval(rollout)
    if approval is None or rollout.approval_asked_at is None:
        return f"rollout {rollout.id} waits for no approval ({rollout.phase})"
    if by not in approval.approvers:
        group = f"{by} is a group, give the name of a person; " if by in approval.by else ""
        return f"{by} may not approve: {group}the plan names {approval_asked_of(approval)}"
    return ""


def _twice(by: str) -> str:
    return f"{by} has approved already; another person must"
