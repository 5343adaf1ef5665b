"""A whole release on AgentCore by the command line: an agent on DEFAULT is taken on, a version promoted, a bad one
taken back. The runtime speaks AgentCore's API, all else of AWS is moto; every byte for AWS goes by one recorded wire.
"""

import io
import json
import zipfile

import pytest
from headgate_stack import agent_source, call, eventually, up

from aws_account import KEYS, running_account
from aws_wire import ACCOUNT, REGION, actions, allowed, running_wire
from headgate.aws import Clients, Place
from headgate.aws.clients import data_client
from headgate.config.plan_file import load_plan
from headgate.platforms.agentcore import permissions
from headgate.testing.processes import running_runtime

AGENT = "coach"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/agents"
PLAN = """
version: 1
agent: {agent}
platform:
  kind: agentcore
  runtime: {runtime}
  region: {region}
  regions: [{region}]
  source: ./{source}
  bucket: agent-code
  role: {role}
gates: [{gates}]
strategy:
  kind: canary
  steps:
    - {{weight: 50, bake: 500ms, min_sessions: 5, within: 40s, margins: {{error: +50pp}}}}
    - {{weight: 100, bake: 500ms, min_sessions: 5, within: 40s, margins: {{error: +50pp}}}}
  on_rollback: {{sessions: handover, deadline: 3s}}
analysis: {{guardrails: {{error: +50pp}}, hard: {{error: 60%}}}}
session: {{idle: 1s, turns: 3}}
alarms:
  - {{name: errors, metric: error_rate, when: "> 50%", period: 5m}}
  - {{name: slow, metric: p95, when: "> 1m"}}
  - {{name: cost, metric: cost, when: "> 10 USD", period: 1d, missing: notBreaching}}
cloudwatch:
  create: true
  on_end: leave
  watch: [{{alarm: tools, of: candidate}}]
validation: {{window: [{{until: 2s, every: 1s}}], must: {{error_rate: "< 50%"}}, should: {{alarms: ok}}}}
"""
SUITE = """
cases:
  - name: answers
    turns: [{say: Hello, expect: [{contains: version}]}]
"""


