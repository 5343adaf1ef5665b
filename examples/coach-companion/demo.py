"""`make demo`: release Coach Companion on this machine, for real, and say what happened.

Starts every part of Headgate as processes of their own (`headgate up`), drives many-turn sessions through the gateway
(unmodified boto3 clients, and `headgate traffic` for more of them), releases v2, then v3, which is broken and must be
caught. Everything it says at the end was read back from the ledger. Exit code 0 only if all of it is true; no process
is left behind, also on Ctrl-C.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clients import Clients

HERE = Path(__file__).resolve().parent
HOME = HERE.parents[1] / ".headgate" / "demo"
HEADGATE = [sys.executable, "-m", "headgate.cli.main", "--home", str(HOME)]
AGENT = "coach-companion"
SESSIONS_A_SECOND, BOTO3_SESSIONS_A_SECOND = 15, 5  # a turn of the agent costs about 5 ms of a core
BEGAN = time.monotonic()


class DemoError(Exception):
    """Something that the demo needs did not happen."""


@dataclass
class Told:
    """What the end of the demo must be able to say, each with whether it is true."""

    checks: list[tuple[str, bool]] = field(default_factory=list)

    def that(self, text: str, true: bool) -> None:
        self.checks.append((text, bool(true)))


def say(text: str) -> None:
    print(f"[{time.monotonic() - BEGAN:5.1f} s] {text}", flush=True)


def headgate(*args: str, may_fail: bool = False) -> str:
    """One command of the product; its standard output."""
    done = subprocess.run([*HEADGATE, *args], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode and not may_fail:
        raise DemoError(f"headgate {' '.join(args)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def headgate_json(*args: str) -> Any:
    return json.loads(headgate(*args, "--json"))


@contextlib.contextmanager
def process(*args: str, stop: int) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on in the background and is ended, whatever happens, by `stop` and then by force.

    It has a session of its own: Ctrl-C reaches the demo alone, which then ends everything in order.
    """
    log = (HOME / f"{args[0]}.log").open("w")
    running = subprocess.Popen(
        [*HEADGATE, *args], stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
    )
    try:
        yield running
    finally:
        if running.poll() is None:
            running.send_signal(stop)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        log.close()


def first_line(running: subprocess.Popen[str], what: str) -> Any:
    line = running.stdout.readline() if running.stdout else ""
    if not line:
        running.wait()
        raise DemoError(f"{what} did not start: {(HOME / 'up.log').read_text().strip()}")
    return json.loads(line)


def release(plan: str, reason: str) -> dict[str, Any]:
    """Start a rollout and follow it to its end, saying what changes."""
    name = headgate_json("rollout", "start", str(HERE / plan), "--reason", reason)["id"]
    say(f"started {name} ({plan})")
    last, spoke, status = "", 0.0, {}
    with process("rollout", "watch", name, "--json", stop=signal.SIGINT) as watching:
        for line in watching.stdout or ():
            status = json.loads(line)
            words = told(status)
            if status["phase"] == "paused":
                raise DemoError(f"{name} waits for a person, and the demo has none: {status['reason']}")
            if words != last or time.monotonic() - spoke > 3:
                say("  " + words + numbers(status))
                last, spoke = words, time.monotonic()
    if not status:
        raise DemoError(f"nothing could be watched of {name}")
    return status


def told(status: dict[str, Any]) -> str:
    phase, verdict = status["phase"], status["verdict"]
    if phase == "stepping":
        answer = f"{verdict['answer']}" if verdict else "no verdict yet"
        return f"{status['weight']:g} % of new sessions to v{status['candidate']}: {answer}"
    if phase == "validating" and status["window"]:
        if not status["window"]["criteria"]:
            return "validation window: no check yet"
        met = sum(1 for c in status["window"]["criteria"] if c["met"])
        return f"validation window: {met} of {len(status['window']['criteria'])} criteria met"
    if phase in {"rolling_back", "rolled_back"} and status["rollback"]:
        debt = status["rollback"]["debt"]
        return f"{phase.replace('_', ' ')}: exposure debt {'not measured yet' if debt is None else debt}"
    return f"{phase}: {status['reason']}"


def numbers(status: dict[str, Any]) -> str:
    if status["phase"] not in {"stepping", "validating"}:
        return ""
    parts = []
    for variant, n in status["variants"].items():
        rate = "-" if n["error_rate"] is None else f"{n['error_rate']:.1%}"
        p95 = "-" if n["p95_ms"] is None else f"{n['p95_ms']:.0f} ms"
        parts.append(f"{variant} {n['sessions']} sessions, errors {rate}, p95 {p95}")
    hours = f"hour {status['window']['at_s'] / 3600:.0f}; " if status["window"] else ""
    return f"  ({hours}{'; '.join(parts)})"


