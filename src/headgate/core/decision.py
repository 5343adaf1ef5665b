"""What a decision is, and the words that all of them use: stay, hold, keys of effects."""

from __future__ import annotations

from dataclasses import dataclass, replace

from headgate.core import policy
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
    note = Notify(key(rollout, "notify", "hold", f"{now:.3f}"), "hold", f"{rollout.id} is held by {by}: {reason}")
    return Decision(replace(rollout, phase=Phase.PAUSED, hold=held), (note, *extra), f"held by {by}: {reason}")


def key(rollout: Rollout, *parts: object) -> str:
    return "/".join([rollout.id, *(str(part) for part in parts)])


def traffic(rollout: Rollout) -> SetTraffic:
    return SetTraffic(key(rollout, "traffic", rollout.epoch), rollout.weight, rollout.epoch)


def incident(rollout: Rollout, severity: str, title: str) -> OpenIncident:
    """One per rollout and epoch: the same event asked for twice has the same key."""
    return OpenIncident(key(rollout, "incident", rollout.epoch), severity, title)
