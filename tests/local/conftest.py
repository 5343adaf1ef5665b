"""A real runtime for the tests of a module, and real boto3 clients."""

import sys
from pathlib import Path

import pytest
from headgate.platforms.agentcore.clients import control_client, data_client
from headgate.testing.processes import running_runtime

sys.path.insert(0, str(Path(__file__).parent))
from local_agents import ECHO, write


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """One runtime for a whole module; its tests use agents of their own names."""
    with running_runtime(tmp_path_factory.mktemp("home")) as it:
        yield it


@pytest.fixture(scope="module")
def control(runtime):
    """The control plane, through boto3."""
    return control_client(runtime.url)


@pytest.fixture(scope="module")
def data(runtime):
    """The data plane, through boto3."""
    return data_client(runtime.url, None, timeout_s=30, connections=20)


@pytest.fixture
def echo(tmp_path):
    """The directory of an agent that answers."""
    return write(tmp_path / "echo", ECHO)
