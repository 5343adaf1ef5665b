"""Unmodified boto3 clients: what they see is AgentCore, and their sessions stay where they began."""

import json
import math

import pytest
from botocore.exceptions import ClientError
from gateway_helpers import ARN, SSE_HEAD, event, full, session_id

from headgate.stats.observations import Second


def invoke(client, session, payload=b"{}"):
    """One turn; (version by header, body)."""
    answer = client.invoke_agent_runtime(
        agentRuntimeArn=ARN, qualifier="production", runtimeSessionId=session, payload=payload
    )
    assert answer["runtimeSessionId"] == session
    return answer["ResponseMetadata"]["HTTPHeaders"]["x-headgate-version"], answer["response"].read()


def test_json_in_and_out(live):
    """The payload arrives as it was, the answer is read as on AWS."""
    with live.client() as client:
        version, body = invoke(client, session_id(1), b'{"prompt": "hello"}')
    assert (version, json.loads(body)["got"]) == ("1", '{"prompt": "hello"}')


def test_a_stream_reaches_boto3_event_by_event(live):
    """The second event is made only after the first was read."""
    seen = live.event()

    async def stream(_request, writer):
        writer.write(SSE_HEAD + event(n=1))
        await seen.wait()
        writer.write(event(n=2) + b"0\r\n\r\n")

    live.one.script = stream
    with live.client() as client:
        answer = client.invoke_agent_runtime(agentRuntimeArn=ARN, runtimeSessionId=session_id(1), payload=b"{}")
        assert answer["contentType"] == "text/event-stream"
        lines = (line for line in answer["response"].iter_lines(chunk_size=1) if line)
        assert next(lines) == b'data: {"n": 1}'
        live.loop.call_soon_threadsafe(seen.set)
        assert list(lines) == [b'data: {"n": 2}']


def test_sessions_of_many_turns_stay_where_they_began(live):
    """Through every change of weight, up and down; each answer comes from the version that it names."""
    served = {}
    with live.client() as client:
        for turn, weight in enumerate([50.0, 100.0, 0.0, 10.0, 50.0]):
            live.apply(weight=weight, epoch=turn + 2)
            for i in range(20):
                version, body = invoke(client, session_id(i))
                assert json.loads(body)["version"] == version
                assert served.setdefault(i, version) == version
    assert set(served.values()) == {"1", "2"}


@pytest.mark.parametrize("weight", [0.0, 10.0, 50.0, 100.0])
def test_the_realised_share_is_the_weight(live, weight):
    """Of the sessions that real clients begin, by the gateway's own count; within five standard deviations."""
    live.apply(weight=weight, epoch=2)
    n = 200
    with live.client() as client:
        for i in range(n):
            invoke(client, session_id(i))
    seconds = [row for row in live.rows() if isinstance(row, Second)]
    began = {name: sum(row.sessions for row in seconds if row.variant == name) for name in ("baseline", "candidate")}
    p = weight / 100
    assert sum(began.values()) == n
    assert abs(began["candidate"] - n * p) <= 5 * math.sqrt(n * p * (1 - p))
    assert {row.weight for row in seconds} == {weight}


def error(call):
    """(exception's name, status) that boto3 raises."""
    with pytest.raises(ClientError) as raised:
        call()
    answer = raised.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_errors_are_those_of_the_service_model(live):
    """boto3 maps them to the exceptions that a caller of AgentCore already handles."""

    async def fail(_request, writer):
        writer.write(full({}, "500 Oops"))

    with live.client() as client:
        stranger = ARN.replace("coach", "other")
        call = client.invoke_agent_runtime
        assert error(lambda: call(agentRuntimeArn=stranger, payload=b"")) == ("ResourceNotFoundException", 404)
        bad = "x" * 300
        assert error(lambda: call(agentRuntimeArn=ARN, runtimeSessionId=bad, payload=b"")) == (
            "ValidationException",
            400,
        )
        live.one.script = fail
        assert error(lambda: call(agentRuntimeArn=ARN, payload=b"")) == ("RuntimeClientError", 424)


def test_a_session_is_stopped(live):
    """Its pin is forgotten after its summary; stopping it twice is a 404, and its id may begin anew."""
    live.apply(weight=100.0, epoch=2)
    with live.client() as client:
        assert invoke(client, session_id(1))[0] == "2"
        stop = lambda: client.stop_runtime_session(agentRuntimeArn=ARN, runtimeSessionId=session_id(1))  # noqa: E731
        assert stop()["runtimeSessionId"] == session_id(1)
        assert error(stop) == ("ResourceNotFoundException", 404)
        live.apply(weight=0.0, epoch=3)
        assert invoke(client, session_id(1))[0] == "1"
    closed = [row.closed_by for row in live.rows() if hasattr(row, "closed_by")]
    assert closed == ["stop"]
