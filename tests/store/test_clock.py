"""Both clocks: the fake one that a test moves, and the real one that a signal or another thread can wake."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from headgate.config.clock import SystemClock
from headgate.testing.clock import FakeClock

LONG = 60.0  # a sleep that must be cut short; the tests end in a fraction of it


def test_sleeping_on_the_fake_clock_takes_no_time():
    """A day of sleep is over at once, and it is a day later."""
    clock = FakeClock(1000.0)
    began = time.monotonic()
    clock.sleep(86_400)
    clock.advance(0.5)
    clock.sleep(-3)
    assert clock.now() == 87_400.5
    assert time.monotonic() - began < LONG


def test_waking_the_fake_clock_cuts_one_sleep():
    """As on the real one: however often it was woken, one sleep ends early, with no time gone."""
    clock = FakeClock(1000.0)
    clock.wake()
    clock.wake()
    clock.sleep(10)
    assert clock.now() == 1000.0
    clock.sleep(10)
    assert clock.now() == 1010.0


def test_the_real_clock_tells_the_time_and_sleeps():
    """Unix seconds; a sleep that nobody cuts lasts as long as it was asked for."""
    clock = SystemClock()
    assert abs(clock.now() - time.time()) < LONG
    began = time.monotonic()
    clock.sleep(0.05)
    assert time.monotonic() - began >= 0.05
    clock.sleep(0)
    clock.sleep(-1)


def test_another_thread_wakes_the_real_clock():
    """A sleeper goes on at once; a wake that came before the sleep counts, and several count once."""
    clock = SystemClock()
    began = time.monotonic()
    waker = threading.Timer(0.05, clock.wake)
    waker.start()
    clock.sleep(LONG)
    waker.join()
    for _ in range(3):
        clock.wake()
    clock.sleep(LONG)
    assert time.monotonic() - began < LONG / 2
    began = time.monotonic()
    clock.sleep(0.05)
    assert time.monotonic() - began >= 0.05


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
