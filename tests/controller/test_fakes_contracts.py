"""The fakes that simulations run on are held to the same suites as the real adapters."""

import pytest

from headgate.core.model import Version
from headgate.core.plan import Gate
from headgate.errors import Unavailable
from headgate.testing.clock import FakeClock
from headgate.testing.contracts_gates import GateRunnerContract
from headgate.testing.contracts_shelf import ShelfContract
from headgate.testing.contracts_telemetry import AGENT, TelemetryContract
from headgate.testing.contracts_teller import TellerContract
from headgate.testing.contracts_traffic import TrafficContract, policy
from headgate.testing.fake_sessions import FakeSessions
from headgate.testing.fake_traffic import FakeTraffic
from headgate.testing.simulation import FakeGates, FakeTeller, MemoryShelf

AWAY = "http://127.0.0.1:1"


class TestFakeTraffic(TrafficContract):
    """The whole suite on the fake."""

    @pytest.fixture
    def traffic(self):
        return FakeTraffic(FakeClock())


class TestFakeTeller(TellerContract):
    """What versions say in a simulation."""

    @pytest.fixture
    def teller(self):
        return FakeTeller({"1": {"model": "a"}}, {"3"})

    @pytest.fixture
    def speaks(self):
        return Version("1", ""), {"model": "a"}

    @pytest.fixture
    def silent(self):
        return Version("2", "")

    @pytest.fixture
    def away(self):
        return Version("3", "")


class Measured:
    """Simulated sessions of one agent, and their clock."""

    def __init__(self):
        self.clock = FakeClock()
        self.traffic = FakeTraffic(self.clock)
        self.traffic.apply(policy(agent=AGENT))
        self.begun(0)

    def begun(self, seed):
        self.sessions = FakeSessions(AGENT, self.traffic, {}, lambda _now: 600.0, seed)
        return self.sessions

    def go_on(self):
        for _ in range(2):  # the first arrivals are in the second that begins now
            self.clock.advance(20.0)
            self.sessions.advance(self.clock.now())


class TestFakeSessions(TelemetryContract):
    """What a simulation measures."""

    @pytest.fixture
    def measured(self):
        return Measured()

    @pytest.fixture
    def telemetry(self, measured):
        return measured.sessions

    @pytest.fixture
    def measure(self, measured):
        return measured.go_on

    @pytest.fixture
    def renewed(self, measured):
        return lambda: measured.begun(1)  # another seed, another log

    @pytest.fixture
    def away(self, measured):
        measured.sessions.trouble = Unavailable("no gateway")
        return measured.sessions


class TestFakeGates(GateRunnerContract):
    """Suites that pass unless they are told to fail."""

    @pytest.fixture
    def runner(self):
        return FakeGates(failing={"bad"}, away={AWAY})

    @pytest.fixture
    def good(self):
        return Gate("good", "good.yaml", "", ""), "http://127.0.0.1:9101"

    @pytest.fixture
    def bad(self):
        return Gate("bad", "bad.yaml", "", ""), "http://127.0.0.1:9101"

    @pytest.fixture
    def away(self):
        return Gate("good", "good.yaml", "", ""), AWAY


class TestMemoryShelf(ShelfContract):
    """Documents in a dictionary."""

    @pytest.fixture
    def shelf(self):
        return MemoryShelf()

    @pytest.fixture
    def read(self, shelf):
        return shelf.read

    @pytest.fixture
    def full(self):
        return MemoryShelf(trouble=Unavailable("no space left"))
