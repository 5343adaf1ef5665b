"""What a decision is, and the words that all of them use: stay, hold, keys of effects."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headgate.core import policy
from headgate.core.codec import digest
from headgate.core.effects import Effect, Notify, OpenIncident, SetTraffic
from headgate.core.model import Hold, Phase, Rollout


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens next: the new state, what is asked of the shell, and why, in one sentence."""

    rollout: Rollout
    effects: tuple[Effect, ...]
    reason: str


def stay(rollout: Rollout, reason: str) -> Decision:
    return Decision(rollout, (), reason)


def hold(rollout: Rollout, by: str, reason: str, now: float, *extra: Effect) -> Decision:
    """Nothing is raised until a person resumes. A second hold by a person replaces automation's."""
    held = Hold(by, reason, now, policy.working_phase(rollout))
    which = digest([by, reason, now])[:12]
    note = Notify(key(rollout, "notify", "hold", which), "hold", f"{rollout.id} is held by {by}: {reason}")
    return Decision(replace(rollout, phase=Phase.PAUSED, hold=held), (note, *extra), f"held by {by}: {reason}")


def key(rollout: Rollout, *parts: object) -> str:
    return "/".join([rollout.id, *(str(part) for part in parts)])


def traffic(rollout: Rollout) -> SetTraffic:
    """What the gateway has to serve in the rollout's present epoch: asked for the first time, or after it was lost."""
    back = rollout.rollback if rollout.phase is Phase.ROLLING_BACK else None
    return SetTraffic(
        key(rollout, "traffic", rollout.epoch),
        rollout.weight,
        rollout.epoch,
        withdraw=back is not None,
        promote=policy.working_phase(rollout) is Phase.HANDING_OVER,
        deadline=back.asked_at + rollout.plan.rollback.deadline_s if back else None,
    )


def incident(rollout: Rollout, severity: str, title: str, event: str = "") -> OpenIncident:
    """One per event: of each severity at most one between two resumes in an epoch, unless `event` tells them apart."""
    which = (rollout.epoch, rollout.attempt, severity, *([event] if event else []))
    return OpenIncident(key(rollout, "incident", *which), severity, title)
