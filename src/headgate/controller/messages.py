"""What people are told of an event: one message for each receiver that asked for it, and what a link in it may say."""

from __future__ import annotations

from collections.abc import Iterable

from headgate.core import policy
from headgate.core.codec import digest, to_data
from headgate.core.effects import Effect, Notify
from headgate.core.model import Rollout
from headgate.core.plan import Receiver
from headgate.ports import Message
from headgate.reports.incidents import Incident

LINK_S = 24 * 3600.0  # how long a link works where no deadline says otherwise
_STOPPABLE = frozenset({"advanced", "hold", "approval"})


def of_decision(rollout: Rollout, effects: Iterable[Effect], now: float) -> tuple[Message, ...]:
    """The messages that the effects of a decision ask for."""
    return tuple(
        message for effect in effects if isinstance(effect, Notify) for message in _of_effect(rollout, effect, now)
    )


def _of_effect(rollout: Rollout, effect: Notify, now: float) -> list[Message]:
    verbs, until = _verbs(rollout, effect.event, now)
    return [
        Message(_key(effect.key, r), rollout.id, effect.event, effect.text, r, now, rollout.id, verbs, until)
        for r in rollout.plan.notify
        if effect.event in r.on
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


def _verbs(rollout: Rollout, event: str, now: float) -> tuple[tuple[str, ...], float]:
    """(what a link may say, until when)."""
    approval = policy.next_approval(rollout) if event == "approval" else None
    if approval is None:
        return (("abort",), now + LINK_S) if event in _STOPPABLE else ((), 0.0)
    missing = policy.missing_approvals(approval, rollout.approved_by)
    until = now + (LINK_S if approval.within_s is None else approval.within_s)
    return (*("approve",) * missing, "reject"), until


def _key(event: str, receiver: Receiver) -> str:
    """One for each event and channel: the same address named twice is one channel."""
    return f"{event}/{digest(to_data([receiver.kind, receiver.target]))[:8]}"


def shown(receiver: Receiver) -> str:
    """A receiver in words that are no secret."""
    if receiver.name:
        return f"{receiver.kind} {receiver.name}"
    if receiver.target.startswith(("http://", "https://")):
        return f"{receiver.kind} {'/'.join(receiver.target.split('?')[0].split('/')[:3])}"
    return f"{receiver.kind} {receiver.target}"
