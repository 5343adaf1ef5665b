"""What people are told of an event: one message for each receiver that asked for it, and what a link in it may say."""

from __future__ import annotations

from collections.abc import Iterable

from headgate.core import policy
from headgate.core.codec import digest, to_data
from headgate.core.effects import Effect, Notify
from headgate.core.facts import BudgetCrossed
from headgate.core.model import Rollout
from headgate.core.plan import Receiver
from headgate.ports import Message
from headgate.reports.incidents import Incident

LINK_S = 24 * 3600.0  # how long a link works where no deadline says otherwise
_STOPPABLE = frozenset({"advanced", "hold", "approval", "drift"})


def of_decision(rollout: Rollout, effects: Iterable[Effect], now: float) -> tuple[Message, ...]:
    """The messages that the effects of a decision ask for."""
    return tuple(
        message for effect in effects if isinstance(effect, Notify) for message in _of_effect(rollout, effect, now)
    )


def _of_effect(rollout: Rollout, effect: Notify, now: float) -> list[Message]:
    told = [r for r in rollout.plan.notify if effect.event in r.on]
    return [
        Message(
            _key(effect.key, r),
            rollout.id,
            effect.event,
            effect.text,
            r,
            now,
            rollout.id,
            *_verbs(rollout, effect, r, now),
            step=rollout.step + 1 if effect.event == "approval" else -1,
        )
        for r in told
    ]


def of_incident(
    receivers: Iterable[Receiver], incident: Incident, event: str, text: str, now: float, *, step: str = ""
) -> tuple[Message, ...]:
    """An incident's own event: incident | escalation | resolved. `step` tells several of one kind apart."""
    over = event == "resolved"
    return tuple(
        Message(
            _key(f"{incident.id}/{event}{step}", receiver),
            incident.rollout,
            event,
            text,
            receiver,
            now,
            incident.id,
            () if over else ("acknowledge",),
            now + LINK_S,
            incident.severity,
            over,
        )
        for receiver in receivers
    )


def of_budget(receivers: Iterable[Receiver], agent: str, fact: BudgetCrossed, now: float) -> tuple[Message, ...]:
    """A budget of an agent that no rollout drives."""
    key, text = f"{agent}/budget/{fact.name}", f"{agent}: {fact.detail}"
    return tuple(Message(_key(key, r), "", "budget", text, r, now, agent) for r in receivers)


def _verbs(rollout: Rollout, effect: Notify, receiver: Receiver, now: float) -> tuple[tuple[str, ...], float]:
    """(what a link may say, until when). Approval is asked of a person that the plan names, never of a channel."""
    approval = policy.next_approval(rollout) if effect.event == "approval" else None
    asked = approval is not None and receiver.person in approval.approvers
    if approval is None or not asked or receiver.person in rollout.approved_by:
        return (("abort",), now + LINK_S) if effect.event in _STOPPABLE else ((), 0.0)
    return ("approve", "reject"), now + (LINK_S if approval.within_s is None else approval.within_s)


def _key(event: str, receiver: Receiver) -> str:
    """One for each event and channel: the same address named twice is one channel, save for two persons' links."""
    channel = [receiver.kind, receiver.target, *([receiver.person] if receiver.person else [])]
    return f"{event}/{digest(to_data(channel))[:8]}"


def shown(receiver: Receiver) -> str:
    """A receiver in words that are no secret."""
    if receiver.name:
        return f"{receiver.kind} {receiver.name}"
    if receiver.target.startswith(("http://", "https://")):
        return f"{receiver.kind} {'/'.join(receiver.target.split('?')[0].split('/')[:3])}"
    return f"{receiver.kind} {receiver.target}"
