"""Whole releases of the real controller: promoted, taken back, ended before anybody saw them."""

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from sims import ENDED, WORSE, assert_sound, endpoints, in_phase, quick_plan, served

from headgate.cli.watch import shown
from headgate.controller import queries
from headgate.core.metrics import Measure, Objective, OwnMetric
from headgate.core.model import Phase
from headgate.core.plan import Criterion, Margin, RollbackPolicy, SessionPolicy, Strategy, Tier, Validation, WindowPhase
from headgate.testing.fake_sessions import Law
from headgate.testing.simulation import AGENT, Simulation, simulation_plan


def test_a_good_candidate_is_promoted():
    """10 -> 50 -> 100 %, the window, the endpoints, the handoff; the old version stays warm under `previous`."""
    sim = Simulation()
    sim.serve()
    sim.run_turns(60)
    sim.release()
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert sim.weights() == [0.0, 10.0, 50.0, 100.0, 100.0]
    assert endpoints(sim) == {"production": "2", "previous": "1"}
    (agent,) = sim.store.agents()
    assert (agent.baseline.number, agent.previous.number) == ("2", "1")
    assert sim.traffic.read(AGENT).baseline == "2"
    assert [gate for gate, _ in sim.gates.runs] == ["smoke", "load"]
    assert (sim.rollout_id, "handoff/overview.md") in sim.shelf.documents
    assert [event for _, event, _ in sim.channel.sent] == ["started", *["advanced"] * 3, "completed"]
    assert not sim.records("incident.opened")
    assert_sound(sim)


def test_a_bad_candidate_is_taken_back_at_the_first_step():
    """Errors are found at 10 %; one incident; the exposure is counted, the debt runs down to nothing."""
    sim = Simulation(laws={"2": WORSE})
    sim.serve()
    sim.run_turns(60)
    sim.release()
    ended = sim.run_to_the_end()
    assert ended.phase is Phase.ROLLED_BACK
    assert sim.weights() == [0.0, 10.0, 0.0]
    assert endpoints(sim) == {"production": "1"}
    assert [a.baseline.number for a in sim.store.agents()] == ["1"]
    (incident,) = sim.records("incident.opened")
    assert (incident.body["severity"], ended.incident) == ("P2", incident.body["incident"])
    (times,) = sim.records("incident.times")
    assert times.body["fault_at"] < times.body["detected_at"] <= times.body["cut_over_at"] <= times.body["drained_at"]
    (exposure,) = sim.records("exposure.total")
    assert 0 < exposure.body["sessions"] < 200
    assert ended.rollback.debt == 0
    assert [event for _, event, _ in sim.channel.sent] == ["started", "advanced", "rollback", "incident"]
    assert_sound(sim)


def test_cut_over_is_in_the_turn_of_the_verdict():
    """From the verdict to weight 0 at the gateway no time passes but the turn's own."""
    sim = served(laws={"2": WORSE})
    sim.release(quick_plan())
    ended = sim.run_to_the_end()
    assert ended.rollback.cut_over_at - ended.rollback.asked_at < sim.turn_s


@pytest.mark.parametrize("law", [Law(latency_ms=1500.0), Law(error=0.02, cost_usd=0.001, latency_ms=900.0)])
def test_a_slow_candidate_is_taken_back(law):
    """Latency is a guardrail like errors, and no verdict needs the last step."""
    sim = Simulation(laws={"2": law})
    sim.serve()
    sim.run_turns(60)
    sim.release()
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert max(sim.weights()) <= 50.0


def test_a_candidate_that_turns_bad_late_is_taken_back_from_the_window():
    """At 100 % a must that is proven breached leads back to the old baseline."""
    musts = (Criterion(Tier.MUST, "error_rate", "<", 0.02, "< 2%"),)
    sim = served()
    sim.release(quick_plan(validation=Validation((WindowPhase(1800.0, 30.0),), musts)))
    sim.run_until(in_phase(Phase.VALIDATING))
    sim.laws["2"] = WORSE
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert sim.traffic.read(AGENT).weight == 0.0
    assert endpoints(sim) == {"production": "1"}
    assert_sound(sim)


