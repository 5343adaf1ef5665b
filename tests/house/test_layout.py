"""The house rules that no linter knows: small files, small functions, a docstring on every module, no lost targets."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted((ROOT / "src/headgate").rglob("*.py"))
LONGEST_FILE = 400
LONGEST_FUNCTION = 60


def name_of(path: Path) -> str:
    """The file as a reader would name it."""
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    """The file's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def test_there_is_something_to_look_at():
    """An empty list would let every rule below pass unseen."""
    assert MODULES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_module_is_short_and_says_what_it_is_for(path):
    """No file over 400 lines, no function over 60, and a docstring at the top."""
    tree = parsed(path)
    lines = len(path.read_text(encoding="utf-8").splitlines())
    long_functions = {
        f"{node.name} (line {node.lineno})": length
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert lines <= LONGEST_FILE
    assert long_functions == {}
    assert ast.get_docstring(tree), "no docstring"


def test_imports_only_point_inwards():
    """The contracts of import-linter in pyproject.toml hold."""
    command = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_make_target_that_the_readme_names_exists():
    """A reader who types what README.md says gets no `No rule to make target`."""
    readme = ROOT / "README.md"
    if not readme.exists():
        pytest.skip("no README.md yet")
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    text = readme.read_text(encoding="utf-8")
    code = re.findall(r"^```.*?^```|`[^`\n]+`", text, re.MULTILINE | re.DOTALL)
    named = {name for piece in code for name in re.findall(r"\bmake ([a-z][a-z-]*)", piece)}
    assert named <= targets
