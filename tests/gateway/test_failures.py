"""Failing turns for incidents: a few of each version, only where they may be kept, redacted before they are."""

import json

import pytest
from gateway_helpers import SSE_HEAD, chunk, event, full, session_id
from test_recording import say

from headgate.gateway.failures import Failures
from headgate.gateway.meter import Turn, hashed
from headgate.gateway.recorder import Tape

BOOM = b'{"error": "no such user ada@example.com", "password": "hunter22", "trace": "ACME-77"}'
CALLS = {"prompt": "I am ada@example.com, call +44 20 7946 0958", "api_key": "k-123456789"}


async def boom(_request, writer):
    writer.write(full(json.loads(BOOM), "500 Oops"))


def failing(live):
    live.rows()
    return live.telemetry.failing("coach")


def test_a_failing_turn_is_kept_redacted(live):
    """What was said, what the agent answered beside its status, how it failed; nothing that names or opens."""
    live.one.script = boom
    live.apply(record_failing=1.0, record_redact=(r"ACME-\d+",), epoch=2)
    say(live, session_id(1), "I am ada@example.com")
    (found,) = failing(live)
    assert (found.session, found.variant, found.version) == (hashed(session_id(1)), "baseline", "1")
    assert (found.kind, found.ms > 0) == ("http_5xx", True)
    assert found.said == '{"prompt": "I am [e-mail]"}'
    assert found.answered == '{"error": "no such user [e-mail]", "password": "[secret]", "trace": "[redacted]"}'
    assert live.telemetry.after("coach", 0, 10) == [], "no session is recorded for it"


def test_words_of_a_stream_are_joined_before_they_are_redacted(live):
    """An address that came in two events is one all the same."""

    async def breaks(_request, writer):
        tail = event(error="it broke", error_type="ValueError") + chunk(b"")
        writer.write(SSE_HEAD + event(text="mail bo@exam") + event(text="ple.com ") + tail)

    live.one.script = breaks
    live.apply(record_failing=1.0, epoch=2)
    say(live, session_id(1), "hello")
    (found,) = failing(live)
    assert (found.kind, found.answered) == ("stream_error", "mail [e-mail] it broke")


@pytest.mark.parametrize(
    ("members", "consent", "kept"),
    [
        ({}, "yes", False),
        ({"record_failing": 1.0}, "", False),
        ({"record_failing": 1.0}, "no", False),
        ({"record_failing": 1.0, "record_consent": False}, "", True),
        ({"record_share": 1.0}, "yes", False),
        ({"record_share": 1.0, "record_failing": 1.0}, "yes", True),
    ],
)
def test_only_what_was_asked_for_by_those_who_consent(live, members, consent, kept):
    """The plan's switch and the client's word, both; recording a session is another switch."""
    live.one.script = boom
    live.apply(**members, epoch=2)
    say(live, session_id(1), "hello", consent)
    assert bool(failing(live)) is kept


def test_what_the_client_did_wrong_is_no_failure(live):
    """A 400 of the agent is the caller's; a good turn is none either."""

    async def refuses(request, writer):
        writer.write(full({"response": "fine"}) if b"good" in request[1] else full({"no": 1}, "400 Bad"))

    live.one.script = refuses
    live.apply(record_failing=1.0, epoch=2)
    say(live, session_id(1), "good")
    say(live, session_id(2), "bad")
    assert failing(live) == []


def turn(version="2", error="http_5xx"):
    return Turn(("candidate", version, 50.0, 3), error, 12.0, None, None)


def tape(said=b'{"prompt": "hi"}', **more):
    made = Tape(recorded=False, sampled=True)
    made.ask(said)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_it_is_bounded():
    """Ten of a version, the newest; eight versions; one of a version in a second; what is long is cut after it was
    redacted, what is huge is not looked at.
    """
    kept = Failures()
    for i in range(100):
        for at in (0.0, 0.5):
            kept.note(session_id(i), tape(), turn(), 1000.0 + i + at, ())
    assert [each["t"] for each in kept.latest()] == [1090.0 + i for i in range(10)]
    for version in range(20):
        kept.note(session_id(1), tape(), turn(str(version)), 2000.0 + version, ())
    assert {each["version"] for each in kept.latest()} == {str(v) for v in range(12, 20)}
    long = Failures()
    long.note(session_id(1), tape(b"x" * 590 + b" ada@example.com " + b"y" * 90), turn(), 1.0, ())
    long.note(session_id(2), tape(b"y" * 40_000), turn(), 3.0, ())
    long.note(session_id(3), tape(b"z", whole=False), turn(), 5.0, ())
    said = [each["said"] for each in long.latest()]
    assert len(said[0]) == 600
    assert "ada@" not in said[0]
    assert said[1:] == ["(too long, or not whole: not kept)"] * 2
