"""What is generated is what the code would generate now, and the help answers without loading the heavy parts."""

import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT

GOLDEN = Path(__file__).parent / "golden"
HEAVY = ("pydantic", "rich", "yaml", "boto3", "botocore", "httpx", "starlette", "uvicorn", "asyncio", "sqlite3")


def python(*arguments, **more):
    """A Python of our own environment, in the project's root."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, **more
    )


def test_the_generated_documents_are_up_to_date():
    """`make docs` would change nothing."""
    result = python("tools/make_docs.py", "--check")
    assert result.returncode == 0, f"run `make docs`:\n{result.stdout}{result.stderr}"


def test_a_stale_document_would_be_seen(tmp_path):
    """The check fails, names the file and the mend where one differs from what the code says."""
    script = tmp_path / "check.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT / 'tools')!r})\n"
        "import make_docs\n"
        "real = make_docs.wanted()\n"
        "make_docs.wanted = lambda: {path: text + 'x' for path, text in real.items()}\n"
        "sys.exit(make_docs.main(['--check']))\n"
    )
    result = python(str(script))
    assert result.returncode == 1
    assert "not up to date: docs/reference/cli.md" in result.stdout
    assert "make docs" in result.stderr


def test_help_is_what_it_was():
    """The first thing a new user sees changes only on purpose: `headgate --help > tests/docs/golden/help.txt`."""
    result = python("-m", "headgate.cli.main", "--help", env={"COLUMNS": "100", "PATH": ""})
    golden = GOLDEN / "help.txt"
    assert result.stdout.replace("python -m headgate.cli.main", "headgate") == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_loads_nothing_heavy(option):
    """`headgate --help` answers at once because nothing slow is imported, whatever the machine's speed."""
    code = (
        "import sys\n"
        f"sys.argv = ['headgate', {option!r}]\n"
        "from headgate.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('loaded:', *[name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = python("-c", code)
    assert result.stdout.splitlines()[-1] == "loaded:", result.stdout[-300:] + result.stderr
