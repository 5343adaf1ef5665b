"""Runbooks: every check runs, says bad where it is bad, and "not measured" where nothing can be seen."""

from dataclasses import replace

import pytest
from sims import WORSE, quick_plan, served, stepping

from headgate.controller import commands, diagnose, handoff, incidents, queries
from headgate.controller.diagnose import CHECKS, Ping, Scene
from headgate.core.model import Phase
from headgate.errors import RefusedError, Unavailable, UsageError
from headgate.ports import Entry
from headgate.reports.incident import incident_report
from headgate.reports.render import render
from headgate.reports.runbooks import RUNBOOKS, by_name, fitting
from headgate.reports.write import write
from headgate.testing.simulation import AGENT


def scene(sim, **more):
    members = {
        "store": sim.store,
        "platform": sim.platform,
        "traffic": sim.traffic,
        "ping": lambda _: Ping(True, 0.01, "status 200"),
        "home_problems": list,
        "agent": commands.served(sim.store, AGENT),
        "rollout": sim.rollout if sim.rollout_id else None,
        "now": sim.clock.now(),
    }
    return Scene(**{**members, **more})


def answers(sim, book, **more):
    return {c["check"]: (c["answer"], c["detail"]) for c in diagnose.run(by_name(book), scene(sim, **more))}


def test_the_seven_and_their_checks():
    """What the status document's team wrote for, each with checks that exist and words that lead to it."""
    assert [book.name for book in RUNBOOKS] == [
        "agent-not-responding",
        "error-rate",
        "latency",
        "configuration",
        "permission",
        "cost",
        "memory",
    ]
    assert {check for book in RUNBOOKS for check in book.checks} == set(CHECKS)
    assert fitting("alarm latency-p95 of the candidate").name == "latency"
    assert fitting("the baseline does not answer").name == "agent-not-responding"
    assert fitting("alarm cost-per-day of the candidate").name == "cost"
    assert fitting("something odd").name == "error-rate"
    with pytest.raises(UsageError, match="no runbook"):
        by_name("nope")


def test_what_is_bad_is_told_as_bad():
    """A failing candidate, a moved endpoint, a forced gateway, a dead process, an open state directory."""
    sim = stepping()
    sim.laws["2"] = WORSE
    sim.run_turns(4)
    found = answers(sim, "error-rate")
    assert found["errors"][0] == "bad"
    assert "candidate fails above 5 %" in found["errors"][1]
    assert found["configuration"][0] == "ok"
    assert "settings that differ: source" in found["configuration"][1]
    assert answers(sim, "agent-not-responding", ping=lambda _: Ping(False, 2.0, "timeout"))["ping"][0] in {
        "bad",
        "not measured",
    }
    sim.traffic.force_down(AGENT, "ana", "it lies")
    assert answers(sim, "agent-not-responding")["gateway"] == (
        "bad",
        "version 1 serves, 0 % of new sessions to 2; forced down by ana: it lies",
    )
    sim.platform.pin(AGENT, "production", "2")
    moved = replace(sim.rollout, candidate=None)
    assert answers(sim, "configuration", rollout=moved)["endpoints"][0] == "bad"
    found = answers(sim, "permission", home_problems=lambda: ["admin.token can be read by others"])
    assert found["permissions"] == ("bad", "admin.token can be read by others")
    sim.store.append(
        [Entry("effect.failing", {"key": "k", "error": "AccessDenied", "attempts": 1}, sim.rollout_id)], 0.0
    )
    assert answers(sim, "permission")["refusals"][0] == "bad"


def test_memory_and_cost_are_compared():
    """A candidate that holds or costs much more than the baseline; a platform that tells nothing is no good news."""
    sim = stepping()
    sim.run_turns(5)
    assert answers(sim, "memory")["memory"][0] == "not measured"

    class Telling:
        def version(self, agent, number):
            state = sim.platform.version(agent, number)
            return replace(state, rss_bytes=10_000_000 * int(number) ** 2, restarts=int(number) - 1)

    found = answers(sim, "memory", platform=Telling())
    assert found["memory"] == ("bad", "the candidate holds 4.0 times as much; baseline: 10 MB; candidate: 40 MB")
    assert found["restarts"][0] == "bad"
    assert "USD in the last day, no budget" in answers(sim, "cost")["cost"][1]


