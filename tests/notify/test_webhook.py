"""Messages to a real HTTP receiver: the body, the signature, the key, and each way a receiver can fail."""

import hashlib
import hmac
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from headgate.core.plan import Receiver
from headgate.errors import NotFound, Rejected, TimedOut, Unavailable
from headgate.notify.webhook import SECRET, WebhookNotifier


class Hook(BaseHTTPRequestHandler):
    """Keeps what it got; answers with the status in its path, or not at all."""

    def log_message(self, *_):
        """Silence."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        if self.path == "/hang":
            self.server.over.wait(20)
            return
        self.send_response(int(self.path[1:] or 200))
        self.end_headers()


@pytest.fixture
def hook():
    """A receiver on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    server.got, server.over = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_slack_gets_its_text_and_the_url_comes_from_the_environment(hook):
    """`env:NAME` is looked up when the message is sent."""
    environment = {}
    notifier = WebhookNotifier(environment.get)
    environment["SLACK_URL"] = hook.url
    notifier.send(Receiver("slack", "env:SLACK_URL", ("rollback",)), "k1", "rollback", "v3 was taken back")
    ((headers, body),) = hook.got
    assert json.loads(body) == {"text": "v3 was taken back"}
    assert headers["Content-Type"] == "application/json"


def test_a_webhook_is_signed_and_carries_its_key(hook):
    """The receiver can check who sent it, and drop a repetition."""
    receiver = Receiver("webhook", f"{hook.url}/204", ("incident",))
    notifier = WebhookNotifier({SECRET: "s3cret"}.get)
    for _ in range(2):
        notifier.send(receiver, "k2", "incident", "é")
    (first, again) = hook.got
    headers, body = first
    assert json.loads(body) == {"event": "incident", "text": "é", "key": "k2"}
    assert headers["X-Headgate-Signature"] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["Idempotency-Key"] == again[0]["Idempotency-Key"] == "k2"


def test_without_a_secret_there_is_no_signature(hook):
    """Rather none than one that anybody could make."""
    WebhookNotifier({}.get).send(Receiver("webhook", hook.url, ()), "k", "e", "t")
    assert "X-Headgate-Signature" not in hook.got[0][0]


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/500", Unavailable),
        ("/503", Unavailable),
        ("/429", Unavailable),
        ("/404", Rejected),
        ("/403", Rejected),
        ("/302", Rejected),
    ],
)
def test_what_the_receiver_says_decides_whether_to_try_again(hook, path, error):
    """Busy may be tried again; no may not; a redirection is not followed with our text."""
    with pytest.raises(error, match=path[1:]) as told:
        WebhookNotifier({"HOOK": hook.url + path}.get).send(Receiver("webhook", "env:HOOK", ()), "k", "e", "t")
    assert told.value.retry is (error is Unavailable)
    assert hook.url not in str(told.value), "the address may be a secret"
    assert "env:HOOK" in str(told.value)
    assert len(hook.got) == 1, "sent once: repetition is the caller's"


def test_a_receiver_that_never_answers(hook):
    """The wait is bounded."""
    with pytest.raises(TimedOut, match="no answer within"):
        WebhookNotifier({}.get, timeout=0.2).send(Receiver("slack", f"{hook.url}/hang", ()), "k", "e", "t")


def test_a_receiver_that_is_not_there():
    """Unavailable, without its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/hooks/T0KEN"
    with pytest.raises(Unavailable) as told:
        WebhookNotifier({}.get).send(Receiver("slack", url, ()), "k", "e", "t")
    assert "T0KEN" not in str(told.value)


@pytest.mark.parametrize("variables", [{}, {"HOOK": ""}])
def test_a_variable_that_is_not_set(variables):
    """It is named; trying again does not help."""
    with pytest.raises(NotFound, match="the variable HOOK is not set"):
        WebhookNotifier(variables.get).send(Receiver("slack", "env:HOOK", ()), "k", "e", "t")


@pytest.mark.parametrize("url", ["hooks.example", "ftp://x/y", "http://\x00"])
def test_a_variable_that_holds_no_url(url):
    """Rejected, and the value is not told."""
    with pytest.raises(Rejected, match="not a URL") as told:
        WebhookNotifier({"HOOK": url}.get).send(Receiver("webhook", "env:HOOK", ()), "k", "e", "t")
    assert url not in str(told.value)
