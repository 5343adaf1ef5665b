"""Messages by mail, through the server that HEADGATE_SMTP_URL names: `smtp://[USER:PASSWORD@]HOST[:PORT][?from=ADDRESS]`.

`smtps://` speaks TLS from the start; `smtp://` takes STARTTLS, without which neither a password nor a mail goes beyond
this machine (a mail has links in it that approve), unless the address says `?tls=off`: then mails go, and passwords do
not. Certificates are checked against the system's list. A mail server drops no repetition, so a mail that may have been
taken is not sent again.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import sha256
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from headgate.errors import NotFound, Rejected, TimedOut, Unavailable
from headgate.ports import Link, Message

TIMEOUT_S = 10.0
SERVER = "HEADGATE_SMTP_URL"
_HERE = frozenset({"127.0.0.1", "::1", "localhost"})


class MailChannel:
    """One mail to all addresses of a receiver."""

    def __init__(self, lookup: Callable[[str], str | None], timeout: float = TIMEOUT_S) -> None:
        self._lookup = lookup
        self._timeout = timeout

    def repeatable(self, _address: str) -> bool:
        return False

    def send(self, message: Message, address: str, links: Sequence[Link]) -> None:
        """`address`: addresses, separated by commas."""
        server = self._server()
        mail = _mail(message, address, links, _sender(server))
        begun = False
        try:
            with self._connected(server) as smtp:
                begun = True
                refused = smtp.send_message(mail)
        except ssl.SSLCertVerificationError as error:
            raise Rejected(
                f"email: the server's certificate does not hold: {error.verify_message}",
                "have it signed by one that this system trusts, or name that one in SSL_CERT_FILE",
            ) from None
        except smtplib.SMTPResponseException as error:
            said = f"email: the server answered {error.smtp_code}"
            raise (Unavailable(said) if 400 <= error.smtp_code < 500 else Rejected(said)) from None
        except smtplib.SMTPRecipientsRefused:
            raise Rejected("email: the server takes no mail for these addresses") from None
        except (smtplib.SMTPException, OSError) as error:
            kind = TimedOut if begun else Unavailable
            raise kind(f"email: {type(error).__name__}") from None
        if refused:  # to send it to all once more would tell the others twice: that is for a person to say
            raise TimedOut(f"email: {len(refused)} of the addresses were refused and the others got it")

    def _server(self) -> SplitResult:
        url = self._lookup(SERVER)
        if not url:
            raise NotFound(f"email: the variable {SERVER} is not set", f"set {SERVER} where the controller runs")
        server = urlsplit(url)
        if server.scheme not in {"smtp", "smtps"} or not server.hostname:
            raise Rejected(f"email: {SERVER} is no address of a mail server", "write smtp://HOST:587 or smtps://HOST")
        return server

    def _connected(self, server: SplitResult) -> smtplib.SMTP:
        host, context = server.hostname or "", ssl.create_default_context()
        smtp: smtplib.SMTP
        if server.scheme == "smtps":
            smtp = smtplib.SMTP_SSL(host, server.port or 465, timeout=self._timeout, context=context)
        else:
            smtp = smtplib.SMTP(host, server.port or 25, timeout=self._timeout)
        try:
            _greet(smtp, server, context)
        except BaseException:
            smtp.close()
            raise
        return smtp


def _greet(smtp: smtplib.SMTP, server: SplitResult, context: ssl.SSLContext) -> None:
    smtp.ehlo_or_helo_if_needed()
    safe = server.scheme == "smtps" or server.hostname in _HERE
    if server.scheme == "smtp" and smtp.has_extn("starttls"):
        smtp.starttls(context=context)
        safe = True
    if not safe and (server.username is not None or parse_qs(server.query).get("tls") != ["off"]):
        raise Rejected(
            "email: the server offers no TLS, so it gets neither a password nor a mail",
            f"use smtps://, or let mails go in the open: ?tls=off in {SERVER}, without a password",
        )
    if server.username is not None:
        smtp.login(unquote(server.username), unquote(server.password or ""))


def _sender(server: SplitResult) -> str:
    return parse_qs(server.query).get("from", [f"headgate@{socket.gethostname()}"])[0]


def _mail(message: Message, address: str, links: Sequence[Link], sender: str) -> EmailMessage:
    """The same message has the same Message-ID, for those that drop repetitions."""
    mail = EmailMessage()
    first = message.text.splitlines()[0] if message.text else message.event
    mail["Subject"] = f"[headgate] {message.severity} {first}".replace("  ", " ")[:200]
    mail["From"], mail["To"] = sender, address
    mail["Date"] = formatdate(message.at)
    mail["Message-ID"] = f"<{sha256(message.key.encode()).hexdigest()[:32]}@headgate.invalid>"
    offered = "".join(f"\n{link.verb}: {link.url}" for link in links)
    mail.set_content(f"{message.text}\n{offered}\n")
    return mail
