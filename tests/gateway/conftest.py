"""A gateway with two versions, and one whose clock stands still."""

import pytest
from gateway_helpers import FakeClock, Live


@pytest.fixture
def live(tmp_path):
    """A gateway that serves version 1 only; short upstream limits."""
    with Live(tmp_path / "home", connect_s=2.0) as running:
        running.apply()
        yield running


@pytest.fixture
def still(tmp_path):
    """The same, on a clock that moves when it is told."""
    with Live(tmp_path / "home", FakeClock()) as running:
        running.apply()
        yield running
