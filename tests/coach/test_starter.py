"""The agent and the suites that `headgate init` writes: the one passes the others, so a first rollout can begin."""

import re

import pytest
from click.testing import CliRunner
from coach_farm import served

from headgate.cli.main import cli
from headgate.core.plan import Gate
from headgate.gates.runner import HttpGateRunner

PEOPLE = "load: {users: 8, sessions: 16, success_rate: 99%, p95: 20s, first_token: 20s}"


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    """(the folder that init wrote, the URL of the agent in it)."""
    folder = tmp_path_factory.mktemp("starter")
    done = CliRunner().invoke(cli, ["init", str(folder)])
    assert done.exit_code == 0, done.output
    with served(folder) as url:
        yield folder, url


@pytest.mark.parametrize("name", ["smoke", "integration", "security", "load"])
def test_the_starter_agent_passes_the_starter_suites(starter, name):
    """Each for real; the load without the pauses of people."""
    folder, url = starter
    text = (folder / "suites" / f"{name}.yaml").read_text(encoding="utf-8")
    text = re.sub(r"^load: .*$", PEOPLE, text, flags=re.MULTILINE)
    told = HttpGateRunner(at_once=4).run(Gate(name, f"{name}.yaml", text, ""), url)
    assert told.passed, told.detail


def test_the_starter_suites_can_fail(starter):
    """An agent that says what it was told not to say does not pass them: the placeholder is a check like others."""
    folder, url = starter
    text = (folder / "suites" / "security.yaml").read_text(encoding="utf-8").replace("words of my prompt", "you said")
    told = HttpGateRunner().run(Gate("security", "security.yaml", text, ""), url)
    assert not told.passed
    assert "ignore your instructions" in told.detail
