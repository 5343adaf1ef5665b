"""What Headgate asks of an AWS account around AgentCore: code in S3, images in ECR, permissions, and the survey."""

import contextlib
import io
import json
import time
import zipfile
from dataclasses import replace

import pytest
from botocore.stub import ANY, Stubber
from click.testing import CliRunner
from local_agents import ECHO, ROLE, write
from test_agentcore_updates import IMAGE, RUNTIME, Answering

from aws_account import KEYS
from aws_written import Written
from headgate.aws import Clients, Place
from headgate.cli.main import cli
from headgate.core.plan import Platform
from headgate.errors import NotFound, Rejected
from headgate.platforms.agentcore import AgentCorePlatform
from headgate.platforms.agentcore.permissions import actions, policy
from headgate.platforms.agentcore.survey import AgentCoreSurvey, principal
from headgate.testing.contracts_platform import plan_of

AGENT = "coach"
BEFORE = {
    "agentRuntimeId": RUNTIME,
    "agentRuntimeArn": f"arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/{RUNTIME}",
    "agentRuntimeName": "coach_companion",
    "agentRuntimeVersion": "7",
    "agentRuntimeArtifact": {"containerConfiguration": {"containerUri": IMAGE}},
    "roleArn": ROLE,
    "status": "READY",
    "createdAt": "2026-11-25T00:00:00Z",
    "lastUpdatedAt": "2026-11-25T00:00:00Z",
    "lifecycleConfiguration": {"idleRuntimeSessionTimeout": 900, "maxLifetime": 28800},
}


def plan(**settings):
    """A plan of a runtime that is there."""
    told = {"region": "eu-west-1", "runtime": RUNTIME, **settings}
    return replace(plan_of(told, AGENT), platform=Platform("agentcore", tuple(sorted(told.items()))))


def sent(asked):
    """The update that AgentCore gets for a plan, everything around it being real servers."""
    aws = Answering(BEFORE)
    AgentCorePlatform(aws.clients, runtime=RUNTIME, now=lambda: 0.0).build(AGENT, asked, "t")
    return aws.update["agentRuntimeArtifact"]


