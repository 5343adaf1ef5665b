"""What every Clock must do. Subclass `ClockContract` with the fixture `clock`.

class TestMyClock(ClockContract):
    @pytest.fixture
    def clock(self) -> Clock: ...
"""

from __future__ import annotations

import threading

import pytest

from headgate.ports import Clock

SHORT = 0.02  # seconds; a sleep that may be slept
LONG = 60.0  # seconds; one that must be cut short


class ClockContract:
    """The suite."""

    @pytest.fixture
    def clock(self) -> Clock:
        raise NotImplementedError

    def test_now_is_unix_time_and_does_not_go_back(self, clock: Clock) -> None:
        """Seconds, not milliseconds, and not since the start of a machine."""
        first, second = clock.now(), clock.now()
        assert 1_500_000_000 < first < 10_000_000_000
        assert first <= second

    def test_after_a_sleep_it_is_later(self, clock: Clock) -> None:
        """By as much as was asked for, where nobody wakes it."""
        began = clock.now()
        clock.sleep(SHORT)
        assert clock.now() - began >= SHORT * 0.9  # clocks of machines are corrected on the way

    @pytest.mark.parametrize("seconds", [0.0, -1.0])
    def test_no_time_is_no_sleep(self, clock: Clock, seconds: float) -> None:
        """What is due or overdue is not waited for, and time does not go back for it."""
        began = clock.now()
        clock.sleep(seconds)
        assert began <= clock.now() < began + LONG / 2

    def test_a_wake_cuts_the_next_sleep_short(self, clock: Clock) -> None:
        """One that comes between two sleeps is not lost: it may be the order to stop."""
        began = clock.now()
        clock.wake()
        clock.sleep(LONG)
        assert clock.now() - began < LONG / 2

    def test_another_thread_may_wake_it(self, clock: Clock) -> None:
        """A signal's handler or a server's thread has something for the sleeper."""
        began = clock.now()
        waker = threading.Thread(target=clock.wake)
        waker.start()
        waker.join()
        clock.sleep(LONG)
        assert clock.now() - began < LONG / 2

    def test_several_wakes_are_one(self, clock: Clock) -> None:
        """After one cut sleep the next one is slept."""
        for _ in range(3):
            clock.wake()
        clock.sleep(LONG)
        began = clock.now()
        clock.sleep(SHORT)
        assert clock.now() - began >= SHORT * 0.9
