"""Whole releases with an AgentCore Gateway in front: AWS splits, CloudWatch measures, the real controller decides under
a fake clock. All AWS calls are real boto3 over HTTP, by one recorded wire: to the local runtime, or to moto.
"""

import contextlib
import io
import time
from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session
from local_agents import CERTIFICATES, ECHO, ROLE, asked, until, write

from aws_account import KEYS, running_account
from aws_wire import ACCOUNT, REGION, actions, allowed, running_wire
from aws_written import Written
from headgate import bootstrap
from headgate.aws import Clients, Place
from headgate.config.plan_file import load_plan
from headgate.config.settings import Settings
from headgate.controller import commands
from headgate.controller.controller import Controller
from headgate.core.model import FINISHED, Phase
from headgate.platforms.agentcore import permissions
from headgate.testing.clock import FakeClock
from headgate.testing.processes import running_runtime

AGENT = "coach"
SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
BAD = ECHO.replace('if payload.get("fail")', "if True")
PLAN = """
version: 1
agent: {agent}
platform: {{kind: agentcore, runtime: {runtime}, region: {region}, source: {source}, bucket: local, role: "{role}",
  gateway: {gateway}}}
traffic: agentcore-gateway
strategy:
  kind: canary
  steps:
    - {{weight: 50, bake: 5m, min_sessions: 10, within: 3h, margins: {{error: +50pp}}}}
    - {{weight: 100, bake: 5m, min_sessions: 10, within: 3h, margins: {{error: +50pp}}}}
  on_rollback: {{sessions: evict, deadline: 15m}}
analysis: {{guardrails: {{error: +50pp}}, hard: {{error: 60%}}}}
session: {{idle: 5m, turns: 1}}
validation: {{window: [{{until: 1h, every: 30m}}], speed: 6, must: {{error_rate: "< 50%"}}}}
"""