class Cloud:
    """An account with one agent on DEFAULT, and the wire that leads to it."""

    def __init__(self, wire, folder):
        self.wire, self.folder = wire, folder
        self.control = Clients(Place(REGION, endpoint_url=wire.agentcore)).control
        made = self.control.create_agent_runtime(
            agentRuntimeName=AGENT, roleArn=ROLE, agentRuntimeArtifact=self.uploaded("v1")
        )
        self.runtime = made["agentRuntimeId"]

    def uploaded(self, name):
        """What the team's own pipeline did before Headgate came: a zip in a bucket that keeps versions."""
        s3 = Clients(Place(REGION)).service("s3")
        s3.create_bucket(Bucket="agent-code", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_bucket_versioning(Bucket="agent-code", VersioningConfiguration={"Status": "Enabled"})
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("main.py", agent_source(name))
        s3.put_object(Bucket="agent-code", Key="theirs/code.zip", Body=file.getvalue())
        place = {"s3": {"bucket": "agent-code", "prefix": "theirs/code.zip"}}
        return {"codeConfiguration": {"code": place, "runtime": "PYTHON_3_12", "entryPoint": ["main.py"]}}

    def plan(self, source, gates="{name: smoke, suite: smoke.yaml}", **more):
        (self.folder / source).mkdir()
        (self.folder / source / "main.py").write_text(agent_source(source, **more))
        (self.folder / "smoke.yaml").write_text(SUITE)
        path = self.folder / f"{source}.yaml"
        told = {"agent": AGENT, "runtime": self.runtime, "region": REGION, "role": ROLE}
        path.write_text(PLAN.format(source=source, gates=gates, **told))
        return path

    def alarms(self):
        """Alarms of ours on CloudWatch, by what follows the agent in their names."""
        pages = Clients(Place(REGION)).service("cloudwatch").get_paginator("describe_alarms").paginate()
        names = [row["AlarmName"] for page in pages for row in page["MetricAlarms"]]
        return [name.removeprefix(f"headgate/{AGENT}/") for name in names if name.startswith("headgate/")]

    def endpoints(self):
        rows = self.control.list_agent_runtime_endpoints(agentRuntimeId=self.runtime)["runtimeEndpoints"]
        return {row["name"]: row["liveVersion"] for row in rows}


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with running_account() as others, running_wire(others) as wire, pytest.MonkeyPatch.context() as patch:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": wire.url}.items():
            patch.setenv(name, value)
        # AgentCore fetches code as whoever updates the runtime: so its reads go by the wire as well
        with running_runtime(tmp_path_factory.mktemp("runtime"), region=REGION, s3=True) as runtime:
            wire.agentcore = runtime.url
            yield Cloud(wire, tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def stack(cloud, tmp_path_factory):
    home = tmp_path_factory.mktemp("home") / ".headgate"
    cloud.wire.calls.clear()  # the account's own preparation
    with up(home, cloud.folder, cloud.plan("v2")) as running:
        yield running


def started(stack, plan):
    return stack.json("rollout", "start", str(plan), "--by", "ana")["id"]


def test_a_version_is_promoted_and_taken_back_again(cloud, stack, traffic):
    """v2 by 50 and 100 % under sessions; production follows, DEFAULT was never asked; one command restores v1."""
    assert cloud.endpoints() == {"DEFAULT": "1", "production": "1", "headgate_a": "1"}
    made = started(stack, cloud.folder / "v2.yaml")
    done = stack.until(made, "completed", "rolled_back", "failed", "paused")
    assert done["phase"] == "completed", done["reason"]
    assert cloud.endpoints() | {"DEFAULT": "2"} == {
        **{"DEFAULT": "2", "production": "2", "previous": "1"},
        **{"headgate_a": "1", "headgate_b": "2"},
    }
    eventually(lambda: len(cloud.alarms()) == 2)
    wanted = {"alarms.made", "alarms.ended", "alarm.reading"}
    assert eventually(lambda: wanted <= {record["kind"] for record in stack.json("evidence", made)})
    assert sorted(cloud.alarms()) == [f"{made}/candidate/errors", f"{made}/candidate/slow"]  # the baseline's are gone
    code, out, err = stack.call("rollback", AGENT, "--reason", "we liked v1 better", "--by", "ben", "--json")
    assert code == 0, err
    back = stack.until(json.loads(out)["id"], "rolled_back")
    assert back["rollback"]["debt"] == 0
    assert cloud.endpoints()["production"] == "1"
    assert traffic().failed == 0
    user = data_client(stack.gateway, REGION, timeout_s=30)
    name = {"agentRuntimeArn": stack.arn, "runtimeSessionId": "a-session-that-its-user-ends-0000001"}
    user.invoke_agent_runtime(**name, payload=b'{"prompt": "Hello"}')
    user.stop_runtime_session(**name)
    user.close()


def test_a_bad_version_is_taken_back_by_itself(cloud, stack, traffic):
    """v3 fails: FAIL, weight 0, its seat rests on the trusted version, production never moved."""
    made = started(stack, cloud.plan("v3", gates="", fail=90))
    done = stack.until(made, "completed", "rolled_back", "failed", "paused")
    assert (done["phase"], done["verdict"]["answer"]) == ("rolled_back", "FAIL"), done["reason"]
    assert cloud.endpoints()["production"] == "1"
    assert set(cloud.endpoints().values()) - {"1", "2"} == {"3"}  # DEFAULT alone: it follows every update
    assert cloud.endpoints()["DEFAULT"] == "3"


def test_what_aws_does_not_document_is_measured(cloud, stack):
    """The drill moves an endpoint forth and back under sessions, on a runtime of its own, each step timed and on the
    ledger and in the plan for disasters; nothing of it is left, and it called exactly what it says that it needs.
    """
    plan, before = cloud.folder / "v2.yaml", cloud.endpoints()
    calls = set(cloud.wire.calls)
    cloud.wire.calls.clear()
    told = stack.json("drill", "run", "agentcore-repoint", "--plan", plan, "--by", "ana")
    made, cloud.wire.calls = cloud.wire.calls, calls
    assert told["passed"], told
    steps = {step["step"]: step for step in told["steps"]}
    assert steps["point the endpoint back at version 1 (a rollback): READY, live and target are 1"]["seconds"] > 0
    assert steps["what DEFAULT does then"]["found"] == "DEFAULT moved to version 2 by itself"
    assert "answers it" in steps["the session that began on version 1, after the move"]["found"]
    assert steps["remove runtime, endpoints and code"]["found"] == "nothing is left"
    assert (told["turns_failed"], told["recovery_s"] > 0) == (0, True)
    left = cloud.control.list_agent_runtimes()["agentRuntimes"]
    assert [runtime["agentRuntimeName"] for runtime in left] == [AGENT]
    assert cloud.endpoints() == before
    code, out, err = stack.call("report", "dr-plan", stack.json("rollout", "list")[-1]["id"])
    assert code == 0, err
    assert "point the endpoint back at version 1 (a rollback)" in out

    policy = {"Statement": permissions.policy(load_plan(plan).plan, account=ACCOUNT, drill=True)["Statement"]}
    assert sorted(each for each in made if not allowed(policy, *each)) == []
    policy["Statement"] = [each for each in policy["Statement"] if each["Sid"].startswith("HeadgateDrill")]
    never = {"s3:DeleteObject"}  # only of a bucket that keeps no versions
    assert actions(policy) - {action for action, _ in made} == never


def test_the_policy_is_exactly_what_was_called(cloud, stack):
    """Each call of both releases is allowed on the very resource that it was about, and no action is left over."""
    code, out, err = call(stack.home, "iam", cloud.folder / "v2.yaml", "--account", ACCOUNT)
    assert code == 0, err
    policy = json.loads(out)
    refused = sorted(each for each in cloud.wire.calls if not allowed(policy, *each))
    assert refused == []
    # PassRole is never called: AgentCore asks IAM for it when a runtime is updated
    # and CloudWatch for TagResource when an alarm is made with tags
    assert {action for action, _ in cloud.wire.calls} == actions(policy) - {"iam:PassRole", "cloudwatch:TagResource"}
