"""The control plane through unmodified boto3: what AWS promises of runtimes, versions and endpoints."""

import json
import shutil
import zipfile

import httpx
import pytest
from botocore.exceptions import ClientError
from local_agents import ECHO, ROLE, artifact, asked, behind, ready, write

from headgate.aws.clients import control_client
from headgate.testing.processes import running_runtime

TOKEN = "t" * 40


def refused(call, **params):
    """The (code, HTTP status) of the error that a call is answered with."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    return caught.value.response["Error"]["Code"], caught.value.response["ResponseMetadata"]["HTTPStatusCode"]


def pages(control, operation, member, **params):
    """All of a paginated list."""
    return [row for page in control.get_paginator(operation).paginate(**params) for row in page[member]]


def test_create_gives_version_1_and_a_default_endpoint(control, echo):
    """As on AWS: version 1, and DEFAULT already points at it."""
    made = control.create_agent_runtime(**asked(echo, "fresh"))
    assert made["agentRuntimeVersion"] == "1"
    assert made["agentRuntimeId"].startswith("fresh-")
    endpoint = control.get_agent_runtime_endpoint(agentRuntimeId=made["agentRuntimeId"], endpointName="DEFAULT")
    assert (endpoint["liveVersion"], endpoint["targetVersion"], endpoint["status"]) == ("1", "1", "READY")


def test_get_returns_the_configuration_as_given(control, echo):
    """Everything that was asked for comes back, and what AWS fills in."""
    more = {
        "description": "a coach",
        "environmentVariables": {"MODEL": "small"},
        "lifecycleConfiguration": {"idleRuntimeSessionTimeout": 60},
        "protocolConfiguration": {"serverProtocol": "HTTP"},
        "networkConfiguration": {"networkMode": "PUBLIC"},
    }
    id = control.create_agent_runtime(**asked(echo, "whole", **more))["agentRuntimeId"]
    got = control.get_agent_runtime(agentRuntimeId=id)
    assert {key: got[key] for key in more} == more
    assert got["agentRuntimeArtifact"] == artifact(echo)
    assert got["roleArn"] == ROLE


def test_update_replaces_the_whole_configuration_and_keeps_old_versions(control, echo):
    """What an update leaves out is gone, the version before still has it, and DEFAULT has followed."""
    first = asked(echo, "replaced", description="first", environmentVariables={"A": "1"})
    id = control.create_agent_runtime(**first)["agentRuntimeId"]
    made = control.update_agent_runtime(agentRuntimeId=id, agentRuntimeArtifact=artifact(echo), roleArn=ROLE)
    assert made["agentRuntimeVersion"] == "2"
    now = control.get_agent_runtime(agentRuntimeId=id)
    assert "description" not in now
    assert "environmentVariables" not in now
    assert control.get_agent_runtime(agentRuntimeId=id, agentRuntimeVersion="1")["environmentVariables"] == {"A": "1"}
    assert control.get_agent_runtime_endpoint(agentRuntimeId=id, endpointName="DEFAULT")["liveVersion"] == "2"


def test_lists_are_paginated(control, echo):
    """Versions and runtimes come page by page, none twice and none lost."""
    id = control.create_agent_runtime(**asked(echo, "paged"))["agentRuntimeId"]
    for _ in range(2):
        control.update_agent_runtime(agentRuntimeId=id, agentRuntimeArtifact=artifact(echo), roleArn=ROLE)
    one_each = {"PaginationConfig": {"PageSize": 1}}
    versions = pages(control, "list_agent_runtime_versions", "agentRuntimes", agentRuntimeId=id, **one_each)
    assert [row["agentRuntimeVersion"] for row in versions] == ["3", "2", "1"]
    names = [row["agentRuntimeName"] for row in pages(control, "list_agent_runtimes", "agentRuntimes", **one_each)]
    assert names.count("paged") == 1
    assert refused(control.list_agent_runtimes, nextToken="never-given") == ("ValidationException", 400)


def test_a_version_is_immutable_after_its_source_is_edited_or_deleted(control, runtime, data, echo):
    """The digest and the running code are those of the moment of the build."""
    made = control.create_agent_runtime(**asked(echo, "frozen"))
    id, digest = made["agentRuntimeId"], behind(runtime, made["agentRuntimeId"], 1)["digest"]
    shutil.rmtree(echo)
    control.create_agent_runtime_endpoint(agentRuntimeId=id, name="production", agentRuntimeVersion="1")
    ready(control, id, "production")
    answer = data.invoke_agent_runtime(agentRuntimeArn=made["agentRuntimeArn"], qualifier="production", payload=b"{}")
    assert json.load(answer["response"])["mark"] == "one"
    assert behind(runtime, id, 1)["digest"] == digest


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        (lambda _: None, False),
        (lambda folder: write(folder / "__pycache__", "x = 1", "main.pyc"), False),
        (lambda folder: write(folder / ".git", "x", "HEAD"), False),
        (lambda folder: write(folder, "x = 1", "more.py"), True),
        (lambda folder: write(folder, ECHO + "\n# a comment\n"), True),
        (lambda folder: (folder / "main.py").rename(folder / "other.py"), None),
    ],
    ids=["nothing", "cache", "git", "new file", "edit", "entry gone"],
)
def test_the_digest_covers_the_code_and_nothing_else(control, runtime, echo, change, differs):
    """Another file or content is another version; caches are not; without its entry point nothing is built."""
    name = f"digest_{echo.parent.name}"[:48].replace("-", "_")
    id = control.create_agent_runtime(**asked(echo, name))["agentRuntimeId"]
    change(echo)
    update = {"agentRuntimeId": id, "agentRuntimeArtifact": artifact(echo), "roleArn": ROLE}
    if differs is None:
        assert refused(control.update_agent_runtime, **update) == ("ValidationException", 400)
        return
    control.update_agent_runtime(**update)
    assert (behind(runtime, id, 1)["digest"] != behind(runtime, id, 2)["digest"]) is differs


def test_the_digest_covers_the_environment(control, runtime, echo):
    """The same code with another variable is another version."""
    id = control.create_agent_runtime(**asked(echo, "varied"))["agentRuntimeId"]
    more = {"environmentVariables": {"A": "1"}}
    control.update_agent_runtime(agentRuntimeId=id, agentRuntimeArtifact=artifact(echo), roleArn=ROLE, **more)
    assert behind(runtime, id, 1)["digest"] != behind(runtime, id, 2)["digest"]


def test_a_zip_is_an_artifact_with_the_digest_of_its_directory(control, runtime, echo, tmp_path):
    """A zip of the same files is the same version."""
    archive = tmp_path / "agent.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(echo / "main.py", "main.py")
    a = control.create_agent_runtime(**asked(echo, "as_folder"))["agentRuntimeId"]
    b = control.create_agent_runtime(**asked(archive, "as_zip"))["agentRuntimeId"]
    assert behind(runtime, a, 1)["digest"] == behind(runtime, b, 1)["digest"]


def test_a_repeated_client_token_changes_nothing(control, echo):
    """Create, update and endpoint calls with the same token get the same answer; other parameters are refused."""
    request = asked(echo, "once", clientToken=TOKEN + "a")
    made = control.create_agent_runtime(**request)
    assert control.create_agent_runtime(**request)["agentRuntimeId"] == made["agentRuntimeId"]
    id = made["agentRuntimeId"]
    update = {"agentRuntimeId": id, "agentRuntimeArtifact": artifact(echo), "roleArn": ROLE, "clientToken": TOKEN + "b"}
    assert control.update_agent_runtime(**update)["agentRuntimeVersion"] == "2"
    write(echo, ECHO + "# edited\n")
    assert control.update_agent_runtime(**update)["agentRuntimeVersion"] == "2"
    assert refused(control.update_agent_runtime, **update, description="x") == ("ValidationException", 400)
    endpoint = {"agentRuntimeId": id, "name": "candidate", "clientToken": TOKEN + "c"}
    control.create_agent_runtime_endpoint(**endpoint)
    control.create_agent_runtime_endpoint(**endpoint)
    assert len(pages(control, "list_agent_runtime_versions", "agentRuntimes", agentRuntimeId=id)) == 2


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"agentRuntimeName": "no-hyphens"}, "agentRuntimeName"),
        ({"agentRuntimeName": "9th"}, "agentRuntimeName"),
        ({"agentRuntimeName": "a" * 49}, "agentRuntimeName"),
        ({"roleArn": "not-an-arn"}, "roleArn"),
        ({"roleArn": None}, "roleArn"),
        ({"environmentVariables": {"A": 1}}, "environmentVariables.A"),
        ({"environmentVariables": {str(n): "" for n in range(51)}}, "environmentVariables"),
        ({"lifecycleConfiguration": {"maxLifetime": 59}}, "lifecycleConfiguration.maxLifetime"),
        ({"lifecycleConfiguration": {"maxLifetime": True}}, "lifecycleConfiguration.maxLifetime"),
        ({"clientToken": "short"}, "clientToken"),
        ({"description": ""}, "description"),
        ({"protocolConfiguration": {"serverProtocol": "SMTP"}}, "protocolConfiguration.serverProtocol"),
        ({"allowedPorts": "8080"}, "allowedPorts"),
        ({"agentRuntimeArtifact": {}}, "agentRuntimeArtifact"),
        ({"agentRuntimeArtifact": artifact("relative/path")}, "agentRuntimeArtifact.codeConfiguration.code.s3.prefix"),
        ({"agentRuntimeArtifact": artifact("/no/such/place")}, "agentRuntimeArtifact.codeConfiguration.code.s3.prefix"),
        ({"agentRuntimeArtifact": "text"}, "agentRuntimeArtifact"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_the_model_forbids_is_refused_by_name(runtime, echo, change, member):
    """The server checks by itself, whatever a client lets pass, and names the member."""
    body = {**asked(str(echo), "checked"), **change}
    answer = httpx.put(f"{runtime.url}/runtimes/", json=body)
    assert answer.status_code == 400
    assert answer.headers["x-amzn-errortype"] == "ValidationException"
    assert answer.json()["reason"] == "FieldValidationFailed"
    assert member in [field["name"] for field in answer.json()["fieldList"]]


@pytest.mark.parametrize(("body", "reason"), [(b"{", "CannotParse"), (b"[]", "CannotParse"), (b"\xff", "CannotParse")])
def test_a_body_that_is_no_json_object_is_refused(runtime, body, reason):
    """It is 400, not a crash."""
    answer = httpx.put(f"{runtime.url}/runtimes/", content=body)
    assert (answer.status_code, answer.json()["reason"]) == (400, reason)


def test_only_what_this_machine_can_run_is_accepted(control, echo):
    """Containers, buckets, Node and launchers are for AWS, and the refusal says so."""
    container = {"containerConfiguration": {"containerUri": "public.ecr.aws/some/agent:1"}}
    bucket, node, launcher = artifact(echo), artifact(echo), artifact(echo)
    bucket["codeConfiguration"]["code"]["s3"]["bucket"] = "real-bucket"
    node["codeConfiguration"]["runtime"] = "NODE_22"
    launcher["codeConfiguration"]["entryPoint"] = ["opentelemetry-instrument", "main.py"]
    for other in (container, bucket, node, launcher):
        request = {**asked(echo, "elsewhere"), "agentRuntimeArtifact": other}
        assert refused(control.create_agent_runtime, **request) == ("ValidationException", 400)


def test_an_entry_point_cannot_leave_its_directory(control, echo):
    """A path with dots is refused."""
    write(echo.parent, ECHO, "outside.py")
    request = {**asked(echo, "escape"), "agentRuntimeArtifact": artifact(echo, "../outside.py")}
    assert refused(control.create_agent_runtime, **request) == ("ValidationException", 400)


def test_the_runtimes_own_folder_is_no_part_of_an_agent(tmp_path):
    """A state directory inside the source is not copied into itself."""
    write(tmp_path, ECHO)
    with running_runtime(tmp_path / "state") as runtime:
        client = control_client(runtime.url)
        id = client.create_agent_runtime(**asked(tmp_path, "around"))["agentRuntimeId"]
        digest = behind(runtime, id, 1)["digest"]
        client.close()
        assert [path.name for path in (tmp_path / "state/artifacts" / digest).iterdir()] == ["main.py"]


def test_names_are_unique(control, echo):
    """A second runtime of the same name is a conflict, and so is a second endpoint."""
    id = control.create_agent_runtime(**asked(echo, "taken"))["agentRuntimeId"]
    assert refused(control.create_agent_runtime, **asked(echo, "taken")) == ("ConflictException", 409)
    create = control.create_agent_runtime_endpoint
    assert refused(create, agentRuntimeId=id, name="DEFAULT") == ("ConflictException", 409)


def test_what_is_not_there_is_404(control, echo):
    """Runtime, version and endpoint, for every operation that can name them."""
    id = control.create_agent_runtime(**asked(echo, "here"))["agentRuntimeId"]
    gone = ("ResourceNotFoundException", 404)
    nobody = "nobody-0123456789"
    assert refused(control.get_agent_runtime, agentRuntimeId=nobody) == gone
    assert refused(control.get_agent_runtime, agentRuntimeId=id, agentRuntimeVersion="7") == gone
    assert refused(control.list_agent_runtime_versions, agentRuntimeId=nobody) == gone
    assert refused(control.delete_agent_runtime, agentRuntimeId=nobody) == gone
    assert refused(control.delete_agent_runtime, agentRuntimeId="never an id") == gone
    assert refused(control.get_agent_runtime_endpoint, agentRuntimeId=id, endpointName="x") == gone
    assert refused(control.update_agent_runtime_endpoint, agentRuntimeId=id, endpointName="x") == gone
    assert refused(control.delete_agent_runtime_endpoint, agentRuntimeId=id, endpointName="x") == gone
    ahead = {"agentRuntimeId": id, "name": "ahead", "agentRuntimeVersion": "99"}
    assert refused(control.create_agent_runtime_endpoint, **ahead) == gone
    update = {"agentRuntimeId": nobody, "agentRuntimeArtifact": artifact(echo), "roleArn": ROLE}
    assert refused(control.update_agent_runtime, **update) == gone


def test_ten_endpoints_are_the_most(control, tmp_path):
    """The eleventh, DEFAULT counted, is answered 402."""
    # endpoints that fail at once: the quota counts them, and no process stays
    source = write(tmp_path / "quiet", "raise SystemExit(0)")
    id = control.create_agent_runtime(**asked(source, "many"))["agentRuntimeId"]
    for number in range(9):
        control.create_agent_runtime_endpoint(agentRuntimeId=id, name=f"e{number}")
    over = {"agentRuntimeId": id, "name": "e9"}
    assert refused(control.create_agent_runtime_endpoint, **over) == ("ServiceQuotaExceededException", 402)


def test_default_cannot_be_moved_or_removed_by_hand(control, echo):
    """It follows the latest version and goes with its runtime."""
    id = control.create_agent_runtime(**asked(echo, "led"))["agentRuntimeId"]
    move = {"agentRuntimeId": id, "endpointName": "DEFAULT", "agentRuntimeVersion": "1"}
    assert refused(control.update_agent_runtime_endpoint, **move) == ("ValidationException", 400)
    drop = {"agentRuntimeId": id, "endpointName": "DEFAULT"}
    assert refused(control.delete_agent_runtime_endpoint, **drop) == ("ConflictException", 409)


def test_a_version_is_deleted_alone_and_its_number_never_comes_back(control, runtime, echo):
    """Not while an endpoint points at it; then only it goes, and the next build has a new number."""
    id = control.create_agent_runtime(**asked(echo, "pruned"))["agentRuntimeId"]
    update = {"agentRuntimeId": id, "agentRuntimeArtifact": artifact(echo), "roleArn": ROLE}
    control.update_agent_runtime(**update)
    conflict = ("ConflictException", 409)
    assert refused(control.delete_agent_runtime, agentRuntimeId=id, agentRuntimeVersion="2") == conflict
    control.delete_agent_runtime(agentRuntimeId=id, agentRuntimeVersion="1")
    assert control.get_agent_runtime(agentRuntimeId=id)["agentRuntimeVersion"] == "2"
    assert control.update_agent_runtime(**update)["agentRuntimeVersion"] == "3"
    assert httpx.get(f"{runtime.url}/headgate/runtimes/{id}/versions/1").status_code == 404


def test_a_runtime_is_deleted_with_all_it_has(control, echo):
    """Its name is free afterwards."""
    id = control.create_agent_runtime(**asked(echo, "brief"))["agentRuntimeId"]
    control.delete_agent_runtime(agentRuntimeId=id)
    assert refused(control.get_agent_runtime, agentRuntimeId=id) == ("ResourceNotFoundException", 404)
    assert control.create_agent_runtime(**asked(echo, "brief"))["agentRuntimeId"] != id


def test_other_operations_and_web_pages_are_not_served(runtime):
    """An operation outside the subset is 404 by its proper name; a request of a web page never runs code."""
    unknown = httpx.post(f"{runtime.url}/memories/create", json={})
    assert (unknown.status_code, unknown.headers["x-amzn-errortype"]) == (404, "UnknownOperationException")
    page = httpx.post(f"{runtime.url}/runtimes/", headers={"Origin": "http://example.com"})
    assert page.status_code == 403
    assert httpx.get(f"{runtime.url}/headgate/healthz").json() == {"ok": True, "pid": runtime.running.pid}
