"""The drill agentcore-repoint on a directory of this machine; code in S3: tests/e2e/test_whole_agentcore.py."""

import pytest

from headgate.aws import Clients, Place
from headgate.config.clock import SystemClock
from headgate.errors import PortError
from headgate.platforms.agentcore.repoint import Repoint, where_of
from headgate.testing.contracts_platform import plan_of


@pytest.fixture
def clients(runtime):
    """Of the local runtime."""
    made = Clients(Place(endpoint_url=runtime.url))
    yield made
    made.close()


def test_every_step_is_made_and_nothing_is_left(clients):
    """On a directory of this machine; each step is told as it is done."""
    told = []
    drill = Repoint(clients, where_of(plan_of({}), clients, "0123456789"), SystemClock(), told.append)
    drill.run()
    assert told == drill.steps
    assert (told[-1].found, drill.left, drill.turns.failed) == ("nothing is left", [], 0)
    assert drill.recovery_s > 0
    assert clients.control.list_agent_runtimes()["agentRuntimes"] == []


def test_what_was_made_is_removed_when_a_step_fails(clients):
    """A failure half way leaves nothing behind, and is told."""

    def fails(step):
        if step.what.startswith("point the endpoint at version 2"):
            raise PortError("the listener is away")

    drill = Repoint(clients, where_of(plan_of({}), clients, "abcdefghij"), SystemClock(), fails)
    with pytest.raises(PortError, match="listener"):
        drill.run()
    assert drill.steps[-1].found == "nothing is left"
    assert clients.control.list_agent_runtimes()["agentRuntimes"] == []
