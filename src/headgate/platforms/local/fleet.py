"""Which versions run: those that a named endpoint points at, those it is moving to, and the latest one while DEFAULT is
in use.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

from headgate.platforms.local.process import AgentProcess, Health, Launch, Pace
from headgate.platforms.local.state import BuiltVersion, Endpoint, State

DEFAULT = "DEFAULT"
MOVING = frozenset({"CREATING", "UPDATING"})

Key = tuple[str, str]  # runtime id, version number


class Fleet:
    """Keeps the processes as the endpoints want them. `sync` after every change of the state; all on the event loop's
    thread.
    """

    def __init__(self, state: State, root: Path, python: str, idle_s: float, pace: Pace) -> None:
        self._state = state
        self._root = root
        self._python = python
        self._idle_s = idle_s
        self._pace = pace
        self._processes: dict[Key, AgentProcess] = {}
        self._stopping: dict[Key, asyncio.Task[None]] = {}
        self._lazy: set[Key] = set()
        self._closed = False
        # agents hold the reading end: it ends when this process does, however that happens
        self._lifeline, self._hold = os.pipe()
        self._sweeper = asyncio.create_task(self._sweep())

    def process(self, runtime: str, number: str) -> AgentProcess | None:
        return self._processes.get((runtime, number))

    async def ensure(self, runtime: str, number: str) -> AgentProcess | None:
        """The version's process, started if it is not: for DEFAULT. None where the runtime is shutting down or the
        version gone.
        """
        key = (runtime, number)
        if key not in self._processes:
            self._lazy.add(key)
            if key in self._stopping:
                await asyncio.wait({self._stopping[key]})
            self.sync()
        return self._processes.get(key)

    def sync(self) -> None:
        """Start what is wanted, stop what is not, and settle the moves of endpoints whose target is up or failed."""
        if self._closed:
            return
        for endpoint in self._state.endpoints():
            self._settle(endpoint)
        wanted = self._wanted()
        for key in self._processes.keys() - wanted:
            self._retire(key)
        for key in wanted - self._processes.keys() - self._stopping.keys():
            if version := self._state.version(*key):
                self._start(key, version)

    async def close(self) -> None:
        """Stop everything, gracefully and at the same time."""
        self._closed = True
        self._sweeper.cancel()
        for key in list(self._processes):
            self._retire(key)
        await asyncio.gather(*self._stopping.values())
        os.close(self._hold)
        os.close(self._lifeline)

    def log_path(self, runtime: str, number: str) -> Path:
        return self._root / "logs" / f"{runtime}-{number}.log"

    def _wanted(self) -> set[Key]:
        wanted: set[Key] = set()
        latest: set[Key] = set()
        for endpoint in self._state.endpoints():
            if endpoint.name == DEFAULT:
                latest.add((endpoint.runtime, endpoint.target))
                continue
            if endpoint.live:
                wanted.add((endpoint.runtime, endpoint.live))
            if endpoint.status in MOVING:
                wanted.add((endpoint.runtime, endpoint.target))
        self._lazy = {key for key in self._lazy & latest if not self._is_idle(key)}
        return wanted | self._lazy

    def _is_idle(self, key: Key) -> bool:
        process = self._processes.get(key)
        return process is not None and not process.in_flight and time.monotonic() - process.last_used > self._idle_s

    def _start(self, key: Key, version: BuiltVersion) -> None:
        runtime, number = key
        code = version.config["agentRuntimeArtifact"]["codeConfiguration"]
        launch = Launch(
            name=f"{runtime} version {number}",
            python=self._python,
            folder=self._root / "artifacts" / version.digest,
            entry=code["entryPoint"][0],
            environment={**self._base_environment(), **(version.config.get("environmentVariables") or {})},
            log=self.log_path(runtime, number),
        )
        process = AgentProcess(launch, version.port, self._lifeline, lambda _: self.sync(), self._pace)
        self._processes[key] = process
        if process.port != version.port:
            self._state.keep_port(runtime, number, process.port)

    def _base_environment(self) -> dict[str, str]:
        # clean: an agent sees nothing of the machine's environment, as on AWS
        return {
            "PATH": f"{Path(self._python).parent}{os.pathsep}{os.defpath}",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",  # the artifact stays as it was digested
            "PYTHONUTF8": "1",
        }

    def _retire(self, key: Key) -> None:
        process = self._processes.pop(key)
        self._lazy.discard(key)
        task = asyncio.create_task(process.stop())
        self._stopping[key] = task
        task.add_done_callback(lambda _: self._retired(key))

    def _retired(self, key: Key) -> None:
        del self._stopping[key]
        self.sync()  # it may be wanted again by now

    def _settle(self, endpoint: Endpoint) -> None:
        process = self._processes.get((endpoint.runtime, endpoint.target))
        if endpoint.status not in MOVING or process is None or process.health is Health.CREATING:
            return
        if process.health is Health.READY:
            settled = endpoint.moved("READY", live=endpoint.target, reason="")
        else:
            settled = endpoint.moved("UPDATE_FAILED" if endpoint.live else "CREATE_FAILED", reason=process.reason)
        self._state.put_endpoint(settled)

    async def _sweep(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                await asyncio.sleep(max(self._idle_s / 4, 0.05))
                self.sync()
