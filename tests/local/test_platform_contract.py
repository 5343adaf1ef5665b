"""The Platform port's own suite, on the local runtime through boto3 and on the fake."""

import pytest
from local_agents import BROKEN, ECHO, write

from headgate.errors import Unavailable
from headgate.platforms.agentcore import AgentCorePlatform, connect
from headgate.testing.contracts_platform import AGENT, PlatformContract, plan_of
from headgate.testing.fake_platform import FakePlatform
from headgate.testing.processes import running_runtime


class TestLocalRuntime(PlatformContract):
    """AgentCore's adapter on a runtime of this machine."""

    @pytest.fixture
    def platform(self, tmp_path):
        with running_runtime(tmp_path / "home") as it:
            yield AgentCorePlatform(connect(it.url))

    @pytest.fixture
    def sources(self, tmp_path):
        texts = {"one": ECHO, "two": ECHO.replace('"one"', '"two"'), "broken": BROKEN}
        return {name: {"source": str(write(tmp_path / name, text))} for name, text in texts.items()}


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
