"""What every keeper of alarms must do; subclass it with a fixture `alarms`, empty.

`COMPOSITES` False is a named capability: an adapter, or its server in tests, that knows no alarms over alarms.
"""

from __future__ import annotations

import pytest

from headgate.core.clouds import cloud_name, cloud_prefix
from headgate.core.model import Version
from headgate.core.plan import AlarmSpec, CompositeSpec
from headgate.ports import CloudAlarm, CloudAlarms

ARN = "arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/coach_companion-0ZUOP04U5z"
AGENT, ROLLOUT = "coach-companion", "coach-companion-20261125-1"


def version(endpoint: str = "headgate_b", number: str = "2") -> Version:
    """A version behind an endpoint."""
    url = f"agentcore+https://bedrock-agentcore.eu-west-1.amazonaws.com/{ARN}?qualifier={endpoint}"
    return Version(number, "d" * 64, url)


def alarm(name: str = "error-rate", *, threshold: float = 0.05, variant: str = "candidate") -> CloudAlarm:
    """An alarm of a variant."""
    spec = AlarmSpec(name, "error_rate", ">", threshold, 300.0, 1, 1)
    tags = (("headgate:agent", AGENT), ("headgate:variant", variant))
    return CloudAlarm(cloud_name(AGENT, ROLLOUT, variant, name), spec, (version(),), tags=tags)


class AlarmsContract:
    """The port's promises."""

    COMPOSITES = True

    def test_an_alarm_that_is_made_can_be_read(self, alarms: CloudAlarms) -> None:
        """It has one of the three states, and the endpoint's name where the keeper knows it."""
        made = alarm()
        alarms.put([made])
        (told,) = alarms.read([made.name])
        assert (told.alarm, told.state in {"OK", "ALARM", "INSUFFICIENT_DATA"}) == (made.name, True)
        assert told.endpoint in {"", "headgate_b"}

    def test_made_twice_is_made_once(self, alarms: CloudAlarms) -> None:
        """The second may be another's threshold: the name is what counts."""
        alarms.put([alarm()])
        alarms.put([alarm(threshold=0.1), alarm("latency-p95")])
        assert sorted(alarms.names(cloud_prefix(AGENT))) == sorted([alarm().name, alarm("latency-p95").name])

    def test_what_is_not_there_says_so(self, alarms: CloudAlarms) -> None:
        """Neither OK nor ALARM, and the others are told all the same; each once, whatever was asked twice."""
        alarms.put([alarm()])
        told = {each.alarm: each for each in alarms.read([alarm().name, "nobodys", "nobodys"])}
        assert len(told) == 2
        assert (told["nobodys"].state, bool(told["nobodys"].why)) == ("", True)
        assert told[alarm().name].state

    def test_more_than_a_batch_is_read(self, alarms: CloudAlarms) -> None:
        """Every name has its answer."""
        names = [f"nobodys-{n}" for n in range(250)]
        assert [each.alarm for each in alarms.read(names)] == names

    def test_names_are_found_by_their_beginning(self, alarms: CloudAlarms) -> None:
        """Those of another agent, whose name begins alike, are not among them."""
        alarms.put([alarm()])
        assert alarms.names(cloud_prefix(AGENT)) == [alarm().name]
        assert alarms.names(cloud_prefix("coach")) == []
        assert alarms.names(cloud_prefix(AGENT, "another")) == []

    def test_what_is_not_heard_is_still_read(self, alarms: CloudAlarms) -> None:
        """Quiet and loud again, twice each; nobody at all is no call."""
        alarms.put([alarm()])
        for on in (False, False, True, True):
            alarms.hear([alarm().name], on=on)
        alarms.hear([], on=True)
        assert alarms.read([alarm().name])[0].state

    def test_removed_twice_is_removed(self, alarms: CloudAlarms) -> None:
        """And what was not named stays."""
        alarms.put([alarm(), alarm("latency-p95")])
        for _ in range(2):
            alarms.remove([alarm().name])
        assert alarms.names(cloud_prefix(AGENT)) == [alarm("latency-p95").name]

    def test_composites_come_and_go_with_their_parts(self, alarms: CloudAlarms) -> None:
        """Whatever order they are named in when they go."""
        if not self.COMPOSITES:
            pytest.skip("this keeper knows no alarms over alarms")
        part = alarm()
        spec = CompositeSpec("both", "ALARM(error-rate)")
        name = cloud_name(AGENT, ROLLOUT, "candidate", "both")
        alarms.put([part, CloudAlarm(name, spec, (version(),), (("error-rate", part.name),))])
        assert {each.alarm for each in alarms.read([part.name, name]) if each.state} == {part.name, name}
        alarms.remove([part.name, name])
        assert alarms.names(cloud_prefix(AGENT)) == []
