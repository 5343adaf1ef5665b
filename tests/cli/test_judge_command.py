"""`headgate judge`: JSON lines in, a verdict per look out; what is wrong with a line is said with its number."""

import json
import random

import pytest
from click.testing import CliRunner

from headgate.cli.main import cli
from headgate.errors import UsageError

PLAN = """
version: 1
agent: coach
platform: {kind: local, source: .}
strategy:
  kind: canary
  steps:
    - {weight: 50, bake: 1m, min_sessions: 50, margins: {error: +5pp, latency_p95: x2}}
    - {weight: 100, bake: 1m, min_sessions: 50}
analysis: {guardrails: {error: +5pp, latency_p95: x2}}
"""


@pytest.fixture
def plan(tmp_path):
    """A plan of two steps."""
    path = tmp_path / "headgate.yaml"
    path.write_text(PLAN)
    return path


def turns(sessions, *, error=0.0, seed=1, **more):
    """Two turns a session at 50 %; `error`: the candidate's share of failing sessions."""
    rng, lines = random.Random(seed), []
    for i in range(sessions):
        variant = "candidate" if rng.random() < 0.5 else "baseline"
        fails = variant == "candidate" and rng.random() < error
        for turn in range(2):
            line = {"t": 2.0 * i + turn, "session": f"s{i}", "variant": variant, "weight": 50, "end": turn == 1}
            lines.append(
                {**line, "ok": not (fails and turn == 1), "latency_ms": 100 * rng.lognormvariate(0, 0.5), **more}
            )
    return "".join(json.dumps(line) + "\n" for line in lines)


def judged(plan, text, *more):
    """(result, verdict lines) of the command on standard input."""
    result = CliRunner().invoke(cli, ["judge", "--plan", str(plan), *more], input=text)
    return result, [json.loads(line) for line in result.stdout.splitlines()]


def test_a_good_candidate_passes_and_each_look_says_where_it_stands(plan):
    """A line per look while it is INCONCLUSIVE, the last one final with PASS, and exit 0."""
    result, lines = judged(plan, turns(700), "--every", "1m")
    assert result.exit_code == 0
    assert len(lines) > 10
    assert [line["look"] for line in lines] == list(range(1, len(lines) + 1))
    assert lines[0]["answer"] == "INCONCLUSIVE"
    assert lines[-1]["final"] is True
    assert (lines[-1]["answer"], lines[-1]["action"]) == ("PASS", "PROMOTE")
    assert sum(lines[-1]["data"]["sessions"].values()) == 700


def test_a_bad_candidate_fails_with_exit_1(plan):
    """Half of its sessions fail: FAIL names the metric, and the exit code tells a pipeline."""
    result, lines = judged(plan, turns(200, error=0.5))
    assert result.exit_code == 1
    assert (lines[-1]["answer"], lines[-1]["action"]) == ("FAIL", "ROLLBACK")
    assert lines[-1]["reason"].startswith("error: ")


def test_a_file_does_as_well_as_standard_input(plan, tmp_path):
    """The same lines from a file give the same verdicts."""
    text = turns(60)
    (tmp_path / "turns.jsonl").write_text(text)
    from_file = CliRunner().invoke(cli, ["judge", "--plan", str(plan), str(tmp_path / "turns.jsonl")])
    assert from_file.stdout == judged(plan, text)[0].stdout


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weight": None}, "standard input:1: weight is null"),
        ({"weight": 150}, "standard input:1: weight is 150, not a number from 0 to 100"),
        ({"variant": "canary"}, "standard input:1: variant 'canary'"),
        ({"ok": 1}, "standard input:1: ok and end are true or false"),
        ({"latency_ms": -3}, "standard input:1: latency_ms is -3"),
        ({"quality": 7}, "standard input:1: quality is 7"),
        ({"t": "noon"}, 'standard input:1: t is "noon"'),
    ],
)
def test_a_wrong_line_is_named_and_mended(plan, change, words):
    """Exit 2 with the line's number, what is wrong with it, and the mend."""
    result, lines = judged(plan, turns(1, **change))
    assert isinstance(result.exception, UsageError)
    assert words in result.exception.message
    assert result.exception.mend
    assert lines == []


@pytest.mark.parametrize("member", ["weight", "ok", "t", "session", "variant"])
def test_a_missing_member_is_an_error_that_names_the_line(plan, member):
    """Nothing is guessed: not the weight, not the outcome."""
    good, bad = turns(2).splitlines()[:2]
    line = {key: value for key, value in json.loads(bad).items() if key != member}
    result, _ = judged(plan, f"{good}\n{json.dumps(line)}\n")
    assert result.exception.message == f"standard input:2: {member} is missing"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no turn"),
        ("{no json\n", ":1:2: this is no JSON"),
        ("[1]\n", "an object"),
        ("[" * 9000, ":1: this is nested too deep"),
    ],
)
def test_what_is_no_turn_is_refused(plan, text, words):
    """An empty input, broken JSON, something else than an object."""
    assert words in judged(plan, text)[0].exception.message


@pytest.mark.parametrize("every", ["0s", "-5s", "soon"])
def test_a_time_between_looks_that_is_none_is_refused(plan, every):
    """Before anything is read."""
    result = CliRunner().invoke(cli, ["judge", "--plan", str(plan), "--every", every], input=turns(2))
    assert result.exit_code == 2
    assert "--every" in result.stderr


OWN = PLAN.replace(
    "analysis: {guardrails: {error: +5pp, latency_p95: x2}}",
    "analysis: {metrics: {tool_calls: {kind: count}, helpful: {kind: score}}, "
    "guardrails: {error: +5pp, latency_p95: x2, tool_calls: +1}}",
)


def test_own_metrics_are_members_of_their_names(plan):
    """A guarded count: the candidate that makes more of them is taken back; a score that nobody guards is shown."""
    plan.write_text(OWN)
    lines = [json.loads(line) for line in turns(400).splitlines()]
    for line in lines:
        line["tool_calls"] = 4 if line["variant"] == "candidate" else 1
        line["helpful"] = line["variant"] == "baseline"
    result, verdicts = judged(plan, "".join(json.dumps(line) + "\n" for line in lines))
    assert result.exit_code == 1
    reason, data = verdicts[-1]["reason"], verdicts[-1]["data"]
    (found,) = (each for each in data["metrics"] if each["metric"] == "tool_calls")
    n = {variant: f"over {found[f'n_{variant}']} {variant} sessions" for variant in ("candidate", "baseline")}
    assert reason.startswith(f"tool_calls: 8 {n['candidate']}, 2 {n['baseline']}; evidence of harm")
    assert found["n_candidate"] + found["n_baseline"] == 400
    (seen,) = verdicts[-1]["data"]["observed"]
    assert (seen["metric"], seen["baseline"], seen["candidate"]) == ("helpful", 1.0, 0.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tool_calls": -1}, "standard input:1: tool_calls is -1, not a number from 0 to 1e+09"),
        ({"tool_calls": "3"}, 'standard input:1: tool_calls is "3"'),
        ({"helpful": 1.5}, "standard input:1: helpful is 1.5, not a number from 0 to 1"),
        ({"helpful": 10**400}, "standard input:1: helpful is 1000"),
    ],
)
def test_a_wrong_value_of_an_own_metric_is_named(plan, change, words):
    """Like any other member of a line."""
    plan.write_text(OWN)
    result, _ = judged(plan, turns(1, **change))
    assert words in result.exception.message
    assert result.exception.mend == "leave out what was not measured"
