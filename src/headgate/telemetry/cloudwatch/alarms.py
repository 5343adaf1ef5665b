"""CloudWatch behind the CloudAlarms port: alarms made by name, read in batches, removed.

CloudWatch allows about three changes of alarms a second for the whole account and region, and we are not alone in it:
changes are paced below that. Reading asks for up to a hundred at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from headgate.aws import metrics
from headgate.aws.clients import Clients
from headgate.aws.faults import mapped
from headgate.core.address import arn_of
from headgate.core.clouds import AlarmTold
from headgate.core.plan import Plan
from headgate.errors import PortError, Rejected
from headgate.ports import CloudAlarm
from headgate.telemetry.cloudwatch import alarm_requests

BATCH = 100  # names of one request
PACE_S = 0.5  # between two changes
TYPES = ["MetricAlarm", "CompositeAlarm"]
UNTRUE = frozenset({"EVALUATION_ERROR", "EVALUATION_FAILURE"})  # its state is that of before

Data = dict[str, Any]


class CloudWatchAlarms:
    """Implements ports.alarms.CloudAlarms. `wait` sleeps; every call is made from a worker."""

    def __init__(self, clients: Clients, wait: Callable[[float], None]) -> None:
        self._clients = clients
        self._wait = wait

    def here(self, plan: Plan) -> Mapping[str, str]:
        return alarm_requests.here(plan)

    def put(self, alarms: Sequence[CloudAlarm]) -> None:
        """Make them, or make them what they should be; those that others are made of come first."""
        client, placed = self._clients.service("cloudwatch"), self._placed(alarms)
        for number, alarm in enumerate(alarms):
            if number:
                self._wait(PACE_S)
            method, told = alarm_requests.request(alarm, placed)
            with mapped(f"making alarm {alarm.name}"):
                getattr(client, method)(**told)

    def read(self, alarms: Sequence[str]) -> list[AlarmTold]:
        """Each as it is now. What cannot be read says why, and hides nothing else."""
        by_region: dict[str, list[str]] = {}
        for alarm in dict.fromkeys(alarms):
            by_region.setdefault(alarm_requests.asked(alarm, self._region)[0], []).append(alarm)
        return [
            told
            for region, names in by_region.items()
            for batch in _batches(names)
            for told in self._batch(region, batch)
        ]

    def names(self, prefix: str) -> list[str]:
        with mapped(f"looking for alarms {prefix}*"):
            return [each["AlarmName"] for each in self._described(self._region, AlarmNamePrefix=prefix)]

    def hear(self, names: Sequence[str], *, on: bool) -> None:
        client = self._clients.service("cloudwatch")
        for batch in _batches(list(names)):
            with mapped("having alarms heard" if on else "keeping alarms quiet"):
                (client.enable_alarm_actions if on else client.disable_alarm_actions)(AlarmNames=list(batch))

    def remove(self, names: Iterable[str]) -> None:
        """Composites before what they are about, each by a call of its own: that is CloudWatch's rule."""
        client = self._clients.service("cloudwatch")
        with mapped("removing alarms"):
            found = [
                each
                for batch in _batches(sorted(set(names)))
                for each in self._described(self._region, AlarmNames=list(batch))
            ]
            plain = [each["AlarmName"] for each in found if not _rule(each)]
            for number, batch in enumerate((*_composites(found), *_batches(plain))):
                if number:
                    self._wait(PACE_S)
                # one that somebody else removed in between: the others of the batch are gone as well
                with contextlib.suppress(client.exceptions.ResourceNotFound):
                    client.delete_alarms(AlarmNames=list(batch))

    # --- helpers

    def _placed(self, alarms: Sequence[CloudAlarm]) -> metrics.Placed | None:
        """Where the runtime's metrics really are; None where no alarm is on any."""
        arn = next((arn_of(version.url) for alarm in alarms for version in alarm.versions), "")
        if not arn:
            return None
        with mapped("looking for the runtime's metrics"):
            found = metrics.listed(self._clients.service("cloudwatch"), arn)
        try:
            return metrics.bound(found, arn)
        except ValueError as error:
            raise Rejected(str(error), "drop `create`: Headgate evaluates the alarms itself") from error

    @property
    def _region(self) -> str:
        return self._clients.place.region

    def _batch(self, region: str, alarms: Sequence[str]) -> Iterator[AlarmTold]:
        names = [alarm_requests.asked(alarm, region)[1] for alarm in alarms]
        try:
            with mapped(f"reading {len(names)} alarms in {region or 'the usual region'}"):
                found = {each["AlarmName"]: each for each in self._described(region, AlarmNames=names)}
        except PortError as error:
            why = f"{error.message}{f' ({error.mend})' if error.mend else ''}"
            yield from (AlarmTold(alarm, "", why, retry=error.retry) for alarm in alarms)
            return
        for alarm, name in zip(alarms, names, strict=True):
            yield _told(alarm, found.get(name), region)

    def _described(self, region: str, **what: Any) -> list[Data]:
        client = self._clients.of(region).service("cloudwatch")  # an alarm on the bill is in us-east-1
        pages = client.get_paginator("describe_alarms").paginate(AlarmTypes=TYPES, **what)
        return [each for page in pages for each in (*page.get("MetricAlarms", []), *page.get("CompositeAlarms", []))]


def _told(alarm: str, found: Mapping[str, Any] | None, region: str) -> AlarmTold:
    if found is None:
        return AlarmTold(alarm, "", f"CloudWatch has no such alarm in {region or 'the usual region'}")
    if alarm.startswith("arn:") and found.get("AlarmArn") != alarm:
        return AlarmTold(alarm, "", f"it is another account's: the one of that name here is {found.get('AlarmArn')}")
    if (trouble := found.get("EvaluationState")) in UNTRUE:
        return AlarmTold(alarm, "", f"CloudWatch does not get to evaluate it: {trouble}")
    changed = found.get("StateTransitionedTimestamp") or found.get("StateUpdatedTimestamp")
    return AlarmTold(
        alarm,
        found.get("StateValue", ""),
        found.get("StateReason") or "CloudWatch tells no state",
        changed.timestamp() if changed else 0.0,
        alarm_requests.endpoint_in(found),
        bool(found.get("ActionsSuppressedBy")),
    )


def _batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[at : at + BATCH] for at in range(0, len(names), BATCH))


def _rule(found: Mapping[str, Any]) -> str:
    return str(found.get("AlarmRule", ""))


def _composites(found: Sequence[Data]) -> Iterator[list[str]]:
    """One by one, none before one that is about it."""
    left = {each["AlarmName"]: f"{_rule(each)} {each.get('ActionsSuppressor', '')}" for each in found if _rule(each)}
    while left:
        free = [n for n in left if not any(n in rule for other, rule in left.items() if other != n)] or [*left][:1]
        for name in free:
            del left[name]
            yield [name]
