"""What Headgate writes beside a managed rule, so that who reads it back knows which rollout it serves: one line of
text, short enough for AWS's descriptions.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from headgate.ports import TrafficPolicy

RULE_LONGEST = 256  # characters of a rule's description
TARGET_LONGEST = 200
_HEAD = "headgate/"


@dataclass(frozen=True, slots=True)
class Mark:
    """The part of a policy that no rule and no target can say."""

    agent: str
    rollout: str
    term: int
    epoch: int
    baseline: str
    candidate: str
    weight: float
    retired: tuple[str, ...] = ()

    @classmethod
    def of(cls, policy: TrafficPolicy) -> Mark:
        return cls(
            policy.agent,
            policy.rollout,
            policy.term,
            policy.epoch,
            policy.baseline.number,
            policy.candidate.number if policy.candidate else "",
            policy.weight,
            tuple(version.number for version in policy.retired),
        )

    def lowered(self) -> Mark:
        return replace(self, weight=0.0)

    def text(self) -> str:
        """As a rule's description."""
        members = [self.rollout, self.term, self.epoch, self.baseline, self.candidate, self.weight, *self.retired]
        return f"{_HEAD}{self.agent} {json.dumps(members, separators=(',', ':'))}"[:RULE_LONGEST]


def parse(agent: str, text: str) -> Mark | None:
    """The mark in a rule's description; None where the rule is not ours."""
    if not text.startswith(f"{_HEAD}{agent} "):
        return None
    try:
        rollout, term, epoch, baseline, candidate, weight, *retired = json.loads(text.partition(" ")[2])
        return Mark(agent, rollout, int(term), int(epoch), baseline, candidate, float(weight), tuple(retired))
    except (ValueError, TypeError):
        return None


def forced_text(rollout: str, by: str, reason: str) -> str:
    """A person's stop, as the description of the agent's own target."""
    for length in range(len(reason), -1, -1):
        text = f"{_HEAD}forced {json.dumps([rollout, by[:40], reason[:length]], ensure_ascii=False)}"
        if len(text) <= TARGET_LONGEST:
            return text
    return f"{_HEAD}forced {json.dumps([rollout, '', ''])}"


def forced(text: str, rollout: str) -> tuple[str, str]:
    """(by, reason) of a stop of this rollout; ("", "") where there is none."""
    head = f"{_HEAD}forced "
    if text.startswith(head):
        try:
            of, by, reason = json.loads(text.removeprefix(head))
        except (ValueError, TypeError):
            return "", ""
        if of == rollout:
            return str(by), str(reason)
    return "", ""
