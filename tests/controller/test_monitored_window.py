"""The monitored release under a fake clock: whole days with restarts, clocks that are set, alarms, budgets."""

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from sims import ENDED, WORSE, assert_sound, in_phase, quick_plan, served

from headgate.controller import queries
from headgate.core.codec import canonical
from headgate.core.model import Phase
from headgate.core.plan import AlarmSpec, Budget, Criterion, Crossing, Tier, Validation, WindowPhase
from headgate.errors import Unavailable
from headgate.reports.write import render, write
from headgate.testing.fake_sessions import Law

HOUR = 3600.0
OF_A_RESTART = {"lease.taken", "traffic.corrected"}  # the new term, and the gateway that is told of it
MUSTS = (
    Criterion(Tier.MUST, "error_rate", "<", 0.05, "< 5%"),
    Criterion(Tier.MUST, "alarms", "is", "ok", "ok"),
    Criterion(Tier.MUST, "incidents", "is", "none", "none"),
    Criterion(Tier.MUST, "status", "is", "READY", "READY"),
    Criterion(Tier.MUST, "test_invocations", "is", "passed", "passed"),
)
ALARMS = (
    AlarmSpec("error-rate", "error_rate", ">", 0.05, 300.0, 1, 1, critical=True),
    AlarmSpec("no-invocations", "invocations", "<", 1.0, 3600.0, 1, 1, "breaching", warm_up_s=3600.0),
    AlarmSpec("cost-per-day", "cost", ">", 500.0, 86_400.0, 1, 1, "notBreaching"),
)
DAY = (
    WindowPhase(4 * HOUR, 60.0, "Hello"),
    WindowPhase(24 * HOUR, 300.0),
    WindowPhase(26 * HOUR, 900.0),
)


def day_plan(window=DAY, criteria=MUSTS, alarms=ALARMS, **more):
    """The quick plan with the phases of the status document, up to the 26th hour."""
    return quick_plan(validation=Validation(window, criteria), alarms=alarms, **more)


def in_the_window(plan, before_s=0, **more):
    """A release whose window has begun. From then on a turn is a minute, and so is a row of telemetry."""
    sim = served(sessions_per_minute=lambda now: 300.0 if now < 1_800_000_600.0 else 4.0, **more)
    sim.run_turns(before_s)
    sim.release(plan)
    sim.run_until(in_phase(Phase.VALIDATING))
    sim.turn_s, sim.sessions.grain_s = 60.0, 60
    return sim


def told(sim):
    """The ledger without what a restart adds and without the numbers of records."""
    records = [r for r in sim.store.read() if r.kind not in OF_A_RESTART]
    ids = {r.id: f"#{i}" for i, r in enumerate(records)}
    # the handoff cites records by their numbers, so its digest is of those too
    ids |= {r.body["digest"]: "the handoff" for r in records if r.kind == "handoff.written"}

    def plain(value):
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items() if k not in {"before", "after"}}
        if isinstance(value, list):
            return [plain(v) for v in value]
        return ids.get(value, value) if isinstance(value, str) else value

    return [(r.at, r.kind, canonical(plain(r.body))) for r in records]


class Reluctant:
    """A port of which one call is refused for three seconds from its first time on, so that a phase lasts some turns.

    By time, not by number: another controller may ask more often, and must not get through earlier for it.
    """

    def __init__(self, port, call, clock, concerns=lambda *_: True):
        self._port, self._call, self._clock, self._concerns = port, call, clock, concerns
        self._until = None

    def __getattr__(self, name):
        found = getattr(self._port, name)
        if name != self._call:
            return found

        def asked(*arguments):
            if self._concerns(*arguments):
                self._until = self._clock.now() + 3.0 if self._until is None else self._until
                if self._clock.now() < self._until:
                    raise Unavailable("not yet")
            return found(*arguments)

        return asked


def place(sim):
    """Where a release of `day_plan` stands: phase, step, part of the window."""
    rollout = sim.rollout
    at = 0.0 if rollout.window is None else sim.clock.now() - rollout.window.started_at
    return rollout.phase, rollout.step, sum(at >= part.until_s for part in DAY)


