"""Golden files of reports: compared, or with `pytest tests/reports --update-golden` written anew."""

from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser):
    """The option is there when this directory is named on the command line."""
    parser.addoption("--update-golden", action="store_true", help="write the golden files of reports anew")


@pytest.fixture
def golden(request):
    """golden(name, text): the text is what the file of this name holds."""
    update = request.config.getoption("--update-golden", default=False)

    def compare(name, text):
        path = GOLDEN / name
        if update:
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), (
            f"{path.name} differs; if meant: pytest {__file__} --update-golden"
        )

    return compare
