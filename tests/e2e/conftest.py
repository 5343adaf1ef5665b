"""One running Headgate per module, and sessions through it while a test asks for them."""

import threading

import pytest
from headgate_stack import started

from headgate.cli.driver import TrafficOptions, drive


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """One Headgate for the tests of a module; each starts rollouts of its own and ends them."""
    base = tmp_path_factory.mktemp("stack")
    with started(base / "home", base / "project") as running:
        yield running


@pytest.fixture
def traffic(stack):
    """Sessions through the gateway for as long as the test runs; what the clients saw at its end."""
    stop, seen = threading.Event(), []
    options = TrafficOptions(
        url=stack.gateway,
        agent_arn=stack.arn,
        sessions=None,
        duration_s=600,
        rate=25.0,
        turns=(1, 3),
        think_s=0.05,
        workers=8,
    )
    thread = threading.Thread(target=lambda: seen.append(drive(options, None, stop)), daemon=True)
    thread.start()

    def ended():
        stop.set()
        thread.join(60)
        return seen[0]

    yield ended
    ended()
