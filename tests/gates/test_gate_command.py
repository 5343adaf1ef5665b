"""`headgate gate run` as a person types it: what it prints, how it exits; and the example suite on the real example."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "coach-companion"
SUITE = "cases:\n  - {name: good, turns: [{say: hello}]}\n  - {name: other, turns: [{say: SAY}]}\n"


def gate_run(*words):
    """Run `headgate gate run`; (exit code, stdout, stderr)."""
    command = [Path(sys.executable).with_name("headgate"), "gate", "run", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def suite(tmp_path):
    """Writes the suite with one thing said; returns its path."""

    def write(say):
        path = tmp_path / "smoke.yaml"
        path.write_text(SUITE.replace("SAY", say))
        return path

    return write


def test_a_passed_suite_exits_0(suite, agent):
    """Each case is a line, and the verdict."""
    code, out, err = gate_run(suite("hi"), "--against", agent.url)
    assert (code, err) == (0, "")
    assert "PASS  good" in out
    assert "PASS  other" in out
    assert "passed: 2/2 passed in" in out


def test_a_failed_suite_exits_1_and_says_what_was_said(suite, agent):
    """Reason and redacted answer."""
    code, out, _ = gate_run(suite("refuse"), "--against", agent.url)
    assert code == 1
    assert "FAIL  other" in out
    assert "turn 1: status 400, expected 200" in out
    assert "it said: payload: token=[secret] of [e-mail]" in out


def test_json_for_programs(suite, agent):
    """Every run with its cases; nothing else on stdout."""
    code, out, _ = gate_run(suite("refuse"), "--against", agent.url, "--repeat", "2", "--json")
    data = json.loads(out)
    assert (code, data["passed"], len(data["runs"])) == (1, False, 2)
    assert [case["passed"] for case in data["runs"][1]["cases"]] == [True, False]


def test_repeat_needs_all_runs(suite, agent):
    """The count at the end."""
    code, out, _ = gate_run(suite("hi"), "--against", agent.url, "--repeat", "3")
    assert code == 0
    assert "run 3 of 3" in out
    assert "3 of 3 runs passed" in out


def test_an_unreachable_agent_exits_3(suite, agent):
    """Not 1: the suite has said nothing about it."""
    agent.server_close()
    code, _, err = gate_run(suite("hi"), "--against", agent.url)
    assert code == 3
    assert "cannot be reached" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("think", "presses"), [("0s", 1), ("60s", 2)])
def test_an_interrupted_load_run_decides_nothing(tmp_path, agent, think, presses):
    """Fewer sessions than were asked for pass nothing: exit 130. The second Ctrl-C waits for no session."""
    suite = tmp_path / "load.yaml"
    case = "{name: a, turns: [{say: hello}, {say: hello}]}"
    suite.write_text(f"kind: load\nload: {{users: 2, sessions: 2, soak: 60s, think: {think}}}\ncases: [{case}]\n")
    command = [Path(sys.executable).with_name("headgate"), "gate", "run", str(suite), "--against", agent.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        for _ in range(presses):
            began = time.monotonic()
            while len(agent.asked) < 2 and time.monotonic() - began < 20:
                time.sleep(0.02)
            running.send_signal(signal.SIGINT)
            time.sleep(0.2)  # two signals at once would be one
        out, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "passed" not in out
    assert "Traceback" not in err
    assert ("interrupted, nothing is decided" in out) == (presses == 1)


@pytest.mark.parametrize(
    ("say", "words"),
    [
        (
            "hi, expect: [{contain: x}]",
            "smoke.yaml:3:47: cases.1.turns.0.expect.0.contain: unknown key. Did you mean `contains`?",
        ),
        ("hi, expect: [{contains: x, regex: y}]", "smoke.yaml:3:46: cases.1.turns.0.expect.0: 2 expectations in one"),
        (
            "hi, expect: [{regex: '('}]",
            'smoke.yaml:3:54: cases.1.turns.0.expect.0.regex: "(" is not a regular expression',
        ),
        (
            "hi}]}\n  - {name: good, turns: [{say: a",
            'smoke.yaml:4:12: cases.2.name: "good" is the name of an earlier case',
        ),
    ],
)
def test_a_bad_suite_exits_2_with_its_lines(suite, agent, say, words):
    """As for a plan."""
    code, _, err = gate_run(suite(say), "--against", agent.url)
    assert code == 2
    assert words in err
    assert agent.asked == []


def test_a_url_that_is_none_exits_2(suite, agent):
    """Before anything is asked."""
    code, _, err = gate_run(suite("hi"), "--against", "localhost:8080")
    assert code == 2
    assert "--against" in err


HOST = """
import sys
sys.path.insert(0, ".")
from main import app
app.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
"""


@pytest.mark.parametrize("version", ["v3"])
def test_every_coach_passes_the_example_suite(version):
    """5/5 on the real agent, even on v3: its faults begin with a session's second report, later than any smoke test."""
    import socket
    import time
    import urllib.error
    import urllib.request

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", HOST, str(port)]
    process = subprocess.Popen(
        command, cwd=EXAMPLE / "build" / version, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2).close()
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        code, out, err = gate_run(
            EXAMPLE / "suites" / "smoke.yaml", "--against", f"http://127.0.0.1:{port}", "--repeat", "3"
        )
        assert (code, err) == (0, "")
        assert "3 of 3 runs passed" in out
        assert out.count("5/5 passed") == 3
    finally:
        process.terminate()
        process.wait(20)
