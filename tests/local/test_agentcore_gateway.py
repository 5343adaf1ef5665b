"""AgentCore Gateway behind the Traffic port, on the local runtime's gateways: contract, sessions, taking back."""

import time
from dataclasses import replace

import httpx
import pytest
from local_agents import CERTIFICATES, ECHO, asked, ready, until, write
from managed import Known, Quick, Seated
from model_oracle import checked

from headgate.aws import Clients, Place
from headgate.core.model import Version
from headgate.errors import NotFound, Rejected
from headgate.platforms.agentcore import words
from headgate.testing.contracts_traffic import AGENT, policy
from headgate.traffic.agentcore_gateway import marks
from headgate.traffic.agentcore_gateway import traffic as adapter

SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"


@pytest.fixture(scope="module")
def cloud(runtime, tmp_path_factory):
    """A runtime with two versions, each on a seat, and production on the first."""
    clients = Clients(Place("eu-west-1", endpoint_url=runtime.url))
    control, folder = checked(clients.control), tmp_path_factory.mktemp("agents")
    made = control.create_agent_runtime(**asked(write(folder / "one", ECHO), "gated"))
    id = made["agentRuntimeId"]
    again = asked(write(folder / "two", ECHO.replace('"one"', '"two"')), "gated")
    again.pop("agentRuntimeName")
    control.update_agent_runtime(agentRuntimeId=id, **again)
    for name, number in (("production", "1"), ("headgate_a", "1"), ("headgate_b", "2")):
        control.create_agent_runtime_endpoint(agentRuntimeId=id, name=name, agentRuntimeVersion=number)
        ready(control, id, name)
    yield clients, made["agentRuntimeArn"], runtime.url
    clients.close()


@pytest.fixture
def gateway(cloud):
    """A gateway of the account, empty."""
    control = cloud[0].control
    number = time.monotonic_ns()
    made = control.create_gateway(
        name=f"g{number}", roleArn="arn:aws:iam::000000000000:role/g", authorizerType="AWS_IAM"
    )
    return made["gatewayId"]


@pytest.fixture
def known():
    return Known()


@pytest.fixture
def steps():
    return []


@pytest.fixture
def traffic(cloud, gateway, known, steps, monkeypatch):
    clients, arn, host = cloud
    made = Seated(clients, gateway, known, Quick(), lambda what, seconds: steps.append((what, seconds)))
    monkeypatch.setattr(adapter, "READ_S", 0.0)
    made.arn, made.host = arn, host
    return made


def turn(cloud, gateway, session):
    """Which version serves one turn that comes to the agent's own target."""
    url = f"{cloud[2]}/gateway/{gateway}/{AGENT}/invocations"
    answer = httpx.post(url, json={"x": 1}, headers={SESSION: session} if session else {}, verify=CERTIFICATES)
    assert answer.status_code == 200, answer.text
    return answer.json()["mark"]


def session(number):
    return f"a-session-of-this-test-number-{number:06d}"


def test_new_sessions_are_split_and_stay(cloud, gateway, traffic):
    """About the weight of them go to the candidate; a session keeps its version when the weight changes."""
    traffic.apply(policy(1, 50.0))
    first = [turn(cloud, gateway, session(n)) for n in range(40)]
    assert 8 <= first.count("two") <= 32
    traffic.apply(policy(2, 0.0))
    assert [turn(cloud, gateway, session(n)) for n in range(40)] == first  # AWS keeps its decisions for 15 days
    assert {turn(cloud, gateway, session(100 + n)) for n in range(10)} == {"one"}
    traffic.apply(policy(3, 100.0))
    assert {turn(cloud, gateway, session(200 + n)) for n in range(5)} == {"two"}


