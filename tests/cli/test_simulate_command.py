"""`headgate simulate`: what a plan would do with a good and with a bad candidate; wrong scenarios are told by line."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from headgate.cli.main import cli
from headgate.cli.played import law_of, middle
from headgate.config.scenario_file import BaselineLaw, load_scenario
from headgate.errors import PlanError
from headgate.stats.units import LOG_STEP
from headgate.testing.rollouts import drawn, play
from headgate.testing.simulation import simulation_plan

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
    good, bad = found["good"], found["scenario"]
    assert good["promoted"]["count"] >= 9
    assert (good["rolled_back"]["lower"], good["rolled_back"]["upper"] > 0.2) == (0.0, True)
    assert bad["rolled_back"]["count"] == 10
    assert bad["rolled_back"]["at"] == [{"weight": 50.0, "count": 10}]
    assert bad["rolled_back"]["because"] == "error"
    assert bad["rolled_back"]["exposed"]["median"] <= 60


def test_the_same_seed_gives_the_same_and_text_says_it(tmp_path):
    """Without harm only the good candidate is played; two runs print the same."""
    first, second = (simulated(tmp_path, "traffic: 60\n", "--rollouts", "2") for _ in range(2))
    assert first.stdout == second.stdout
    assert first.stdout.startswith("good candidate, 2 rollouts\n")
    assert "scenario's" not in first.stdout


def test_harm_that_begins_later_is_found_later(tmp_path):
    """The same harm after three minutes: nobody is taken back before."""
    late = "traffic: 120\ncandidate: {error: +40pp, after: 3m}\n"
    found = json.loads(simulated(tmp_path, late, "--rollouts", "4", "--json").stdout)["candidates"]["scenario"]
    assert found["rolled_back"]["count"] == 4
    assert found["rolled_back"]["seconds"]["median"] > 180


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
        bad = json.loads(result.stdout)["candidates"]["scenario"]["rolled_back"]
        assert bad["count"] == 3
        assert bad["because"].startswith(metric)


def test_too_little_traffic_is_left_to_a_person(tmp_path):
    """One session in five minutes proves nothing: neither promoted nor taken back."""
    result = simulated(tmp_path, "traffic: 0.2\n", "--rollouts", "3", "--json")
    assert ends(result) == {"good": {"promoted": 0, "rolled_back": 0, "left_to_a_person": 3}}


@pytest.mark.filterwarnings("error")
def test_sessions_that_cost_nothing_blame_nobody(tmp_path):
    """A cost of 0 USD is a cost that was not measured: never a reason to take a candidate back."""
    free = "traffic: 60\nbaseline: {cost: 0 USD}\n"
    result = simulated(tmp_path, free, "--rollouts", "3", "--json", plan=WITH_COST)
    assert result.exception is None
    assert ends(result)["good"]["rolled_back"] == 0


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("traffic: 0\n", "scenario.yaml:1:10: traffic: 0 is no traffic"),
        ("traffic: -3\n", "scenario.yaml:1:10: traffic: -3 is no traffic"),
        (
            "traffic: 20/fortnight\n",
            'traffic: "20/fortnight" is no rate. Write so many new sessions a time, e.g. 120/min',
        ),
        ("traffic: 200/s\n", 'traffic: "200/s" is more than 10000 a minute, the most that is simulated'),
        ("traffic: [5]\n", "scenario.yaml:1:10: traffic: [5] is no rate"),
        ("traffic: 5\nbaseline: {p50: 2s, p95: 1s}\n", "scenario.yaml:2:11: baseline: p95 is not above p50"),
        ("traffic: 5\ncandidat: {}\n", "scenario.yaml:2:1: candidat: unknown key"),
        ("traffic: 5\ncandidate: {latency: 1.3}\n", "scenario.yaml:2:22: candidate.latency"),
        ("traffic: 5\ncandidate: {cost: x0}\n", "scenario.yaml:2:19: candidate.cost"),
        ("traffic: 5\ncandidate: {quality: -3}\n", "scenario.yaml:2:22: candidate.quality"),
        ("traffic: 5\ncandidate: {metrics: {calls: x2}}\n", "candidate.metrics.calls: the plan has no such metric"),
    ],
)
def test_a_wrong_scenario_is_told_by_line(tmp_path, scenario, words):
    """File, line, column and the mend, like a plan."""
    result = simulated(tmp_path, scenario)
    assert isinstance(result.exception, PlanError)
    assert words in str(result.exception)


@pytest.mark.parametrize(
    ("written", "per_minute"),
    [("30", 30), ("2.5", 2.5), ('"120/min"', 120), ("2/s", 120), ("300/h", 5), ("7200/day", 5)],
)
def test_traffic_has_a_unit_or_is_per_minute(tmp_path, written, per_minute):
    """As people say it."""
    (tmp_path / "scenario.yaml").write_text(f"traffic: {written}\n")
    assert load_scenario(tmp_path / "scenario.yaml").traffic == pytest.approx(per_minute)


@pytest.mark.parametrize("text", [None, "", "# nothing\n"])
def test_a_scenario_that_is_not_there_is_no_plan_that_is_not_there(tmp_path, text):
    """The mend is what a scenario begins with; `headgate init` writes none."""
    path = tmp_path / "none.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(PlanError) as caught:
        load_scenario(path)
    assert "rite one: `traffic: 30/min` is enough" in str(caught.value)
    assert "headgate init" not in str(caught.value)


def test_quantiles_are_those_of_the_rollouts():
    """The median and the 90 % quantile are values that there were: nine of ten do not exceed the latter."""
    assert middle([5]) == {"median": 5, "p90": 5}
    assert middle(list(range(10, 0, -1))) == {"median": 5, "p90": 9}
    assert middle(list(range(1, 12))) == {"median": 6, "p90": 10}
    assert middle(list(range(1, 101))) == {"median": 50, "p90": 90}


def test_the_baselines_cost_is_the_scenarios():
    """What sessions cost is drawn with the mean that is asked for; the candidate's is so many times that."""
    law = replace(law_of(BaselineLaw(cost="0.25 USD"), ()), dearer=2.0)
    candidate = np.arange(4000) % 2 == 0
    units = drawn(np.random.default_rng(1), law, np.full(4000, 0.5), candidate, harm=True)
    usd = np.exp(units.columns["cost"].place * LOG_STEP)
    assert usd[~candidate].mean() == pytest.approx(0.25, rel=0.05)
    assert usd[candidate].mean() == pytest.approx(0.5, rel=0.05)


