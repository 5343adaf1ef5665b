"""Bytes through a live gateway: framing, streaming, back-pressure, reuse, replay, and what a client is told when a
version fails.
"""

import asyncio
import json
import threading
from time import perf_counter

import pytest
from gateway_helpers import (
    SESSION,
    SSE_HEAD,
    Live,
    chunk,
    event,
    full,
    head,
    session_id,
    wait_for,
)

from headgate.stats.histogram import middle_ms
from headgate.stats.observations import Second, Session

ONE = session_id(1)


def errors(live):
    """Errors by kind over all seconds."""
    found = {}
    for row in live.rows():
        if isinstance(row, Second):
            for kind, count in row.errors.items():
                found[kind] = found.get(kind, 0) + count
    return found


def test_a_turn_goes_to_the_version_and_back(live):
    """Path, session and body arrive; version, variant and session return."""
    answer = live.post(ONE, b'{"prompt": "hi"}')
    assert answer.json()["got"] == '{"prompt": "hi"}'
    assert answer.headers[SESSION] == ONE
    assert (answer.headers["x-headgate-version"], answer.headers["x-headgate-variant"]) == ("1", "baseline")
    ((top, _),) = live.one.requests
    assert top.startswith(b"POST /invocations HTTP/1.1\r\nHost: 127.0.0.1:")
    assert f"{SESSION}: {ONE}".encode() in top
    assert b"baggage: aws.agentcore.gateway.routing_experiment_variant_name=C\r\n" in top


def test_a_session_is_issued_and_can_be_used(live):
    """A client without a session gets one that pins its next turn."""
    first = live.post()
    session = first.headers[SESSION]
    assert len(session) == 36
    assert live.post(session).headers[SESSION] == session
    assert live.do(lambda: len(live.engine.agents["coach"].router.pins)) == 1


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/runtimes/coach/invocations?qualifier=production", 200),
        ("/runtimes/coach-0123456789/invocations", 200),
        (
            "/runtimes/arn%3Aaws%3Abedrock-agentcore%3Aeu-west-1%3A123456789012%3Aruntime%2Fcoach-0123456789/invocations",
            200,
        ),
        ("/runtimes/arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/coach-0123456789/invocations", 200),
        ("/runtimes/stranger/invocations", 404),
        ("/runtimes//invocations", 404),
        ("/runtimes/coach/commands", 404),
        ("/invocations", 404),
    ],
)
def test_an_agent_has_several_names(live, target, status):
    """Its ARN, encoded or not, its runtime id, its name; anything else is an AWS-shaped 404."""
    with live.raw() as raw:
        raw.send(head(ONE, 2, target=target) + b"{}")
        assert raw.response()[0] == status


@pytest.mark.parametrize(
    "session", ["short", "x" * 32, "x" * 257, "-" + "x" * 40, "x" * 40 + "/", "x" * 20 + " " + "x" * 20]
)
def test_a_bad_session_id_is_a_validation_error(live, session):
    """Length and pattern of AgentCore."""
    with live.raw() as raw:
        raw.send(head(session, 2) + b"{}")
        status, top, _ = raw.response()
        assert (status, b"x-amzn-errortype: validationexception" in top) == (400, True)


