"""How `make test` shares the suite between its two workers: what uses one real stack stays on one worker.

A module's tests stay together, since its fixtures may be real processes. The folders in TOGETHER are one piece each:
`e2e` because two whole Headgates at a time would wait for each other's processors, `coach` because it shares one
runtime. The longest pieces begin first, so that no worker is left with a long one at the end.
"""

from xdist.scheduler import LoadScopeScheduling

TOGETHER = ("e2e", "coach")
LONGEST_FIRST = ("e2e", "controller", "local", "gateway", "coach")


def place(nodeid):
    """(folder, module) of a test: tests/e2e/test_x.py::test_y -> (e2e, tests/e2e/test_x.py)."""
    module = nodeid.split("::")[0]
    return module.split("/")[1], module


def begin(nodeid):
    """The order in which pieces are given out."""
    folder = place(nodeid)[0]
    return LONGEST_FIRST.index(folder) if folder in LONGEST_FIRST else len(LONGEST_FIRST)


class Pieces(LoadScopeScheduling):
    """Gives out whole pieces."""

    def _split_scope(self, nodeid):
        folder, module = place(nodeid)
        return folder if folder in TOGETHER else module