class Release:
    """The agent, its gateway, a controller, and users who come by minutes of the fake clock."""

    def __init__(self, wire, folder):
        self.wire, self.folder, self.sessions = wire, folder, 0
        self.clock = FakeClock(
            time.time() // 60 * 60 - 12 * 3600
        )  # logs older than 14 days, or of the future, are refused
        self.settings = Settings.load(folder / "home", {"HEADGATE_ADMIN_URL": "http://127.0.0.1:9"})
        self.settings.make_admin_token()
        # a turn a minute is enough here, and a lease of seconds would be lost between two
        self.world = replace(bootstrap.world(self.settings, self.clock), lease_s=3600.0)
        self.store = self.world.store
        self.complaints = []
        self.controller = Controller(self.world, self.complaints.append)
        self.control = Clients(Place(REGION, endpoint_url=wire.agentcore)).control  # the team's own, and not recorded
        made = self.control.create_agent_runtime(**asked(write(folder / "v1", ECHO), AGENT))
        self.runtime = made["agentRuntimeId"]
        self.written = Written(self.runtime, made["agentRuntimeArn"])
        gateway = self.control.create_gateway(name="front", roleArn=ROLE, authorizerType="AWS_IAM")
        self.gateway, self.url = gateway["gatewayId"], gateway["gatewayUrl"]

    def plan(self, source):
        path = self.folder / f"{source}.yaml"
        told = {"agent": AGENT, "runtime": self.runtime, "region": REGION, "role": ROLE, "gateway": self.gateway}
        path.write_text(PLAN.format(source=source, **told))
        return load_plan(path)

    def who(self):
        return commands.Who("ana", "a test", self.clock.now(), "salt")

    def serve(self):
        commands.register(self.store, self.plan("v1").plan, self.who())
        self.turns_until(self.store.agents, "the agent is served")

    def start(self, source, text):
        write(self.folder / source, text)
        loaded = self.plan(source)
        file = commands.PlanFile(loaded.plan, loaded.digest, str(loaded.path), loaded.text)
        made = commands.start(self.store, file, self.who())
        self.id = made.id
        self.turns_until(lambda: self.rollout.weight_at is not None, f"{source} has its first sessions")

    @property
    def rollout(self):
        return self.store.load(self.id)

    def turns_until(self, done, what):
        """Turns of a second, as long as a real process needs to start."""

        def turn():
            self.clock.advance(1.0)
            self.controller.turn()
            return done()

        until(turn, f"{what}; {self.complaints}", 60.0)

    def minute(self, users=6):
        """Users come, what they met is written by AgentCore, and the controller looks."""
        met = [self.visit() for _ in range(users)]
        for endpoint in {endpoint for endpoint, _ in met}:
            mine = [span for where, span in met if where == endpoint]
            self.written.write(endpoint, *mine)
            self.written.count(endpoint, self.clock.now() // 60 * 60, len(mine))
        self.clock.advance(60.0)
        self.controller.turn()

    def visit(self):
        """(endpoint, span) of a new session of one turn."""
        self.sessions += 1
        session = f"a-session-of-a-managed-release-{self.sessions:06d}"
        answer = httpx.post(f"{self.url}/{AGENT}/invocations", json={}, headers={SESSION: session}, verify=CERTIFICATES)
        good = answer.status_code == 200
        version = answer.json()["mark"] if good else "bad"
        span = self.written.span(session, self.clock.now() + 1.0)
        if not good:
            span["status"] = {"code": "ERROR"}
        return self.seats[version], span

    @property
    def seats(self):
        """Mark of a version -> the endpoint that serves it."""
        rows = self.control.list_agent_runtime_endpoints(agentRuntimeId=self.runtime)["runtimeEndpoints"]
        on = {row["liveVersion"]: row["name"] for row in rows if row["name"].startswith("headgate_")}
        return {mark: on[number] for mark, number in (("one", "1"), ("two", "2"), ("bad", "3")) if number in on}

    def minutes_until(self, done, most=90):
        for _ in range(most):
            if done(self.rollout):
                return
            self.minute()
        raise AssertionError(f"{self.rollout.phase}: {self.rollout.hold}; {self.complaints[-3:]}")

    def ledger(self, kind, member, **more):
        """One member of the records of this rollout."""
        bodies = [record.body for record in self.store.read(self.id, kinds=(kind,))]
        return [body[member] for body in bodies if more.items() <= body.items()]

    def weight(self):
        """What AWS's rule does now, in its own words."""
        rules = self.control.list_gateway_rules(gatewayIdentifier=self.gateway)["gatewayRules"]
        return rules[0]["actions"][0]["routeToTarget"]


def ended(rollout):
    return rollout.phase in FINISHED | {Phase.PAUSED}


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("managed")
    with running_account() as others, running_wire(others) as wire, pytest.MonkeyPatch.context() as patch:
        for name, value in {**KEYS, "AWS_ENDPOINT_URL": others}.items():
            patch.setenv(name, value)
        with running_runtime(folder / "runtime", region=REGION) as runtime:
            wire.agentcore = runtime.url
            made = Release(wire, folder)
            patch.setenv("AWS_ENDPOINT_URL", wire.url)  # from here on all of it is Headgate's
            made.serve()
            yield made
            made.controller.close()
            made.store.close()


def throttled(request):
    """AWS asks for fewer calls."""
    return AWSResponse(request.url, 429, {"x-amzn-ErrorType": "ThrottlingException"}, Raw(b'{"message": "slow down"}'))


def broken(request):
    """AWS is broken."""
    return AWSResponse(request.url, 503, {}, Raw(b"<html>Service Unavailable</html>"))


def silent(request):
    """AWS says nothing."""
    raise ReadTimeoutError(endpoint_url=request.url)


class Raw(io.BytesIO):
    """A body as urllib3 hands it out."""

    def stream(self, **_):
        yield self.getvalue()


def test_a_version_is_promoted_though_aws_is_away_for_ten_minutes_twice(release, monkeypatch):
    """By 50 and 100 %, from spans that come minutes late. Throttled, broken, silent: the weight stays, nobody called,
    nothing is taken back, and it goes on by itself; so it does where the next weight cannot be written.
    """
    release.start("v2", ECHO.replace('"one"', '"two"'))
    release.minute()
    before, rule = release.rollout, release.weight()
    assert "weightedRoute" in rule
    for kind in (throttled, broken, silent):
        with failing(monkeypatch, kind):
            for _ in range(20):
                release.clock.advance(10.0)
                release.controller.turn()
    held = release.rollout
    assert (held.phase, held.weight, held.step, held.incident) == (Phase.STEPPING, 50.0, before.step, "")
    assert release.weight() == rule
    release.minute()
    assert release.ledger("port.away", "kind", port="traffic") == ["throttled", "unavailable", "timed_out"]
    assert [away > 590.0 for away in release.ledger("port.back", "away_s", port="traffic")] == [True]

    with failing(monkeypatch, broken, lambda request: request.method == "PATCH"):
        release.minutes_until(lambda rollout: rollout.weight == 100.0)
        for _ in range(9):
            release.minute()
        held = release.rollout
        assert (held.phase, held.verified_weight, held.incident) == (Phase.STEPPING, 50.0, "")
        assert release.weight() == rule
    release.minutes_until(ended)
    assert release.rollout.phase is Phase.COMPLETED, release.rollout
    assert release.weight() == {"staticRoute": {"targetName": f"{AGENT}-v2"}}
    assert {release.visit()[0] for _ in range(3)} == {"headgate_b"}


@contextlib.contextmanager
def failing(monkeypatch, kind, which=lambda _request: True):
    """Requests that get nothing but this from AWS; botocore's own pauses between its tries take no time."""
    with monkeypatch.context() as patch:
        real = URLLib3Session.send
        patch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None, time=time.time))
        patch.setattr(
            URLLib3Session, "send", lambda self, request: (kind if which(request) else real.__get__(self))(request)
        )
        yield


def test_a_bad_version_is_taken_back(release):
    """Every turn of it fails: FAIL, a static route to the trusted one, its target on production, its sessions stop."""
    release.start("v3", BAD)
    release.minutes_until(ended)
    assert release.rollout.phase is Phase.ROLLED_BACK, release.rollout
    assert release.weight() == {"staticRoute": {"targetName": f"{AGENT}-v2"}}
    assert release.rollout.verdict.answer == "FAIL"
    steps = [r.body["step"] for r in release.store.read(kinds=("traffic.step",))]
    assert f"target {AGENT}-v3 leads to production" in steps
    assert any(step.endswith("sessions stopped") and not step.startswith("0") for step in steps), steps
    production = release.control.get_agent_runtime_endpoint(agentRuntimeId=release.runtime, endpointName="production")
    assert production["liveVersion"] == "2"


def test_the_policy_is_exactly_what_was_called(release):
    """The gateway's own statements included: each call on its own resource, and no action is left over."""
    policy = permissions.policy(release.plan("v3").plan, account=ACCOUNT)
    assert sorted(each for each in release.wire.calls if not allowed(policy, *each)) == []
    # PassRole is never called: AgentCore asks IAM for it when a runtime is updated
    later = {"iam:PassRole", "bedrock-agentcore:DeleteGatewayTarget"}  # ... and targets go when they are 16 days old
    assert {action for action, _ in release.wire.calls} == actions(policy) - later