def test_what_cannot_be_seen_is_not_measured():
    """A platform and a gateway that are away, no turn at all: never ok."""
    sim = served()
    sim.platform.trouble = sim.traffic.trouble = Unavailable("it cannot be reached")
    found = answers(sim, "agent-not-responding", now=sim.clock.now() + 90_000.0)
    assert {name: answer for name, (answer, _) in found.items()} == {
        "gateway": "not measured",
        "status": "not measured",
        "ping": "not measured",
        "endpoints": "not measured",
        "traffic": "bad",
        "errors": "not measured",
        "restarts": "not measured",
    }


def test_the_post_mortem_draft():
    """From the ledger alone: times, impact, evidence, diagnosis, cause; what is missing is said; also early."""
    sim = served(laws={"2": WORSE})
    sim.release(quick_plan())
    sim.run_to_the_end()
    sim.run_turns(2)
    found = incidents.all_of(sim.store)[0]

    def draft():
        records = incidents.records(sim.store, found)
        return render(incident_report(records, found.id, sim.store.head(), sim.clock.now()), "md")

    early = draft()
    assert "It is not resolved." in early
    assert "No runbook was run on it." in early
    assert "nobody has acknowledged it" in early
    book = by_name("error-rate")
    body = diagnose.entry_body(found, book, "ines", diagnose.run(book, scene(sim)))
    sim.store.append([Entry("incident.diagnosed", body, found.rollout)], sim.clock.now())
    who = commands.Who("ines", "v2 is gone", sim.clock.now())
    incidents.acknowledge(sim.store, found.id, who)
    incidents.resolve(sim.store, found.id, "the prompt", who)
    late = draft()
    for said in (
        "cause: the prompt",
        "error-rate [",
        "| cut over |",
        "failed session",
        "turns of live sessions: not rec",
    ):
        assert said in late, said
    assert "incident to webhook https://example.invalid: sent" in late
    with pytest.raises(UsageError, match="no incident"):
        incident_report(incidents.records(sim.store, found), "INC-9", sim.store.head(), sim.clock.now())
    by_hand = incidents.open_by_hand(sim.store, AGENT, "P3", "odd", who)
    records = incidents.records(sim.store, by_hand)
    assert "odd" in render(incident_report(records, by_hand.id, sim.store.head(), sim.clock.now()), "html")


def test_a_handoff_is_accepted_once_by_name():
    """Not before it is written; then on the ledger and in the reports; then no more. A drill is told beside it."""
    sim = served()
    sim.release(quick_plan())
    who = commands.Who("ines", "read it", sim.clock.now())
    with pytest.raises(RefusedError, match="nothing to accept"):
        handoff.accept(sim.store, sim.rollout_id, who)
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    with pytest.raises(UsageError, match="who accepts"):
        handoff.accept(sim.store, sim.rollout_id, replace(who, by=" "))

    def report(name):
        return render(write(name, queries.records(sim.store, sim.rollout), sim.store.head(), sim.clock.now()), "md")

    assert "no acceptance is on the ledger" in report("status")
    assert "this drill was not run" in report("dr-plan")
    assert "no drill is on the ledger" in report("status")
    handoff.accept(sim.store, sim.rollout_id, who)
    drilled = {"agent": AGENT, "drill": "rollback", "by": "ines", "passed": True, "recovery_s": 1.5}
    more = {"turns_failed": 0, "records_lost": 0, "detail": "restored in 1.5 s"}
    sim.store.append([Entry("drill", {**drilled, **more})], sim.clock.now())
    assert "acceptance by operations: ines" in report("status")
    assert "DR plan drilled: rollback passed" in report("status")
    assert "at most 1.5 s" in report("dr-plan")
    assert "no drill measured data loss" not in report("handoff")
    with pytest.raises(RefusedError, match="accepted by ines"):
        handoff.accept(sim.store, sim.rollout_id, replace(who, by="ben"))
