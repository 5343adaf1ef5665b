"""The data plane through unmodified boto3: turns, streams, sessions, and how an agent's failure looks from outside."""

import json
import threading
import uuid

import httpx
import pytest
from botocore.exceptions import ClientError, ParamValidationError
from local_agents import ECHO, ROLE, artifact, asked, behind, ready, until, write


@pytest.fixture(scope="module")
def arn(control, tmp_path_factory):
    """An agent with two versions, each on an endpoint of its own: `production` on 1, `candidate` on 2."""
    source = write(tmp_path_factory.mktemp("agent"), ECHO)
    made = control.create_agent_runtime(**asked(source, "echo", environmentVariables={"COLOUR": "blue"}))
    id = made["agentRuntimeId"]
    write(source, ECHO.replace('"one"', '"two"'))
    control.update_agent_runtime(agentRuntimeId=id, agentRuntimeArtifact=artifact(source), roleArn=ROLE)
    for name, number in (("production", "1"), ("candidate", "2")):
        control.create_agent_runtime_endpoint(agentRuntimeId=id, name=name, agentRuntimeVersion=number)
    for name in ("production", "candidate"):
        ready(control, id, name)
    return made["agentRuntimeArn"]


def turn(data, arn, payload, qualifier="production", **more):
    """One turn's answer."""
    body = json.dumps(payload).encode()
    answer = data.invoke_agent_runtime(agentRuntimeArn=arn, qualifier=qualifier, payload=body, **more)
    return json.load(answer["response"])


