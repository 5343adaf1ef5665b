"""Recorded sessions: only those that were asked for and consented, whole, redacted before anything is written."""

import json
import stat

import pytest
from gateway_helpers import SESSION, SSE_HEAD, chunk, event, full, policy, session_id, wait_for

from headgate.gateway.recorder import Recorder
from headgate.stats.observations import Session

CONSENT = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Headgate-Consent"


def say(live, session, text, consent="yes", extra=""):
    """One turn by a client that consents."""
    body = json.dumps({"prompt": text}).encode()
    with live.raw() as raw:
        consents = f"{CONSENT}: {consent}\r\n" if consent else ""
        lines = f"POST /runtimes/coach/invocations HTTP/1.1\r\nHost: g\r\n{SESSION}: {session}\r\n{consents}{extra}"
        raw.send(f"{lines}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        raw.to_end()
    live.settle()


def recorded(live):
    """What the controller would read."""
    live.rows()
    return live.telemetry.after("coach", 0, 100)


def test_a_session_is_kept_redacted_with_its_labels(live):
    """Both turns, JSON and events; the rows say that it was recorded; the file is its owner's alone."""

    async def answers(request, writer):
        if b"second" in request[1]:
            tail = event(usage={"output_tokens": 1}) + chunk(b"")
            writer.write(SSE_HEAD + event(text="mail bo@example.com ") + event(text="now") + tail)
        else:
            writer.write(full({"response": "call +44 20 7946 0958, ACME-77"}))

    live.one.script = answers
    live.apply(record_share=1.0, record_redact=(r"ACME-\d+",), session_turns=2, epoch=2)
    say(live, session_id(1), "I am ada@example.com")
    say(live, session_id(1), "second")
    rows = live.rows()
    (found,) = live.telemetry.after("coach", 0, 100)
    assert [row.recorded for row in rows if isinstance(row, Session)] == [True]
    (session,) = [row for row in rows if isinstance(row, Session)]
    assert (found.session, found.variant, found.version, found.epoch) == (session.session, "baseline", "1", 2)
    assert found.turns == (
        {
            "payload": {"prompt": "I am [e-mail]"},
            "answer": {"response": "call [number], [redacted]"},
            "streamed": False,
            "failure": "",
        },
        {
            "payload": {"prompt": "second"},
            "answer": [{"text": "mail [e-mail] "}, {"text": "now"}, {"usage": {"output_tokens": 1}}],
            "streamed": True,
            "failure": "",
        },
    )
    path = live.settings.home / "recordings.db"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert b"ada@example" not in path.read_bytes()
    assert live.telemetry.latest("coach", "1", 5) == [found]
    assert live.telemetry.latest("coach", "2", 5) == []


@pytest.mark.parametrize(
    ("members", "consent", "kept"),
    [
        ({}, "yes", False),
        ({"record_share": 1.0}, "", False),
        ({"record_share": 1.0}, "no", False),
        ({"record_share": 1.0, "record_consent": False}, "", True),
        ({"record_share": 1.0}, "yes", True),
    ],
)
def test_nothing_is_kept_that_was_not_asked_for(live, members, consent, kept):
    """No share, no recording; no consent, no recording, unless the plan answers for it."""
    live.apply(**members, session_turns=1, epoch=2)
    say(live, session_id(1), "hello", consent)
    assert bool(recorded(live)) is kept


def test_what_is_not_whole_is_not_kept(live):
    """A payload that is no JSON, one that comes in chunks: the session is left out, not kept in part."""
    live.apply(record_share=1.0, record_consent=False, session_turns=2, epoch=2)
    live.post(session_id(1), b"not json")
    live.post(session_id(1), b'{"prompt": "x"}')
    say(live, session_id(2), "fine")
    say(live, session_id(2), "fine")
    assert [r.turns[0]["payload"]["prompt"] for r in recorded(live)] == ["fine"]


def test_a_failed_turn_is_part_of_it(live):
    """How it failed stands where the answer would."""

    async def dies(request, writer):
        writer.write(full({"error": "secret words"}, "500 Oops"))

    live.one.script = dies
    live.apply(record_share=1.0, epoch=2)
    say(live, session_id(1), "hello")
    (found,) = recorded(live)
    assert found.turns[0]["failure"] == "http_5xx"


def test_old_recordings_are_dropped(still):
    """After `record_keep_s`, at the next trim."""
    still.apply(record_share=1.0, record_keep_s=100.0, session_turns=1, epoch=2)
    say(still, session_id(1), "hello")
    assert len(recorded(still)) == 1
    still.clock.now += 200.0
    still.do(still.engine.tick)
    wait_for(lambda: not recorded(still), "the old recording to go")


def test_the_sample_is_the_share_and_knows_no_variant():
    """About a fifth of the sessions, by their id alone: the same ones whatever the policy says else."""
    chosen = []
    for weight in (0.0, 100.0):
        recorder = Recorder()
        recorder.apply(policy(record_share=0.2, record_consent=False, two="http://127.0.0.1:2", weight=weight))
        chosen.append([i for i in range(2000) if recorder.tape(session_id(i), b"", fresh=True)])
    assert chosen[0] == chosen[1]
    assert 320 <= len(chosen[0]) <= 480
    none = Recorder()
    none.apply(policy(record_share=1.0, record_consent=False))
    assert none.tape(session_id(1), b"", fresh=False) is None, "it began before it could be recorded"


def test_a_long_turn_spoils_its_session():
    """Beyond the limit nothing of it stays in memory."""
    recorder = Recorder()
    recorder.apply(policy(record_share=1.0, record_consent=False))
    tape = recorder.tape(session_id(1), b"", fresh=True)
    tape.ask(b'{"prompt": "x"}')
    tape.hear([b"y" * 1024] * 300, stream=False)
    assert (tape.whole, tape.asked, tape.answered) == (False, [], [])
    recorder.turn(session_id(1), tape, "")
    assert recorder.close(session_id(1), {}) is False
