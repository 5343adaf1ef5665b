"""The ways to people are held to the suite of their port, on a real HTTP receiver; the fake too."""

import json
import socket

import pytest

from headgate.errors import Rejected, TimedOut, Unavailable
from headgate.notify.webhook import PagerDutyChannel, SlackChannel, WebhookChannel
from headgate.testing.contracts_channel import ChannelContract, People
from headgate.testing.simulation import FakeChannel

PATIENCE_S = 20.0
SHORT_S = 0.2  # for one that never answers


class OverHttp(ChannelContract):
    """One POST for each message. `key_of`: by what the receiver knows a repetition; None: it knows none."""

    key_of = None

    def made(self, url, timeout=PATIENCE_S):
        """(the channel, the address) that send to this url."""
        raise NotImplementedError

    @pytest.fixture
    def people(self, hook):
        def read():
            keys = [
                self.key_of(head, json.loads(body)) if self.key_of else i for i, (head, body) in enumerate(hook.got)
            ]
            seen = {key: body.decode() for key, (_, body) in zip(keys, hook.got, strict=True)}
            return list(seen.values())

        return People(*self.made(hook.url), read)

    @pytest.fixture
    def refusing(self, hook):
        return self.made(f"{hook.url}/403")

    @pytest.fixture
    def away(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return self.made(f"http://127.0.0.1:{probe.getsockname()[1]}/T0KEN")

    @pytest.fixture
    def silent(self, hook):
        return self.made(f"{hook.url}/hang", SHORT_S)


class TestWebhook(OverHttp):
    """Signed JSON; the receiver drops what it knows by the header."""

    def key_of(self, head, _body):
        return head["Idempotency-Key"]

    def made(self, url, timeout=PATIENCE_S):
        return WebhookChannel({}.get, timeout), url


class TestSlack(OverHttp):
    """An incoming webhook."""

    def made(self, url, timeout=PATIENCE_S):
        return SlackChannel({}.get, timeout), url


class TestPagerDuty(OverHttp):
    """Events; the address is the routing key."""

    def key_of(self, _head, body):
        return body["dedup_key"]

    def made(self, url, timeout=PATIENCE_S):
        return PagerDutyChannel({"HEADGATE_PAGERDUTY_URL": url}.get, timeout), "a-routing-key"


class TestFakeChannel(ChannelContract):
    """What simulations tell people by."""

    @pytest.fixture
    def people(self):
        channel = FakeChannel()

        def read():
            offered = {key: links for (key, _, _), links in zip(channel.sent, channel.offered, strict=True)}
            texts = {key: text for key, _, text in channel.sent}
            return [f"{text} {[link.url for link in offered[key]]}" for key, text in texts.items()]

        return People(channel, "anybody", read)

    @pytest.fixture
    def refusing(self):
        return FakeChannel(trouble=Rejected("no")), "anybody"

    @pytest.fixture
    def away(self):
        return FakeChannel(trouble=Unavailable("away")), "anybody"

    @pytest.fixture
    def silent(self):
        return FakeChannel(trouble=TimedOut("silent")), "anybody"