def test_a_failed_gate_ends_it_before_anybody_saw_it():
    """No policy of the rollout ever reaches the gateway, and the candidate's endpoint is removed."""
    sim = served()
    sim.gates.failing = {"load"}
    sim.release(quick_plan())
    assert sim.run_to_the_end().phase is Phase.FAILED
    assert {rollout for _, rollout, _ in sim.traffic.history} == {""}
    assert endpoints(sim) == {"production": "1"}
    assert sim.reasons()[-1] == "gate load failed: 0/1 passed"
    assert_sound(sim)


def test_the_same_version_is_refused():
    """A plan that builds what runs already releases nothing."""
    sim = served()
    sim.release(quick_plan("./v1"))
    assert sim.run_to_the_end().phase is Phase.FAILED
    assert "same version" in sim.reasons()[-1]


def test_a_version_that_does_not_start_is_refused():
    """What exits before it answers fails the rollout, with the platform's reason."""
    sim = served()
    sim.release(quick_plan("./broken"))
    assert sim.run_to_the_end().phase is Phase.FAILED
    assert "exited with code 1" in sim.reasons()[-1]


@pytest.mark.parametrize("sessions", list(SessionPolicy))
def test_sessions_follow_the_rollback_policy(sessions):
    """However they leave the candidate, each move is on the ledger and none is left in the end."""
    plan = quick_plan(rollback=RollbackPolicy(sessions, 10.0))
    sim = served(laws={"2": WORSE})
    sim.release(plan)
    ended = sim.run_to_the_end()
    assert (ended.phase, ended.rollback.debt) == (Phase.ROLLED_BACK, 0)
    moved = sim.records("sessions.moved")
    assert {(r.body["from"], r.body["to"], r.body["policy"]) for r in moved} <= {("2", "1", sessions.value)}
    assert sum(r.body["count"] for r in moved) > 0
    assert_sound(sim)


@pytest.mark.parametrize("strategy", [Strategy.BLUE_GREEN, Strategy.ALL_AT_ONCE])
def test_other_strategies_reach_the_end(strategy):
    """One switch, then the window; all-at-once has moved the endpoint before the window begins."""
    sim = served()
    plan = quick_plan(strategy=strategy)
    sim.release(replace(plan, steps=(replace(plan.steps[-1], min_sessions=20),)))
    sim.run_until(in_phase(Phase.VALIDATING))
    assert endpoints(sim)["production"] == ("2" if strategy is Strategy.ALL_AT_ONCE else "1")
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert endpoints(sim) == {"production": "2", "previous": "1"}
    assert_sound(sim)


def test_all_at_once_goes_back_too():
    """A production endpoint that was moved first is moved back."""
    sim = served(laws={"2": Law(error=0.9)})
    plan = quick_plan(strategy=Strategy.ALL_AT_ONCE)
    sim.release(replace(plan, steps=(plan.steps[-1],)))
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert endpoints(sim) == {"production": "1", "previous": "1"}


def test_one_release_after_another():
    """The promoted version is the next one's baseline; the salt is new, so is every key."""
    sim = served()
    sim.release(quick_plan())
    sim.run_to_the_end()
    sim.laws["3"] = WORSE
    sim.release(quick_plan("./v3"))
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    assert endpoints(sim) == {"production": "2", "previous": "1"}
    assert sim.traffic.read(AGENT).baseline == "2"
    assert_sound(sim)


def test_going_back_although_no_rollout_runs():
    """`headgate rollback` restores the previous version through the same rollback, with its own record."""
    sim = served()
    sim.release(quick_plan())
    sim.run_to_the_end()
    sim.take_back("users complain")
    ended = sim.run_to_the_end()
    assert (ended.phase, ended.candidate.number, ended.baseline.number) == (Phase.ROLLED_BACK, "2", "1")
    assert [a.baseline.number for a in sim.store.agents()] == ["1"]
    assert endpoints(sim)["production"] == "1"
    assert sim.traffic.read(AGENT).baseline == "1"
    assert_sound(sim)


