"""Real servers for tests: a command run until it says it is ready, and stopped whatever happens."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_RUNTIME = """
import logging, sys
from pathlib import Path
from headgate.platforms.local.process import Pace
from headgate.platforms.local.server import LocalSettings, serve

home, lifeline, idle, start, backoff, region, s3 = sys.argv[1:]
logging.basicConfig(stream=sys.stderr)
pace = Pace(start_deadline_s=float(start), backoff_first_s=float(backoff), ping_every_s=0.2)
settings = LocalSettings(
    listen=("127.0.0.1", 0),
    home=Path(home),
    lifeline_fd=int(lifeline),
    session_idle_s=float(idle),
    region=region,
    s3=s3 == "True",
    pace=pace,
)
serve(settings, lambda addresses: print("ready", addresses["url"], flush=True))
"""


@dataclass
class Running:
    """A process under test. `ready` is the line that made it ready, `lines` all that it has printed since."""

    process: subprocess.Popen[str]
    ready: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self, seconds: float = 20.0) -> int:
        """SIGTERM, then SIGKILL to what is left of its group; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait(seconds)


@contextlib.contextmanager
def running(
    command: Sequence[str],
    ready: Callable[[str], bool],
    *,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    seconds: float = 30.0,
) -> Iterator[Running]:
    """Run `command` and wait until it prints a line (stdout or stderr) for which `ready` is true; stop it at the end.

    Raises AssertionError with what it printed where it ends or stays silent for `seconds`.
    """
    process = subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=None if env is None else dict(env),
        pass_fds=tuple(pass_fds),
        start_new_session=True,
    )
    it = Running(process)
    found: queue.Queue[str | None] = queue.Queue()
    reader = threading.Thread(target=_read, args=(it, ready, found), daemon=True)
    reader.start()
    try:
        try:
            line = found.get(timeout=seconds)
        except queue.Empty:
            line = None
        if line is None:
            raise AssertionError(
                f"{command[0]} was not ready within {seconds:g} s; it printed:\n" + "\n".join(it.lines)
            )
        it.ready = line
        yield it
    finally:
        it.stop()
        reader.join(5)
        if process.stdout:
            process.stdout.close()


def _read(it: Running, ready: Callable[[str], bool], found: queue.Queue[str | None]) -> None:
    assert it.process.stdout is not None
    for text in it.process.stdout:
        line = text.rstrip("\n")
        it.lines.append(line)
        if not it.ready and ready(line):
            found.put(line)
    found.put(None)


@dataclass
class RunningRuntime:
    """A local runtime in a process of its own, serving both planes of AgentCore at `url`; closing `hold` ends it."""

    url: str
    home: Path
    running: Running
    hold: int


@contextlib.contextmanager
def running_runtime(
    home: Path,
    *,
    session_idle_s: float = 900.0,
    start_deadline_s: float = 20.0,
    backoff_s: float = 0.05,
    region: str = "local",
    s3: bool = False,
    env: Mapping[str, str] | None = None,
) -> Iterator[RunningRuntime]:
    """A local runtime that keeps its state in `home`; its ARNs name `region`. `env` is its whole environment (None: as
    here). It ends with this process even when that is killed.
    """
    lifeline, hold = os.pipe()
    told = [str(lifeline), str(session_idle_s), str(start_deadline_s), str(backoff_s), region, str(s3)]
    try:
        command = [sys.executable, "-c", _RUNTIME, str(home), *told]
        with running(command, lambda line: line.startswith("ready "), env=env, pass_fds=[lifeline]) as it:
            yield RunningRuntime(it.ready.split()[1], home, it, hold)
    finally:
        for fd in (hold, lifeline):
            with contextlib.suppress(OSError):  # a test may have closed it
                os.close(fd)
