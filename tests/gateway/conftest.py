"""A gateway with two versions, and one whose clock stands still."""

import asyncio

import pytest
from gateway_helpers import FakeClock, Live


@pytest.fixture
def live(tmp_path):
    """A gateway that serves version 1 only."""
    with Live(tmp_path / "home", connect_s=2.0) as running:
        running.apply()
        yield running


@pytest.fixture
def still(tmp_path):
    """The same, on a clock that moves when it is told, and on the loop of the standard library."""
    with Live(tmp_path / "home", FakeClock(), asyncio.new_event_loop) as running:
        running.apply()
        yield running
