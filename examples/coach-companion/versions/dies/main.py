"""Starts Coach Companion, version dies: keeps all that it has heard, until the process runs out of memory."""

import os
import signal
from pathlib import Path

from coach.app import make_app, serve
from coach.journal import Journal

MEMORY_FOR = 150  # turns
_kept: list[str] = []


def keep(journal: Journal) -> str:
    """Adds nothing to the answer. What a system does with a process that is out of memory is done here at once."""
    _kept.append(journal.notes())
    if len(_kept) >= MEMORY_FOR:
        os.kill(os.getpid(), signal.SIGKILL)
    return ""


app = make_app(Path(__file__).parent, epilogue=keep)

if __name__ == "__main__":
    serve(app)