def play(*, restarts, bad_after=None):
    """A release over 26 hours that is built, deployed and handed over slowly, and that a person holds for ten minutes;
    with restarts, another controller takes over at each new place. Also the places. `bad_after`: seconds of the window
    after which the candidate fails.
    """
    sim = served(sessions_per_minute=lambda now: 300.0 if now < 1_800_000_600.0 else 4.0)
    released = sim.release(day_plan()).id
    sim.world = replace(
        sim.world,
        platform=Reluctant(sim.platform, "build", sim.clock),
        traffic=Reluctant(sim.traffic, "apply", sim.clock, lambda policy: policy.rollout == released),
        shelf=Reluctant(sim.shelf, "put", sim.clock),
    )
    sim.controller.close()
    sim.restart()
    places, said = [], set()
    while sim.rollout.phase not in ENDED or sim.store.pending(released):
        if (here := place(sim)) not in places and here[0] not in ENDED:
            places.append(here)
            if restarts:
                sim.controller.close()
                sim.restart(f"controller-{len(places) + 1}")
        if sim.rollout.window is not None:
            sim.turn_s, sim.sessions.grain_s = 60.0, 60
            at = sim.clock.now() - sim.rollout.window.started_at
            for verb, when in (("pause", 2 * HOUR), ("resume", 2 * HOUR + 600.0)):
                if at >= when and verb not in said:
                    said.add(verb)
                    sim.say(verb, "ines", "lunch")
            if bad_after is not None and at >= bad_after:
                sim.laws["2"] = Law(error=1.0)
        sim.turn()
    return sim, places


@pytest.fixture(scope="module")
def undisturbed():
    """The 26 hours with one controller."""
    return play(restarts=False)[0]


def assert_same_but_for_restarts(disturbed, undisturbed, places):
    """The ledger of one is that of the other, save for the terms that were taken; and they were."""
    taken = [len(sim.store.read(kinds=("lease.taken",))) for sim in (disturbed, undisturbed)]
    assert taken[0] == taken[1] + len(places) - 1, "the first one was stopped before it had a lease"
    assert len(told(undisturbed)) > 500
    assert told(disturbed) == told(undisturbed)
    assert_sound(disturbed)


def test_the_26_hours_are_the_same_with_a_restart_in_every_phase(undisturbed):
    """A controller that is stopped in every phase of a release that ends well, in each step, in each part of the window
    and under a person's hold, and another that takes over each time, leave the ledger that one controller leaves.
    """
    disturbed, places = play(restarts=True)
    phases = [phase for phase, _, _ in places]
    assert phases.count(Phase.VALIDATING) == 3
    assert phases.count(Phase.STEPPING) == 2
    ways_back = {Phase.ROLLING_BACK, *ENDED}
    assert set(phases) == set(Phase) - ways_back
    assert disturbed.rollout.phase is Phase.COMPLETED
    assert_same_but_for_restarts(disturbed, undisturbed, places)


def test_a_rollback_in_the_window_is_the_same_with_restarts():
    """A candidate that fails in the third hour: stopped while its sessions drain, too."""
    one, _ = play(restarts=False, bad_after=2.5 * HOUR)
    disturbed, places = play(restarts=True, bad_after=2.5 * HOUR)
    assert Phase.ROLLING_BACK in {phase for phase, _, _ in places}
    assert disturbed.rollout.phase is Phase.ROLLED_BACK
    assert_same_but_for_restarts(disturbed, one, places)


def test_each_part_of_the_window_has_its_cadence_and_its_own_checks(undisturbed):
    """Every minute with a test invocation, every five, every fifteen; what was checked is on the ledger."""
    sim = undisturbed
    assert sim.rollout.phase is Phase.COMPLETED
    assert 240 + 240 + 8 - 6 <= sim.rollout.window.checks <= 240 + 240 + 8
    checks = [r.body for r in sim.records("evidence.window")]
    gaps = {}
    for before, after in pairwise(checks):
        gaps.setdefault(after["phase"], set()).add(after["window_s"] - before["window_s"])
    assert (gaps[0], gaps[1] - {60.0}, gaps[2] - {300.0}) == ({60.0}, {300.0}, {900.0})
    assert all(check["probe"]["passed"] for check in checks if check["phase"] == 0)
    assert not any(check["probe"] for check in checks if check["phase"] > 0)
    assert sum(gate == "test-invocation" for gate, _ in sim.gates.runs) == sum(c["phase"] == 0 for c in checks)
    assert [r["met"] for r in checks[-1]["results"]] == [True] * 5
    assert {check["missed"] for check in checks} == {0}


