"""The guards of tests/conftest.py hold: no test reaches beyond this machine, and each sees the same examples."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import settings

OUTSIDE = ("192.0.2.1", 80)  # an address that is reserved for documentation


def forbidden(call):
    """The call is stopped by the guard, with what is no Exception, so that nothing under test can swallow it."""
    with pytest.raises(BaseException, match=r"192\.0\.2\.1|2001:db8") as stopped:
        call()
    assert stopped.type.__name__ == "NetworkForbidden"
    assert not issubclass(stopped.type, Exception)
    return True


def connect(address=OUTSIDE, family=socket.AF_INET, kind=socket.SOCK_STREAM, how="connect"):
    """Try to reach beyond this machine, and leave no socket behind."""
    with socket.socket(family, kind) as sock:
        sock.settimeout(1)
        getattr(sock, how)(address)


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_a_socket_cannot_leave(kind):
    """connect, connect_ex, sendto and sendmsg, to both kinds of address."""
    assert forbidden(lambda: connect(kind=kind))
    assert forbidden(lambda: connect(kind=kind, how="connect_ex"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert forbidden(lambda: sock.sendto(b"x", OUTSIDE))
        assert forbidden(lambda: sock.sendmsg([b"x"], [], 0, OUTSIDE))
    if socket.has_ipv6:
        assert forbidden(lambda: connect(("2001:db8::1", 80), socket.AF_INET6, kind))


def test_an_event_loop_and_a_thread_cannot_leave():
    """The guard is the interpreter's, so it holds wherever the call is made."""

    async def leave():
        await asyncio.open_connection(*OUTSIDE)

    assert forbidden(lambda: asyncio.run(leave()))
    found = []
    thread = threading.Thread(target=lambda: found.append(forbidden(connect)))
    thread.start()
    thread.join(20)
    assert found == [True]


def test_names_are_not_looked_up():
    """A name that is not this machine is not found, as without a network."""
    with pytest.raises(socket.gaierror, match="look up no names"):
        socket.getaddrinfo("bedrock-agentcore.eu-west-1.amazonaws.com", 443)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_may_be_reached(host):
    """What the suite lives on still works."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection((host, server.getsockname()[1]), 20),
    ):
        pass


def test_settings_of_the_developer_are_gone():
    """HEADGATE_* of the shell that runs the suite reaches no test: seen in a run of its own."""
    script = (
        "import os, sys; sys.path.insert(0, 'tests'); import conftest\n"
        "print([name for name in os.environ if 'HEADGATE' in name])"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "HEADGATE_HOME": "/somewhere"},
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert result.stdout == "[]\n"


def test_examples_are_the_same_each_time():
    """Hypothesis draws from the test's own name, so a failure comes back, and time decides nothing."""
    assert settings.get_current_profile_name() == "ci"
    assert settings.default.derandomize
    assert settings.default.deadline is None
