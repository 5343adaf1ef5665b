"""The contract suites of AWS's adapters: on this machine in every run, in a real account where HEADGATE_CONTRACT_AWS
names a plan of an agent there (docs/agentcore.md).
"""

import itertools
import json
import time
from dataclasses import replace

import pytest
from ground import PLAN, Named, ground
from managed import Known, Quick, Seated

from aws_written import Written
from headgate.aws import Clients, Place
from headgate.errors import NotFound
from headgate.platforms.agentcore import AgentCorePlatform
from headgate.telemetry.cloudwatch import CloudWatchTelemetry, Registry, split_of
from headgate.telemetry.cloudwatch.alarms import CloudWatchAlarms
from headgate.testing import contracts_alarms
from headgate.testing.contracts_alarms import AlarmsContract
from headgate.testing.contracts_platform import AGENT, PlatformContract, plan_of, wait_until
from headgate.testing.contracts_telemetry import AGENT as MEASURED
from headgate.testing.contracts_telemetry import TelemetryContract
from headgate.testing.contracts_traffic import TrafficContract


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """This machine, or the account."""
    with ground(tmp_path_factory.mktemp("ground")) as made:
        yield made


def clock():
    """Here, one on which what an adapter remembers is soon old; there, the time."""
    return time.monotonic() * (1 if PLAN else 50)


NUMBERS = itertools.count(1)


@pytest.fixture
def platform(place):
    """An agent that is not there yet, by a name that no other test has."""
    name = f"headgate-contract-{place.word}-{next(NUMBERS)}"
    yield Named(AgentCorePlatform(place.clients, now=clock), name)
    place.remove_runtimes()


class TestAgentCorePlatform(PlatformContract):
    """Amazon's own tells of a version that cannot start only when somebody talks to it."""

    STARTS_EARLY = not PLAN

    @pytest.fixture
    def platform(self, platform):
        return platform

    @pytest.fixture
    def sources(self, place):
        return place.sources()


@pytest.fixture(scope="module")
def seated(place):
    """(ARN, host) of a runtime with two versions, each on a seat, and production on the first."""
    name = f"headgate_contract_{place.word}_seated"
    runs = Named(AgentCorePlatform(place.clients, now=clock), name)
    sources = place.sources()

    def pinned(endpoint, number):
        runs.pin(AGENT, endpoint, number)
        wait_until(lambda: runs.find(AGENT).endpoints.get(endpoint) == (number, number, "READY"), f"{endpoint} is live")

    pinned("production", runs.build(AGENT, plan_of(sources["one"]), "1").number)
    pinned("candidate", runs.build(AGENT, plan_of(sources["two"]), "2").number)
    return runs.find(AGENT).arn, place.clients.data.meta.endpoint_url


class TestAgentCoreGateway(TrafficContract):
    """Whole percents; terms are compared, not swapped."""

    FRACTIONS = False

    @pytest.fixture
    def traffic(self, place, seated, monkeypatch):
        control = place.clients.control
        role = place.plan.platform.get("role")
        if PLAN:  # one that AgentCore Gateway may assume: that of the plan's own gateway
            role = control.get_gateway(gatewayIdentifier=place.plan.platform.get("gateway"))["roleArn"]
        name = f"headgate-contract-{place.word}-{next(NUMBERS)}"
        gateway = control.create_gateway(name=name, roleArn=role, authorizerType="AWS_IAM")["gatewayId"]
        wait_until(lambda: control.get_gateway(gatewayIdentifier=gateway)["status"] == "READY", "the gateway is READY")
        made = Seated(place.clients, gateway, Known(), Quick())
        made.arn, made.host = seated
        yield made
        for rule in control.list_gateway_rules(gatewayIdentifier=gateway)["gatewayRules"]:
            control.delete_gateway_rule(gatewayIdentifier=gateway, ruleId=rule["ruleId"])
        wait_until(lambda: not control.list_gateway_rules(gatewayIdentifier=gateway)["gatewayRules"], "no rule is left")
        for target in control.list_gateway_targets(gatewayIdentifier=gateway)["items"]:
            control.delete_gateway_target(gatewayIdentifier=gateway, targetId=target["targetId"])
        wait_until(lambda: not control.list_gateway_targets(gatewayIdentifier=gateway)["items"], "no target is left")
        control.delete_gateway(gatewayIdentifier=gateway)