@pytest.mark.parametrize("by", [7 * HOUR, -7 * HOUR])
def test_a_clock_that_is_set_changes_nothing_of_the_window(by):
    """Forwards or backwards, by hours: it lasts as long, and is checked as often."""
    sim = in_the_window(day_plan((WindowPhase(4 * HOUR, 60.0),), MUSTS[:1], ()))
    began = sim.clock.steady()
    sim.run_turns(60)
    sim.clock.jump(by)
    sim.run_until(lambda r: r.phase in ENDED, limit_s=5 * HOUR)
    assert sim.rollout.phase is Phase.COMPLETED
    assert 4 * HOUR <= sim.clock.steady() - began <= 4 * HOUR + 120
    assert 235 <= sim.rollout.window.checks <= 241
    assert [r.body["by_s"] for r in sim.records("clock.moved")] == [pytest.approx(by, abs=1.0)]
    assert_sound(sim)


def test_a_clock_that_was_set_back_while_no_controller_ran():
    """A new controller sees from the ledger that it is earlier than it was, and the window loses no time by it."""
    sim = in_the_window(day_plan((WindowPhase(4 * HOUR, 60.0),), MUSTS[:1], ()))
    sim.run_turns(60)
    sim.controller.close()
    sim.clock.jump(-2 * HOUR)
    sim.restart("controller-2")
    sim.run_turns(5)
    (moved,) = sim.records("clock.moved")
    assert moved.body["by_s"] == pytest.approx(-2 * HOUR, abs=120.0)
    assert sim.rollout.window.checks >= 60
    sim.run_until(lambda r: r.phase in ENDED, limit_s=5 * HOUR)
    assert sim.rollout.phase is Phase.COMPLETED


def test_the_time_without_a_controller_is_measured_by_the_gateway_and_its_checks_are_missed():
    """After three hours away one check is made at once; what the gateway measured meanwhile counts."""
    sim = in_the_window(day_plan((WindowPhase(4 * HOUR, 60.0),), MUSTS[:1], ()))
    sim.run_turns(10)
    before = sim.records("evidence.window")[-1].body
    sim.controller.close()
    sim.pass_time(3 * HOUR)
    sim.restart("controller-2")
    sim.turn()
    check = sim.records("evidence.window")[-1].body
    assert check["check"] == before["check"] + 1
    assert 178 <= check["missed"] <= 181
    assert check["totals"]["requests"] > before["totals"]["requests"] + 3 * 60 * 4


def test_an_alarm_of_the_candidate_takes_it_back():
    """Errors above the threshold for five minutes: ALARM, attributed to the candidate, and a must that is breached."""
    sim = in_the_window(day_plan())
    sim.run_turns(30)
    sim.laws["2"] = Law(error=1.0)
    ended = sim.run_until(lambda r: r.phase in ENDED, limit_s=HOUR)
    assert ended.phase is Phase.ROLLED_BACK
    rang = [r.body for r in sim.records("alarm") if r.body["to"] == "ALARM"]
    assert [(r["name"], r["variant"], r["acts"], r["critical"]) for r in rang] == [
        ("error-rate", "candidate", True, True)
    ]
    assert rang[0]["value"] > 0.05


def test_an_alarm_that_was_red_before_neither_blocks_nor_is_blamed():
    """A threshold that the baseline broke already: recorded before the release, told at every check, not counted."""
    red = (AlarmSpec("too-dear", "cost_per_day", ">", 0.01, 60.0, 1, 1), *ALARMS)
    sim = in_the_window(day_plan((WindowPhase(HOUR, 60.0, "Hello"),), alarms=red), before_s=150)
    (before,) = sim.records("evidence.baseline")
    assert before.body["alarms"]["too-dear"] == "ALARM"
    assert before.body["alarms"]["error-rate"] == "OK"
    assert (before.body["status"], before.body["totals"]["requests"] > 0) == ("READY", True)
    ended = sim.run_until(lambda r: r.phase in ENDED, limit_s=2 * HOUR)
    assert ended.phase is Phase.COMPLETED
    told_of = [r.detail for r in ended.window.results if r.name == "alarms"]
    assert "red before the release, and not counted: too-dear" in told_of[0]


