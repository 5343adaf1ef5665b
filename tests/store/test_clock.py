"""Both clocks: the fake one that a test moves, and the real one that a signal or another thread can wake."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from headgate.config.clock import SystemClock
from headgate.testing.clock import FakeClock
from headgate.testing.contracts_clock import ClockContract

LONG = 60.0  # a sleep that must be cut short; the tests end in a fraction of it


class TestSystemClock(ClockContract):
    """The machine's own."""

    @pytest.fixture
    def clock(self):
        return SystemClock()


class TestFakeClock(ClockContract):
    """The test's."""

    @pytest.fixture
    def clock(self):
        return FakeClock()


def test_sleeping_on_the_fake_clock_takes_no_time():
    """A day of sleep is over at once, and it is a day later."""
    clock = FakeClock(1000.0)
    began = time.monotonic()
    clock.sleep(86_400)
    clock.advance(0.5)
    clock.sleep(-3)
    assert clock.now() == 87_400.5
    assert time.monotonic() - began < LONG


def test_another_thread_wakes_the_real_clock():
    """A sleeper goes on at once."""
    clock = SystemClock()
    began = time.monotonic()
    waker = threading.Timer(0.05, clock.wake)
    waker.start()
    clock.sleep(LONG)
    waker.join()
    assert time.monotonic() - began < LONG / 2


def test_a_sleep_may_be_longer_than_the_machine_can_count():
    """For ever is a number that wait calls refuse."""
    clock = SystemClock()
    clock.wake()
    clock.sleep(float("inf"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_handler_wakes_the_real_clock(number):
    """A process that sleeps in its main thread ends on a signal, without waiting for the sleep."""
    script = (
        "import signal, sys; from headgate.config.clock import SystemClock\n"
        "clock = SystemClock()\n"
        f"signal.signal({int(number)}, lambda *_: clock.wake())\n"
        "print('ready', flush=True)\n"
        f"clock.sleep({LONG})\n"
        "print('woken', flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        told, _ = process.communicate(timeout=LONG / 2)
        assert told == "woken\n"
    finally:
        process.kill()
        process.wait()


def test_a_storm_of_signals_does_not_lock_the_clock():
    """A handler may interrupt a sleep or a wake anywhere: a signal every 0.2 ms into 5000 sleeps, and none hangs."""
    script = (
        "import signal; from headgate.config.clock import SystemClock\n"
        "clock = SystemClock()\n"
        "signal.signal(signal.SIGALRM, lambda *_: clock.wake())\n"
        "signal.setitimer(signal.ITIMER_REAL, 2e-4, 2e-4)\n"
        f"for _ in range(5000): clock.sleep({LONG})\n"
        "signal.setitimer(signal.ITIMER_REAL, 0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=LONG / 2)
