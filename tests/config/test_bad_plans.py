"""Every way we know to write a plan wrongly, and the exact lines that a person gets: bad/NAME.yaml beside bad/NAME.txt.

`python tests/config/test_bad_plans.py` writes the .txt files anew; read the diff.
"""

import os
import tempfile
from pathlib import Path

import pytest

from headgate.config.plan_file import load_plan
from headgate.errors import PlanError

BAD = Path(__file__).with_name("bad")
CASES = sorted(path.stem for path in BAD.glob("*.yaml"))
SUITES = {
    "two.yaml": "cases:\n  - {name: a, turns: [{say: hi}]}\n  - {name: b, turns: [{say: ho}]}\n",
    "broken.yaml": "cases:\n  - {name: a, turns: [{say: hi, expect: [{contain: x}]}]}\n  - {name: a, turns: []}\n",
    "quality.yaml": "evaluate:\n  - {refused: false}\n",
    "times.yaml": "evaluate:\n  - {max_seconds: 5}\n  - {refused: false, contains: x}\n",
}


def said(name: str, folder: Path) -> str:
    """What a person is told of a bad plan that stands in a folder with an agent and suites."""
    (folder / "agent").mkdir()
    (folder / "agent" / "main.py").touch()
    (folder / "suites").mkdir()
    for suite, text in SUITES.items():
        (folder / "suites" / suite).write_text(text)
    (folder / "headgate.yaml").write_bytes((BAD / f"{name}.yaml").read_bytes())
    before = Path.cwd()
    os.chdir(folder)
    try:
        load_plan(Path("headgate.yaml"))
    except PlanError as error:
        return "".join(f"{line}\n" for line in error.problems).replace(str(folder), "HERE")
    finally:
        os.chdir(before)
    return "accepted\n"


@pytest.mark.parametrize("name", CASES)
def test_bad_plan_is_refused_with_these_lines(name, tmp_path):
    """File, line, column, path, what is wrong and the mend are exactly as agreed."""
    assert said(name, tmp_path.resolve()) == (BAD / f"{name}.txt").read_text()


def test_no_bad_plan_is_accepted():
    """A golden file that says `accepted`, or says nothing, would let a fault live."""
    texts = {name: (BAD / f"{name}.txt").read_text() for name in CASES}
    assert [name for name, text in texts.items() if not text.startswith("headgate.yaml")] == [
        "gate-replay-not-evaluators",
        "gate-suite-broken",
        "quality-check-unseen",
    ]
    assert len(texts) > 90


if __name__ == "__main__":
    for each in CASES:
        with tempfile.TemporaryDirectory() as made:
            (BAD / f"{each}.txt").write_text(said(each, Path(made).resolve()))
