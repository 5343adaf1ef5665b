"""A real runtime for the tests of a module, and boto3 clients whose every answer is checked against AWS's model."""

import pytest
from local_agents import ECHO, write
from model_oracle import checked

from aws_account import KEYS, running_account
from headgate.aws.clients import control_client, data_client
from headgate.testing.processes import running_runtime


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """One runtime for a whole module; its tests use agents of their own names."""
    with running_runtime(tmp_path_factory.mktemp("home")) as it:
        yield it


@pytest.fixture(scope="module")
def control(runtime):
    """The control plane through boto3; an answer that AWS's model does not allow fails the test."""
    client = checked(control_client(runtime.url))
    yield client
    client.close()


@pytest.fixture(scope="module")
def data(runtime):
    """The data plane, through boto3."""
    client = data_client(runtime.url, None, timeout_s=30, connections=20)
    yield client
    client.close()


@pytest.fixture
def echo(tmp_path):
    """The directory of an agent that answers."""
    return write(tmp_path / "echo", ECHO)


@pytest.fixture(scope="module")
def account_url():
    """An AWS account for a whole module."""
    with running_account() as url:
        yield url


@pytest.fixture
def account(account_url, monkeypatch):
    """The account as the usual AWS configuration names it; clients find it by themselves."""
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": account_url}.items():
        monkeypatch.setenv(name, value)
    return account_url
