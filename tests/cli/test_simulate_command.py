"""`headgate simulate`: what a plan would do with a good and with a bad candidate; wrong scenarios are told by line."""

import json

import pytest
from click.testing import CliRunner

from headgate.cli.main import cli
from headgate.errors import PlanError

PLAN = """
version: 1
agent: coach
platform: {kind: local, source: .}
strategy:
  kind: canary
  steps:
    - {weight: 50, bake: 5m, min_sessions: 50, margins: {error: +10pp, latency_p95: x2}}
    - {weight: 100, bake: 5m, min_sessions: 50}
analysis: {guardrails: {error: +10pp, latency_p95: x2}}
"""
WITH_COST = PLAN.replace("guardrails: {error: +10pp,", "guardrails: {error: +10pp, cost: x2,")


def simulated(folder, scenario, *more, plan=PLAN):
    """The result of a simulation of a short plan."""
    (folder / "headgate.yaml").write_text(plan)
    (folder / "scenario.yaml").write_text(scenario)
    paths = ["simulate", str(folder / "headgate.yaml"), "--scenario", str(folder / "scenario.yaml")]
    return CliRunner().invoke(cli, [*paths, *more])


def test_a_good_candidate_is_promoted_and_a_bad_one_caught_early(tmp_path):
    """Of 10 rollouts each: the good ones pass, the bad ones are taken back at the first step on few sessions."""
    result = simulated(tmp_path, "traffic: 60\ncandidate: {error: +40pp}\n", "--rollouts", "10", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)["candidates"]
    good, bad = found["good"], found["the scenario's"]
    assert good["promoted"]["count"] >= 9
    assert (good["rolled back"]["lower"], good["rolled back"]["upper"] > 0.2) == (0.0, True)
    assert bad["rolled back"]["count"] == 10
    assert bad["rolled back"]["at"] == {"50 %": 10}
    assert bad["rolled back"]["because"] == "error"
    assert bad["rolled back"]["exposed"]["median"] <= 60


def test_the_same_seed_gives_the_same_and_text_says_it(tmp_path):
    """Without harm only the good candidate is played; two runs print the same."""
    first, second = (simulated(tmp_path, "traffic: 60\n", "--rollouts", "2") for _ in range(2))
    assert first.stdout == second.stdout
    assert first.stdout.startswith("good candidate, 2 rollouts\n")
    assert "scenario's" not in first.stdout


def test_harm_that_begins_later_is_found_later(tmp_path):
    """The same harm after three minutes: nobody is taken back before."""
    late = "traffic: 120\ncandidate: {error: +40pp, after: 3m}\n"
    found = json.loads(simulated(tmp_path, late, "--rollouts", "4", "--json").stdout)["candidates"]["the scenario's"]
    assert found["rolled back"]["count"] == 4
    assert found["rolled back"]["seconds"]["median"] > 180


def ends(result):
    """How often each end was met, by candidate."""
    found = json.loads(result.stdout)["candidates"]
    return {who: {end: one["count"] for end, one in each.items() if end != "rollouts"} for who, each in found.items()}


def test_slower_and_dearer_candidates_are_taken_back_for_that(tmp_path):
    """Harm in time or in cost alone is drawn, found, and named."""
    for harm, metric in (("latency: x4", "latency"), ("cost: x4", "cost")):
        result = simulated(
            tmp_path, f"traffic: 60\ncandidate: {{{harm}}}\n", "--rollouts", "3", "--json", plan=WITH_COST
        )
        bad = json.loads(result.stdout)["candidates"]["the scenario's"]["rolled back"]
        assert bad["count"] == 3
        assert bad["because"].startswith(metric)


def test_too_little_traffic_is_left_to_a_person(tmp_path):
    """One session in five minutes proves nothing: neither promoted nor taken back."""
    result = simulated(tmp_path, "traffic: 0.2\n", "--rollouts", "3", "--json")
    assert ends(result) == {"good": {"promoted": 0, "rolled back": 0, "left to a person": 3}}


@pytest.mark.filterwarnings("error")
def test_sessions_that_cost_nothing_blame_nobody(tmp_path):
    """A cost of 0 USD is a cost that was not measured: never a reason to take a candidate back."""
    free = "traffic: 60\nbaseline: {cost: 0 USD}\n"
    result = simulated(tmp_path, free, "--rollouts", "3", "--json", plan=WITH_COST)
    assert result.exception is None
    assert ends(result)["good"]["rolled back"] == 0


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("traffic: 0\n", "scenario.yaml:1:10: traffic"),
        ("traffic: 5\nbaseline: {p50: 2s, p95: 1s}\n", "scenario.yaml:2:11: baseline: p95 is not above p50"),
        ("traffic: 5\ncandidat: {}\n", "scenario.yaml:2:1: candidat: unknown key"),
        ("traffic: 5\ncandidate: {latency: 1.3}\n", "scenario.yaml:2:22: candidate.latency"),
    ],
)
def test_a_wrong_scenario_is_told_by_line(tmp_path, scenario, words):
    """File, line, column and the mend, like a plan."""
    result = simulated(tmp_path, scenario)
    assert isinstance(result.exception, PlanError)
    assert words in str(result.exception)
