"""The outputs that docs/simulate.md shows are those of its plan and scenario: headings to the letter, numbers about.

A better bet moves a number, and the page may be renewed with what the command says; it must not tell another story.
"""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from headgate.cli.main import cli

PAGE = (Path(__file__).parents[2] / "docs" / "simulate.md").read_text(encoding="utf-8")
SHOWN = dict(re.findall(r"^```console\n\$ headgate ([^\n]+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
# a line of an end, and what its share is: `promoted  90%`, `promoted: 11 of 12`
_END = re.compile(r"^ +(promoted|rolled back|left to a person):? +(\d+)(%| of 12)", re.MULTILINE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The plan and the scenario of the page, as a reader would copy them."""
    made = tmp_path_factory.mktemp("page")
    (made / "agent").mkdir()
    (made / "agent" / "main.py").touch()
    for kind, name in (("yaml", "headgate.yaml"), ("yaml scenario", "scenario.yaml")):
        text = re.search(rf"^```{kind}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]
        (made / name).write_text(text, encoding="utf-8")
    return made


def shares(text):
    """What part of the rollouts met each end, by candidate; an end that was never met may be left out."""
    found = []
    for part in re.split(r"candidate", text)[1:]:
        ends = {end: int(n) / (100 if of == "%" else 12) for end, n, of in _END.findall(part)}
        if ends:
            found.append({end: ends.get(end, 0.0) for end in ("promoted", "rolled back", "left to a person")})
    return found


@pytest.mark.parametrize("command", SHOWN)
def test_what_is_shown_is_what_comes(command, folder, monkeypatch):
    """The command of the page on the files of the page; shares within a fifth of what is shown."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    result = CliRunner().invoke(cli, ["--home", str(folder / "home"), *command.split()])
    assert result.exit_code == 0
    said = result.stdout
    if "explain" in command:
        said = said[said.index("simulated, ") : said.index("at once back:")]
    shown, real = shares(SHOWN[command]), shares(said)
    assert len(shown) == len(real) >= 2
    for one, other in zip(shown, real, strict=True):
        assert all(other[end] == pytest.approx(share, abs=0.2) for end, share in one.items())
    headings = [line for line in SHOWN[command].splitlines() if not _END.match(line)]
    assert [line for line in headings if line not in said.splitlines()] == []


def test_the_page_shows_both_commands():
    """An empty list would let the test above pass unseen."""
    assert [command.split()[0] for command in SHOWN] == ["simulate", "plan"]
