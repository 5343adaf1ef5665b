"""The Platform port's own suite, on the local runtime through boto3 and on the fake."""

import time

import pytest
from local_agents import BROKEN, ECHO, ROLE, write

from headgate.errors import Unavailable
from headgate.platforms.agentcore import AgentCorePlatform, Clients, LocalPlatform, Place, connect
from headgate.testing.contracts_platform import AGENT, PlatformContract, plan_of
from headgate.testing.fake_platform import FakePlatform
from headgate.testing.processes import running_runtime


class TestLocalRuntime(PlatformContract):
    """AgentCore's adapter on a runtime of this machine."""

    @pytest.fixture
    def platform(self, tmp_path):
        with running_runtime(tmp_path / "home") as it:
            yield LocalPlatform(connect(it.url))

    @pytest.fixture
    def sources(self, tmp_path):
        texts = {"one": ECHO, "two": ECHO.replace('"one"', '"two"'), "broken": BROKEN}
        return {name: {"source": str(write(tmp_path / name, text))} for name, text in texts.items()}


class TestAgentCore(PlatformContract):
    """The adapter of Amazon's AgentCore, on a runtime that answers as AWS does and tells nothing beyond it."""

    @pytest.fixture(scope="class")
    def clients(self, tmp_path_factory):
        with running_runtime(tmp_path_factory.mktemp("home")) as it:
            clients = Clients(Place("eu-west-1", endpoint_url=it.url))
            yield clients
            clients.close()

    @pytest.fixture
    def platform(self, clients):
        yield AgentCorePlatform(clients, now=time.monotonic)
        for each in clients.control.list_agent_runtimes()["agentRuntimes"]:
            clients.control.delete_agent_runtime(agentRuntimeId=each["agentRuntimeId"])

    @pytest.fixture
    def sources(self, tmp_path):
        texts = {"one": ECHO, "two": ECHO.replace('"one"', '"two"'), "broken": BROKEN}
        more = {"bucket": "local", "role": ROLE, "region": "eu-west-1"}
        return {name: {"source": str(write(tmp_path / name, text)), **more} for name, text in texts.items()}


class TestFake(PlatformContract):
    """The platform in memory."""

    @pytest.fixture
    def platform(self):
        return FakePlatform()

    @pytest.fixture
    def sources(self):
        return {name: {"source": name} for name in ("one", "two", "broken")}

    def test_trouble_and_failing_versions(self, platform, sources):
        """What tests of others steer by: a platform in trouble raises it, a version fails and is healed."""
        number = platform.build(AGENT, plan_of(sources["one"]), "t1").number
        platform.pin(AGENT, "production", number)
        platform.fail(AGENT, number, "out of memory")
        state = platform.version(AGENT, number)
        assert (state.status, state.reason) == ("FAILED", "out of memory")
        platform.heal(AGENT, number)
        assert platform.version(AGENT, number).status == "READY"
        platform.trouble = Unavailable("the platform is away")
        with pytest.raises(Unavailable):
            platform.find(AGENT)