def refused(call, **params):
    """The error that a call is answered with: code, HTTP status, message."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Message"]


def test_two_versions_answer_at_the_same_time(data, arn):
    """Each endpoint reaches its own version, DEFAULT the latest, in processes of their own."""
    answers = {name: turn(data, arn, {}, name) for name in ("production", "candidate", "DEFAULT")}
    assert [answers[name]["mark"] for name in answers] == ["one", "two", "two"]
    assert answers["production"]["pid"] != answers["candidate"]["pid"] == answers["DEFAULT"]["pid"]


def test_the_agent_sees_its_environment_and_nothing_of_the_machines(data, arn):
    """The version's variables are there; those of whoever started the runtime are not."""
    answer = turn(data, arn, {})
    assert answer["env"]["COLOUR"] == "blue"
    assert not {"HOME", "USER", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST"} & answer["env"].keys()


def test_the_session_and_custom_headers_reach_the_agent(data, arn, runtime):
    """Session id both ways; custom headers pass, the signature does not."""
    session = f"session-{uuid.uuid4()}"
    body = {"agentRuntimeArn": arn, "qualifier": "production", "payload": b"{}", "runtimeSessionId": session}
    answer = data.invoke_agent_runtime(**body)
    assert answer["runtimeSessionId"] == session
    assert json.load(answer["response"])["session"] == session
    name = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-Tier"
    url = f"{runtime.url}/runtimes/{arn.replace(':', '%3A').replace('/', '%2F')}/invocations?qualifier=production"
    raw = httpx.post(url, json={}, headers={name: "gold", "Authorization": "AWS4 secret"})
    assert len(raw.headers["x-amzn-bedrock-agentcore-runtime-session-id"]) >= 33
    seen = {key.lower(): value for key, value in raw.json()["headers"].items()}
    assert seen[name.lower()] == "gold"
    assert "authorization" not in seen


def test_a_stream_comes_as_it_is_made(data, arn):
    """The first event is here before the agent has made the last."""
    answer = data.invoke_agent_runtime(agentRuntimeArn=arn, qualifier="production", payload=b'{"stream": 4}')
    assert answer["contentType"].startswith("text/event-stream")
    lines = (line for line in answer["response"].iter_lines(chunk_size=1) if line)
    assert next(lines) == b'data: {"number": 0}'
    # the agent waits 0.15 s between events: had the relay buffered, all would have come at once
    import time

    start = time.perf_counter()
    assert [json.loads(line[5:])["number"] for line in lines] == [1, 2, 3]
    assert time.perf_counter() - start > 0.2


def test_an_agents_exception_is_424_without_its_words(data, arn):
    """RuntimeClientError, as AWS says it; what the agent wrote stays in its log."""
    code, status, message = refused(
        data.invoke_agent_runtime, agentRuntimeArn=arn, qualifier="production", payload=b'{"fail": true}'
    )
    assert (code, status) == ("RuntimeClientError", 424)
    assert "500" in message
    assert "words that no client should see" not in message


def test_a_bad_payload_is_the_agents_to_refuse(data, arn):
    """The SDK answers 400 to what is not JSON, and the caller gets 424."""
    code, status, message = refused(
        data.invoke_agent_runtime, agentRuntimeArn=arn, qualifier="production", payload=b"not json"
    )
    assert (code, status) == ("RuntimeClientError", 424)
    assert "400" in message


@pytest.mark.parametrize("length", [1, 32, 257])
def test_a_session_id_of_the_wrong_length_is_refused(runtime, arn, length):
    """33 to 256 characters; boto3 checks only the lower bound, so the server checks both."""
    url = f"{runtime.url}/runtimes/{arn.replace(':', '%3A').replace('/', '%2F')}/invocations"
    answer = httpx.post(url, json={}, headers={"X-Amzn-Bedrock-AgentCore-Runtime-Session-Id": "s" * length})
    assert (answer.status_code, answer.headers["x-amzn-errortype"]) == (400, "ValidationException")
    assert answer.json()["fieldList"][0]["name"] == "runtimeSessionId"


def test_unknown_agents_and_endpoints_are_404(data, arn):
    """By ARN, by endpoint, and by account."""
    gone = ("ResourceNotFoundException", 404)
    invoke = data.invoke_agent_runtime
    assert refused(invoke, agentRuntimeArn=arn + "x", payload=b"{}")[:2] == gone
    assert refused(invoke, agentRuntimeArn=arn, qualifier="nowhere", payload=b"{}")[:2] == gone
    id = arn.rpartition("/")[2]
    assert turn(data, id, {}, accountId="000000000000")["mark"] == "one"
    assert refused(invoke, agentRuntimeArn=id, accountId="111111111111", payload=b"{}")[:2] == gone


def test_stopping_a_session_cuts_its_stream_visibly(data, arn):
    """The stream ends with an error event, not as if it were whole; the session is unknown afterwards."""
    session = f"session-{uuid.uuid4()}"
    call = {"agentRuntimeArn": arn, "qualifier": "production", "runtimeSessionId": session}
    answer = data.invoke_agent_runtime(**call, payload=b'{"stream": 100}')
    lines = (line for line in answer["response"].iter_lines(chunk_size=1) if line)
    next(lines)
    assert data.stop_runtime_session(**call)["runtimeSessionId"] == session
    rest = [json.loads(line[5:]) for line in lines]
    assert len(rest) < 50
    assert rest[-1]["error_type"] == "SessionStopped"
    assert refused(data.stop_runtime_session, **call)[:2] == ("ResourceNotFoundException", 404)
    with pytest.raises(ParamValidationError):
        data.stop_runtime_session(**{**call, "runtimeSessionId": "short"})


def test_default_follows_the_latest_version_and_starts_when_used(control, data, runtime, echo):
    """Nothing runs until the first turn; after an update the next turn is the new version's, the old one is stopped."""
    made = control.create_agent_runtime(**asked(echo, "lazy"))
    id = made["agentRuntimeId"]
    assert behind(runtime, id, 1)["status"] == "STOPPED"
    assert turn(data, made["agentRuntimeArn"], {}, "DEFAULT")["mark"] == "one"
    assert behind(runtime, id, 1)["status"] == "READY"
    write(echo, ECHO.replace('"one"', '"two"'))
    control.update_agent_runtime(agentRuntimeId=id, agentRuntimeArtifact=artifact(echo), roleArn=ROLE)
    assert turn(data, made["agentRuntimeArn"], {}, "DEFAULT")["mark"] == "two"
    until(lambda: behind(runtime, id, 1)["status"] == "STOPPED", "version 1 is stopped")


def test_a_turn_in_flight_outlives_the_move_of_its_endpoint(control, data, runtime, echo):
    """The old version's process is stopped only when its turn is answered."""
    made = control.create_agent_runtime(**asked(echo, "moved"))
    id = made["agentRuntimeId"]
    control.create_agent_runtime_endpoint(agentRuntimeId=id, name="production", agentRuntimeVersion="1")
    ready(control, id, "production")
    answers = []
    slow = threading.Thread(target=lambda: answers.append(turn(data, made["agentRuntimeArn"], {"sleep": 2})))
    slow.start()
    old = behind(runtime, id, 1)["pid"]
    write(echo, ECHO.replace('"one"', '"two"'))
    control.update_agent_runtime(agentRuntimeId=id, agentRuntimeArtifact=artifact(echo), roleArn=ROLE)
    control.update_agent_runtime_endpoint(agentRuntimeId=id, endpointName="production", agentRuntimeVersion="2")
    ready(control, id, "production")
    slow.join(20)
    assert [(answer["mark"], answer["pid"]) for answer in answers] == [("one", old)]
    until(lambda: behind(runtime, id, 1)["status"] == "STOPPED", "version 1 is stopped")
