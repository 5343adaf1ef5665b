"""The fake gateway is held to the same contract as the real ones."""

import pytest

from headgate.testing.clock import FakeClock
from headgate.testing.contracts_traffic import TrafficContract
from headgate.testing.fake_traffic import FakeTraffic


class TestFakeTraffic(TrafficContract):
    """The whole suite on the fake."""

    @pytest.fixture
    def traffic(self):
        return FakeTraffic(FakeClock())
