"""A real runtime for the tests of a module, and boto3 clients whose every answer is checked against AWS's model."""

import json
import re

import pytest
from botocore.validate import ParamValidator
from local_agents import ECHO, write

from headgate.platforms.agentcore.clients import control_client, data_client
from headgate.testing.processes import running_runtime


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """One runtime for a whole module; its tests use agents of their own names."""
    with running_runtime(tmp_path_factory.mktemp("home")) as it:
        yield it


@pytest.fixture(scope="module")
def control(runtime):
    """The control plane through boto3; an answer that AWS's model does not allow fails the test."""
    client = checked(control_client(runtime.url))
    yield client
    client.close()


@pytest.fixture(scope="module")
def data(runtime):
    """The data plane, through boto3."""
    client = data_client(runtime.url, None, timeout_s=30, connections=20)
    yield client
    client.close()


@pytest.fixture
def echo(tmp_path):
    """The directory of an agent that answers."""
    return write(tmp_path / "echo", ECHO)


def checked(client):
    """The client, with botocore's own model as the oracle for every answer."""
    client.meta.events.register("before-parse.bedrock-agentcore-control", only_modelled_members)
    client.meta.events.register("after-call.bedrock-agentcore-control", as_modelled)
    return client


def only_modelled_members(operation_model, response_dict, **_):
    """No answer has a member that the model does not know: boto3 would drop it unseen."""
    if response_dict["status_code"] < 300:
        assert response_dict["status_code"] == operation_model.http["responseCode"]
        unknown_members(operation_model.output_shape, json.loads(response_dict["body"]))


def unknown_members(shape, value):
    """Walk the answer with the model."""
    if shape.type_name == "structure":
        assert value.keys() <= shape.members.keys(), (shape.name, value)
        for name, member in value.items():
            unknown_members(shape.members[name], member)
    elif shape.type_name == "list":
        for member in value:
            unknown_members(shape.member, member)
    elif shape.type_name == "string":
        assert re.fullmatch(shape.metadata.get("pattern", r"(?s).*"), value), (shape.name, value)
        assert value in (shape.enum or [value]), (shape.name, value)


def as_modelled(model, parsed, **_):
    """What is required is there, and of the right type and length."""
    if "Error" in parsed:
        assert parsed["Error"]["Code"] in {shape.name for shape in model.error_shapes}, parsed
        return
    answer = {key: value for key, value in parsed.items() if key != "ResponseMetadata"}
    report = ParamValidator().validate(answer, model.output_shape)
    assert not report.has_errors(), report.generate_report()
