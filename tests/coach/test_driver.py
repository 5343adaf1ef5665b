"""The load driver against the real coach, and against a server that lies about versions."""

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from headgate.cli.driver import TrafficOptions, drive, is_good
from headgate.cli.traffic import lines_of

ARN = "arn:aws:bedrock-agentcore:local:000000000000:runtime/coach-0123456789"
SESSION = "x-amzn-bedrock-agentcore-runtime-session-id"
FAST = TrafficOptions(url="", agent_arn=ARN, sessions=12, rate=200, turns=(3, 3), think_s=0, workers=4)


class Cut(bytes):
    """A body that ends before its length: whoever sent it was killed."""

    def __len__(self):
        return super().__len__() + 9


class Server(ThreadingHTTPServer):
    """Answers each turn by `plan(session, turn)` -> (status, version, body, content type)."""

    daemon_threads = True

    def __init__(self, plan):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan, self.turns, self.lock = plan, {}, threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """One turn."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        session = self.headers[SESSION]
        with self.server.lock:
            turn = self.server.turns[session] = self.server.turns.get(session, 0) + 1
            first = list(self.server.turns).index(session)
        status, version, body, kind = self.server.plan(first, turn)
        self.send_response(status)
        for name, value in (
            ("content-type", kind),
            ("content-length", str(len(body))),
            ("x-headgate-version", version),
        ):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = isinstance(body, Cut)

    def log_message(self, *_):
        pass


@pytest.fixture
def served():
    """Start a server with a plan; its URL."""
    servers = []

    def start(plan):
        server = Server(plan)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join(5)


def answer(version, body=b'{"response": "ok"}', status=200, kind="application/json"):
    """What the server says in a turn."""
    return status, version, body, kind


def test_sessions_that_keep_their_version_are_good(served):
    """Every turn counted, versions by session, no flip."""
    url = served(lambda session, _turn: answer("1" if session % 3 else "2"))
    report = drive(replace(FAST, url=url))
    assert (report.sessions, report.turns, report.failures, report.flips) == (12, 36, {}, 0)
    assert report.versions == {"1": 8, "2": 4}
    assert is_good(report)
    assert report.latency["p95"] > 0
    assert report.ttfb["p50"] <= report.latency["p50"]


def test_a_session_that_meets_two_versions_is_found(served):
    """One of twelve changes its version in its third turn, and the report is bad."""
    url = served(lambda session, turn: answer("2" if (session, turn) == (5, 3) else "1"))
    report = drive(replace(FAST, url=url))
    assert report.flips == 1
    assert len(report.flipped) == 1
    assert not is_good(report)
    assert any(line.startswith("flipped   1: traffic-") for line in lines_of(report))


def test_failures_are_counted_by_kind(served):
    """An error status by its name, an error in a stream, no JSON, an empty answer; times only of good turns."""
    bodies = {
        0: answer("1", b'{"message": "x"}', 424),
        1: answer("1", b'data: {"text": "a"}\n\ndata: {"error": "x", "error_type": "E"}\n\n', 200, "text/event-stream"),
        2: answer("1", b"<html>"),
        3: answer("1", b"", 200, "text/event-stream"),
    }
    url = served(lambda session, _turn: bodies[session % 4])
    report = drive(replace(FAST, url=url))
    assert sorted(report.failures.values()) == [9, 9, 9, 9]
    assert {"error in the stream", "not JSON", "empty answer", "http_424"} == report.failures.keys()
    assert report.latency == {"p50": None, "p95": None, "p99": None}
    assert not is_good(report)
    assert "not measured" in "\n".join(lines_of(report))


@pytest.mark.parametrize("sent", [b"", b'{"response": '])
def test_an_answer_that_is_cut_short_is_a_failure(served, sent):
    """A gateway that is killed in an answer fails that turn, and the drive goes on."""
    url = served(lambda _session, turn: answer("1", Cut(sent)) if turn == 2 else answer("1"))
    report = drive(replace(FAST, url=url))
    assert (report.sessions, report.turns, report.failures) == (12, 36, {"answer cut short": 12})


def test_nobody_there_is_a_bad_report_and_no_crash(served):
    """Refused connections are failures like others."""
    url = served(lambda _session, _turn: answer("1"))
    report = drive(replace(FAST, url=url.replace("127.0.0.1", "127.0.0.2"), sessions=3))
    assert report.failures == {"connect": 9}
    assert not is_good(report)


def test_it_stops_when_asked(served):
    """An endless drive ends soon after its event, with what was done so far."""
    stop = threading.Event()
    url = served(lambda _session, _turn: answer("1"))
    endless = replace(FAST, url=url, sessions=None, rate=50)
    report = drive(endless, lambda report: stop.set() if report.sessions >= 5 else None, stop)
    assert 5 <= report.sessions < 500


def test_a_duration_ends_it(served):
    """Sessions begin only within the duration, at about the rate."""
    url = served(lambda _session, _turn: answer("1"))
    report = drive(replace(FAST, url=url, sessions=None, duration_s=0.5, rate=40))
    assert 5 <= report.sessions <= 60


def test_it_drives_the_coach_in_json_and_streams(runtime, platform, urls):
    """Through the local runtime's data plane, as any boto3 client; both kinds of the failures of v3 are seen."""
    options = TrafficOptions(runtime.url, platform.find("coach-companion").arn, 20, 40, (4, 4), 0, 0.5, workers=8)
    good = drive(replace(options, qualifier="v2"))
    assert (good.sessions, good.turns, good.failures) == (20, 80, {})
    bad = drive(replace(options, qualifier="v3", sessions=40))
    assert bad.failures.keys() == {"RuntimeClientError", "error in the stream"}


def headgate(*arguments):
    """The command line."""
    return [str(Path(sys.executable).with_name("headgate")), "traffic", *arguments]


def test_the_command_reports_and_exits_by_it(served):
    """0 for a good run, 1 for a flip, 2 for wrong use; JSON for programs."""
    common = ["--agent", ARN, "--sessions", "4", "--rate", "100", "--turns", "2", "--think", "0"]
    good = served(lambda _session, _turn: answer("1"))
    bad = served(lambda _session, turn: answer(str(turn)))
    done = subprocess.run(
        headgate("--url", good, *common, "--json"), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["turns"] == 8
    done = subprocess.run(headgate("--url", bad, *common), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done.stderr
    assert "flipped   4" in done.stdout
    for wrong in (["--url", "nowhere"], ["--url", good, "--turns", "6-3"], ["--url", good, "--stream", "2"]):
        done = subprocess.run(headgate(*common, *wrong), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2, done


def test_ctrl_c_ends_the_command_with_a_report(served):
    """What was done so far is reported, and nothing hangs."""
    seen = threading.Event()
    url = served(lambda _session, _turn: seen.set() or answer("1"))
    command = headgate("--url", url, "--agent", ARN, "--duration", "600", "--rate", "50", "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert seen.wait(30)
        os.kill(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert json.loads(out)["turns"] >= 1
