"""Budgets while no rollout runs, and what the evaluation of a candidate costs: gates, judges, replays, scores."""

from dataclasses import replace

from sims import assert_sound, quick_plan, served, stepping
from test_online_quality import released, with_quality

from headgate.controller import incidents
from headgate.controller.spending import Spending
from headgate.core.model import Phase
from headgate.core.plan import Budget, Crossing, Gate, Receiver
from headgate.ports import Entry, GateOutcome, Scored
from headgate.testing.fake_sessions import Law
from headgate.testing.simulation import AGENT, Simulation

TOLD = Receiver("webhook", "https://example.invalid/money", ("budget", "incident"))
DEAR = {"1": Law(cost_usd=0.001), "2": Law(cost_usd=0.001)}


def idle(*budgets, laws=None, **more):
    """An agent that is served and that nobody releases anything of: four sessions a minute, a turn a minute."""
    sim = Simulation(laws=laws if laws is not None else dict(DEAR), sessions_per_minute=4.0, turn_s=60.0, **more)
    sim.sessions.grain_s = 60
    sim.serve(replace(quick_plan("./v1"), budgets=budgets, notify=(TOLD,)))
    return sim


def crossed(sim):
    return [r.body["name"] for r in sim.store.read(kinds=("budget.crossed",))]


def told(sim):
    return [(event, text) for _, event, text in sim.channel.sent]


def test_a_day_that_is_spent_without_a_rollout_is_told_once():
    """A message and an incident, also with a restart in between; the next day is another day."""
    sim = idle(Budget("day", 1.0, None, Crossing.HOLD, Crossing.WARN))
    day = sim.clock.now() // 86_400
    sim.run_turns(120)
    names = crossed(sim)
    assert [name.split("/", 2)[2] for name in names] == ["USD/projected", "USD/spent"]
    (found,) = incidents.all_of(sim.store)
    assert (found.severity, found.rollout, found.agent) == ("P3", "", AGENT)
    assert found.title.startswith("budget per day: 1.0")
    assert found.frozen.body["series"]
    assert [event for event, _ in told(sim)] == ["budget", "budget", "incident"]
    assert f"{AGENT}: budget per day: " in told(sim)[0][1]
    sim.restart("controller-2")
    sim.run_turns(60)
    assert crossed(sim) == names
    while sim.clock.now() // 86_400 == day:
        sim.run_turns(30)
    sim.run_turns(120)
    assert len(set(crossed(sim))) == len(crossed(sim)) == 4
    assert len(incidents.all_of(sim.store)) == 2
    assert sim.store.verify().ok


def test_what_is_only_warned_of_opens_no_incident():
    """A month that will be more at this rate, tokens that nobody reports: a message, and nothing."""
    sim = idle(Budget("month", 20.0, 1000, Crossing.HOLD, Crossing.WARN))
    sim.run_turns(400)
    assert [name.split("/", 2)[2] for name in crossed(sim)] == ["USD/projected"]
    assert incidents.all_of(sim.store) == []
    assert [event for event, _ in told(sim)] == ["budget"]


def test_what_a_rollout_crossed_is_not_told_again_after_it():
    """The day is the agent's: its release held for it, a person resumed, and the rest of the day is quiet."""
    budget = Budget("day", 1.0, None, Crossing.HOLD, Crossing.WARN)
    sim = stepping(replace(quick_plan(budgets=(budget,)), notify=(TOLD,)), laws=dict(DEAR))
    sim.run_until(lambda r: r.phase is Phase.PAUSED)
    sim.say("resume")
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    before = crossed(sim)
    sim.turn_s, sim.sessions.grain_s = 60.0, 60
    sim.run_turns(30)
    assert [name for name in crossed(sim) if name.endswith("spent")] == [name for name in before if "spent" in name]
    assert incidents.all_of(sim.store) == []
    assert_sound(sim)


def test_budgets_of_a_rollout_are_nobodys_without_one():
    """What one candidate, or its evaluation, may spend is over with its rollout."""
    sim = idle(Budget("rollout", 0.01), Budget("evaluation", 0.01, 1))
    sim.run_turns(60)
    assert crossed(sim) == []


def evaluation(sim, plan=None):
    rollout = sim.rollout if plan is None else replace(sim.rollout, plan=plan)
    (found,) = Spending(sim.store).standings(rollout, sim.clock.now())
    return found.usd, found.tokens


def test_the_evaluation_is_all_that_tries_the_candidate():
    """Conversations of suites and of replays at the plan's prices, judges of gates and of live sessions at theirs."""
    sim = stepping()
    plan = quick_plan(budgets=(Budget("evaluation", 1.0),), usd_per_million_input=1.0, usd_per_million_output=5.0)
    assert evaluation(sim, plan) == (None, None), "nobody told anything"
    spent = {"input_tokens": 1000, "output_tokens": 200}
    judging = {"answers": 3, "told": 3, "input_tokens": 3000, "output_tokens": 60, "usd": 0.5}
    silent = {"answers": 3, "told": 0, "input_tokens": 0, "output_tokens": 0, "usd": 0.0}
    entries = (
        ("evidence.gate", {"usage": spent, "measures": {"judging": judging}}),
        ("evidence.gate", {"usage": None, "measures": {"judging": silent}}),
        ("evidence.undecided", {"usage": spent, "measures": {"judging": judging}}),
        ("evaluation.judged", {"sessions": 1, **judging}),
    )
    sim.store.append([Entry(kind, body, sim.rollout_id) for kind, body in entries], sim.clock.now())
    assert evaluation(sim, plan) == (0.004 + 1.5, 2 * 1200 + 3 * 3060)


def test_judges_of_live_sessions_can_spend_the_evaluations_budget():
    """Five cents a session: the release is held when they have cost a dollar, and the ledger says what they cost."""
    plan = replace(with_quality(), budgets=(Budget("evaluation", 1.0, None, Crossing.HOLD, Crossing.WARN),))
    cost = {"answers": 1, "told": 1, "input_tokens": 900, "output_tokens": 20, "usd": 0.05}
    sim, gateway = released(plan, cost=cost)
    held = sim.run_until(lambda r: r.phase is Phase.PAUSED)
    assert "budget per evaluation: " in held.hold.reason
    bills = [r.body for r in sim.records("evaluation.judged")]
    assert sum(bill["usd"] for bill in bills) > 1.0
    assert sum(bill["sessions"] for bill in bills) <= len(gateway.asked)
    assert bills[0]["input_tokens"] == 900 * bills[0]["sessions"]


def test_a_replay_that_decides_nothing_costs_all_the_same():
    """Its conversations and its judges are in the budget before a person resumes."""
    sim = served()
    outcome = GateOutcome(
        False, "not decided", (), 0.0, {"usage": {"input_tokens": 5, "output_tokens": 6}}, decided=False
    )

    class Replays:
        def replay(self, *_):
            return outcome

    sim.world = replace(sim.world, replays=Replays())
    sim.restart()
    gate = Gate("again", "e.yaml", "", "", replay=5)
    sim.release(quick_plan(gates=(gate,), budgets=(Budget("evaluation", None, 10, Crossing.ROLLBACK),)))
    sim.run_turns(40)
    (found,) = sim.records("budget.crossed")
    assert (found.body["tokens"], found.body["name"]) == (11, "evaluation/tokens/spent")


def test_a_scorer_that_asks_no_judge_costs_nothing():
    """Checks are free: no record of what they cost."""
    sim, _ = released(with_quality(), cost={})
    sim.run_to_the_end()
    assert sim.records("evaluation.judged") == []
    assert Scored(0.5).judging == {}