def test_ping(live):
    """The data port says that it is there."""
    with live.raw() as raw:
        raw.send(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        assert [raw.response()[0] for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("cut", [1, 7, 61, 150, 4000])
def test_a_request_may_come_in_any_pieces(live, cut):
    """Also byte by byte, head and body."""
    data = head(ONE, 300) + b"x" * 300
    with live.raw() as raw:
        for at in range(0, len(data), cut):
            raw.send(data[at : at + cut])
        assert json.loads(raw.response()[2])["got"] == "x" * 300


def test_a_chunked_request_arrives_whole(live):
    """And the next request on the connection is found after it."""
    with live.raw() as raw:
        for _ in range(2):
            raw.send(head(ONE, extra="Transfer-Encoding: chunked\r\n") + b"3\r\nabc\r\n" + b"2\r")
            raw.send(b"\nde\r\n0\r\n\r\n")
            assert json.loads(raw.response()[2])["got"] == "abcde"


def test_pipelined_requests_are_answered_in_order(live):
    """Each after the one before; none is lost."""
    with live.raw() as raw:
        raw.send(b"".join(head(ONE, 1) + b"%d" % n for n in range(5)))
        assert [json.loads(raw.response()[2])["got"] for _ in range(5)] == list("01234")


def test_a_request_that_comes_during_an_answer_waits_for_its_turn(live):
    """Read ahead, kept, and answered when the one before is."""
    go, arrived = live.event(), live.event()

    async def slow(request, writer):
        arrived.set()
        await go.wait()
        await live.one.echo(request, writer)

    live.one.script = slow
    with live.raw() as raw:
        raw.send(head(ONE, 1) + b"0")
        live.do(arrived.wait)
        raw.send(head(ONE, 1) + b"1" + head(ONE, 1))
        wait_for(lambda: live.do(lambda: any(each._parked for each in live.engine.clients)), "the request ahead")
        live.loop.call_soon_threadsafe(go.set)
        assert json.loads(raw.response()[2])["got"] == "0"
        assert json.loads(raw.response()[2])["got"] == "1"
        raw.send(b"2")
        assert json.loads(raw.response()[2])["got"] == "2"


def test_connections_to_a_version_are_reused(live):
    """Last in, first out: twenty turns in a row need one connection."""
    with live.raw() as raw:
        for _ in range(20):
            raw.send(head(ONE, 2) + b"{}")
            raw.response()
    assert live.one.connections == 1


def test_expect_100_continue_is_answered(live):
    """A client that waits for leave to send gets it."""
    with live.raw() as raw:
        raw.send(head(ONE, 2, "Expect: 100-continue\r\n"))
        assert raw.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.send(b"{}")
        assert raw.response()[0] == 200
    assert b"100-continue" not in live.one.requests[0][0]


def test_an_old_client_gets_no_chunks(live):
    """HTTP/1.0: the payload alone, and the end of the connection is the end of the body."""

    async def chunked(_request, writer):
        writer.write(SSE_HEAD + chunk(b"abc") + chunk(b"def") + b"0\r\n\r\n")

    live.one.script = chunked
    with live.raw() as raw:
        raw.send(head(ONE, 2, version="1.0") + b"{}")
        assert raw.to_end().partition(b"\r\n\r\n")[2] == b"abcdef"


def test_an_answer_without_a_length_ends_with_its_connection(live):
    """Passed on to the close, which the client sees too; not a failure."""

    async def until_close(_request, writer):
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nall there is")
        writer.close()

    live.one.script = until_close
    with live.raw() as raw:
        raw.send(head(ONE, 2) + b"{}")
        assert raw.to_end().endswith(b"\r\n\r\nall there is")
    assert errors(live) == {}


def test_connection_close_is_obeyed(live):
    """The client asked for it."""
    with live.raw() as raw:
        raw.send(head(ONE, 2, "Connection: close\r\n") + b"{}")
        assert b"\r\nConnection: close\r\n" in raw.to_end()


BAD = {
    "length and coding": head(ONE, 2, "Transfer-Encoding: chunked\r\n") + b"{}",
    "bare LF": head(ONE, 2).replace(b"\r\n", b"\n") + b"{}",
    "bad chunk": head(ONE, extra="Transfer-Encoding: chunked\r\n") + b"zz\r\n",
    "late bad chunk": head(ONE, extra="Transfer-Encoding: chunked\r\n") + b"1\r\na\r\nzz\r\n",
    "endless head": b"POST / HTTP/1.1\r\nX: " + b"a" * 70000,
    "long head": head(ONE, 2, "X: " + "a" * 66000 + "\r\n") + b"{}",
    "garbage": b"\x16\x03\x01 hello, is this TLS?\r\n\r\n",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD)
def test_an_ambiguous_request_is_answered_and_nothing_more_is_taken(live, data):
    """400, AWS-shaped, the connection closed, and no second request smuggled behind it."""
    with live.raw() as raw:
        raw.send(data + head(session_id(2), 2) + b"{}")
        status, top, body = raw.response()
        assert status == 400
        assert b"x-amzn-errortype: validationexception" in top
        assert json.loads(body)["message"]
        assert raw.to_end() == b""
    assert session_id(2).encode() not in b"".join(top for top, _ in live.one.requests)


def test_a_body_over_the_limit_is_refused(live):
    """413, whether it is announced or found out."""
    with live.raw() as raw:
        raw.send(head(ONE, 100_000_001))
        assert raw.response()[0] == 413
    with live.raw() as raw:
        raw.send(head(ONE, extra="Transfer-Encoding: chunked\r\n") + b"5F5E101\r\nabc")
        assert raw.response()[0] == 413


def test_a_refused_client_that_is_still_sending_can_read_why(live):
    """Its data are thrown away for a while: a reset would have destroyed the answer on its way."""
    with live.raw() as raw:
        raw.send(head(ONE, 100_000_001))
        for _ in range(64):
            raw.send(b"x" * 65536)
        assert raw.response()[0] == 413


@pytest.mark.parametrize(
    ("sent", "seconds"),
    [(b"", 76), (b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n", 76), (b"POST /runti", 31), (b"nonsense\r\n\r\n", 6)],
    ids=["silent", "idle", "half a head", "refused"],
)
def test_a_silent_client_is_let_go(live, sent, seconds):
    """Each state has its limit; the sweep is told a later time."""
    with live.raw() as raw:
        raw.send(sent)
        (client,) = wait_for(lambda: live.do(lambda: list(live.engine.clients)), "the client")
        if sent:
            wait_for(lambda: live.do(lambda: client._parked or client._lingering or client.minor == 1), "its words")
        if b"\r\n\r\n" in sent:
            raw.until(b"}")
        live.do(client.expire, perf_counter() + seconds - 2)
        assert live.do(lambda: client in live.engine.clients)
        live.do(client.expire, perf_counter() + seconds)
        wait_for(lambda: live.do(lambda: client not in live.engine.clients), "its end")


def test_a_stream_is_not_held_back(live):
    """Each event is seen by the client before the version makes the next: a handshake, not a stopwatch."""
    seen = live.event()

    async def stream(_request, writer):
        writer.write(SSE_HEAD)
        for n in range(3):
            writer.write(event(n=n))
            await seen.wait()
            seen.clear()
        writer.write(b"0\r\n\r\n")

    live.one.script = stream
    with live.raw() as raw:
        raw.send(head(ONE, 2) + b"{}")
        for n in range(3):
            assert b'"n": %d' % n in raw.until(b"}\n\n\r\n")
            live.loop.call_soon_threadsafe(seen.set)
        raw.until(b"0\r\n\r\n")


def test_a_stream_is_measured_by_its_tokens(live):
    """Its row says that it was a stream; a JSON answer beside it is none. A stall between two tokens is its gap."""
    stall = 0.3

    async def stream(_request, writer):
        writer.write(SSE_HEAD + event(text="a"))
        await writer.drain()
        await asyncio.sleep(stall)
        writer.write(event(text="b") + b"0\r\n\r\n")

    live.post(session_id(2))
    live.one.script = stream
    live.post(ONE)
    rows = wait_for(lambda: [r for r in live.rows() if isinstance(r, Second) and r.streams], "the row of the stream")
    assert sum(r.streams for r in rows) == 1
    (gap,), (first,) = rows[0].token_gap, rows[0].first_token
    assert middle_ms(gap) > stall * 900
    assert rows[0].latency[max(gap, first)] >= 1
    assert sum(r.requests for r in live.rows() if isinstance(r, Second)) == 2


def test_a_failure_in_mid_stream_is_counted(live):
    """HTTP 200 all the way, and still the session failed."""

    async def stream(_request, writer):
        writer.write(SSE_HEAD + event(text="so far so good"))
        await writer.drain()
        writer.write(event(error="boom", error_type="ValueError", message="x") + b"0\r\n\r\n")

    live.one.script = stream
    assert live.post(ONE).status_code == 200
    assert errors(live) == {"stream_error": 1}
    (session,) = [row for row in live.rows() if isinstance(row, Session)]
    assert (session.failures, session.closed_by) == (1, "failure")


def test_usage_and_cost_are_read_from_the_answer(live):
    """Tokens at the plan's prices, unless the answer states its cost."""
    live.apply(epoch=2, usd_per_million_input=1_000_000.0, usd_per_million_output=0.0)
    live.post(ONE)

    async def stream(_request, writer):
        writer.write(SSE_HEAD + event(usage={"input_tokens": 1, "output_tokens": 2, "cost_usd": 0.25}) + b"0\r\n\r\n")

    live.one.script = stream
    live.post(ONE)
    seconds = [row for row in live.rows() if isinstance(row, Second)]
    assert sum(row.tokens_in for row in seconds) == 6
    assert sum(row.tokens_out for row in seconds) == 9
    assert sum(row.cost_usd for row in seconds) == pytest.approx(5.25)


def test_a_failing_agent_is_a_runtime_client_error(live):
    """A 500 becomes 424, as on AWS, and its text stays behind."""

    async def fail(_request, writer):
        writer.write(full({"error": "secret traceback"}, "500 Internal Server Error"))

    live.one.script = fail
    answer = live.post(ONE)
    assert answer.status_code == 424
    assert answer.headers["x-amzn-errortype"] == "RuntimeClientError"
    assert "secret" not in answer.text
    assert answer.headers["x-headgate-version"] == "1"
    assert errors(live) == {"http_5xx": 1}


@pytest.mark.parametrize(("status", "kind"), [(400, "http_4xx"), (424, "http_424"), (429, "http_429")])
def test_answers_of_4xx_are_passed_on_and_counted_by_kind(live, status, kind):
    """Only the client's own fault is `http_4xx`."""

    async def refuse(_request, writer):
        writer.write(full({"error": "no"}, f"{status} No"))

    live.one.script = refuse
    answer = live.post(ONE)
    assert (answer.status_code, answer.json()) == (status, {"error": "no"})
    assert errors(live) == {kind: 1}


def test_a_version_that_is_not_there_is_503(live):
    """Refused connections are the version's failure, of their own kind."""
    live.do(live.one.stop)
    answer = live.post(ONE)
    assert (answer.status_code, answer.headers["x-headgate-version"]) == (503, "1")
    assert errors(live) == {"connect": 1}


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nConte", b"HTTP/1.1 101 Switching\r\n\r\n", b"SSH-2.0-x\r\n\r\n"]
)
def test_a_version_that_dies_or_talks_nonsense_before_its_answer_is_502(live, sent):
    """No client gets half a head."""

    async def die(_request, writer):
        writer.write(sent)
        await writer.drain()
        writer.close()

    live.one.script = die
    assert live.post(ONE).status_code == 502
    assert errors(live) == {"cut": 1}
    assert live.one.connections == 1  # on a fresh connection nothing is tried twice


def test_an_answer_that_is_cut_is_cut_for_the_client(live):
    """Neither a length nor chunks that end too early can be taken for whole."""

    async def cut(_request, writer):
        writer.write(SSE_HEAD + event(n=1))
        await writer.drain()
        writer.transport.abort()

    live.one.script = cut
    with live.raw() as raw:
        raw.send(head(ONE, 2) + b"{}")
        raw.until(b"}\n\n")
        with pytest.raises((ConnectionResetError, AssertionError)):
            raw.until(b"0\r\n\r\n")
    assert errors(live) == {"cut": 1}


def test_a_stale_connection_is_replaced_without_the_client_noticing(live):
    """The version closed an idle connection; the whole request is sent again on a fresh one, once."""
    live.post(ONE)
    first = threading.Event()

    async def close_then_answer(request, writer):
        if not first.is_set():
            first.set()
            writer.transport.abort()  # without a byte of an answer: what a stale connection does
        else:
            await live.one.echo(request, writer)

    live.one.script = close_then_answer
    answer = live.post(ONE, b"again")
    assert (answer.status_code, answer.json()["got"]) == (200, "again")
    assert live.one.connections == 2
    assert errors(live) == {}


def test_a_second_death_is_not_replayed(live):
    """One fresh connection, not more: the version may really be dying of this request."""
    live.post(ONE)

    async def die(_request, writer):
        writer.transport.abort()

    live.one.script = die
    assert live.post(ONE).status_code == 502
    assert len(live.one.requests) == 3


def test_nothing_is_replayed_after_a_byte_of_the_answer(live):
    """A turn is not run twice when it may have run once."""
    live.post(ONE)

    async def half(_request, writer):
        writer.write(b"HTTP/1.1")
        await writer.drain()
        writer.transport.abort()

    live.one.script = half
    assert live.post(ONE).status_code == 502
    assert len(live.one.requests) == 2


def test_a_client_that_hangs_up_stops_its_version(live):
    """The connection behind is cut at once; not a failure, and its time so far is measured."""

    async def stream(_request, writer):
        writer.write(SSE_HEAD + event(n=1))
        await writer.drain()
        await live_forever.wait()

    live_forever = live.event()
    live.one.script = stream
    with live.raw() as raw:
        raw.send(head(ONE, 2) + b"{}")
        raw.until(b"}\n\n")
    wait_for(lambda: not live.do(lambda: live.engine.agents["coach"].exchanges), "the end of the exchange")
    live.loop.call_soon_threadsafe(live_forever.set)
    wait_for(lambda: live.one.open == 0, "the cut of the version's connection")
    rows = live.rows()
    assert sum(row.requests for row in rows if isinstance(row, Second)) == 1
    assert errors(live) == {}


def test_a_slow_client_holds_its_version_back(live):
    """Back-pressure: of 64 MB that nobody reads the gateway holds little, and nothing is lost when they are read."""
    size, written = 64 << 20, []

    async def flood(_request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size >> 16):
            writer.write(b"x" * (1 << 16))
            await writer.drain()
            written.append(1 << 16)

    live.one.script = flood
    with live.raw() as raw:
        raw.send(head(ONE, 2) + b"{}")
        raw.until(b"\r\n\r\n")
        (client,) = wait_for(
            lambda: live.do(lambda: [each for each in live.engine.clients if each.paused]), "a full pipe"
        )
        wait_for_rest(written)
        assert sum(written) < size / 2
        assert live.do(lambda: client.buffered) < 2 << 20
        left = size - len(raw.data)
        while left:
            left -= len(raw.socket.recv(min(left, 1 << 20)))
    wait_for(lambda: sum(written) == size, "the rest")


def wait_for_rest(written):
    """Until the version has written nothing more for a while."""
    still = 0
    while still < 20:
        before = len(written)
        threading.Event().wait(0.01)
        still = still + 1 if len(written) == before else 0


def test_a_slow_version_holds_its_client_back(live):
    """The other direction: what the version does not read the client cannot send."""
    go = live.event()
    size = 64 << 20

    async def sleepy(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        await go.wait()
        writer.transport.resume_reading()
        got = 0
        while got < size:
            got += len(await reader.read(1 << 20))
        writer.write(full({"got": got}))
        await writer.drain()

    live.one.serve = sleepy
    with live.raw() as raw:
        raw.send(head(ONE, size))
        sent = []

        def push():
            for _ in range(size >> 16):
                raw.send(b"x" * (1 << 16))
                sent.append(1 << 16)

        pusher = threading.Thread(target=push)
        pusher.start()
        wait_for(lambda: live.do(lambda: [each for each in live.engine.clients if each.held]), "a held client")
        wait_for_rest(sent)
        assert sum(sent) < size / 2
        live.loop.call_soon_threadsafe(go.set)
        assert json.loads(raw.response()[2]) == {"got": size}
        pusher.join()


def test_a_version_that_does_not_answer_in_time_is_504(tmp_path):
    """The deadline of the first byte, and that of the pause between two."""
    with Live(tmp_path, first_byte_s=0.3, idle_s=0.3) as live:
        live.apply()
        never = live.event()

        async def silent(_request, _writer):
            await never.wait()

        async def stuck(_request, writer):
            writer.write(SSE_HEAD + event(n=1))
            await never.wait()

        live.one.script = silent
        assert live.post(ONE).status_code == 504
        live.one.script = stuck
        with live.raw() as raw:
            raw.send(head(session_id(2), 2) + b"{}")
            raw.until(b"}\n\n")
            with pytest.raises((ConnectionResetError, AssertionError)):
                raw.until(b"0\r\n\r\n")
        assert errors(live) == {"timeout": 2}
        live.loop.call_soon_threadsafe(never.set)


def test_a_client_that_stops_in_its_body_is_let_go(tmp_path):
    """408, its version left alone, and nobody's failure."""
    with Live(tmp_path, client_s=0.3) as live:
        live.apply()
        with live.raw() as raw:
            raw.send(head(ONE, 10) + b"half")
            assert raw.response()[0] == 408
        assert errors(live) == {}


def test_an_answer_before_the_request_is_whole_ends_the_connection(live):
    """The agent refused early: the client gets the answer, and the rest of its body is thrown away."""

    async def early(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(full({"error": "too much"}, "413 Too Much"))
        await writer.drain()

    live.one.serve = early
    with live.raw() as raw:
        raw.send(head(ONE, 1_000_000) + b"x" * 1000)
        assert raw.response()[0] == 413
        assert raw.to_end() == b""
