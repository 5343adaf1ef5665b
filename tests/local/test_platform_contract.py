"""The Platform port's own suite, on the local runtime through boto3 and on the fake."""

import time

import pytest
from local_agents import BROKEN, ECHO, ROLE, write

from headgate.aws import Clients, Place
from headgate.errors import Unavailable
from headgate.platforms.agentcore import AgentCorePlatform, LocalPlatform, connect
from headgate.testing.contracts_platform import AGENT, PlatformContract, plan_of, wait_until
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


def quickly():
    """A clock on which what an adapter remembers is soon old."""
    return time.monotonic() * 50


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


def test_a_release_moves_no_session_and_no_other_endpoint(tmp_path):
    """Seats over four releases, one of them taken back: what serves a version stays where it is while it serves it."""
    with running_runtime(tmp_path / "home") as it:
        clients = Clients(Place("eu-west-1", endpoint_url=it.url))
        platform = AgentCorePlatform(clients, now=quickly)
        more = {"bucket": "local", "role": ROLE, "region": "eu-west-1"}

        def build(name):
            folder = write(tmp_path / name, ECHO.replace('"one"', f'"{name}"'))
            return platform.build(AGENT, plan_of({"source": str(folder), **more}), name).number

        def pin(endpoint, number):
            platform.pin(AGENT, endpoint, number)
            wait_until(lambda: platform.version(AGENT, number).status == "READY", f"{endpoint} is on {number}")
            return platform.version(AGENT, number).version.url.rpartition("=")[2]

        assert pin("production", build("v1")) == "headgate_a"
        assert pin("candidate", build("v2")) == "headgate_b"
        pin("previous", "1")
        assert (pin("production", "2"), pin("previous", "1")) == ("headgate_b", "headgate_a")
        platform.unpin(AGENT, "candidate")
        assert platform.find(AGENT).endpoints["headgate_a"][0] == "1"
        assert pin("candidate", build("v3")) == "headgate_c"
        platform.unpin(AGENT, "candidate")
        wait_until(lambda: platform.find(AGENT).endpoints["headgate_c"] == ("2", "2", "READY"), "the seat is at rest")
        assert platform.version(AGENT, "2").version.url.endswith("headgate_b")
        assert pin("candidate", build("v4")) == "headgate_c"
        assert pin("production", "4") == "headgate_c"
        pin("previous", "2")
        assert pin("candidate", build("v5")) == "headgate_a"
        assert platform.find(AGENT).endpoints["candidate"] == platform.find(AGENT).endpoints["headgate_a"]
        clients.close()
