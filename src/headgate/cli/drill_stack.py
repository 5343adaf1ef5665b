"""A Headgate of its own for a drill: `headgate up` in a throwaway directory, the agent's own code, and real sessions.

What is rehearsed is killed here and nowhere else; the agent that is served for users does not notice.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from headgate.config.clock import SystemClock
from headgate.errors import TimedOut, Unavailable

if TYPE_CHECKING:
    from headgate.config.settings import Settings
    from headgate.core.plan import Plan
    from headgate.ports import Store, Traffic

START_S, WAIT_S = 120.0, 120.0
_EVERY_S = 0.05  # between two new sessions
_TURN_S = 10.0
_SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn: when it ended (Unix s), whether it was answered, and by which version."""

    at: float
    ok: bool
    version: str


@dataclass(slots=True)
class Sessions:
    """New sessions of one turn each, one after another, on a thread."""

    url: str
    turns: list[Turn] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self._over.wait(_EVERY_S):
            self.turns.append(self.ask(uuid4().hex + uuid4().hex))

    def ask(self, session: str) -> Turn:
        import httpx

        try:
            answer = httpx.post(
                self.url, json={"prompt": "Hello"}, headers={_SESSION: session}, timeout=_TURN_S, trust_env=False
            )
        except httpx.HTTPError:
            return Turn(SystemClock().now(), False, "")
        return Turn(SystemClock().now(), answer.is_success, answer.headers.get("X-Headgate-Version", ""))

    def stop(self) -> None:
        self._over.set()

    def failed(self, since: float) -> tuple[int, int]:
        """(failed, all) turns since then."""
        mine = [turn for turn in self.turns if turn.at >= since]
        return sum(not turn.ok for turn in mine), len(mine)

    def last_on(self, version: str, since: float) -> float | None:
        """When the last session since then met the version."""
        return max((turn.at for turn in self.turns if turn.at >= since and turn.version == version), default=None)


@dataclass(slots=True)
class Stack:
    """The running throwaway Headgate."""

    here: Settings
    store: Store
    traffic: Traffic
    sessions: Sessions
    agent: str
    plan: Plan
    folder: Path
    started: int = 0

    def at_half(self) -> tuple[str, str]:
        """(rollout, candidate's version) of a new rollout whose candidate has half of the new sessions."""
        self.started += 1
        path = self.folder / f"candidate-{self.started}.yaml"
        path.write_text(_plan_text(self.plan, drill=str(self.started)), encoding="utf-8")
        made = self.call("rollout", "start", str(path), "--reason", "drill", "--json")
        rollout = str(json.loads(made)["id"])
        self.until(lambda: self._exposed(rollout), f"{rollout} does not get to half of the sessions")
        found = self.store.load(rollout).candidate
        number = found.number if found else ""
        begun = SystemClock().now()
        self.until(lambda: self.sessions.last_on(number, begun) is not None, "no session met the candidate")
        return rollout, number

    def _exposed(self, rollout: str) -> bool:
        found = self.store.load(rollout)
        if found.phase in {"failed", "paused"}:
            reasons = self.store.read(rollout, kinds=("decision",))
            raise Unavailable(f"the drill's rollout is {found.phase}: {reasons[-1].body['reason']}")
        return bool(found.phase == "stepping" and found.verified_weight == 50.0)

    def until(self, done: Callable[[], bool], what: str, seconds: float = WAIT_S) -> float:
        """Unix time at which it is done. TimedOut where it never is."""
        clock = SystemClock()
        deadline = clock.now() + seconds
        while not done():
            if clock.now() > deadline:
                raise TimedOut(f"{what} within {seconds:g} s", f"see {self.here.home / 'logs'}")
            clock.sleep(0.02)
        return clock.now()

    def call(self, *args: str) -> str:
        command = [sys.executable, "-m", "headgate.cli.main", "--home", str(self.here.home), *args]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
        if done.returncode:
            raise Unavailable(f"headgate {' '.join(args[:2])} of the drill: {done.stderr.strip()}")
        return done.stdout

    def signal(self, part: str, number: int) -> None:
        """To a part of the throwaway stack, by the process id that its own `up` noted."""
        up = self.here.up()
        if up is None:
            raise Unavailable("the drill's parts do not run")
        os.kill(up.pids[part], number)


@contextlib.contextmanager
def running(plan: Plan) -> Iterator[Stack]:
    """The stack with its baseline served and sessions going on; nothing of it is left afterwards."""
    from headgate import bootstrap
    from headgate.config.settings import Settings

    with tempfile.TemporaryDirectory(prefix="headgate-drill-") as name:
        folder = Path(name)
        first = folder / "baseline.yaml"
        first.write_text(_plan_text(plan), encoding="utf-8")
        here = Settings.load(folder / "home", {})
        command = ["--home", str(here.home), "up", str(first), "--port", "0", "--json"]
        process = subprocess.Popen(
            [sys.executable, "-m", "headgate.cli.main", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            ready = _ready(process)
            store = bootstrap.store(here)
            try:
                arn = ready["agents"][0]["arn"]
                sessions = Sessions(f"{ready['parts']['gateway']['url']}/runtimes/{arn}/invocations")
                thread = threading.Thread(target=sessions.run, daemon=True)
                thread.start()
                yield Stack(here, store, bootstrap.embedded_traffic(here), sessions, plan.agent, plan, folder)
                sessions.stop()
                thread.join(_TURN_S)
            finally:
                store.close()
        finally:
            _end(process)


def _ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    timer = threading.Timer(START_S, process.kill)
    timer.start()
    assert process.stdout is not None
    assert process.stderr is not None
    line = process.stdout.readline()
    timer.cancel()
    if not line:
        raise Unavailable(f"the drill's Headgate did not start: {process.stderr.read().strip()[-500:]}")
    ready: dict[str, Any] = json.loads(line)
    return ready


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.communicate(timeout=40)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _plan_text(plan: Plan, drill: str = "") -> str:
    """The agent's own code under a plan that stays at half of the sessions. JSON is YAML."""
    settings = dict(plan.platform.settings)
    env = json.loads(settings.pop("env", "{}")) | ({"HEADGATE_DRILL": drill} if drill else {})
    written = {
        "version": 1,
        "agent": plan.agent,
        "platform": {"kind": "local", **settings, "env": env},
        "traffic": "gateway",
        "strategy": {
            "kind": "canary",
            "steps": [{"weight": 50, "bake": "30m", "min_sessions": 100000}, {"weight": 100, "bake": "30m"}],
            "on_rollback": {"sessions": "handover", "deadline": "5s"},
        },
        "analysis": {"guardrails": {"error": "+50pp"}, "hard": {"error": "100%"}},
        "alarms": [],
        "session": {"idle": "2s"},
        "validation": {"window": []},
    }
    return json.dumps(written, indent=1)