@pytest.mark.parametrize("how", ["handover", "evict", "drain"])
def test_a_candidate_that_is_taken_back_loses_its_sessions(cloud, traffic, known, steps, how):
    """By the policy: at the next turn, at once, or at the deadline; each step is timed, debt is counted till then."""
    gateway = traffic._gateway
    traffic.apply(policy(1, 100.0))
    assert turn(cloud, gateway, session(1)) == "two"
    known.sessions["headgate_b"] = [(session(1), 7.0), (session(2), 3.0)]
    assert traffic.read(AGENT).debt["2"] == (2, 7.0)
    deadline = time.time() + (0.4 if how == "drain" else 900.0)
    steps.clear()
    traffic.apply(replace(policy(2, 0.0), withdrawn="2", sessions=how, deadline=deadline))
    if how == "drain":
        assert turn(cloud, gateway, session(1)) == "two"
        assert traffic.read(AGENT).debt["2"] == (2, 7.0)
        until(lambda: traffic.read(AGENT).debt["2"][0] == 0, "the deadline passes", 10.0)
    assert turn(cloud, gateway, session(1)) == "one"
    assert traffic.read(AGENT).debt["2"] == (0, 0.0)
    told = [what for what, _ in steps]
    assert told[:2] == ["rule is active", f"target {AGENT}-v2 leads to production"]
    assert ("2 sessions stopped" in told) == (how == "evict")


def test_stops_keep_the_pace_of_the_account(traffic, cloud, gateway, known):
    """A stopped session begins anew with its next turn, and 25 of those a second are all that an account may have."""
    traffic.apply(policy(1, 100.0))
    known.sessions["headgate_b"] = [(session(n), 1.0) for n in range(30)]
    clock, began = traffic._clock, time.time()
    traffic.apply(replace(policy(2, 0.0), withdrawn="2", sessions="evict"))
    assert clock.slept + time.time() - began > 29 / 25


def test_an_older_candidates_sessions_are_not_given_to_the_next(cloud, gateway, traffic):
    """Who was on version 2 when it was given up is on the baseline, not on version 3 that has its seat now."""
    traffic.apply(policy(1, 100.0))
    assert turn(cloud, gateway, session(1)) == "two"
    traffic.apply(replace(policy(1, 0.0, rollout="r2"), candidate=Version("3", "")))
    assert turn(cloud, gateway, session(1)) == "one"


def test_targets_that_nobody_can_be_on_are_removed(cloud, gateway, traffic):
    """16 days after a version was given up, its target goes with the next change; a stranger's of such a name stays."""
    control = cloud[0].control
    traffic.apply(policy(1, 100.0))
    there = {"http": {"agentcoreRuntime": {"arn": cloud[1], "qualifier": "production"}}}
    control.create_gateway_target(gatewayIdentifier=gateway, name=f"{AGENT}-v0", targetConfiguration=there)

    def next_release(name, epoch=1):
        traffic.apply(replace(policy(epoch, 0.0, rollout=name), candidate=Version("3", "")))
        return {row["name"] for row in control.list_gateway_targets(gatewayIdentifier=gateway)["items"]}

    everything = {AGENT, f"{AGENT}-v0", f"{AGENT}-v1", f"{AGENT}-v2", f"{AGENT}-v3"}
    assert next_release("r2") == everything  # and the target of version 2 leads to production now
    traffic._clock.ahead = 15 * 86_400.0
    assert next_release("r3") == everything
    traffic._clock.ahead = 16.1 * 86_400.0
    assert next_release("r4") == everything - {f"{AGENT}-v2"}


def test_the_rule_of_a_stranger_is_left_alone(cloud, gateway, traffic):
    """A rule with our priority that is not ours: another one is taken, and theirs stays as it is."""
    control = cloud[0].control
    traffic._make_target("theirs", Version("1", "", words.address(cloud[1], "production", cloud[2])), "production")
    route = [{"routeToTarget": {"staticRoute": {"targetName": "theirs"}}}]
    theirs = control.create_gateway_rule(gatewayIdentifier=gateway, priority=1000, actions=route)
    with pytest.raises(NotFound):
        traffic.read(AGENT)
    traffic.apply(policy(1, 10.0))
    rules = {rule["priority"]: rule for rule in control.list_gateway_rules(gatewayIdentifier=gateway)["gatewayRules"]}
    assert (rules[1000]["ruleId"], rules[1000]["actions"]) == (theirs["ruleId"], route)
    assert marks.parse(AGENT, rules[1001]["description"]).weight == 10.0


