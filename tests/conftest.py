"""For every test: no network beyond this machine, no settings of the developer's own, the same examples each time."""

import ipaddress
import os
import socket
import sys

import pytest
from hypothesis import HealthCheck, settings

from workers import Pieces, begin

# asserts in the shipped contract suites explain themselves as those in tests do
pytest.register_assert_rewrite("headgate.testing")

settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")

# the one variable that leads tests away from this machine: a plan of an agent on AWS, for the contract suites alone
CONTRACT = os.environ.get("HEADGATE_CONTRACT_AWS", "")

for name in [name for name in os.environ if name.startswith("HEADGATE_") and name != "HEADGATE_CONTRACT_AWS"]:
    del os.environ[name]


class NetworkForbidden(BaseException):
    """A test reached beyond this machine. Not an Exception, so that no retry in the code under test hides it."""


def stays_here(host):
    """Whether a host name or address is this machine itself."""
    text = host.decode() if isinstance(host, bytes) else host
    if text in {None, "", "localhost"}:
        return True
    try:
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def guard(event, arguments):
    """An audit hook: the interpreter calls it before it connects, sends to, or looks up anything, in any thread."""
    if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        sock, address = arguments[0], arguments[1]
        if sock.family in {socket.AF_INET, socket.AF_INET6} and address and not stays_here(address[0]):
            raise NetworkForbidden(f"{event} to {address}: tests stay on this machine")
    elif event == "socket.getaddrinfo" and not is_address(arguments[0]) and not stays_here(arguments[0]):
        # as on a machine without a network: a name is not found
        raise socket.gaierror(socket.EAI_NONAME, f"{arguments[0]}: tests look up no names")


def is_address(host):
    """Whether it is a literal address, which is parsed and not looked up."""
    try:
        ipaddress.ip_address((host.decode() if isinstance(host, bytes) else host or "::").split("%")[0])
    except ValueError:
        return False
    return True


if not CONTRACT:
    sys.addaudithook(guard)


def pytest_xdist_make_scheduler(config, log):
    """`pytest -n 2`, as in `make test`."""
    return Pieces(config, log)


def pytest_collection_modifyitems(config, items):
    """Under xdist, the longest pieces first; a plain run keeps the order of the files."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: begin(item.nodeid))