class Ledger:
    """The records of one rollout, read once."""

    def __init__(self, rollout: str) -> None:
        self.records: list[dict[str, Any]] = headgate_json("evidence", rollout)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["kind"] == kind]

    def weights(self) -> list[float]:
        """What was read back from the gateway, in order."""
        return [r["body"]["detail"]["weight"] for r in self.of("effect.verified") if r["body"]["is"] == "SetTraffic"]


def judge_good(status: dict[str, Any], is_true: Told) -> Ledger:
    """v2 must have gone through gates, steps with a PASS each, the window, promotion and handoff."""
    name = status["id"]
    ledger = Ledger(name)
    weights = ledger.weights()
    gates = ledger.of("evidence.gate")
    handoff = ledger.of("handoff.written")
    is_true.that(f"v2 was released: {name} completed", status["phase"] == "completed")
    is_true.that(
        "gates executed: " + ", ".join(f"{g['body']['gate']} {g['body']['detail']} ({g['id']})" for g in gates),
        bool(gates) and all(g["body"]["passed"] for g in gates),
    )
    shown = [f"{w:g} %" for w in weights if w]
    is_true.that(f"weights verified at the gateway: {' -> '.join(shown)}", weights[1:4] == [10, 50, 100])
    passes = [d for d in ledger.of("decision") if d["body"]["reason"].startswith("PASS at")]
    is_true.that("a PASS at each step, and only then more sessions", len(passes) == len(status["steps"]))
    for decision in passes:
        is_true.that(
            f"  {decision['body']['reason'].split(';')[0]} ({decision['id']})", decision["body"]["to"] != "paused"
        )
    window = status["window"] or {"criteria": [], "speed": 0, "checks": 0}
    musts = [c for c in window["criteria"] if c["tier"] == "must"]
    is_true.that(
        f"validation window of 24 h at x{window['speed']:g}: {window['checks']} checks, "
        f"{sum(1 for c in musts if c['met'])} of {len(musts)} must criteria met",
        bool(musts) and all(c["met"] for c in musts),
    )
    is_true.that(f"handed over: {len(handoff[0]['body']['files']) if handoff else 0} documents", bool(handoff))
    return ledger


def judge_bad(status: dict[str, Any], is_true: Told) -> Ledger:
    """v3 must have been caught at 10 % and taken back by automation alone."""
    name, back = status["id"], status["rollback"] or {}
    ledger = Ledger(name)
    weights = ledger.weights()
    is_true.that(f"v3 was caught: {name} rolled back", status["phase"] == "rolled_back")
    is_true.that(
        f"nobody touched a key: rolled back by {back.get('by')}, at {max(weights, default=0):g} %",
        back.get("by") == "headgate" and max(weights, default=0) == 10 and not ledger.of("command"),
    )
    is_true.that(f"on these numbers: {back.get('reason')}", bool(back.get("reason")))
    times = ledger.of("incident.times")[-1]["body"]
    detect = times["detected_at"] - times["fault_at"]
    cut = times["cut_over_at"] - times["decided_at"]
    is_true.that(f"detected {detect:.1f} s after the first v3 session was possible, cut over in {cut:.2f} s", cut < 10)
    total = ledger.of("exposure.total")[-1]
    seen = total["body"]
    share = f"{seen['sessions']} sessions saw v3 ({seen['turns']} turns) ({total['id']})"
    is_true.that(share, 0 < seen["sessions"] < 500)
    is_true.that(f"exposure debt: {back.get('debt')}", back.get("debt") == 0)
    return ledger


def write_reports(names: list[str], is_true: Told) -> list[Path]:
    paths = []
    for name in names:
        for form in ("html", "md"):
            path = HOME / "reports" / name / f"status.{form}"
            path.parent.mkdir(parents=True, exist_ok=True)
            headgate("report", "status", name, "--format", form, "-o", str(path))
            paths.append(path)
        again = headgate_json("replay", name)
        is_true.that(
            f"replay of {name}: {again['decisions']} decisions, {len(again['differing'])} differ",
            not again["differing"],
        )
    ledger = headgate_json("verify")
    is_true.that(f"ledger verified: {ledger['records']} records, head {ledger['head'][:16]}", ledger["ok"])
    return paths


