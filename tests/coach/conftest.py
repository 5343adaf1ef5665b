"""Coach Companion's three versions, run by a local runtime as a rollout would run them."""

from pathlib import Path

import pytest

from headgate.platforms.agentcore import AgentCorePlatform, connect
from headgate.testing.contracts_platform import plan_of, wait_until
from headgate.testing.processes import running_runtime

AGENT = Path(__file__).parents[2] / "examples/coach-companion/agent"


@pytest.fixture(scope="session")
def runtime(tmp_path_factory):
    """A runtime for all tests of the coach."""
    with running_runtime(tmp_path_factory.mktemp("home")) as it:
        yield it


@pytest.fixture(scope="session")
def platform(runtime):
    """The platform that it is."""
    connection = connect(runtime.url)
    yield AgentCorePlatform(connection)
    connection.control.close()


@pytest.fixture(scope="session")
def urls(platform):
    """Where each version answers, by its name; all three are up."""
    found = {}
    for name in ("v1", "v2", "v3"):
        number = platform.build("coach-companion", plan_of({"source": str(AGENT), "entry": f"{name}.py"}), name).number
        platform.pin("coach-companion", name, number)
        wait_until(lambda number=number: platform.version("coach-companion", number).status == "READY", f"{name} is up")
        found[name] = platform.version("coach-companion", number).version.url
    return found
