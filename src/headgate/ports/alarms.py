"""Alarms that are kept elsewhere: made, read, removed by name. Every call blocks; it is made from a worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from headgate.core.clouds import AlarmTold
from headgate.core.model import Version
from headgate.core.plan import AlarmSpec, CompositeSpec, Plan


@dataclass(frozen=True, slots=True)
class CloudAlarm:
    """An alarm to be made: of which versions, and under which name.

    `versions`: whose telemetry it watches, summed; `parts`: the names there of the alarms that a composite is about;
    `tags`, `actions`: as they are there; `heard`: whether its actions are carried out.
    """

    name: str
    spec: AlarmSpec | CompositeSpec
    versions: tuple[Version, ...]
    parts: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    actions: tuple[str, ...] = ()
    heard: bool = True


class CloudAlarms(Protocol):
    """`put` and `remove` are idempotent: made twice is made once, removed twice is removed.

    `here`: the plan's alarms that cannot be kept there, each with why. `read` answers for every name that it is asked
    for: one that cannot be read says why. `names`: of all that begin with a prefix. `hear`: whether the actions of
    alarms that are there are carried out from now on.
    """

    def here(self, plan: Plan) -> Mapping[str, str]: ...
    def put(self, alarms: Sequence[CloudAlarm]) -> None: ...
    def read(self, alarms: Sequence[str]) -> list[AlarmTold]: ...
    def names(self, prefix: str) -> list[str]: ...
    def hear(self, names: Sequence[str], *, on: bool) -> None: ...
    def remove(self, names: Iterable[str]) -> None: ...
