"""Incidents: once per event, escalated while nobody has seen them, ended by a person; all of it under a fake clock."""

from dataclasses import replace

import pytest
from sims import WORSE, assert_sound, quick_plan, served, stepping

from headgate.controller import commands, incidents
from headgate.core.model import Phase
from headgate.core.plan import Escalation, Receiver
from headgate.errors import NotFound, RefusedError, UsageError
from headgate.ports import Entry
from headgate.reports.incident import incident_report
from headgate.reports.render import render
from headgate.testing.simulation import AGENT

LEAD = Receiver("webhook", "https://example.invalid/lead", ("escalation",), "lead")
BOSS = replace(LEAD, target="https://example.invalid/boss", name="boss")
STEPS = (
    Escalation("P2", 300.0, ("lead",)),
    Escalation("P2", 900.0, ("lead", "boss")),
    Escalation("P1", 60.0, ("boss",)),
)


def who(sim, by="ines", reason="on it"):
    return commands.Who(by, reason, sim.clock.now())


def taken_back(**more):
    """A release that was taken back, with an escalation in its plan."""
    sim = served(laws={"2": WORSE})
    plan = quick_plan(escalation=STEPS, **more)
    sim.release(replace(plan, notify=(*plan.notify, LEAD, BOSS)))
    sim.run_to_the_end()
    return sim


def escalated(sim):
    return [(r.body["step"], r.body["to"]) for r in sim.records("incident.escalated")]


def test_a_rollback_opens_one_with_evidence():
    """One incident, frozen when it began: a series of both versions, the decisions before it, what is not there."""
    sim = taken_back()
    (found,) = incidents.all_of(sim.store)
    assert (found.severity, found.state, found.agent) == ("P2", "open", AGENT)
    body = found.frozen.body
    assert {row["version"] for row in body["series"]} == {"1", "2"}
    assert sum(row["errors"] for row in body["series"] if row["version"] == "2") > 0
    assert sim.rollout.rollback.reason in [d["reason"] for d in body["decisions"]]
    assert body["live_turns"].startswith("not recorded")
    assert found.times.cut_over is not None
    assert_sound(sim)


def test_escalated_at_each_deadline_until_somebody_has_seen_it():
    """In order, each once, to those that the plan names; a restart escalates nothing again; P1's step is not P2's."""
    sim = taken_back()
    opened = incidents.all_of(sim.store)[0].at
    assert escalated(sim) == []
    sim.run_until(lambda _: sim.clock.now() >= opened + 310.0)
    assert escalated(sim) == [(0, ["lead"])]
    sim.restart()
    sim.run_turns(5)
    assert escalated(sim) == [(0, ["lead"])]
    sim.run_until(lambda _: sim.clock.now() >= opened + 910.0)
    assert escalated(sim) == [(0, ["lead"]), (1, ["lead", "boss"])]
    told = [text for _, event, text in sim.channel.sent if event == "escalation"]
    assert len(told) == 3
    assert "not acknowledged after 300 s" in told[0]


def test_who_has_seen_it_ends_the_escalation():
    """By name, once, on the ledger."""
    sim = taken_back()
    found = incidents.acknowledge(sim.store, incidents.all_of(sim.store)[0].id, who(sim))
    assert (found.state, found.acknowledged.by) == ("acknowledged", "ines")
    with pytest.raises(RefusedError, match="acknowledged already, by ines"):
        incidents.acknowledge(sim.store, found.id, who(sim, "ben"))
    sim.clock.advance(3600.0)
    sim.controller.turn()
    sim.courier.turn()
    assert escalated(sim) == []


def test_a_resolution_has_a_cause_a_name_and_a_reason():
    """And tells those who want to know, once."""
    sim = taken_back(notify=(Receiver("webhook", "https://example.invalid/hook", ("resolved",)),))
    name = incidents.all_of(sim.store)[0].id
    for cause, by, reason in (("", "ines", "x"), ("prompt", "", "x"), ("prompt", "ines", "")):
        with pytest.raises(UsageError):
            incidents.resolve(sim.store, name, cause, who(sim, by, reason))
    found = incidents.resolve(sim.store, name, "prompt", who(sim, reason="v3 is gone"))
    assert (found.state, found.resolved.cause, found.resolved.reason) == ("resolved", "prompt", "v3 is gone")
    with pytest.raises(RefusedError, match="resolved by ines: prompt"):
        incidents.resolve(sim.store, name, "other", who(sim))
    sim.run_turns(3)
    assert [event for _, event, _ in sim.channel.sent] == ["resolved"]


def alarm(sim, name="error-rate", variant="candidate", to="ALARM", critical=True):
    body = {"name": name, "variant": variant, "from": "OK", "to": to, "critical": critical}
    sim.store.append([Entry("alarm", body, sim.rollout_id)], sim.clock.now())


def test_a_critical_alarm_opens_one_and_what_follows_is_part_of_it():
    """The alarm, a second alarm and the rollback that they lead to are one event: one incident, told once."""
    sim = stepping()
    alarm(sim, variant="baseline")
    alarm(sim, critical=False)
    alarm(sim, to="OK")
    sim.run_turns(3)
    assert incidents.all_of(sim.store) == []
    alarm(sim)
    sim.run_turns(2)
    alarm(sim, "latency-p95")
    sim.restart()
    sim.run_turns(3)
    (found,) = incidents.all_of(sim.store)
    assert (found.severity, found.title) == ("P2", "alarm error-rate of the candidate")
    assert found.cause in {r.id for r in sim.records("alarm")}
    rang = [r for r in sim.records("alarm") if r.body["critical"] and r.body["to"] == "ALARM"][-2:]
    sim.laws["2"] = WORSE
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    (found,) = incidents.all_of(sim.store)
    joined = [r.body.get("cause") for r in sim.records("incident.joined")]
    assert joined == [rang[1].id, None], "the second alarm, and the rollback"
    assert sim.rollout.incident == found.id
    assert sum(event == "incident" for _, event, _ in sim.channel.sent) == 1


def test_a_person_opens_one():
    """Of an agent, with its running rollout; of a rollout; not of nothing."""
    sim = served()
    made = incidents.open_by_hand(sim.store, AGENT, "P2", "wrong language", who(sim))
    assert (made.agent, made.rollout, made.by) == (AGENT, "", "ines")
    assert made.frozen.body["series"]
    sim.turn()
    report = incident_report(incidents.records(sim.store, made), made.id, sim.store.head(), sim.clock.now())
    assert "incident to webhook https://example.invalid: sent" in render(report, "md"), "told, though no rollout runs"
    sim.clock.advance(1.0)
    sim.release(quick_plan())
    again = incidents.open_by_hand(sim.store, AGENT, "P4", "odd", who(sim))
    assert again.rollout == sim.rollout_id
    sim.turn()
    assert [text for _, event, text in sim.channel.sent if event == "incident"][-1] == f"{again.id} P4: odd"
    with pytest.raises(NotFound, match="no agent and no rollout 'nobody'"):
        incidents.open_by_hand(sim.store, "nobody", "P2", "x", who(sim))
    with pytest.raises(UsageError, match="no severity"):
        incidents.open_by_hand(sim.store, AGENT, "P9", "x", who(sim))
    assert incidents.find(sim.store, made.id[-6:]).id == made.id
    with pytest.raises(NotFound, match="incident list"):
        incidents.find(sim.store, "INC-9")
