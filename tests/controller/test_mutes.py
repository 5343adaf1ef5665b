"""Planned maintenance: muted alarms lead to nothing until the mute is over, and then what still rings acts."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sims import WORSE, in_phase, quick_plan, served
from test_alarm_incidents import ALARMS, alarm, opened, promoted
from test_monitored_window import MUSTS, day_plan, in_the_window

from headgate.cli.main import cli
from headgate.controller import mutes
from headgate.controller.commands import Who
from headgate.core.model import Phase
from headgate.core.plan import AlarmSpec, Escalation, Receiver, WindowPhase
from headgate.errors import NotFound, UsageError
from headgate.ports import Agent, Change, Message
from headgate.store.sqlite import SqliteStore
from headgate.testing.examples import NOW, example_plan, example_rollout
from headgate.testing.fake_sessions import Law
from headgate.testing.simulation import AGENT

HOUR = 3600.0
SLOW = (AlarmSpec("slow", "p95", ">", 5.0, 300.0, 1, 1),)


def who(sim, by="ines", reason="the database moves"):
    return Who(by, reason, sim.clock.now())


def muted(sim, *alarms, lasts=HOUR, begins=0.0, name="db"):
    since = sim.clock.now() + begins
    return mutes.put(sim.store, mutes.Mute(name, AGENT, alarms, since, since + lasts, "", "", ""), who(sim))


def rang(sim, name):
    """The states of the candidate's alarm, one after the other."""
    return [r.body["to"] for r in sim.records("alarm") if (r.body["name"], r.body["variant"]) == (name, "candidate")]


@pytest.mark.parametrize("how", ["its time", "a person"])
def test_what_rings_on_when_it_is_over_acts(how):
    """An hour of errors under a mute opens nothing; when it ends, by itself or by a person, the alarm that still rings
    does; also where another controller began meanwhile.
    """
    sim = promoted()
    muted(sim)
    sim.laws["2"] = WORSE
    sim.run_turns(40)
    assert "ALARM" in [r.body["to"] for r in sim.records("alarm")]
    assert opened(sim) == []
    sim.restart("controller-2")
    sim.run_turns(2)
    assert opened(sim) == []
    if how == "a person":
        mutes.end(sim.store, "db", who(sim, reason="done"))
        sim.run_turns(2)
    else:
        sim.run_turns(25)
    assert opened(sim) == [("P2", "alarm error-rate of version 2")]


def test_what_was_ok_again_before_the_end_does_not():
    """Rang and was OK within the mute: nobody hears of it, then or later."""
    sim = promoted()
    muted(sim)
    sim.laws["2"] = WORSE
    sim.run_turns(15)
    sim.laws["2"] = Law()
    sim.run_turns(80)
    assert rang(sim, "error-rate")[-2:] == ["ALARM", "OK"]
    assert opened(sim) == []


def test_only_the_alarms_that_it_names_of_its_agent_in_its_time():
    """Another alarm, before it begins and after it ends: as ever."""
    sim = promoted()
    muted(sim, "latency-p95", begins=600.0, lasts=600.0)
    alarm(sim, "latency-p95")
    sim.run_turns(2)
    assert opened(sim) == [("P3", "alarm latency-p95 of version 2")]
    sim.run_turns(10)
    alarm(sim, critical=True)
    sim.run_turns(2)
    assert len(sim.records("incident.joined")) == 1, "the other alarm is not muted"
    alarm(sim, "latency-p95", to="OK")
    alarm(sim, "latency-p95")
    sim.run_turns(2)
    assert len(sim.records("incident.joined")) == 1
    sim.run_turns(10)
    assert len(sim.records("incident.joined")) == 2


def test_in_the_window_a_muted_alarm_breaches_nothing_and_proves_nothing():
    """The release is not taken back for it; a window that ends meanwhile waits for a person."""
    sim = in_the_window(day_plan((WindowPhase(HOUR, 60.0),), MUSTS[1:2], SLOW))
    muted(sim, "slow", lasts=6 * HOUR)
    sim.run_turns(10)
    sim.laws["2"] = Law(latency_ms=9000.0)
    sim.run_turns(20)
    (found,) = [r for r in sim.rollout.window.results if r.name == "alarms"]
    assert (sim.rollout.phase, found.met) == (Phase.VALIDATING, None)
    assert "in ALARM while muted: slow" in found.detail
    held = sim.run_until(in_phase(Phase.PAUSED), limit_s=2 * HOUR)
    assert "alarms ok is not measured" in held.hold.reason
    assert sim.store.read(kinds=("incident.opened",)) == []


def test_what_rang_while_it_was_muted_is_forgiven():
    """It was OK before the window's end: the release is promoted, and the ledger has the ringing."""
    sim = in_the_window(day_plan((WindowPhase(2 * HOUR, 60.0),), MUSTS[1:2], SLOW))
    muted(sim, "slow")
    sim.laws["2"] = Law(latency_ms=9000.0)
    sim.run_turns(12)
    sim.laws["2"] = Law()
    ended = sim.run_until(lambda r: r.phase in {Phase.COMPLETED, Phase.PAUSED}, limit_s=3 * HOUR)
    assert rang(sim, "slow")[-2:] == ["ALARM", "OK"]
    assert ended.phase is Phase.COMPLETED


