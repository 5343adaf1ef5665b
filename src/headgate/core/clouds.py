"""What a plan says of alarms that are kept on AWS, and what is told of them there."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = "headgate"  # what the names of our alarms begin with


def cloud_prefix(agent: str, rollout: str = "") -> str:
    """What the names of all alarms of an agent, or of one of its rollouts, begin with there."""
    return f"{HEAD}/{agent}/{rollout}/" if rollout else f"{HEAD}/{agent}/"


def cloud_name(agent: str, rollout: str, variant: str, alarm: str) -> str:
    """The name of an alarm there: the same whenever it is asked for, and no other rollout's."""
    return f"{cloud_prefix(agent, rollout)}{variant}/{alarm}"


@dataclass(frozen=True, slots=True)
class WatchedAlarm:
    """An alarm that is there already. `of`: baseline | candidate | agent, "": the metric it watches says it."""

    name: str  # as reports call it
    alarm: str  # its name on CloudWatch, or its ARN
    of: str = ""
    critical: bool = False


@dataclass(frozen=True, slots=True)
class CloudWatch:
    """`create`: the plan's own alarms are made there, where they can be; `on_end`: leave | remove them.

    `actions`: ARNs that CloudWatch itself tells when one of them goes into ALARM, or out of it.
    """

    create: bool = False
    on_end: str = "remove"
    actions: tuple[str, ...] = ()
    watch: tuple[WatchedAlarm, ...] = ()


@dataclass(frozen=True, slots=True)
class AlarmTold:
    """One alarm as it was read. `state` OK | ALARM | INSUFFICIENT_DATA, or "" with why it could not be read.

    `since`: when it came into that state (Unix s), 0: not told; `endpoint`: whose metrics it watches, "" where that is
    not one endpoint; `held`: what its state leads to is suppressed.
    """

    alarm: str  # as it was asked for
    state: str
    why: str = ""
    since: float = 0.0
    endpoint: str = ""
    held: bool = False
    retry: bool = False  # what could not be read may be readable in a moment
