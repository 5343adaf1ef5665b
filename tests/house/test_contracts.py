"""The suite of each port is run on a fake and on a real adapter, and CONTRIBUTING lists it."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLASS = re.compile(r"^class (\w+Contract)(?:\((\w+)\))?:", re.MULTILINE)


def texts(folder, pattern):
    """All of a folder's files in one text."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / folder).rglob(pattern)))


# suite -> the one that it is a part of ("" for none)
FOUND = dict(CLASS.findall(texts("src/headgate/testing", "contracts_*.py")))
WHOLE = {suite: next((whole for whole in FOUND if FOUND[whole] == suite), suite) for suite in FOUND}


@pytest.mark.parametrize("suite", FOUND)
def test_a_suite_is_run_on_two_adapters(suite):
    """One that only the fake passes says nothing of the world; one that only the real one passes, none of the fake."""
    users = re.findall(rf"^class (\w+)\({WHOLE[suite]}\):", texts("tests", "test_*.py"), re.MULTILINE)
    assert len(users) >= 2, f"{suite} is run on {users}"


@pytest.mark.parametrize("suite", FOUND)
def test_contributors_are_told_of_it(suite):
    """Who writes an adapter finds its suite in the table."""
    assert f".{WHOLE[suite]}`" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
