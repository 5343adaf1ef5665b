"""What every Channel must do. Subclass `ChannelContract` with the fixtures that it asks for.

class TestMyChannel(ChannelContract):
    @pytest.fixture
    def people(self) -> People: ...             # a receiver that takes what it is sent

    @pytest.fixture
    def refusing(self) -> Receiver: ...         # (channel, address) of one that says no for good

    @pytest.fixture
    def away(self) -> Receiver: ...             # of one that is not there

    @pytest.fixture
    def silent(self) -> Receiver: ...           # of one that takes it and says nothing
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from headgate.core import plan
from headgate.errors import PortError, TimedOut, Unavailable
from headgate.ports import Channel, Link, Message

Receiver = tuple[Channel, str]
LINKS = (Link("approve", "http://127.0.0.1:1/act/approve-x"), Link("reject", "http://127.0.0.1:1/act/reject-x"))


@dataclass(frozen=True, slots=True)
class People:
    """A receiver; `read`: what people there see, each message as text, a repetition that it drops left out."""

    channel: Channel
    address: str
    read: Callable[[], list[str]]

    def tell(self, message: Message) -> None:
        """One message, with links."""
        self.channel.send(message, self.address, LINKS)


def message(key: str = "r1/notify/1", text: str = "version 3 was taken back", severity: str = "") -> Message:
    """What people are told of a rollback, or of an incident."""
    event = "incident" if severity else "rollback"
    about = f"INC-{key}" if severity else "r1"
    receiver = plan.Receiver("webhook", "env:HOOK", (event,))
    return Message(key, "r1", event, text, receiver, 1_800_000_000.0, about, severity=severity)


class ChannelContract:
    """The suite."""

    @pytest.fixture
    def people(self) -> People:
        raise NotImplementedError

    @pytest.fixture
    def refusing(self) -> Receiver:
        raise NotImplementedError

    @pytest.fixture
    def away(self) -> Receiver:
        raise NotImplementedError

    @pytest.fixture
    def silent(self) -> Receiver:
        raise NotImplementedError

    def test_people_see_the_text_and_the_links(self, people: People) -> None:
        """Once, whole, with a way to act on it."""
        people.tell(message())
        (seen,) = people.read()
        assert "version 3 was taken back" in seen
        for link in LINKS:
            assert link.url in seen

    def test_two_messages_are_two(self, people: People) -> None:
        """Also where they say the same: it happened twice."""
        people.tell(message("r1/notify/1"))
        people.tell(message("r1/notify/2"))
        assert len(people.read()) == 2

    @pytest.mark.parametrize("severity", ["P1", "P2", "P3", "P4"])
    def test_an_incident_of_any_severity_is_told(self, people: People, severity: str) -> None:
        """None of them is too small, or unknown to the receiver's words."""
        people.tell(message(severity=severity))
        assert len(people.read()) == 1

    def test_a_repetition_reaches_people_once_where_that_is_said(self, people: People) -> None:
        """After a crash nobody knows whether it was sent: it is sent again only where the receiver drops it."""
        for _ in range(2 if people.channel.repeatable(people.address) else 1):
            people.tell(message())
        assert len(people.read()) == 1

    def test_one_that_says_no_is_not_asked_again(self, refusing: Receiver) -> None:
        """It has it not, and will not: a person mends the address."""
        assert not failure_of(refusing).retry

    def test_one_that_is_not_there_surely_has_it_not(self, away: Receiver) -> None:
        """Safe to try again, also where a repetition would be seen twice."""
        assert isinstance(failure_of(away), Unavailable)

    def test_one_that_says_nothing_may_have_it(self, silent: Receiver) -> None:
        """The wait is bounded, and the outcome is unknown: not that of one that surely has it not."""
        assert isinstance(failure_of(silent), TimedOut)


def failure_of(receiver: Receiver) -> PortError:
    """What sending there raises; it never tells the address, which may be a secret."""
    channel, address = receiver
    with pytest.raises(PortError) as told:
        channel.send(message(), address, ())
    assert address not in str(told.value)
    return told.value
