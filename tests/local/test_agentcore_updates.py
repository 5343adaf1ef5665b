"""A new version on AgentCore keeps all of the runtime's configuration that the plan does not decide."""

import io
import json
import zipfile
from datetime import UTC, datetime

import pytest
from botocore.awsrequest import AWSResponse
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.aws import Clients, Place
from headgate.core.codec import canonical
from headgate.errors import Rejected
from headgate.platforms.agentcore import AgentCorePlatform
from headgate.platforms.agentcore.artifacts import write_zip
from headgate.testing.contracts_platform import plan_of

RUNTIME = "coach_companion-0ZUOP04U5z"
CONTROL = Clients(Place("eu-west-1", endpoint_url="http://127.0.0.1:9")).control
UPDATE = CONTROL.meta.service_model.operation_model("UpdateAgentRuntime").input_shape
GET = CONTROL.meta.service_model.operation_model("GetAgentRuntime").output_shape
DECIDED = {"agentRuntimeArtifact", "clientToken"}
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/coach@sha256:" + "a" * 64


def values(shape):
    """Anything that the model allows for a shape: lengths and enumerations; patterns are looked at by nobody here."""
    if shape.type_name == "structure":
        members = {name: values(member) for name, member in shape.members.items()}
        if getattr(shape, "is_tagged_union", False):
            return st.one_of(*(st.fixed_dictionaries({name: value}) for name, value in members.items()))
        required = {name: members.pop(name) for name in shape.required_members}
        return st.fixed_dictionaries(required, optional=members)
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 4)
    if shape.type_name == "list":
        return st.lists(values(shape.member), min_size=max(low, 1), max_size=max(low, 2))
    if shape.type_name == "map":
        return st.dictionaries(values(shape.key), values(shape.value), min_size=1, max_size=2)
    if shape.type_name == "boolean":
        return st.booleans()
    if shape.type_name == "integer":
        return st.integers(low, min(high, 10**6) if high > low else low + 10)
    return st.sampled_from(shape.enum) if shape.enum else st.text("abc-", min_size=max(low, 1), max_size=max(low, 3))


def configurations():
    """Whole answers of GetAgentRuntime, in which every member that an update may carry is there."""
    kept = {name: values(shape) for name, shape in UPDATE.members.items() if name != "clientToken"}
    now = datetime(2026, 11, 25, tzinfo=UTC).isoformat()
    told = {"agentRuntimeArn": f"arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/{RUNTIME}"}
    told |= {"agentRuntimeName": "coach_companion", "agentRuntimeVersion": "7", "status": "READY"}
    told |= {"createdAt": now, "lastUpdatedAt": now, "agentRuntimeId": RUNTIME}
    return st.fixed_dictionaries(kept).map(lambda members: {**members, **told})


class Answering:
    """AWS in a box: answers a client's requests from `config`, and keeps the update that it was sent."""

    def __init__(self, config):
        self.config = config
        self.update = None
        self.clients = Clients(Place("eu-west-1", endpoint_url="http://127.0.0.1:9"))
        self.clients.control.meta.events.register("before-send", self.answer)

    def answer(self, request, **_):
        path = request.url.split("?")[0]
        if path.endswith("/runtime-endpoints/production/"):
            return self.said(request, 404, {"message": "none"}, {"x-amzn-ErrorType": "ResourceNotFoundException"})
        if request.method == "PUT":
            self.update = json.loads(request.body)
            self.config = {**self.config, **self.update, "agentRuntimeVersion": "8"}
            return self.said(request, 202, self.config)
        return self.said(request, 200, self.config)

    @staticmethod
    def said(request, status, body, headers=None):
        raw = io.BytesIO(json.dumps(body).encode())
        raw.stream = lambda **_: iter([raw.getvalue()])
        return AWSResponse(request.url, status, headers or {}, raw)


def updated(config, **platform):
    """What an update of a runtime with this configuration sends."""
    aws = Answering(config)
    told = {"container": IMAGE, "region": "eu-west-1", "runtime": RUNTIME, **platform}
    AgentCorePlatform(aws.clients, runtime=RUNTIME, now=lambda: 0.0).build("coach", plan_of(told), "t")
    return aws.update


@settings(max_examples=12, deadline=None, derandomize=True)
@given(configurations())
def test_every_member_that_nobody_changed_goes_along(config):
    """An update replaces the whole configuration: each member, to its last leaf, is as it was."""
    sent = updated(config)
    for name in UPDATE.members.keys() - DECIDED - {"agentRuntimeId"}:
        assert sent[name] == config[name], name
    assert sent["agentRuntimeArtifact"] == {"containerConfiguration": {"containerUri": IMAGE}}
    assert len(sent["clientToken"]) >= 33


def test_what_can_be_read_is_all_that_can_be_written():
    """Each member of an update is told by GetAgentRuntime in the very same shape: read-modify-write loses no leaf.

    A member that AWS adds to one of the two and not to the other fails here.
    """
    assert UPDATE.members.keys() - GET.members.keys() == {"clientToken"}
    for name in UPDATE.members.keys() - {"clientToken"}:
        assert leaves(UPDATE.members[name]) == leaves(GET.members[name]), name


def leaves(shape, path=""):
    """The paths of all members of a shape."""
    if shape.type_name == "structure":
        return {leaf for name, member in shape.members.items() for leaf in leaves(member, f"{path}.{name}")}
    if shape.type_name == "list":
        return leaves(shape.member, f"{path}[]")
    return {path}


@settings(max_examples=4, deadline=None, derandomize=True)
@given(configurations())
def test_the_plan_changes_what_it_names(config):
    """Its variables are set over those that are there; its role replaces the runtime's."""
    role = "arn:aws:iam::123456789012:role/mine"
    sent = updated(config, env=canonical({"MODEL": "new"}), role=role)
    assert sent["environmentVariables"] == {**config["environmentVariables"], "MODEL": "new"}
    assert sent["roleArn"] == role


def test_the_same_code_is_the_same_zip(tmp_path):
    """Times and the order of files do not matter; contents do; what git and Python keep for themselves stays out."""
    digests = []
    for name, text in (("a", "x = 1"), ("b", "x = 1"), ("c", "x = 2")):
        folder = tmp_path / name
        (folder / "__pycache__").mkdir(parents=True)
        (folder / "__pycache__" / "main.pyc").write_text(name)
        (folder / "main.py").write_text(text)
        (folder / "run.sh").write_text("exit")
        (folder / "run.sh").chmod(0o700)
        file = io.BytesIO()
        digests.append(write_zip(folder, "main.py", file))
    assert digests[0] == digests[1] != digests[2]
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["main.py", "run.sh"]
        assert [member.external_attr >> 16 for member in archive.infolist()] == [0o644, 0o755]


def test_code_that_cannot_be_sent_is_refused(tmp_path):
    """No file to start, a link to a directory."""
    with pytest.raises(Rejected, match=r"no file 'main\.py'"):
        write_zip(tmp_path, "main.py", io.BytesIO())
    (tmp_path / "main.py").touch()
    (tmp_path / "linked").symlink_to(tmp_path.parent, target_is_directory=True)
    with pytest.raises(Rejected, match="link to a directory"):
        write_zip(tmp_path, "main.py", io.BytesIO())
