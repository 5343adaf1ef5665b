"""What the commands of incidents, drills and handoffs say when they are used wrongly: in process, on a store."""

import pytest
from click.testing import CliRunner

from headgate.cli.main import cli
from headgate.errors import HeadgateError
from headgate.store.sqlite import SqliteStore


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("drill run flood", 2, "no drill"),
        ("drill run rollback", 2, "no such agent is served"),
        ("incident show INC-9", 2, "incident list"),
        ("incident open nobody --title x", 2, "no rollout"),
        ("incident resolve INC-9 --cause x", 2, "no incident"),
        ("incident diagnose INC-9", 2, "no incident"),
        ("report incident INC-9", 2, "no incident"),
        ("handoff accept nothing --by ines", 2, "no rollout"),
    ],
)
def test_wrong_use(tmp_path, words, code, said):
    """Each says what is wrong and how to mend it, with its exit code."""
    SqliteStore(tmp_path / "store.db").close()
    result = CliRunner().invoke(cli, ["--home", str(tmp_path), *words.split()])
    assert isinstance(result.exception, HeadgateError)
    assert result.exception.exit_code == code
    assert said in str(result.exception)