def check_traffic(traffic: subprocess.Popen[str], boto3_clients: Clients, ledgers: list[Ledger], is_true: Told) -> None:
    """Stop the load and read what the clients saw."""
    mine = boto3_clients.stop()
    traffic.send_signal(signal.SIGINT)
    out, _ = traffic.communicate(timeout=30)
    seen = json.loads(out)
    is_true.that(
        f"unmodified boto3 clients held {mine['sessions']} sessions, {mine['turns']} turns",
        mine["turns"] > mine["failed"],
    )
    is_true.that(f"headgate traffic held {seen['sessions']} sessions, {seen['turns']} turns", seen["sessions"] > 0)
    seen["flips"] += mine["flips"]
    # a rollback moves sessions that began on the candidate; nothing else may
    moved = sum(record["body"]["count"] for ledger in ledgers for record in ledger.of("sessions.moved"))
    is_true.that(
        f"sessions whose version changed: {seen['flips']}; moves on the ledger: {moved}", seen["flips"] <= moved
    )


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Two demos at once would share a state directory."""
    HOME.parent.mkdir(exist_ok=True)
    with (HOME.parent / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoError("another demo runs in this checkout") from None
        yield


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def run(is_true: Told) -> tuple[list[Path], set[int]]:
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    subprocess.run([sys.executable, str(HERE / "build.py"), "v1", "v2", "v3"], capture_output=True, check=True)
    with process("up", str(HERE / "headgate-v1.yaml"), "--port", "0", "--json", stop=signal.SIGTERM) as up:
        say("starting the local runtime, the gateway, the controller, the dashboard and Coach Companion v1")
        ready = first_line(up, "headgate up")
        pids = set(json.loads((HOME / "up.json").read_text())["pids"].values())
        gateway, agent = ready["parts"]["gateway"]["url"], ready["agents"][0]
        say(f"{agent['agent']} v{agent['version']} is the baseline, behind the gateway at {gateway}")
        load = ("--sessions", "100000", "--rate", str(SESSIONS_A_SECOND), "--turns", "3-5", "--stream", "0.3")
        with (
            process(
                "traffic", "--url", gateway, "--agent", agent["arn"], *load, "--json", stop=signal.SIGINT
            ) as traffic,
            Clients(gateway, agent["arn"], BOTO3_SESSIONS_A_SECOND) as boto3_clients,
        ):
            say(
                f"boto3 clients begin {BOTO3_SESSIONS_A_SECOND} sessions a second, `headgate traffic` "
                f"{SESSIONS_A_SECOND}; 3 to 5 turns each, 30 % of turns streamed"
            )
            headgate("assess", str(HERE / "headgate.yaml"))
            good = release("headgate.yaml", "v2 refers to the goal that the user has set")
            ledgers = [judge_good(good, is_true)]
            headgate("assess", str(HERE / "headgate.yaml"))
            say("now v3, which is broken")
            bad = release("headgate-v3.yaml", "v3 shows the weekly trend")
            ledgers.append(judge_bad(bad, is_true))
            if traffic.poll() is not None:
                raise DemoError(f"the clients stopped early: {(HOME / 'traffic.log').read_text().strip()}")
            check_traffic(traffic, boto3_clients, ledgers, is_true)
        paths = write_reports([good["id"], bad["id"]], is_true)
        say("stopping everything")
    return paths, pids


def summary(is_true: Told, paths: list[Path]) -> bool:
    print()
    for text, true in is_true.checks:
        print(f"  {'yes' if true else 'NO ':3}  {text}")
    print()
    for path in paths:
        print(f"  report     {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    home = HOME.relative_to(Path.cwd()) if HOME.is_relative_to(Path.cwd()) else HOME
    print(f"  look again: .venv/bin/headgate --home {home} rollout list | evidence ID | verify")
    print(f"  dashboard: .venv/bin/headgate --home {home} dashboard")
    good = all(true for _, true in is_true.checks)
    print(f"\n  {'all of it is true' if good else 'NOT all of it is true'}, in {time.monotonic() - BEGAN:.0f} s")
    return good


def main() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    is_true, paths = Told(), []
    try:
        with only_one():
            paths, pids = run(is_true)
    except KeyboardInterrupt:
        print("\ninterrupted: everything was stopped", flush=True)
        return 130
    except DemoError as error:
        print(f"\nthe demo failed: {error}\nlogs: {HOME / 'logs'}", flush=True)
        return 1
    left = [pid for pid in pids if alive(pid)]
    is_true.that(f"processes left behind: {len(left)}", not left)
    return 0 if summary(is_true, paths) else 1


if __name__ == "__main__":
    sys.exit(main())