OWN = PLAN.replace("margins:", "within: 10m, margins:").replace(
    "analysis: {guardrails: {error: +10pp, latency_p95: x2}}",
    "analysis: {metrics: {tool_calls: {kind: count}, helpful: {kind: score}}, "
    "guardrails: {error: +10pp, latency_p95: x2, tool_calls: x1.5}, objectives: {helpful: improved}}",
)


def test_own_metrics_are_played(tmp_path):
    """A good candidate is held for the objective that it does not meet, a better one passes, a worse one is caught."""
    better = "traffic: 2/s\ncandidate: {metrics: {helpful: 0.1}}\n"
    found = ends(simulated(tmp_path, better, "--rollouts", "2", "--json", plan=OWN))
    assert found["good"]["promoted"] == 0
    assert found["scenario"]["promoted"] == 2
    worse = "traffic: 2/s\nbaseline: {metrics: {tool_calls: 4}}\ncandidate: {metrics: {tool_calls: x2}}\n"
    result = simulated(tmp_path, worse, "--rollouts", "2", "--json", plan=OWN)
    bad = json.loads(result.stdout)["candidates"]["scenario"]["rolled_back"]
    assert (bad["count"], bad["because"]) == (2, "tool_calls")


def test_few_looks_and_skipped_sessions_tell_the_same_story():
    """Played quickly, as `plan explain` does: the same end, at about the time and exposure of the whole play."""
    plan = simulation_plan()
    law = law_of(BaselineLaw(), ())
    for each in (law, replace(law, more_error=0.3)):
        slow = play(plan, each, 300.0, np.random.default_rng(5))
        quick = play(plan, each, 300.0, np.random.default_rng(5), looks=60, most=500)
        assert (quick.end, quick.step) == (slow.end, slow.step)
        assert quick.exposed == pytest.approx(slow.exposed, rel=0.35, abs=60)
        assert len(quick.passed) == len(slow.passed)
