"""The block of a plan about alarms on AWS: the plan's own, made there, and ones that are there already."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from headgate.config import units
from headgate.config.block import Block
from headgate.config.plan_types import optional, text
from headgate.config.units import shown
from headgate.config.yaml_source import Source
from headgate.core import clouds

MOST_ACTIONS = 5  # of one alarm there
_ARN = re.compile(r"arn:[\w-]+:cloudwatch:[\w-]+:\d{12}:alarm:(?P<name>.{1,255})")
_ACTION = r"^arn:[\w-]+:[\w-]+:[\w-]*:\d*:.+$"


def _alarm(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 320:
        units.refuse(f"{shown(value)} is no alarm", "give its name on CloudWatch, or its ARN")
    if value.startswith("arn:") and not _ARN.fullmatch(value):
        mend = "like arn:aws:cloudwatch:eu-west-1:123456789012:alarm:NAME"
        units.refuse(f"{shown(value)} is no ARN of an alarm", f"write one {mend}")
    return value


class Watched(Block):
    """An alarm that is there already: watched, never changed."""

    alarm: Annotated[str, BeforeValidator(_alarm), text(r"^.{1,320}$", "coach-tool-errors")] = Field(
        description="Its name on CloudWatch, or its ARN; that of another region only by ARN"
    )
    of: Literal["auto", "baseline", "candidate", "agent"] = optional(
        "auto", description="Whose it is; auto: the endpoint says so whose metrics it watches, else the agent's"
    )
    critical: bool = optional(False, description="An ALARM, unless it is the baseline's, is an event for people")


class CloudWatch(Block):
    """Alarms on AWS."""

    create: bool = optional(False, description="The plan's alarms are made there, for each variant, where they can be")
    on_end: Literal["remove", "leave"] = optional(
        "remove", description="Of those made: remove them at the end, or leave those of the version that is trusted"
    )
    actions: list[Annotated[str, Field(pattern=_ACTION)]] = optional(
        [],
        max_length=MOST_ACTIONS,
        description="ARNs, e.g. of an SNS topic, that CloudWatch itself tells of ALARM and OK",
    )
    watch: list[Watched] = optional([], max_length=100, description="Alarms that are there already")

    @model_validator(mode="after")
    def _does_something(self) -> CloudWatch:
        if not self.create and not self.watch:
            units.refuse("nothing is made there and nothing watched", "add `create: true`, or alarms to `watch`")
        if not self.create and (more := self.model_fields_set & {"on_end", "actions"}):
            units.refuse(f"{' and '.join(sorted(more))} without alarms that are made", "add `create: true`")
        return self


def _name(watched: Watched) -> str:
    found = _ARN.fullmatch(watched.alarm)
    return found["name"] if found else watched.alarm


def cloudwatch(written: CloudWatch | None) -> clouds.CloudWatch | None:
    """The block as the core knows it."""
    if written is None:
        return None
    watch = tuple(
        clouds.WatchedAlarm(_name(each), each.alarm, "" if each.of == "auto" else each.of, each.critical)
        for each in written.watch
    )
    return clouds.CloudWatch(written.create, written.on_end, tuple(written.actions), watch)


def cloudwatch_problems(
    source: Source, written: CloudWatch | None, platform: str, known: Sequence[str]
) -> Iterator[str]:
    """Where there is no AWS to speak of, and names that are taken. `known`: the plan's own alarms."""
    if written is None:
        return
    if platform != "agentcore":
        what = f"an agent of platform {platform} has no metrics on CloudWatch, and no region"
        yield source.problem(("cloudwatch",), what, "drop the block: Headgate evaluates the alarms itself")
    names = list(known)
    for i, each in enumerate(written.watch):
        if _name(each) in names:
            what = f"{shown(_name(each))} is the name of an earlier alarm"
            yield source.problem(("cloudwatch", "watch", i, "alarm"), what, "name each alarm once")
        names.append(_name(each))
