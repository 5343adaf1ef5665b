"""Every error of boto3 becomes one of ours, that says whether to try again."""

import socket

import botocore.session
import httpx
import pytest
from botocore import exceptions as theirs

from headgate.errors import NotFound, PortError, Rejected, TimedOut, Unavailable
from headgate.platforms.agentcore import AgentCorePlatform, Connection, connect
from headgate.platforms.agentcore.clients import control_client, is_loopback
from headgate.platforms.agentcore.faults import CODES, mapped
from headgate.platforms.agentcore.words import client_token, runtime_name
from headgate.testing.contracts_platform import plan_of, wait_until
from headgate.testing.processes import running_runtime

OPERATIONS = {
    "bedrock-agentcore-control": ("AgentRuntime", "AgentRuntimeEndpoint", "AgentRuntimes", "AgentRuntimeVersions"),
    "bedrock-agentcore": ("InvokeAgentRuntime", "StopRuntimeSession"),
}


def modelled_codes():
    """Every error code that AWS models for a call that we make."""
    session = botocore.session.get_session()
    for service, wanted in OPERATIONS.items():
        model = session.get_service_model(service)
        for name in model.operation_names:
            if name.endswith(wanted):
                yield from (shape.name for shape in model.operation_model(name).error_shapes)


def answered(code, status):
    """The exception of boto3 for an error answer."""
    return theirs.ClientError(
        {"Error": {"Code": code, "Message": "said so"}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "GetAgentRuntime",
    )


def kind_of(error):
    """What it becomes."""
    with pytest.raises(PortError) as caught, mapped("doing it"):
        raise error
    assert "doing it" in caught.value.message
    return type(caught.value)


def test_every_modelled_error_code_is_mapped():
    """A code that AWS adds to the model fails here until somebody has decided what it means."""
    assert set(modelled_codes()) == set(CODES)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answered("ResourceNotFoundException", 404), NotFound),
        (answered("ConflictException", 409), Rejected),
        (answered("ThrottlingException", 429), Unavailable),
        (answered("InternalServerException", 500), Unavailable),
        (answered("SomethingNew", 503), Unavailable),
        (answered("SomethingNew", 418), Rejected),
        (theirs.ReadTimeoutError(endpoint_url="x"), TimedOut),
        (theirs.ConnectTimeoutError(endpoint_url="x"), TimedOut),
        (theirs.EndpointConnectionError(endpoint_url="x"), Unavailable),
        (theirs.ConnectionClosedError(endpoint_url="x"), Unavailable),
        (theirs.NoCredentialsError(), Rejected),
        (theirs.ParamValidationError(report="x"), Rejected),
        (httpx.ReadTimeout("x"), TimedOut),
        (httpx.ConnectError("x"), Unavailable),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(value)[:60],
)
def test_errors_say_whether_to_try_again(error, kind):
    """Not there, said no, busy, no answer: four different things."""
    assert kind_of(error) is kind


def test_a_runtime_that_is_not_there_is_unavailable():
    """Nothing listens: a PortError with a mend, not a traceback of boto3."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    platform = AgentCorePlatform(connect(f"http://127.0.0.1:{port}"))
    with pytest.raises(Unavailable, match="looking for agent") as caught:
        platform.find("coach-companion")
    assert caught.value.mend


def test_names_and_tokens_fit_agentcore():
    """Hyphens become underscores; any token becomes one of the allowed length, the same each time."""
    assert runtime_name("coach-companion") == "coach_companion"
    for name in ("9lives", "a b", "", "a" * 49):
        with pytest.raises(Rejected):
            runtime_name(name)
    assert client_token("x") == client_token("x") != client_token("y")
    assert 33 <= len(client_token("")) <= 256


def test_only_this_machines_runtime_gets_dummy_credentials(monkeypatch):
    """Real credentials are never replaced for another host, and never sent to a local process."""
    assert is_loopback("http://127.0.0.1:80")
    assert is_loopback("http://localhost:80")
    assert is_loopback("http://[::1]:80")
    assert not is_loopback("https://bedrock-agentcore-control.eu-west-1.amazonaws.com")
    assert not is_loopback("http://127.0.0.1.example.com")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine, too")
    here, there = connect("http://127.0.0.1:1"), connect("http://10.0.0.1:1", "eu-west-1")
    assert [c.control._request_signer._credentials.access_key for c in (here, there)] == ["local", "mine"]
    assert (here.extension is None, there.extension is None) == (False, True)


def test_without_the_extension_the_control_plane_alone_is_enough(tmp_path):
    """As against AWS: digests of the configuration, states from runtime and endpoints."""
    (tmp_path / "main.py").write_text("raise SystemExit('broken')")
    plan = plan_of({"source": str(tmp_path), "env": '{"A": "1", "COLOUR": "blue"}', "python": "3.11"})
    with running_runtime(tmp_path / "home") as runtime:
        client = control_client(runtime.url)
        platform = AgentCorePlatform(Connection(client))
        version = platform.build("coach-companion", plan, "t1")
        assert platform.build("coach-companion", plan, "t2").number == "2"
        assert platform.version("coach-companion", "1").version.digest == version.digest
        assert platform.version("coach-companion", "1").status == "READY"
        id = platform.find("coach-companion").id
        assert client.get_agent_runtime(agentRuntimeId=id)["environmentVariables"] == {"A": "1", "COLOUR": "blue"}
        platform.pin("coach-companion", "candidate", "1")
        wait_until(lambda: platform.find("coach-companion").endpoints["candidate"][2] != "CREATING", "it settles")
        state = platform.version("coach-companion", "1")
        assert (state.status, "exited with code 1" in state.reason) == ("FAILED", True)
        client.close()


def test_an_update_keeps_what_the_plan_does_not_decide(tmp_path):
    """Description, role and lifecycle of the version before go along; the environment is the plan's."""
    (tmp_path / "main.py").write_text("x = 1")
    with running_runtime(tmp_path / "home") as runtime:
        connection = connect(runtime.url)
        code = {"code": {"s3": {"bucket": "local", "prefix": str(tmp_path)}}, "runtime": "PYTHON_3_11"}
        kept = {"roleArn": "arn:aws:iam::123456789012:role/mine", "description": "mine"}
        kept["lifecycleConfiguration"] = {"idleRuntimeSessionTimeout": 120, "maxLifetime": 600}
        connection.control.create_agent_runtime(
            agentRuntimeName="coach_companion",
            agentRuntimeArtifact={"codeConfiguration": {**code, "entryPoint": ["main.py"]}},
            environmentVariables={"OLD": "1"},
            **kept,
        )
        platform = AgentCorePlatform(connection)
        assert (
            platform.build("coach-companion", plan_of({"source": str(tmp_path), "env": '{"NEW": "1"}'}), "t").number
            == "2"
        )
        got = connection.control.get_agent_runtime(agentRuntimeId=platform.find("coach-companion").id)
        assert {key: got[key] for key in kept} == kept
        assert got["environmentVariables"] == {"NEW": "1"}
        connection.control.close()
