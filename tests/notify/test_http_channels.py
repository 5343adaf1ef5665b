"""Messages to a real HTTP receiver: the body, the signature, the key, and each way a receiver can fail."""

import hashlib
import hmac
import json
import socket
from urllib.parse import parse_qs

import pytest

from headgate.errors import Rejected, TimedOut, Unavailable
from headgate.notify.others import AppriseChannel
from headgate.notify.sns import SnsChannel
from headgate.notify.webhook import SECRET, PagerDutyChannel, SlackChannel, WebhookChannel
from headgate.ports import Link, Message


def message(text="v3 was taken back", **more):
    members = {"key": "k1", "rollout": "coach-1", "event": "rollback", "text": text, "receiver": None, "at": 0.0}
    return Message(**{**members, **more})


LINKS = (Link("approve", "http://127.0.0.1:1/act/x"),)


def test_slack_gets_its_text_and_links(hook):
    """What is markup for Slack is told as text; a link can be clicked."""
    SlackChannel({}.get).send(message("p95 < 5 & <!channel>", severity="P2"), hook.url, LINKS)
    ((headers, body),) = hook.got
    wanted = "*P2* p95 &lt; 5 &amp; &lt;!channel&gt;\n<http://127.0.0.1:1/act/x|approve>"
    assert json.loads(body) == {"text": wanted}
    assert headers["Content-Type"] == "application/json"


def test_a_webhook_is_signed_and_carries_its_key(hook):
    """The receiver can check who sent it, and drop a repetition."""
    channel = WebhookChannel({SECRET: "s3cret"}.get)
    for _ in range(2):
        channel.send(message("é", about="INC-1", severity="P1"), f"{hook.url}/204", LINKS)
    (first, again) = hook.got
    headers, body = first
    assert json.loads(body) == {
        "event": "rollback",
        "text": "é",
        "key": "k1",
        "about": "INC-1",
        "severity": "P1",
        "links": [{"verb": "approve", "url": "http://127.0.0.1:1/act/x"}],
    }
    assert headers["X-Headgate-Signature"] == "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["Idempotency-Key"] == again[0]["Idempotency-Key"] == "k1"


def test_without_a_secret_there_is_no_signature(hook):
    """Rather none than one that anybody could make."""
    WebhookChannel({}.get).send(message(), hook.url, ())
    assert "X-Headgate-Signature" not in hook.got[0][0]


def test_pagerduty_opens_and_closes_one_alert_for_an_incident(hook):
    """The opening and the resolution have one key, another event has its own; a repetition has the same."""
    channel = PagerDutyChannel({"HEADGATE_PAGERDUTY_URL": hook.url}.get)
    opened = message(key="a", event="incident", about="INC-1", severity="P1")
    closed = message(key="b", event="resolved", about="INC-1", severity="P1", resolves=True)
    other = message(key="c", about="coach-1")
    for each in (opened, opened, closed, other):
        channel.send(each, "routing", LINKS)
    told = [json.loads(body) for _, body in hook.got]
    assert [t["event_action"] for t in told] == ["trigger", "trigger", "resolve", "trigger"]
    assert len({t["dedup_key"] for t in told[:3]}) == 1
    assert told[3]["dedup_key"] != told[0]["dedup_key"]
    assert told[0]["routing_key"] == "routing"
    assert told[0]["payload"] == {
        "summary": "v3 was taken back",
        "source": "INC-1",
        "severity": "critical",
        "class": "incident",
    }


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/503", Unavailable),
        ("/429", Unavailable),
        ("/500", TimedOut),
        ("/504", TimedOut),
        ("/404", Rejected),
        ("/403", Rejected),
        ("/302", Rejected),
    ],
)
def test_what_the_receiver_says_decides_whether_to_try_again(hook, path, error):
    """Busy may be tried again, no may not; of a failure inside nobody knows; a redirection is not followed."""
    with pytest.raises(error, match=path[1:]) as told:
        WebhookChannel({}.get).send(message(), hook.url + path, ())
    assert hook.url not in str(told.value), "the address may be a secret"
    assert len(hook.got) == 1, "sent once: repetition is the outbox's"


def test_a_receiver_that_never_answers(hook):
    """The wait is bounded, and nobody knows whether the message arrived."""
    with pytest.raises(TimedOut, match="no answer within"):
        SlackChannel({}.get, timeout=0.2).send(message(), f"{hook.url}/hang", ())


def test_a_receiver_that_is_not_there():
    """Unavailable, without its address: surely it has not got it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/hooks/T0KEN"
    with pytest.raises(Unavailable) as told:
        WebhookChannel({}.get).send(message(), url, ())
    assert "T0KEN" not in str(told.value)


@pytest.mark.parametrize("url", ["hooks.example", "ftp://x/y", "http://\x00"])
def test_a_variable_that_holds_no_url(url):
    """Rejected, and the value is not told."""
    with pytest.raises(Rejected, match="not a URL") as told:
        WebhookChannel({}.get).send(message(), url, ())
    assert url not in str(told.value)


def test_apprise_delivers_to_its_services(hook):
    """By its own JSON service, to a real receiver; a failure may have arrived; no URL is told."""
    channel = AppriseChannel()
    address = hook.url.replace("http://", "json://")
    channel.send(message(severity="P2"), address, LINKS)
    assert json.loads(hook.got[0][1])["message"] == "v3 was taken back\napprove: http://127.0.0.1:1/act/x"
    with pytest.raises(TimedOut):
        channel.send(message(), f"{address}/500", ())
    with pytest.raises(Rejected, match="no Apprise URL") as told:
        channel.send(message(), "nonsense", ())
    assert "nonsense" not in str(told.value)
    assert not channel.repeatable(address)


def test_sns_publishes_with_real_boto3(hook, monkeypatch):
    """A FIFO topic gets a deduplication id; a refusal and a failure inside are told apart; nothing is repeated here."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_ENDPOINT_URL_SNS": hook.url,
        "AWS_CONFIG_FILE": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    hook.answer = b"<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>"
    arn, channel = "arn:aws:sns:eu-west-1:123456789012:ops.fifo", SnsChannel()
    channel.send(message(), arn, LINKS)
    sent = parse_qs(hook.got[0][1].decode())
    assert sent["Action"] == ["Publish"]
    assert sent["TopicArn"] == [arn]
    assert sent["Message"] == ["v3 was taken back\napprove: http://127.0.0.1:1/act/x"]
    assert len(sent["MessageDeduplicationId"][0]) == 64
    hook.answer = b"<ErrorResponse><Error><Code>AuthorizationError</Code></Error></ErrorResponse>"
    for status, error in (("403", Rejected), ("500", TimedOut)):
        monkeypatch.setenv("AWS_ENDPOINT_URL_SNS", f"{hook.url}/{status}")
        with pytest.raises(error):
            channel.send(message(), arn, ())
    assert len(hook.got) == 3
