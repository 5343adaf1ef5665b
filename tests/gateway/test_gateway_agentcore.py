"""Versions on AgentCore: the gateway's turns are InvokeAgentRuntime as boto3 sends it, signed, streamed, sent once."""

import json
from urllib.parse import urlsplit

import botocore.auth
import httpx
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from gateway_helpers import ARN, SSE_HEAD, Live, chunk, event, full, head, policy, session_id

from headgate.aws.signing import Signer
from headgate.core.address import arn_of
from headgate.core.model import Version
from headgate.gateway.loopback import loopback
from headgate.gateway.policy import BadPolicy, address
from headgate.platforms.agentcore import words
from headgate.stats.observations import Second


@pytest.fixture
def cloud(tmp_path):
    """A gateway whose two versions are endpoints of an AgentCore runtime."""
    with Live(tmp_path / "home", connect_s=2.0, sign=Signer().headers) as live:
        one, two = (words.address(ARN, name, up.url) for name, up in (("blue", live.one), ("green", live.two)))
        live.traffic.apply(policy(one, two, weight=50.0))
        yield live


def received(live):
    """All requests that reached either endpoint: (target, headers, body)."""
    found = []
    for raw, body in live.one.requests + live.two.requests:
        first, *lines = raw.decode("latin-1").strip().split("\r\n")
        found.append((first.split()[1], {n.lower(): v for n, v in (line.split(": ", 1) for line in lines)}, body))
    return found


def signature(target, headers, body):
    """What botocore's signer makes of a request: computed anew from what arrived."""
    names = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    request = AWSRequest("POST", f"http://{headers['host']}{target}", {n: headers[n] for n in names}, body)
    request.context["timestamp"] = headers["x-amz-date"]
    signer = botocore.auth.SigV4Auth(Credentials("local", "local"), "bedrock-agentcore", "eu-west-1")
    return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)


def test_a_turn_is_what_boto3_would_send(cloud):
    """Path, qualifier and signature: each request that arrives carries the signature of exactly its bytes."""
    with cloud.client() as client:
        for number in range(12):
            answer = client.invoke_agent_runtime(
                agentRuntimeArn=ARN, runtimeSessionId=session_id(number), payload=b'{"prompt": "h\xc3\xa9"}'
            )
            assert json.loads(answer["response"].read())["got"] == '{"prompt": "hé"}'
    turns = received(cloud)
    paths = {f"/runtimes/{ARN.replace(':', '%3A').replace('/', '%2F')}/invocations?qualifier={q}" for q in "bg"}
    assert {urlsplit(target).path for target, *_ in turns} == {urlsplit(path).path for path in paths}
    assert {urlsplit(target).query for target, *_ in turns} == {"qualifier=blue", "qualifier=green"}
    for target, headers, body in turns:
        assert headers["authorization"].endswith(f"Signature={signature(target, headers, body)}")
        assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=local/")
        assert len(headers["x-amz-date"]) == 16
        assert "amz-sdk-request" not in headers  # the client's own tries are none of AWS's business


def test_connections_are_reused(cloud):
    """Many turns, one connection for each endpoint."""
    for number in range(20):
        assert cloud.post(session_id(number)).status_code == 200
    assert (cloud.one.connections, cloud.two.connections) == (1, 1)


def test_a_chunked_request_is_signed_whole(cloud):
    """What came in chunks leaves with a length, as AgentCore wants it."""
    with cloud.raw() as raw:
        raw.send(head(session_id(1), extra="Transfer-Encoding: chunked\r\n") + chunk(b'{"a"') + chunk(b": 1}"))
        raw.send(b"0\r\n\r\n")
        assert raw.response()[0] == 200
    ((_, headers, body),) = received(cloud)
    assert (body, headers["content-length"]) == (b'{"a": 1}', "8")


def test_a_stream_arrives_as_it_is_made(cloud):
    """The second event is made only after the first was read."""
    seen = cloud.event()

    async def stream(_request, writer):
        writer.write(SSE_HEAD + event(n=1))
        await seen.wait()
        writer.write(event(n=2) + b"0\r\n\r\n")

    cloud.one.script = cloud.two.script = stream
    with cloud.client() as client:
        answer = client.invoke_agent_runtime(agentRuntimeArn=ARN, runtimeSessionId=session_id(1), payload=b"{}")
        lines = (line for line in answer["response"].iter_lines(chunk_size=1) if line)
        assert next(lines) == b'data: {"n": 1}'
        cloud.loop.call_soon_threadsafe(seen.set)
        assert list(lines) == [b'data: {"n": 2}']


