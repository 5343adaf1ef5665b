"""What goes wrong on a machine: killed parts, taken ports, Ctrl-C, a held store. A clear message, a safe state."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from headgate_stack import HEADGATE, call, eventually, started


def alive(pid):
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def descendants(pid):
    """All processes below one, by walking /proc."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    below, todo = set(), [pid]
    while todo:
        at = todo.pop()
        children = [child for child, parent in parents.items() if parent == at]
        below.update(children)
        todo.extend(children)
    return below


def turn(stack, session):
    """One turn of a session through the gateway; the version that served it."""
    request = urllib.request.Request(
        f"{stack.gateway}/runtimes/{stack.agent}/invocations",
        data=b'{"prompt": "hi"}',
        headers={
            "Content-Type": "application/json",
            "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id": session,
        },
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.headers["X-Headgate-Version"]


def test_every_part_is_killed_in_the_middle_of_a_rollout(stack, traffic):
    """kill -9 of controller, gateway and runtime at 50 %: `up` starts each again, pins hold, the rollout completes."""
    made = stack.start(stack.source("v2"), "--by", "ana", within="300s")
    stack.until(made, "stepping")
    sessions = {f"{n:032d}-pinned-before-the-kill": "" for n in range(20)}
    for session in sessions:
        sessions[session] = turn(stack, session)
    assert set(sessions.values()) == {"1", "2"}
    for part in ("controller", "gateway", "runtime"):
        before = stack.pids()
        os.kill(before[part], signal.SIGKILL)
        assert eventually(lambda: not alive(before[part]))  # noqa: B023 - called at once
    assert eventually(lambda: _served(stack, sessions)), "a session lost its version over the kills"
    done = stack.until(made, "completed", "rolled_back", "failed", "paused", seconds=240)
    assert done["phase"] == "completed", done["reason"]
    assert stack.json("evidence", made, "--kind", "lease.taken")[-1]["body"]["term"] > 1, "nobody took over"
    assert stack.json("verify")["ok"]
    assert stack.json("replay", made)["differing"] == []
    traffic()


def _served(stack, sessions):
    try:
        return all(turn(stack, session) == version for session, version in sessions.items())
    except OSError:  # not back yet
        return False


def test_gateway_serves_on_without_controller_and_store(stack):
    """Controller stopped, store held: turns are answered, and a person can still take the weight to 0."""
    made = stack.start(stack.source("v4"), within="300s")
    stack.until(made, "stepping")
    controller = stack.pids()["controller"]
    os.kill(controller, signal.SIGSTOP)
    holder = sqlite3.connect(stack.home / "store.db", isolation_level=None)
    try:
        holder.execute("begin immediate")
        served = {turn(stack, f"{n:033d}") for n in range(20)}
        assert len(served) == 2
        code, _, err = stack.call("rollback", stack.agent, "--reason", "now", timeout=60)
        assert code == 3
        assert "to 0 at the gateway" in err
        assert "another process" in err
        fresh = {turn(stack, f"{n:034d}-fresh") for n in range(20)}
        assert len(fresh) == 1, "new sessions still reach the candidate"
    finally:
        holder.close()
        os.kill(controller, signal.SIGCONT)
    done = stack.until(made, "rolled_back")
    assert done["rollback"]["cut_over_s"] is not None
    assert "at the gateway" in done["rollback"]["reason"]


def test_store_held_by_another_process(stack):
    """A command that must write says who is in the way, and leaves with 3."""
    holder = sqlite3.connect(stack.home / "store.db", isolation_level=None)
    try:
        holder.execute("begin immediate")
        code, _, err = stack.call("rollout", "start", str(stack.plan("v1")))
        assert code == 3
        assert "store.db" in err
    finally:
        holder.close()


def test_second_up_in_the_same_home(stack):
    """Refused with 4, and the first one goes on."""
    code, _, err = stack.call("up", "--port", "0")
    assert code == 4
    assert "another `headgate up`" in err
    assert stack.json("rollout", "list") is not None


@pytest.mark.parametrize(
    "command",
    [
        ["gateway", "--admin", "127.0.0.1:0", "--listen"],
        ["gateway", "--listen", "127.0.0.1:0", "--admin"],
        ["runtime", "--listen"],
    ],
)
def test_port_in_use(command, tmp_path):
    """A part says which port is taken and how to choose another; no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = call(tmp_path / "home", *command, f"127.0.0.1:{port}")
    assert code in {2, 3}
    assert str(port) in err
    assert "mend:" in err


def test_up_with_its_port_in_use(tmp_path):
    """`up` ends with the reason of the part that could not start, and leaves none of the others."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = call(tmp_path / "home", "up", "--port", str(taken.getsockname()[1]))
    assert code == 3
    assert "gateway did not start" in err
    assert not _of_home(tmp_path / "home")


def _of_home(home):
    """Processes whose command line names this state directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if str(home) in (entry / "cmdline").read_bytes().decode() and alive(int(entry.name)):
                    found.append(int(entry.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_up_leaves_no_process(tmp_path, how):
    """Ctrl-C, and also kill -9 of `up` itself: gateway, controller, runtime, dashboard and agents are gone."""
    with started(tmp_path / "home", tmp_path / "project", agent="short-lived") as stack:
        below = descendants(stack.process.pid)
        assert len(below) >= 5
        stack.process.send_signal(how)
        stack.process.wait(30)
        assert eventually(lambda: not [pid for pid in below if alive(pid)], 30), "processes were left behind"


def test_interrupted_while_starting(tmp_path):
    """Ctrl-C before the parts are ready: 130, and nothing is left."""
    home = tmp_path / "home"
    process = subprocess.Popen(
        [*HEADGATE, "--home", str(home), "up", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert eventually((home / "up.lock").exists)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode in {0, 130}
    assert "Traceback" not in err
    assert eventually(lambda: not _of_home(home), 20)


def test_agent_that_answers_wrongly_or_late(tmp_path):
    """Turns that fail reach the client as AgentCore's errors, without the agent's own words, and are counted."""
    with started(tmp_path / "home", tmp_path / "project", agent="rude-agent") as stack:
        made = stack.start(stack.source("rude", fail=100), within="300s")
        stack.until(made, "stepping", "rolling_back", "rolled_back")
        errors = []
        for n in range(60):
            try:
                turn(stack, f"{n:033d}")
            except urllib.error.HTTPError as error:
                errors.append((error.code, error.read().decode()))
        assert errors
        assert {code for code, _ in errors} == {424}
        assert not any("secret-in-a-traceback" in body for _, body in errors)
        assert eventually(lambda: stack.status(made)["variants"]["candidate"]["errors"])
        done = stack.until(made, "rolled_back")
        assert done["rollback"]["by"] == "headgate"


def test_full_disk_for_the_store(tmp_path):
    """A store that cannot grow refuses a command with 3 and keeps what it has whole."""
    with started(tmp_path / "home", tmp_path / "project", agent="full-disk") as stack:
        stack.source("v2")
        database = sqlite3.connect(stack.home / "store.db", isolation_level=None)
        database.execute("pragma wal_checkpoint(truncate)")
        database.close()
        # a limit on file size for this one command: the kernel refuses its writes as a full disk does
        plan = stack.plan("v2")
        limited = subprocess.run(
            [
                *("bash", "-c", 'ulimit -f 1; exec "$@"', "limited"),
                *(*HEADGATE, "--home", str(stack.home), "rollout", "start", str(plan)),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert limited.returncode == 3, (limited.returncode, limited.stderr)
        assert "Traceback" not in limited.stderr
        assert stack.json("rollout", "list") == []
        assert stack.json("verify")["ok"]
        assert stack.json("rollout", "start", str(plan))["id"]


def test_watch_is_interrupted(stack):
    """Ctrl-C in `rollout watch` ends the watching, not the rollout."""
    made = stack.start(stack.source("v6"), within="300s")
    stack.until(made, "stepping")
    process = subprocess.Popen(
        [*HEADGATE, "--home", str(stack.home), "rollout", "watch", made, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert json.loads(process.stdout.readline())["phase"] == "stepping"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert stack.status(made)["phase"] == "stepping"
    stack.end(made)