def test_what_aws_refuses_the_runtime_refuses(cloud, gateway):
    """A weight of 100, weights that do not sum to 100, a target that is not there, a name or a priority taken."""
    control = cloud[0].control
    there = {"http": {"agentcoreRuntime": {"arn": cloud[1], "qualifier": "production"}}}
    for name in ("a", "b"):
        control.create_gateway_target(gatewayIdentifier=gateway, name=name, targetConfiguration=there)
    with pytest.raises(control.exceptions.ConflictException):
        control.create_gateway_target(gatewayIdentifier=gateway, name="a", targetConfiguration=there)

    def rule(first, second, weights, priority=1):
        names = (first, second)
        split = [{"name": n, "targetName": n, "weight": w} for n, w in zip(names, weights, strict=True)]
        action = {"routeToTarget": {"weightedRoute": {"trafficSplit": split}}}
        return control.create_gateway_rule(gatewayIdentifier=gateway, priority=priority, actions=[action])

    for wrong in (("a", "b", (100, 0)), ("a", "b", (60, 50)), ("a", "nobody", (50, 50))):
        with pytest.raises((control.exceptions.ValidationException, Exception)) as caught:
            rule(*wrong)
        assert "weight" in str(caught.value) or "no target named" in str(caught.value)
    rule("a", "b", (1, 99))
    with pytest.raises(control.exceptions.ConflictException):
        rule("a", "b", (50, 50))
    missing = {"http": {"agentcoreRuntime": {"arn": cloud[1].replace("gated", "other")}}}
    with pytest.raises(control.exceptions.ResourceNotFoundException):
        control.create_gateway_target(gatewayIdentifier=gateway, name="c", targetConfiguration=missing)


def test_marks_fit_where_they_are_written():
    """Long names and reasons are cut, not refused by AWS; what is cut is still read."""
    text = marks.forced_text("coach-companion-20261125-1", "alice", "because " * 100)
    assert len(text) <= marks.TARGET_LONGEST
    by, reason = marks.forced(text, "coach-companion-20261125-1")
    assert (by, reason.startswith("because because")) == ("alice", True)
    assert marks.forced(text, "another") == ("", "")
    mark = marks.Mark("a" * 48, "r" * 70, 123, 45, "9999", "10000", 12.0, ("9998",))
    assert len(mark.text()) <= marks.RULE_LONGEST
    assert marks.parse("a" * 48, mark.text()) == mark
    assert marks.parse("b", mark.text()) is None


def test_a_fraction_is_refused_before_anything_is_made(traffic, cloud, gateway):
    """Nothing is left behind by a policy that cannot be served."""
    with pytest.raises(Rejected, match="whole percents"):
        traffic.apply(policy(1, 0.5))
    assert cloud[0].control.list_gateway_targets(gatewayIdentifier=gateway)["items"] == []


def test_a_controller_that_looks_often_asks_seldom(traffic, cloud, monkeypatch):
    """Four looks a second cost one reading in three seconds; a change of our own is seen at once."""
    monkeypatch.setattr(adapter, "READ_S", 3.0)
    traffic.apply(policy(1, 10.0))
    asked = []
    cloud[0].control.meta.events.register("before-call", lambda model, **_: asked.append(model.name), "count")
    for _ in range(20):
        assert traffic.read(AGENT).weight == 10.0
    assert len(asked) < 10
    traffic.apply(policy(2, 50.0))
    assert traffic.read(AGENT).weight == 50.0
    cloud[0].control.meta.events.unregister("before-call", unique_id="count")
