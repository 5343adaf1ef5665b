"""Mail through a real SMTP server: what arrives, and what a refusal, a busy server and a dead one mean."""

import contextlib
import socket

import pytest
from aiosmtpd.controller import Controller

from headgate.errors import NotFound, Rejected, TimedOut, Unavailable
from headgate.notify.mail import SERVER, MailChannel
from headgate.ports import Link, Message


class Inbox:
    """Keeps what it gets; answers DATA with `says`, or hangs up before it does."""

    says = "250 OK"

    def __init__(self):
        self.mails = []

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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Controller(inbox, hostname="127.0.0.1", port=port)
    server.start()
    yield inbox, f"smtp://127.0.0.1:{port}?from=headgate@example.com"
    with contextlib.suppress(AssertionError):
        server.stop()


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


def test_no_password_in_the_open(smtp):
    """A server beyond this machine that offers no TLS does not get one; this machine's may."""
    _, url = smtp
    with pytest.raises((Unavailable, TimedOut, Rejected)) as told:
        MailChannel({SERVER: url.replace("//", "//ana:s3cret@")}.get).send(message(), "a@example.com", ())
    assert "s3cret" not in str(told.value)


@pytest.mark.parametrize(
    ("url", "error"), [(None, NotFound), ("http://x", Rejected), ("smtp://127.0.0.1:1", Unavailable)]
)
def test_a_server_that_is_none(url, error):
    """Not set, not a mail server's address, nobody there."""
    with pytest.raises(error):
        MailChannel({SERVER: url}.get, timeout=1.0).send(message(), "a@example.com", ())
