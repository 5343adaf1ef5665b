"""`headgate up [PLAN...]`: run all parts on this machine, keep them running, serve the agents of the plans.

Each part is a process of its own. A part that dies is started again with a growing pause; when `up` ends, also by
kill -9, the lifeline that every part watches closes, and no process is left.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from headgate.cli import common
from headgate.config.clock import SystemClock
from headgate.errors import HeadgateError, RefusedError, RunFailed, TimedOut, Unavailable

if TYPE_CHECKING:
    from headgate.config.settings import Settings, Up
    from headgate.ports import Store

START_S = 60.0
STOP_S = 15.0
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(slots=True)
class Part:
    """One process and how to start it again."""

    name: str
    args: list[str]
    process: subprocess.Popen[bytes] | None = None
    addresses: dict[str, str] = field(default_factory=dict)
    deaths: int = 0
    lifeline: int | None = None  # our end of the pipe that the process watches
    again_at: float = 0.0


class Parts:
    """Starts, watches and stops the parts; holds the other end of their lifelines."""

    def __init__(self, here: Settings, stopping: list[int]) -> None:
        self._stopping = stopping  # signals that came
        self._here = here
        self._clock = SystemClock()
        self._logs = here.folder("logs")
        self.parts: list[Part] = []

    def start(self, **args: list[str]) -> list[Part]:
        """Start parts by name, side by side; when all are ready."""
        parts = [Part(name, list(given)) for name, given in args.items()]
        for part in parts:
            self._spawn(part)
            self.parts.append(part)
        for part in parts:
            self._await(part)
        return parts

    def keep(self) -> list[str]:
        """Start again what died; what happened, in words."""
        said = []
        for part in self.parts:
            process, now = part.process, self._clock.now()
            if process is not None and process.poll() is not None:
                pause = _PAUSES[min(part.deaths, len(_PAUSES) - 1)]
                part.deaths, part.again_at, part.process = part.deaths + 1, now + pause, None
                said.append(f"{part.name} ended ({process.returncode}); starting it again in {pause:g} s")
            elif process is None and now >= part.again_at:
                said.append(self._again(part))
        return said

    def _again(self, part: Part) -> str:
        try:
            self._spawn(part)
            self._await(part)
        except HeadgateError as error:
            part.again_at = self._clock.now() + _PAUSES[-1]
            return error.message
        return f"{part.name} is running again"

    def stop(self) -> None:
        """In the reverse order of starting; what does not end in time is killed."""
        for part in reversed(self.parts):
            if part.process is not None:
                part.process.send_signal(signal.SIGTERM)
                try:
                    part.process.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    part.process.kill()
                    part.process.wait()
            self._cut(part)

    @staticmethod
    def _cut(part: Part) -> None:
        if part.lifeline is not None:
            os.close(part.lifeline)
            part.lifeline = None

    def _spawn(self, part: Part) -> None:
        # a pipe of its own for each: one that a part makes non-blocking must not be another's
        self._cut(part)
        theirs, part.lifeline = os.pipe()
        # addresses that were free the first time are kept, so that clients find the part again
        with (self._logs / f"{part.name}.log").open("ab") as log:
            part.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "headgate.cli.main", "--home", str(self._here.home), part.name),
                    *(*part.args, "--json", "--lifeline", str(theirs)),
                ],
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs,),
                start_new_session=True,  # Ctrl-C reaches `up` alone, which stops the parts in order
            )
        os.close(theirs)

    def _await(self, part: Part) -> None:
        part.addresses = self._ready(part)["addresses"]
        for option, name in (("--listen", "url"), ("--admin", "admin")):
            if option in part.args and name in part.addresses:
                part.args[part.args.index(option) + 1] = part.addresses[name].removeprefix("http://")

    def _ready(self, part: Part) -> dict[str, Any]:
        process = part.process
        assert process is not None
        assert process.stdout is not None
        line = self._line(process.stdout, self._clock.now() + START_S)
        if line is None:
            process.kill()
            raise TimedOut(f"{part.name} was not ready within {START_S:g} s", f"see {self._logs / part.name}.log")
        if not line:
            code = process.wait()
            raise _death(part.name, code, self._logs / f"{part.name}.log")
        ready: dict[str, Any] = json.loads(line)
        return ready

    def _line(self, stream: IO[bytes], deadline: float) -> bytes | None:
        """The first line; b"" at the end of the stream; None when none came in time. Abort on Ctrl-C."""
        while not select.select([stream], [], [], 0.1)[0]:
            if self._stopping:
                raise click.Abort
            if self._clock.now() > deadline:
                return None
        return stream.readline()


def _death(name: str, code: int, log: Path) -> HeadgateError:
    """Why a part did not start, in its own last words."""
    words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-2:]
    said = " ".join(word.strip().removeprefix("headgate: ") for word in words) or f"exit code {code}"
    return Unavailable(f"{name} did not start: {said}", f"see {log}")


@click.command()
@click.argument("plans", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--port", default=8700, show_default=True, help="Gateway's port; admin, runtime, dashboard follow. 0: any."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON line when everything runs.")
@click.pass_context
def up(ctx: click.Context, plans: tuple[Path, ...], port: int, as_json: bool) -> None:
    """Run all parts on this machine and serve the agents of PLANS. Ctrl-C stops everything."""
    from headgate import bootstrap
    from headgate.config.plan_file import load_plan

    loaded = [load_plan(path) for path in plans]
    here = common.settings(ctx)
    stopping: list[int] = []
    for sign in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sign, lambda number, _frame: stopping.append(number))
    with _only_one(here):
        parts = Parts(here, stopping)
        try:
            up_now = _start(parts, here, port)
            store = bootstrap.store(here)
            try:
                for plan in loaded:
                    _serve(store, plan.plan, common.who(ctx, None, "headgate up"), stopping)
                _announce(parts, store, as_json)
            finally:
                store.close()
            clock = SystemClock()
            while not stopping:
                for words in parts.keep():
                    click.echo(words, err=True)
                    here.write_up(replace(up_now, pids=_pids(parts)))
                clock.sleep(0.2)
        finally:
            parts.stop()
            here.forget_up()
    if not as_json:
        click.echo("stopped")


def _only_one(here: Settings) -> IO[str]:
    """A lock that ends with this process, however it ends."""
    import fcntl

    here.folder("")
    lock = (here.home / "up.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        raise RefusedError(
            f"another `headgate up` runs in {here.home}", "use that one, or another state directory with --home DIR"
        ) from None
    return lock


def _start(parts: Parts, here: Settings, port: int) -> Up:
    from headgate import bootstrap
    from headgate.config.settings import Up

    def listen(offset: int) -> str:
        return f"127.0.0.1:{port + offset if port else 0}"

    here.make_admin_token()
    runtime, gateway = parts.start(
        runtime=["--listen", listen(2)], gateway=["--listen", listen(0), "--admin", listen(1)]
    )
    addresses = {
        **{part.name: part.addresses["url"] for part in (runtime, gateway)},
        "admin": gateway.addresses["admin"],
    }
    here.write_up(Up(**addresses, pids=_pids(parts)))
    bootstrap.store(here).close()  # made by one process, before two open it
    _, dashboard = parts.start(controller=[], dashboard=["--listen", listen(3)])
    everything = Up(**addresses, dashboard=dashboard.addresses["url"], pids=_pids(parts))
    here.write_up(everything)
    return everything


def _pids(parts: Parts) -> dict[str, int]:
    return {part.name: part.process.pid for part in parts.parts if part.process} | {"up": os.getpid()}


def _serve(store: Store, plan: Any, who: Any, stopping: list[int]) -> None:
    """Ask the controller to serve an agent and wait until it does, or says why not."""
    from headgate.controller import commands

    count = store.head()[0]
    number = commands.register(store, plan, who)

    def heard() -> bool:
        return bool(stopping) or all(command.id != number for command in store.waiting(""))

    if not common.wait_until(heard, START_S * 2):
        raise TimedOut(f"{plan.agent} is not served yet", "see logs/controller.log in the state directory")
    for record in store.read(after=count, kinds=("agent.refused",)):
        if record.body["agent"] == plan.agent:
            raise RunFailed(f"{plan.agent} cannot be served: {record.body['reason']}", record.body.get("mend", ""))


def _announce(parts: Parts, store: Store, as_json: bool) -> None:
    addresses = {part.name: part.addresses for part in parts.parts}
    agents = [{"agent": a.name, "arn": a.arn, "version": a.baseline.number} for a in store.agents()]
    if as_json:
        click.echo(json.dumps({"parts": addresses, "agents": agents}))
        return
    click.echo(f"gateway    {addresses['gateway']['url']}   (clients connect here: endpoint_url)")
    click.echo(f"runtime    {addresses['runtime']['url']}   (AgentCore's API on this machine)")
    click.echo(f"dashboard  {addresses['dashboard']['url']}")
    for agent in agents:
        click.echo(f"serving    {agent['agent']} version {agent['version']}: {agent['arn']}")
    if not agents:
        click.echo("serving    no agent yet: `headgate up PLAN` takes one on")
    click.echo("Ctrl-C stops everything")
