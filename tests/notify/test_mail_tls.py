"""Mail inside of TLS, through real servers with a certificate that is made here: implicit and by STARTTLS."""

import pytest
from aiosmtpd.smtp import AuthResult
from mail_servers import authority, mail_server
from test_mail import Inbox, message

from headgate.errors import Rejected
from headgate.notify.mail import SERVER, MailChannel
from headgate.testing.contracts_channel import ChannelContract, People


class Authenticator:
    """Takes ana's password; `heard` lists whether each came inside of TLS."""

    def __init__(self):
        self.heard = []

    def __call__(self, server, session, _envelope, _mechanism, data):
        self.heard.append(session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None)
        return AuthResult(success=(data.login, data.password) == (b"ana", b"s3cret"), handled=False)


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    """(the authority's certificate, the server's TLS)."""
    return authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(params=["smtps", "smtp"])
def secure(request, ca, monkeypatch):
    """(inbox, passwords, URL) of a server that wants TLS and a password: from the start, or by STARTTLS."""
    inbox, passwords = Inbox(), Authenticator()
    monkeypatch.setenv("SSL_CERT_FILE", str(ca[0]))
    way = {"ssl_context": ca[1]} if request.param == "smtps" else {"tls_context": ca[1], "require_starttls": True}
    # aiosmtpd guards passwords by STARTTLS alone, and does not see that it is inside of TLS already
    started = request.param == "smtp"
    guard = {"auth_require_tls": started, "auth_required": started, "auth_exclude_mechanism": ["LOGIN"]}
    guard["authenticator"] = passwords
    with mail_server(inbox, **way, **guard) as port:
        yield inbox, passwords, f"{request.param}://ana:s3cret@127.0.0.1:{port}?from=headgate@example.com"


def test_a_mail_and_its_password_go_inside_of_tls(secure):
    """The server has both, and had neither before TLS."""
    inbox, passwords, url = secure
    MailChannel({SERVER: url}.get).send(message(), "a@example.com", ())
    assert [mail.rcpt_tos for mail in inbox.mails] == [["a@example.com"]]
    assert passwords.heard == [True]


def test_a_wrong_password_is_refused(secure):
    """For good, and it is not in the error."""
    inbox, _, url = secure
    with pytest.raises(Rejected, match="answered 535") as told:
        MailChannel({SERVER: url.replace("s3cret", "gu3ss")}.get).send(message(), "a@example.com", ())
    assert "gu3ss" not in str(told.value)
    assert inbox.mails == []


def test_a_certificate_that_nobody_vouches_for_gets_nothing(secure, monkeypatch):
    """Nor one that is another host's: no password, no mail, and the mend says which list it must be on."""
    inbox, passwords, url = secure
    with pytest.raises(Rejected, match="certificate does not hold"):
        MailChannel({SERVER: url.replace("127.0.0.1", "localhost")}.get).send(message(), "a@example.com", ())
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Rejected, match="certificate does not hold") as told:
        MailChannel({SERVER: url}.get).send(message(), "a@example.com", ())
    assert "SSL_CERT_FILE" in told.value.mend
    assert (inbox.mails, passwords.heard) == ([], [])


class TestMailOverTls(ChannelContract):
    """The port's suite, inside of TLS."""

    @pytest.fixture
    def people(self, secure):
        inbox, _, url = secure

        def read():
            return [mail.content.decode().replace("=\r\n", "").replace("=3D", "=") for mail in inbox.mails]

        return People(MailChannel({SERVER: url}.get), "a@example.com", read)

    @pytest.fixture
    def refusing(self, secure):
        inbox, _, url = secure
        inbox.says = "552 no"
        return MailChannel({SERVER: url}.get), "a@example.com"

    @pytest.fixture
    def away(self):
        return MailChannel({SERVER: "smtps://127.0.0.1:1"}.get, 1.0), "a@example.com"

    @pytest.fixture
    def silent(self, secure):
        inbox, _, url = secure
        inbox.says = "hang up"
        return MailChannel({SERVER: url}.get, 2.0), "a@example.com"