def test_the_same_seed_is_the_same_history():
    """Two simulations of one seed write the same ledger, to the last hash; another seed another one."""

    def head(seed):
        sim = served(seed=seed)
        sim.release(quick_plan())
        sim.run_to_the_end()
        return sim.store.head()

    assert head(1) == head(1) != head(2)


def test_a_day_of_watching_takes_about_a_second():
    """A rollout with a window of 24 hours, at a turn a minute: every check was made."""
    window = Validation((WindowPhase(14_400.0, 60.0), WindowPhase(86_400.0, 300.0)), ())
    sim = served(sessions_per_minute=lambda now: 300.0 if now < 1_800_000_600.0 else 1.0)
    sim.release(quick_plan(validation=window))
    sim.run_until(in_phase(Phase.VALIDATING))
    sim.turn_s, sim.sessions.grain_s = 60.0, 60
    ended = sim.run_until(lambda r: r.phase in ENDED, limit_s=100_000.0)
    assert ended.phase is Phase.COMPLETED
    assert 450 <= ended.window.checks <= 482
    assert sim.clock.now() - ended.window.started_at >= 86_400.0


def test_the_default_plan_is_no_worse_three_times():
    """A candidate that is the same as the baseline gets there, whatever the seed."""
    for seed in range(3):
        sim = Simulation(seed=seed)
        sim.serve()
        sim.release(simulation_plan())
        assert sim.run_to_the_end().phase is Phase.COMPLETED


CALLS = OwnMetric("tool_calls", Measure.COUNT)


def calling(sim, worse):
    """A plan that guards tool calls, and two versions that tell of them; the candidate makes `worse` times as many."""

    def tells(mean):
        return Law(tells=lambda random: {"tool_calls": round(random.expovariate(1.0 / mean)), "other": "x"})

    sim.laws |= {"1": tells(4.0), "2": tells(4.0 * worse)}
    plan = quick_plan()
    margin = Margin("tool_calls", 1.5, ratio=True)
    steps = tuple(replace(step, margins=(*step.margins, margin)) for step in plan.steps)
    objectives = (Objective("cost"),)
    analysis = replace(plan.analysis, metrics=(CALLS,), objectives=objectives, observe=("latency",))
    return replace(plan, steps=steps, analysis=analysis)


def test_a_metric_of_the_plans_own_takes_a_release_back():
    """Told in answers, read by the gateway's policy, in the sessions, judged, named in the reason, on the ledger."""
    sim = served()
    sim.release(calling(sim, 2.0))
    ended = sim.run_to_the_end()
    assert ended.phase is Phase.ROLLED_BACK
    assert "tool_calls: " in ended.verdict.reason
    last = sim.records("evidence.look")[-1].body["data"]
    (row,) = [each for each in last["metrics"] if each["metric"] == "tool_calls"]
    assert row["candidate"] > 1.3 * row["baseline"]
    assert_sound(sim)
    console = Console(width=120, file=StringIO())
    console.print(shown(queries.status(sim.store, sim.rollout, sim.clock.now())))
    text = console.file.getvalue().splitlines()
    for name, asked in (("tool_calls", "x1.5"), ("cost", "reported"), ("latency_p95", "observed")):
        (line,) = [line for line in text if line.startswith(f"│ {name} ")]
        assert asked in line
        assert " (" in line, "with its n"


def test_a_good_release_with_metrics_of_its_own_goes_through():
    """The same plan, a candidate like the baseline; what is wished for and observed is on the ledger with n."""
    sim = served()
    sim.release(calling(sim, 1.0))
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    compared = [r.body["data"] for r in sim.records("evidence.look") if r.body["verdict"]["answer"] == "PASS"]
    (row,) = [each for each in compared[0]["metrics"] if each["metric"] == "tool_calls"]
    assert row["margin_proven"]
    assert row["n_candidate"] > 0
    assert [each["metric"] for each in compared[0]["objectives"]] == ["cost"]
    assert [each["metric"] for each in compared[0]["observed"]] == ["latency_p95"]
    assert_sound(sim)
