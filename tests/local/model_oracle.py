"""botocore's own model as the judge of every answer of the control plane."""

import json
import re

from botocore.validate import ParamValidator


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
