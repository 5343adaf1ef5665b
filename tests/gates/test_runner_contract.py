"""The runner of real suites is held to the suite of its port."""

import socket

import pytest

from headgate.core.plan import Gate
from headgate.gates.runner import HttpGateRunner
from headgate.testing.contracts_gates import GateRunnerContract


def gate(expected):
    """One case against the strange agent, which answers `turn 1: hello`."""
    text = f"cases:\n  - name: hello\n    turns: [{{say: hello, expect: [{{contains: {expected}}}]}}]\n"
    return Gate("smoke", "smoke.yaml", text, "")


class TestHttpGateRunner(GateRunnerContract):
    """Conversations over HTTP."""

    @pytest.fixture
    def runner(self):
        return HttpGateRunner(timeout=2.0)

    @pytest.fixture
    def good(self, agent):
        return gate("hello"), agent.url

    @pytest.fixture
    def bad(self, agent):
        return gate("farewell"), agent.url

    @pytest.fixture
    def away(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return gate("hello"), f"http://127.0.0.1:{probe.getsockname()[1]}"
