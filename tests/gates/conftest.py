"""A strange agent on a free port, and suites for it."""

import threading

import pytest
from strange_agent import Server

from headgate.core.plan import Gate
from headgate.gates.runner import HttpGateRunner


@pytest.fixture
def agent():
    """The server, running; every thread of it ends with the test."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(agent):
    """Runs a suite of the given cases (YAML text each) against the agent; the gate's other members by keyword."""

    def go(*cases, url=None, runner=None, top="", **members):
        text = top + "cases:\n" + "".join(f"  - {case}\n" for case in cases)
        return (runner or HttpGateRunner(timeout=1.0)).run(
            Gate("smoke", "smoke.yaml", text, "", **members), url or agent.url
        )

    return go
