"""Runs an agent's entry point unchanged on a socket that was bound for it. Standalone: run by the agent's own Python.

    python launch.py SOCKET_FD LIFELINE_FD ENTRY_FILE

An AgentCore agent ends with `app.run()`, which calls `uvicorn.run` on a fixed port; here that call serves the inherited
socket instead. The lifeline is the reading end of a pipe that the runtime holds open: when it ends, so does this
process and all it started.
"""

import os
import sys

sys.path.pop(0)  # this file's own folder is not the agent's

# only now: the names of the standard library must not be looked up in this folder
import runpy
import signal
import socket
import threading
from typing import Any


def die_with(lifeline: int) -> None:
    """Kill the whole process group once the runtime is gone, however it went."""
    while os.read(lifeline, 1):
        pass
    os.killpg(0, signal.SIGKILL)


def serve_on(inherited: socket.socket) -> None:
    """Make `uvicorn.run` serve the inherited socket, whatever address it is given."""
    import uvicorn

    def run(app: Any, **options: Any) -> None:
        for name in ("host", "port", "uds", "fd", "reload", "workers"):
            options.pop(name, None)
        # the gateway keeps connections: closing them after uvicorn's 5 s would race with its next request
        options.setdefault("timeout_keep_alive", 75)
        server = uvicorn.Server(uvicorn.Config(app, **options))
        # not uvicorn's fd=: it takes the socket for a Unix one, which leaves TCP's send delay on
        server.run(sockets=[inherited])

    uvicorn.run = run


def main() -> None:
    """Never returns normally: the agent's program ends the process."""
    socket_fd, lifeline, entry = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for fd in (socket_fd, lifeline):
        os.set_inheritable(fd, False)
    threading.Thread(target=die_with, args=(lifeline,), daemon=True).start()
    sys.path[0:0] = list(dict.fromkeys([os.path.dirname(entry), os.getcwd()]))
    sys.argv[:] = [entry]
    serve_on(socket.socket(fileno=socket_fd))
    runpy.run_path(entry, run_name="__main__")


main()