class Measured:
    """Turns of one agent, and the telemetry that sees them. Here spans are written as AgentCore writes them and time is
    set; there a turn is made, and everything takes its minutes.
    """

    def __init__(self, place, seated, platform, folder):
        self.place, self.folder, self.arn = place, folder, seated[0]
        self.platform, self.now, self.opened = platform, time.time() // 60 * 60 - 12 * 3600, 0
        runtime = self.arn.rpartition("/")[2]
        self.written = None if PLAN else Written(runtime, self.arn)
        self.telemetry = self.anew()

    def anew(self):
        """As after its file was lost."""
        self.opened += 1
        registry = Registry(self.folder / f"sessions-{self.opened}.db")
        plan = replace(plan_of({}, MEASURED), session_turns=1)
        split = split_of(plan, self.platform, Nobody())
        self.telemetry = CloudWatchTelemetry(self.place.clients, plan, registry, split, self.time)
        self.telemetry.poll(MEASURED, "")
        return self.telemetry

    def time(self):
        return time.time() if PLAN else self.now

    def measure(self):
        seen = len(self.telemetry.poll(MEASURED, "")[0])
        session = f"a-session-of-the-contract-{self.place.word}-{next(NUMBERS):06d}"
        if PLAN:
            turn = {"agentRuntimeArn": self.arn, "runtimeSessionId": session, "qualifier": "production"}
            self.place.clients.data.invoke_agent_runtime(**turn, payload=json.dumps({}).encode())
        else:
            self.written.write("production", self.written.span(session, self.now + 1.0))
            self.now += 1200.0
        wait_until(lambda: len(self.telemetry.poll(MEASURED, "")[0]) > seen, "the turn is measured", 1800.0)


class Nobody:
    """No gateway splits: the one version has it all."""

    def read(self, _agent):
        raise NotFound("nobody splits")


class TestCloudWatch(TelemetryContract):
    """Rows come minutes late there."""

    @pytest.fixture
    def measured(self, place, seated, tmp_path):
        name = f"headgate_contract_{place.word}_seated"
        return Measured(place, seated, Renamed(AgentCorePlatform(place.clients, now=clock), name), tmp_path)

    @pytest.fixture
    def telemetry(self, measured):
        return measured.telemetry

    @pytest.fixture
    def measure(self, measured):
        return measured.measure

    @pytest.fixture
    def renewed(self, measured):
        return measured.anew

    @pytest.fixture
    def away(self, place, measured, tmp_path):
        nowhere = Clients(Place("eu-west-1", endpoint_url="http://127.0.0.1:9"))
        plan = plan_of({}, MEASURED)
        split = split_of(plan, AgentCorePlatform(nowhere, now=clock), Nobody())
        yield CloudWatchTelemetry(nowhere, plan, Registry(tmp_path / "away.db"), split, measured.time)
        nowhere.close()


class Renamed(Named):
    """The measured agent is the seated one."""

    def _of(self, agent):
        return self._name if agent == MEASURED else agent


class TestCloudWatchAlarms(AlarmsContract):
    """moto answers PutCompositeAlarm with 500; Amazon's own has composites."""

    COMPOSITES = bool(PLAN)

    @pytest.fixture
    def alarms(self, place):
        keeper = CloudWatchAlarms(place.clients, time.sleep if PLAN else lambda _s: None)
        yield keeper
        # those of the suite's own rollout: in a real account there may be others of an agent of that name
        mine = contracts_alarms.ROLLOUT
        keeper.remove([name for name in keeper.names("headgate/") if mine in name])
