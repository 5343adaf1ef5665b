"""Every error of boto3 becomes one of ours, that says whether to try again."""

import socket

import botocore.session
import httpx
import pytest
from botocore import exceptions as theirs
from botocore.parsers import ResponseParserError

from headgate.aws.clients import control_client, is_loopback
from headgate.aws.faults import CODES, mapped
from headgate.errors import NotFound, PortError, Rejected, Throttled, TimedOut, Unavailable
from headgate.platforms.agentcore import LocalPlatform, connect
from headgate.platforms.agentcore.words import client_token, runtime_name

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
        (answered("ThrottlingException", 429), Throttled),
        (answered("SlowDown", 503), Throttled),
        (answered("NoSuchBucket", 404), NotFound),
        (answered("ResourceNotFound", 404), NotFound),
        (answered("InternalServerException", 500), Unavailable),
        (answered("SomethingNew", 503), Unavailable),
        (answered("SomethingNew", 418), Rejected),
        (theirs.ReadTimeoutError(endpoint_url="x"), TimedOut),
        (theirs.ConnectTimeoutError(endpoint_url="x"), TimedOut),
        (theirs.EndpointConnectionError(endpoint_url="x"), Unavailable),
        (theirs.ConnectionClosedError(endpoint_url="x"), Unavailable),
        (theirs.NoCredentialsError(), Rejected),
        (theirs.ParamValidationError(report="x"), Rejected),
        (ResponseParserError("a page of a proxy"), Unavailable),
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
    platform = LocalPlatform(connect(f"http://127.0.0.1:{port}"))
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
    here, there = control_client("http://127.0.0.1:1"), control_client("http://10.0.0.1:1", "eu-west-1")
    assert [c._request_signer._credentials.access_key for c in (here, there)] == ["local", "mine"]