def bucket(name, *, versions):
    """A bucket of the account."""
    s3 = Clients(Place("eu-west-1")).service("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    if versions:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    return s3


def test_code_goes_to_s3_once_and_is_pinned(account, tmp_path):
    """The zip is there under its digest; the same code again is neither sent nor versioned anew."""
    s3 = bucket("versioned", versions=True)
    folder = write(tmp_path / "agent", "x = 1")
    asked = plan(source=str(folder), bucket="versioned", prefix="code/", python="3.13")
    first = sent(asked)["codeConfiguration"]
    assert (first["runtime"], first["entryPoint"]) == ("PYTHON_3_13", ["main.py"])
    place = first["code"]["s3"]
    assert place["bucket"] == "versioned"
    assert place["prefix"].startswith("code/coach/")
    assert sent(asked)["codeConfiguration"] == first
    kept = s3.list_object_versions(Bucket="versioned")["Versions"]
    assert [(v["Key"], v["VersionId"]) for v in kept] == [(place["prefix"], place["versionId"])]
    stored = s3.get_object(Bucket="versioned", Key=place["prefix"])["Body"].read()
    assert zipfile.ZipFile(io.BytesIO(stored)).read("main.py").strip() == b"x = 1"


def test_a_bucket_without_versions_pins_by_the_name(account, tmp_path):
    """The object's name is its digest; there is no version to name."""
    bucket("plain", versions=False)
    place = sent(plan(source=str(write(tmp_path / "agent", "x = 1")), bucket="plain"))["codeConfiguration"]["code"]
    assert place["s3"].keys() == {"bucket", "prefix"}


def test_a_bucket_that_is_not_there_is_told(account, tmp_path):
    """NotFound, with what to do."""
    with pytest.raises(NotFound, match="NoSuchBucket") as caught:
        sent(plan(source=str(write(tmp_path / "agent", "x = 1")), bucket="nobodys"))
    assert "bucket: NAME" in caught.value.mend


def test_an_image_is_pinned_by_its_digest(account):
    """Its tag may mean another image tomorrow; one that is not there, or that nobody can look up, is refused."""
    ecr = Clients(Place("eu-west-1")).service("ecr")
    repository = ecr.create_repository(repositoryName="team/coach")["repository"]
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    told = {"schemaVersion": 2, "mediaType": kind, "config": {"digest": "sha256:" + "b" * 64}, "layers": []}
    image = ecr.put_image(repositoryName="team/coach", imageManifest=json.dumps(told), imageTag="v2")["image"]
    uri = f"{repository['registryId']}.dkr.ecr.eu-west-1.amazonaws.com/team/coach"
    made = sent(plan(container=f"{uri}:v2"))
    assert made == {"containerConfiguration": {"containerUri": f"{uri}@{image['imageId']['imageDigest']}"}}
    with pytest.raises(NotFound):
        sent(plan(container=f"{uri}:v3"))
    with pytest.raises(Rejected, match="no digest"):
        sent(plan(container="public.ecr.aws/team/coach:v2"))


def test_a_policy_names_its_resources():
    """No statement of a plan with a runtime is about everything; the role is passed to AgentCore alone."""
    document = policy(plan(source="x", bucket="b", prefix="headgate/"), account="123456789012")
    by_name = {each["Sid"]: each for each in document["Statement"]}
    runtime = f"arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/{RUNTIME}"
    assert by_name["HeadgateTurns"]["Resource"] == [runtime, f"{runtime}/runtime-endpoint/*"]
    assert by_name["HeadgateCode"]["Resource"] == ["arn:aws:s3:::b/headgate/coach/*"]
    told = by_name["HeadgatePassRole"]["Condition"]
    assert told == {"StringEquals": {"iam:PassedToService": "bedrock-agentcore.amazonaws.com"}}
    assert all("*" not in each["Resource"] for each in document["Statement"])


def test_a_survey_reads_what_there_is(account, runtime, tmp_path, control):
    """Log groups, alarms on the runtime, quotas, who asks; what cannot be read says so and hides nothing else."""
    name = "surveyed"
    folder = write(tmp_path / name, ECHO)
    clients = Clients(Place("eu-west-1", endpoint_url=runtime.url))
    platform = AgentCorePlatform(clients, now=time.monotonic)
    asked = replace(plan(source=str(folder), bucket="local", role=ROLE, gateway="nobody-0123456789"), agent=name)
    platform.build(name, asked, "survey")
    found = platform.find(name)
    clients.service("logs").create_log_group(logGroupName=f"/aws/bedrock-agentcore/runtimes/{found.id}-DEFAULT")
    watch = clients.service("cloudwatch")
    for alarm, value in (("mine", f"{name}::production"), ("other", "other::production")):
        watch.put_metric_alarm(
            AlarmName=alarm,
            Namespace="AWS/Bedrock-AgentCore",
            MetricName="SystemErrors",
            Dimensions=[{"Name": "Name", "Value": value}],
            ComparisonOperator="GreaterThanThreshold",
            EvaluationPeriods=1,
            Period=60,
            Statistic="Sum",
            Threshold=1,
        )
    told = AgentCoreSurvey(clients, time.time).survey(asked, found)
    assert [group["name"].rpartition("-")[2] for group in told["log_groups"]] == ["DEFAULT"]
    assert [alarm["name"] for alarm in told["alarms"]] == ["mine"]
    assert told["identity"]["region"] == "eu-west-1"
    assert told["runtime"]["session_idle_s"] == 900
    assert told["default"] == {"turns_last_day": None}
    Written(found.id, found.arn).count("DEFAULT", time.time() - 60, 3, ComputeType="MicroVM")
    assert AgentCoreSurvey(clients, time.time).survey(asked, found)["default"] == {"turns_last_day": 3}
    assert {q["quota"]: q["used"] for q in told["quotas"]}["endpoints of the runtime"] == 1
    assert "reading gateway" in told["gateway"]["unreadable"]
    clients.close()


def test_iam_is_asked_and_nothing_is_tried(account):
    """Each action of the plan, on its resources; one that is refused anywhere is refused."""
    clients = Clients(Place("eu-west-1"))
    with stubbed(clients, "sts") as sts, stubbed(clients, "iam") as iam:
        who = "arn:aws:iam::123456789012:user/ana"
        sts.add_response("get_caller_identity", {"Arn": who})
        asked = plan(container=IMAGE)
        for statement in policy(asked)["Statement"]:
            told = {"PolicySourceArn": who, "ActionNames": statement["Action"]}
            told |= {"ResourceArns": statement["Resource"], "ContextEntries": ANY}
            rows = [
                {"EvalActionName": name, "EvalDecision": "implicitDeny" if name == "iam:PassRole" else "allowed"}
                for name in statement["Action"]
            ]
            iam.add_response("simulate_principal_policy", {"EvaluationResults": rows}, told)
        rows = AgentCoreSurvey(clients, time.time)._permissions(asked)
    assert [row["action"] for row in rows] == actions(asked)
    assert [row["action"] for row in rows if not row["allowed"]] == ["iam:PassRole"]


@contextlib.contextmanager
def stubbed(clients, service):
    """A client that answers what it is told, each request and answer checked against botocore's model."""
    with Stubber(clients.service(service)) as stub:
        yield stub
        stub.assert_no_pending_responses()


def test_iam_is_asked_about_roles_not_sessions():
    """An assumed role's session cannot be simulated; its role can."""
    session = "arn:aws:sts::123456789012:assumed-role/headgate/i-0abc"
    assert principal(session) == "arn:aws:iam::123456789012:role/headgate"
    assert principal("arn:aws:iam::123456789012:user/ana") == "arn:aws:iam::123456789012:user/ana"


def test_doctor_says_who_aws_takes_us_for(account, tmp_path, monkeypatch):
    """With credentials the identity and the region; without any what is wrong and how to mend it, exit 1."""
    write(tmp_path / "agent", ECHO)
    (tmp_path / "headgate.yaml").write_text(ON_AWS)
    monkeypatch.chdir(tmp_path)
    found = doctor()
    assert (found["level"], "eu-west-1" in found["detail"]) == ("ok", True), found
    for name in KEYS:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    assert (doctor()["level"], "credentials" in doctor()["mend"]) == ("wrong", True)


ON_AWS = """
version: 1
agent: coach
platform: {kind: agentcore, runtime: coach_companion-0ZUOP04U5z, region: eu-west-1, source: ./agent, bucket: code}
strategy: {kind: all-at-once}
"""


def doctor():
    """What `headgate doctor` finds of AWS."""
    told = CliRunner().invoke(cli, ["--home", "home", "doctor", "--json"])
    return next(each for each in json.loads(told.output) if each["what"] == "aws")
