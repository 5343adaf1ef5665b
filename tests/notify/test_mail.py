"""Mail through a real SMTP server: what arrives, and what a refusal, a busy server and a dead one mean."""

import pytest
from mail_servers import mail_server

from headgate.errors import NotFound, Rejected, TimedOut, Unavailable
from headgate.notify.mail import SERVER, MailChannel
from headgate.ports import Link, Message


class Inbox:
    """Keeps what it gets; answers DATA with `says`, or hangs up before it does."""

    says = "250 OK"
    refuses = ""

    def __init__(self):
        self.mails = []

    async def handle_RCPT(self, _server, _session, envelope, address, _options):
        if address == self.refuses:
            return "550 nobody here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope):
        if self.says == "hang up":
            server.transport.close()
            return "451 gone"
        if self.says.startswith("250"):
            self.mails.append(envelope)
        return self.says


@pytest.fixture
def smtp():
    """(inbox, URL) of a server on a free port."""
    inbox = Inbox()
    with mail_server(inbox) as port:
        yield inbox, f"smtp://127.0.0.1:{port}?from=headgate@example.com"


def message(**more):
    members = {"key": "k1", "rollout": "r", "event": "rollback", "text": "v3 \u2192 v2", "receiver": None, "at": 0.0}
    return Message(**{**members, **more})


def test_a_mail_arrives(smtp):
    """To every address, with links, and with a Message-ID that is the same for the same message."""
    inbox, url = smtp
    for _ in range(2):
        MailChannel({SERVER: url}.get).send(
            message(severity="P1"), "a@example.com, b@example.com", [Link("abort", "http://x/act/1")]
        )
    first, again = inbox.mails
    assert first.rcpt_tos == ["a@example.com", "b@example.com"]
    assert first.mail_from == "headgate@example.com"
    assert b"abort: http://x/act/1" in first.content
    found = [line for mail in (first, again) for line in mail.content.splitlines() if line.startswith(b"Message-ID")]
    assert len(found) == 2
    assert len(set(found)) == 1


@pytest.mark.parametrize(
    ("says", "error"),
    [("450 greylisted", Unavailable), ("552 too much", Rejected), ("hang up", TimedOut)],
)
def test_what_the_server_says(smtp, says, error):
    """Not now may be tried again, no may not; of a server that hangs up in the middle nobody knows."""
    inbox, url = smtp
    inbox.says = says
    with pytest.raises(error) as told:
        MailChannel({SERVER: url}.get, timeout=2.0).send(message(), "a@example.com", ())
    assert "127.0.0.1" not in str(told.value)
    assert inbox.mails == []


def test_nothing_goes_in_the_open(smtp):
    """A server beyond this machine that offers no TLS gets neither a password nor, unasked, a mail; this machine's may.
    (`0.0.0.0` leads here too, and is no name of this machine.)
    """
    inbox, url = smtp
    beyond = url.replace("127.0.0.1", "0.0.0.0")
    for address in (beyond, f"{beyond}&tls=off".replace("//", "//ana:s3cret@")):
        with pytest.raises(Rejected, match="offers no TLS") as told:
            MailChannel({SERVER: address}.get).send(message(), "a@example.com", ())
        assert "s3cret" not in str(told.value)
    assert inbox.mails == []
    MailChannel({SERVER: f"{beyond}&tls=off"}.get).send(message(), "a@example.com", ())
    MailChannel({SERVER: url}.get).send(message(), "a@example.com", ())
    assert len(inbox.mails) == 2


def test_some_addresses_are_refused(smtp):
    """The others have it, so it is not to be sent to all once more: nobody says `sent`, nobody says `not sent`."""
    inbox, url = smtp
    inbox.refuses = "b@example.com"
    with pytest.raises(TimedOut, match="1 of the addresses were refused and the others got it"):
        MailChannel({SERVER: url}.get).send(message(), "a@example.com, b@example.com", ())
    assert [mail.rcpt_tos for mail in inbox.mails] == [["a@example.com"]]


@pytest.mark.parametrize(
    ("url", "error"), [(None, NotFound), ("http://x", Rejected), ("smtp://127.0.0.1:1", Unavailable)]
)
def test_a_server_that_is_none(url, error):
    """Not set, not a mail server's address, nobody there."""
    with pytest.raises(error):
        MailChannel({SERVER: url}.get, timeout=1.0).send(message(), "a@example.com", ())