def test_messages_are_kept_back_by_a_mute_of_everything():
    """Of incidents but P1, of escalations, of budgets; not what asks people or says what happened; of its agent."""
    sim = served()
    hook = Receiver("webhook", "https://example.invalid/x", ("incident",))

    def put(key, event, about=AGENT, severity=""):
        sim.store.append([], sim.clock.now(), [Message(key, "", event, "x", hook, 0.0, about, severity=severity)])

    muted(sim)
    put("a", "budget")
    put("b", "rollback")
    put("c", "approval")
    put("d", "budget", about="another")
    put("e", "incident", severity="P1")
    put("f", "incident", severity="P2")
    for _ in range(8):
        sim.courier.turn()
    ends = {d.message.key: d.state for d in sim.store.deliveries()}
    assert ends == {"a": "muted", "b": "sent", "c": "sent", "d": "sent", "e": "sent", "f": "muted"}
    (record, _) = [r for r in sim.store.read(kinds=("notification",)) if r.body["result"] == "muted"]
    assert record.body["error"] == "db, by ines: the database moves"
    sim.clock.advance(2 * HOUR)
    put("g", "budget")
    for _ in range(2):
        sim.courier.turn()
    assert sim.store.deliveries()[-1].state == "sent"


def test_an_escalation_comes_when_the_mute_is_over():
    """An incident that was open before it: its step that fell due meanwhile was kept back, the next one is told."""
    plan = quick_plan(
        escalation=(Escalation("P4", 300.0, ("lead",)), Escalation("P4", 2 * HOUR, ("lead",))),
        notify=(Receiver("webhook", "https://example.invalid/l", ("escalation",), "lead"),),
    )
    sim = served(laws={"2": WORSE})
    sim.release(plan)
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    muted(sim)
    sim.turn_s, sim.sessions.grain_s = 60.0, 60
    sim.run_turns(130)
    states = [d.state for d in sim.store.deliveries() if d.message.event == "escalation"]
    assert states == ["muted", "sent"]


@pytest.mark.parametrize(
    ("change", "by", "reason", "error"),
    [
        ({"name": "Bad Name"}, "ines", "x", "no name for a mute"),
        ({"until": NOW + 30.0}, "ines", "x", "between a minute and 15 days"),
        ({"until": NOW + 16 * 86_400.0}, "ines", "x", "between a minute and 15 days"),
        ({"alarms": ("nothing",)}, "ines", "x", "has no alarm nothing"),
        ({}, "", "x", "needs a name and a reason"),
        ({}, "ines", "", "needs a name and a reason"),
    ],
)
def test_what_is_no_mute(tmp_path, change, by, reason, error):
    """By name, with a reason, with an end, of an alarm that is there."""
    store = kept(tmp_path)
    asked = replace(mutes.Mute("db", "coach", (), NOW, NOW + HOUR, "", "", ""), **change)
    with pytest.raises(UsageError, match=error):
        mutes.put(store, asked, Who(by, reason, NOW))
    assert store.read() == []
    with pytest.raises(NotFound):
        mutes.put(store, replace(asked, agent="nobody"), Who("ines", "x", NOW))
    with pytest.raises(NotFound):
        mutes.end(store, "db", Who("ines", "x", NOW))
    store.close()


def kept(tmp_path):
    """A store with an agent that has alarms."""
    store = SqliteStore(tmp_path / "store.db")
    lease = store.acquire("agent/coach", "c", 30.0, NOW)
    plan = replace(example_plan(), agent="coach", alarms=ALARMS)
    store.commit(Change(agent=Agent("coach", "r", "arn", example_rollout().baseline, plan=plan)), lease, NOW)
    return store


def test_the_commands(tmp_path):
    """Set, shown, set again, ended; each on the ledger."""
    kept(tmp_path).close()

    def run(*words):
        return CliRunner().invoke(cli, ["--home", str(tmp_path), "mute", *words])

    made = run("set", "db", "--agent", "coach", "--alarm", "error-rate", "--for", "2h", "--reason", "x", "--by", "ines")
    assert made.exit_code == 0, made.output
    assert "db (in force): coach, error-rate" in made.output
    again = run(
        "set", "db", "--agent", "coach", "--for", "3h", "--in", "1h", "--reason", "later", "--by", "ben", "--json"
    )
    assert json.loads(again.output)["until"] - json.loads(again.output)["from"] == 3 * HOUR
    assert "all alarms, and messages" in run("list").output
    first, second = json.loads(run("list", "--json").output)
    assert first["until"] <= second["from"]
    assert (first["state"], second["state"]) == ("over", "to come")
    assert "db (over): coach" in run("end", "db", "--reason", "enough").output
    assert run("set", "db", "--agent", "coach", "--for", "soon", "--reason", "x").exit_code == 2
    store = SqliteStore(tmp_path / "store.db")
    assert [r.kind for r in store.read()] == ["mute.set", "mute.set", "mute.ended"]
    store.close()