def test_a_turn_is_never_sent_twice(cloud):
    """A connection that breaks after a good turn, with the next one on its way: it is not sent again."""
    calls = []

    async def once(request, writer):
        calls.append(request)
        if len(calls) == 1:
            writer.write(full({"usage": {}}))
        else:
            writer.transport.abort()

    cloud.one.script = cloud.two.script = once
    session = session_id(1)
    assert cloud.post(session).status_code == 200
    assert cloud.post(session).status_code == 502
    assert len(calls) == 2
    assert cloud.one.connections + cloud.two.connections == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [(402, "http_402"), (403, "http_403"), (404, "http_404"), (424, "http_424"), (429, "http_429"), (400, "http_4xx")],
)
def test_what_aws_refuses_is_told_and_counted(cloud, status, kind):
    """The client sees AWS's own error; only a bad request is the client's fault."""

    async def refuse(_request, writer):
        writer.write(full({"message": "no"}, f"{status} No", "x-amzn-ErrorType: SomeException\r\n"))

    cloud.one.script = cloud.two.script = refuse
    with cloud.client() as client, pytest.raises(ClientError) as caught:
        client.invoke_agent_runtime(agentRuntimeArn=ARN, runtimeSessionId=session_id(1), payload=b"{}")
    assert caught.value.response["Error"]["Code"] == "SomeException"
    cloud.settle()
    assert [dict(row.errors) for row in cloud.rows() if isinstance(row, Second) and row.requests] == [{kind: 1}]
    assert len(cloud.one.requests) + len(cloud.two.requests) == 1


def test_the_owners_token_goes_along_unsigned(cloud):
    """A runtime behind OAuth is called with its user's own token, which no SDK can do."""
    with cloud.raw() as raw:
        raw.send(head(session_id(1), 2, "Authorization: Bearer user-token\r\n") + b"{}")
        assert raw.response()[0] == 200
    ((_, headers, _),) = received(cloud)
    assert headers["authorization"] == "Bearer user-token"
    assert "x-amz-date" not in headers


def test_without_credentials_the_client_is_told(tmp_path):
    """503 and the reason; both variants alike, so no candidate is blamed for it."""

    def fails(*_):
        raise LookupError("Unable to locate credentials")

    with Live(tmp_path / "home", sign=fails) as live:
        live.traffic.apply(policy(words.address(ARN, "blue", live.one.url)))
        answer = live.post(session_id(1))
        assert (answer.status_code, "Unable to locate credentials" in answer.text) == (503, True)
        assert live.one.requests == []


def test_loopback_reaches_an_endpoint_by_plain_http(live):
    """What gates use: unsigned there, signed here."""

    with loopback(words.address(ARN, "blue", live.one.url), ARN, Signer().headers) as url:
        answer = httpx.post(f"{url}/invocations", content=b"{}", headers={"Content-Type": "application/json"})
    assert answer.json()["version"] == "1"
    assert live.one.requests[0][0].startswith(b"POST /runtimes/arn%3Aaws%3Abedrock-agentcore")


def test_addresses_are_read_strictly():
    """An ARN with its endpoint, over TLS unless on this machine; anything else is no address."""
    there = address(words.address(ARN, "blue", "https://bedrock-agentcore.eu-west-1.amazonaws.com", "my profile"))
    assert (there.host, there.port, there.tls) == ("bedrock-agentcore.eu-west-1.amazonaws.com", 443, True)
    assert (there.region, there.profile) == ("eu-west-1", "my profile")
    assert there.origin == "https://bedrock-agentcore.eu-west-1.amazonaws.com"
    for wrong in (
        f"agentcore+https://host/{ARN}",
        "agentcore+https://host/arn:aws:s3:::x?qualifier=blue",
        f"agentcore+https://host/{ARN}?qualifier=a-b",
        f"agentcore+ftp://host/{ARN}?qualifier=blue",
        f"https://host/{ARN}?qualifier=blue",
    ):
        with pytest.raises(BadPolicy):
            address(wrong)
    assert arn_of(words.address(ARN, "blue", "https://host")) == ARN
    assert Version("1", "", words.address(ARN, "blue", "http://127.0.0.1:1")).url.startswith("agentcore+http://127")


def test_a_session_is_stopped_on_aws_as_well(cloud):
    """By AWS's own call, signed, at the endpoint that the session is on; what AWS does not know any more ends here."""
    with cloud.client() as client:
        name = {"agentRuntimeArn": ARN, "runtimeSessionId": session_id(1)}
        client.invoke_agent_runtime(**name, payload=b"{}")
        client.stop_runtime_session(**name)
        (_, _, _), (target, headers, body) = received(cloud)
        assert "/stopruntimesession?qualifier=" in target
        assert headers["authorization"].endswith(f"Signature={signature(target, headers, body)}")
        assert headers["x-amzn-bedrock-agentcore-runtime-session-id"] == session_id(1)
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.stop_runtime_session(**name)


def test_a_stop_that_aws_refuses_is_told_and_ends_nothing(cloud):
    """The session is as it was, so it can be stopped again."""
    refusing = [True]

    async def answer(request, writer):
        refused = refusing[0] and b"/stopruntimesession" in request[0]
        kind = "x-amzn-ErrorType: AccessDeniedException\r\n" if refused else ""
        writer.write(full({"message": "no" if refused else ""}, "403 No" if refused else "200 OK", kind))

    cloud.one.script = cloud.two.script = answer
    with cloud.client() as client:
        name = {"agentRuntimeArn": ARN, "runtimeSessionId": session_id(1)}
        client.invoke_agent_runtime(**name, payload=b"{}")
        with pytest.raises(client.exceptions.AccessDeniedException):
            client.stop_runtime_session(**name)
        refusing.clear()
        refusing.append(False)
        client.stop_runtime_session(**name)