def test_a_version_that_stops_answering_its_test_invocations_is_held_at_the_end():
    """No user came, nothing failed, and still it is not proven that it answers."""
    sim = in_the_window(day_plan((WindowPhase(HOUR, 60.0, "Hello"),)))
    sim.run_turns(20)
    sim.gates.failing = {"test-invocation"}
    sim.run_turns(3)
    sim.gates.failing = set()
    held = sim.run_until(in_phase(Phase.PAUSED), limit_s=2 * HOUR)
    assert "test_invocations passed is not met" in held.hold.reason
    sim.gates.trouble = Unavailable("no route")
    sim.run_turns(2)
    assert sim.records("evidence.window")[-1].body["probe"]["passed"] is None


def test_people_extend_cut_short_and_override_with_their_names_on_the_ledger():
    """Each is a command and a decision; the window ends where the person said."""
    sim = in_the_window(day_plan((WindowPhase(HOUR, 60.0),), alarms=()))
    sim.say("extend", "bob", "a quiet morning", seconds=HOUR)
    sim.say("override", "ann", "the plan has no alarms yet", criterion="alarms")
    sim.say("override", "ann", "nobody said hello", criterion="test_invocations")
    sim.run_turns(90)
    assert sim.rollout.phase is Phase.VALIDATING
    sim.say("cut-short", "bob", "enough")
    ended = sim.run_until(lambda r: r.phase in ENDED, limit_s=HOUR)
    assert ended.phase is Phase.COMPLETED
    assert [(r.body["verb"], r.body["by"]) for r in sim.records("command")] == [
        ("extend", "bob"),
        ("override", "ann"),
        ("override", "ann"),
        ("cut-short", "bob"),
    ]
    assert sum("2 of them accepted by a person" in reason for reason in sim.reasons()) == 1
    assert_sound(sim)


@pytest.mark.parametrize(
    ("follows", "phase"),
    [(Crossing.WARN, Phase.VALIDATING), (Crossing.HOLD, Phase.PAUSED), (Crossing.ROLLBACK, Phase.ROLLED_BACK)],
)
def test_a_budget_that_is_spent_does_what_the_plan_says(follows, phase):
    """A cent a turn, a dollar a rollout: crossed once, told once, and then what the plan says."""
    sim = in_the_window(
        day_plan(budgets=(Budget("rollout", 1.0, None, follows, Crossing.WARN),), alarms=(), criteria=())
    )
    sim.laws["2"] = Law(cost_usd=0.05)
    sim.run_turns(60)
    assert sim.rollout.phase is phase
    crossed = [r.body["name"] for r in sim.records("budget.crossed")]
    assert crossed.count("rollout/USD/spent") == 1
    spent = next(r.body for r in sim.records("budget.crossed") if r.body["name"].endswith("spent"))
    assert (spent["usd"] > 1.0, spent["usd_limit"]) == (True, 1.0)
    assert_sound(sim)


def test_a_budget_is_projected_before_it_is_spent():
    """Half a day at ten cents a minute: the day's projection is crossed long before the day's sum, and only warns."""
    sim = in_the_window(day_plan(budgets=(Budget("day", 150.0),), alarms=(), criteria=()))
    sim.laws["2"] = Law(cost_usd=0.01)
    sim.run_until(lambda _: bool(sim.records("budget.crossed")), limit_s=10 * HOUR)
    (first,) = sim.records("budget.crossed")
    assert first.body["name"].endswith("/USD/projected")
    assert first.body["usd"] < 150.0 < first.body["usd_projected"]
    assert sim.rollout.phase is Phase.VALIDATING


def test_tokens_that_nobody_reports_cross_no_budget():
    """An agent that says nothing of its tokens is not measured, and a budget of tokens is not crossed."""
    sim = in_the_window(day_plan(budgets=(Budget("rollout", None, 10, Crossing.ROLLBACK),), alarms=(), criteria=()))
    sim.laws["2"] = Law(cost_usd=0.0)
    sim.run_turns(30)
    assert sim.rollout.phase is Phase.VALIDATING
    assert not sim.records("budget.crossed")


