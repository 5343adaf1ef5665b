"""Coach Companion's versions, run by a local runtime as a rollout would run them; and its code, in this process."""

import pytest
from coach_talk import Talk, quick

from headgate.platforms.agentcore import LocalPlatform, connect
from headgate.testing.contracts_platform import plan_of, wait_until
from headgate.testing.processes import running_runtime


@pytest.fixture(scope="session")
def runtime(tmp_path_factory):
    """A runtime for all tests of the coach."""
    with running_runtime(tmp_path_factory.mktemp("home")) as it:
        yield it


@pytest.fixture(scope="session")
def platform(runtime):
    """The platform that it is."""
    connection = connect(runtime.url)
    yield LocalPlatform(connection)
    connection.control.close()


@pytest.fixture(scope="session")
def urls(platform):
    """Where each version answers, by its name; all three are up."""
    from build import build

    found = {}
    for name in ("v1", "v2", "v3"):
        number = platform.build("coach-companion", plan_of({"source": str(build(name))}), name).number
        platform.pin("coach-companion", name, number)
        wait_until(lambda number=number: platform.version("coach-companion", number).status == "READY", f"{name} is up")
        found[name] = platform.version("coach-companion", number).version.url
    return found


@pytest.fixture(scope="session")
def talk(tmp_path_factory):
    """Version 1 in this process, without its thinking time."""
    return Talk(quick("v1", tmp_path_factory.mktemp("quick")))
