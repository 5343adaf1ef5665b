"""A whole Headgate as a user starts it: `headgate up` in a process of its own, real agents, the real command line."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time

from headgate.errors import Unavailable
from headgate.store.sqlite import SqliteStore

HEADGATE = [sys.executable, "-m", "headgate.cli.main"]
WAIT_S = 120

AGENT = '''
"""A small agent; its faults are by session and turn, so they are the same every time."""
import asyncio
import os
import zlib
from bedrock_agentcore import BedrockAgentCoreApp

{prelude}
app = BedrockAgentCoreApp()
FAIL = {fail}

@app.entrypoint
async def invoke(payload, context):
    await asyncio.sleep({think})
    if zlib.crc32((context.session_id or "").encode()) % 100 < FAIL:
        raise RuntimeError("secret-in-a-traceback")
    return {{"result": "version {name}", "usage": {{"input_tokens": 3, "output_tokens": 5}}}}

if __name__ == "__main__":
    app.run()
'''

PLAN = """
version: 1
agent: {agent}
platform: {{kind: local, source: ./{entry}}}
traffic: gateway
{gates}
strategy:
  kind: canary
  steps:
    - {{weight: 50, bake: 1s, min_sessions: 5, within: {within}, margins: {{error: +50pp, latency_p95: x20}}{approval}}}
    - {{weight: 100, bake: 1s, min_sessions: 5, within: {within}, margins: {{error: +50pp, latency_p95: x20}}}}
  on_rollback: {{sessions: {sessions}, deadline: 3s}}
analysis: {{alpha: 0.05, guardrails: {{error: +50pp, latency_p95: x20}}, hard: {{error: 60%}}}}
session: {{idle: 1s, turns: 3}}
validation:
  window: [{{until: 4h, every: 1h}}]
  speed: 7200
  must: {{error_rate: "< 50%", status: READY}}
"""


def agent_source(says, *, fail=0, think=0.002, prelude=""):
    return AGENT.format(name=says, fail=fail, think=think, prelude=prelude)


def plan_text(agent, entry, *, within="40s", gates="", approval="", sessions="handover"):
    return PLAN.format(
        agent=agent, entry=entry, within=within, gates=gates, approval=approval, sessions=sessions
    ).lstrip()


def call(home, *args, timeout=WAIT_S, env=None):
    """One command line; (exit code, stdout, stderr). A traceback is a failure whatever the code."""
    done = subprocess.run(
        [*HEADGATE, "--home", str(home), *map(str, args)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env={**os.environ, **(env or {})},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def eventually(what, seconds=WAIT_S):
    """The first true answer; the last one after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (answer := what()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return answer


class Stack:
    """A running `headgate up`, and an agent's folder."""

    def __init__(self, home, folder, process, ready):
        self.home, self.folder, self.process, self.ready = home, folder, process, ready
        self.gateway = ready["parts"]["gateway"]["url"]
        self.agent = ready["agents"][0]["agent"]
        self.arn = ready["agents"][0]["arn"]
        self.store = SqliteStore(home / "store.db")

    def close(self):
        self.store.close()

    def call(self, *args, **more):
        return call(self.home, *args, **more)

    def json(self, *args):
        code, out, err = self.call(*args, "--json")
        assert code == 0, err
        return json.loads(out)

    def plan(self, entry, name="plan.yaml", **more):
        path = self.folder / name
        path.write_text(plan_text(self.agent, entry, **more))
        return path

    def source(self, name, text="", **more):
        """A folder with an agent in it: what a candidate is built from."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "main.py").write_text(text or agent_source(name, **more))
        return name

    def start(self, entry, *args, **more):
        return self.json("rollout", "start", str(self.plan(entry, **more)), *args)["id"]

    def status(self, rollout):
        return self.json("rollout", "status", rollout)

    def until(self, rollout, *phases, seconds=WAIT_S):
        """The status when the rollout is in one of the phases. Waits on the store: a command line per look would keep
        a core busy."""

        def there():
            with contextlib.suppress(Unavailable):  # held by another process for longer than the store waits
                return self.store.load(rollout).phase in phases

        reached = eventually(there, seconds)
        seen = self.status(rollout)
        assert reached, f"{rollout} is {seen['phase']}: {seen['reason']}; {seen['effects']}"
        return seen

    def pids(self):
        return json.loads((self.home / "up.json").read_text())["pids"]

    def end(self, rollout):
        """Leave no rollout behind for the next test."""
        if self.status(rollout)["phase"] not in {"completed", "rolled_back", "failed"}:
            self.call("rollout", "abort", rollout, "--reason", "end of the test")
            self.until(rollout, "rolled_back", "failed")


@contextlib.contextmanager
def started(home, folder, *, agent="little-agent", seconds=180):
    """`headgate up` on any free ports, serving one agent at version v1."""
    (folder / "v1").mkdir(parents=True)
    (folder / "v1" / "main.py").write_text(agent_source("v1"))
    plan = folder / "first.yaml"
    plan.write_text(plan_text(agent, "v1"))
    with up(home, folder, plan, seconds=seconds) as stack:
        yield stack


@contextlib.contextmanager
def up(home, folder, plan, *, env=None, seconds=180):
    """`headgate up` on any free ports, serving the agent of a plan."""
    process = subprocess.Popen(
        [*HEADGATE, "--home", str(home), "up", str(plan), "--port", "0", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **(env or {})},
    )
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        timer.cancel()
        with contextlib.closing(Stack(home, folder, process, json.loads(line))) as stack:
            yield stack
    finally:
        timer.cancel()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()
