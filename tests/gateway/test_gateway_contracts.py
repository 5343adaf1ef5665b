"""The embedded gateway's two adapters are held to the suites of their ports."""

import contextlib
import socket

import pytest
from gateway_helpers import TOKEN, FakeClock, Live, session_id

from headgate.telemetry.gateway import GatewayTelemetry
from headgate.testing.contracts_telemetry import TelemetryContract
from headgate.testing.contracts_traffic import TrafficContract


class TestEmbeddedTraffic(TrafficContract):
    """Policies over the admin API."""

    @pytest.fixture
    def traffic(self, tmp_path):
        with Live(tmp_path / "home") as running:
            yield running.traffic


class TestGatewayTelemetry(TelemetryContract):
    """Rows over the admin API, from a gateway whose clock is moved."""

    @pytest.fixture
    def gateways(self, tmp_path):
        """Starts a gateway that serves the agent; the last one started is the one that runs."""
        with contextlib.ExitStack() as last:

            def start(*, anew=False):
                last.close()
                for file in (tmp_path / "home").glob("telemetry.db*") if anew else ():
                    file.unlink()
                start.live = last.enter_context(Live(tmp_path / "home", FakeClock()))
                start.live.apply()
                return start.live

            start()
            yield start

    @pytest.fixture
    def telemetry(self, gateways):
        return gateways.live.telemetry

    @pytest.fixture
    def measure(self, gateways):
        def one_turn():
            live = gateways.live
            assert live.post(session_id(1)).status_code == 200
            live.clock.now += 2
            live.tick()
            live.rows()

        return one_turn

    @pytest.fixture
    def renewed(self, gateways):
        return lambda: gateways(anew=True).telemetry

    @pytest.fixture
    def away(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        with contextlib.closing(GatewayTelemetry(url, TOKEN)) as telemetry:
            yield telemetry