def test_a_rehearsal_runs_a_day_in_seconds_on_the_same_code():
    """At 3600 times the speed the 24 hours are 24 seconds of the clock: same phases, same criteria, shorter alarms."""
    plan = day_plan(DAY[:2], MUSTS[:1] + MUSTS[2:])
    sim = served()
    sim.release(replace(plan, validation=replace(plan.validation, speed=3600.0)))
    sim.run_until(in_phase(Phase.VALIDATING))
    began, sim.turn_s = sim.clock.now(), 0.25
    ended = sim.run_until(lambda r: r.phase in ENDED, limit_s=120.0)
    assert ended.phase is Phase.COMPLETED
    assert 24.0 <= ended.finished_at - began <= 26.0
    checks = [r.body for r in sim.records("evidence.window")]
    assert {check["phase"] for check in checks} >= {0, 1}
    assert sum(check["missed"] for check in checks) > 0, "a turn is longer than a minute of window time, and it is said"
    assert {r.body["name"] for r in sim.records("alarm")} >= {"error-rate"}


def test_a_bad_version_in_a_rehearsal_is_taken_back():
    """Its alarms have periods of seconds, and ring."""
    plan = day_plan(DAY[:2], MUSTS[1:2])
    sim = served()
    sim.release(replace(plan, validation=replace(plan.validation, speed=1000.0)))
    sim.run_until(in_phase(Phase.VALIDATING))
    sim.laws["2"] = WORSE
    ended = sim.run_until(lambda r: r.phase in ENDED, limit_s=300.0)
    assert ended.phase is Phase.ROLLED_BACK


def test_the_promoted_version_is_looked_at_after_its_window():
    """Every fifteen minutes, also by another controller, until the next release; an alarm that rings is recorded."""
    plan = quick_plan(alarms=ALARMS)
    plan = replace(plan, validation=replace(plan.validation, after_every_s=900.0))
    sim = served()
    sim.release(plan)
    ended = sim.run_to_the_end()
    sim.turn_s, sim.sessions.grain_s = 60.0, 60
    sim.run_turns(60)
    sim.controller.close()
    sim.restart("controller-2")
    sim.run_turns(60)
    checks = sim.records("operations.check")
    assert [round((c.at - ended.finished_at) / 900) for c in checks] == list(range(1, 9))
    assert {(c.body["version"], c.body["status"]) for c in checks} == {("2", "READY")}
    assert checks[-1].body["alarms"]["error-rate"] == "OK"
    sim.laws["2"] = Law(error=1.0)
    sim.run_turns(10)
    assert sim.records("alarm")[-1].body["to"] == "ALARM"
    sim.release(quick_plan("./v3"))
    sim.run_turns(2)
    before = len(sim.store.read(kinds=("operations.check",)))
    sim.run_turns(20)
    assert len(sim.store.read(kinds=("operations.check",))) == before


def test_the_reports_of_the_26_hours(undisturbed):
    """Each hour of the report is its own check, beside the baseline; what was before the window is no change in it."""
    records = queries.records(undisturbed.store, undisturbed.rollout)
    head, now = undisturbed.store.head(), undisturbed.clock.now()
    text = render(write("monitoring", records, head, now), "md")
    hours = re.findall(r"^## Hour (\d+) .*?\n\nCheck (\d+),", text, re.MULTILINE)
    assert [hour for hour, _ in hours] == ["1", "2", "3", "4", "8", "24"]
    numbers = [int(number) for _, number in hours]
    assert numbers == sorted(set(numbers))
    assert "| Error rate | 0." in text
    assert "no baseline is on the ledger" not in text
    assert "INSUFFICIENT_DATA → OK" not in text.partition("What Changed Meanwhile")[2].partition("## Evidence")[0]
    plan = render(write("monitoring-plan", records, head, now), "md")
    assert "| 4 to 24 " in plan
    assert "no-invocations" in plan


def test_a_budget_of_the_evaluation_is_crossed_by_what_the_gates_used():
    """Tokens that the agent told in its gates, at the plan's prices; before any user has seen the candidate."""
    budget = Budget("evaluation", 0.01, 100_000, Crossing.ROLLBACK)
    sim = served()
    sim.gates.usage = {"input_tokens": 3000, "output_tokens": 1000}
    sim.release(quick_plan(budgets=(budget,), usd_per_million_input=1.0, usd_per_million_output=5.0))
    ended = sim.run_to_the_end()
    (crossed,) = sim.records("budget.crossed")
    assert (crossed.body["usd"], crossed.body["tokens"]) == (0.016, 8000)
    assert ended.phase in {Phase.FAILED, Phase.ROLLED_BACK}
    assert "budget per evaluation: 0.02 USD spent of 0.01 USD" in crossed.body["detail"]
