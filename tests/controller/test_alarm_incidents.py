"""Alarms that open incidents: at 100 %, after the promotion, once for each event; and the failing turns they freeze."""

from dataclasses import dataclass, field, replace

import pytest
from sims import WORSE, assert_sound, in_phase, quick_plan, served, stepping

from headgate.controller import incidents
from headgate.controller.frozen import frozen
from headgate.core.model import Phase
from headgate.core.plan import AlarmSpec, Criterion, Tier, Validation, WindowPhase
from headgate.core.recorded import Recording
from headgate.errors import Unavailable
from headgate.ports import Entry, FailingTurn
from headgate.reports.incident import incident_report
from headgate.reports.render import to_markdown
from headgate.testing.simulation import AGENT

ALARMS = (
    AlarmSpec("error-rate", "error_rate", ">", 0.05, 300.0, 1, 1, critical=True),
    AlarmSpec("latency-p95", "p95", ">", 60.0, 300.0, 1, 1),
)


@dataclass
class Kept:
    """What a gateway keeps of failing turns."""

    turns: list = field(default_factory=list)
    trouble: Exception | None = None

    def failing(self, agent):
        assert agent == AGENT
        if self.trouble:
            raise self.trouble
        return self.turns


def turn(version="2", t=1.0, said="hello"):
    return FailingTurn(t, f"s{t:g}", "candidate", version, 3, "http_5xx", 12.0, said, '{"error": "boom"}')


def promoted(alarms=ALARMS, **more):
    """A release that was promoted, and is looked at every quarter of an hour; a turn is a minute from then on."""
    plan = quick_plan(alarms=alarms, **more)
    sim = served(sessions_per_minute=lambda now: 300.0 if now < 1_800_000_600.0 else 4.0)
    sim.release(replace(plan, validation=replace(plan.validation, after_every_s=900.0)))
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    sim.turn_s, sim.sessions.grain_s = 60.0, 60
    sim.run_turns(5)
    return sim


def opened(sim):
    return [(i.severity, i.title) for i in incidents.all_of(sim.store)]


def alarm(sim, name="error-rate", to="ALARM", **more):
    body = {"name": name, "variant": "candidate", "from": "OK", "to": to, "critical": False, "acts": True, **more}
    sim.store.append([Entry("alarm", body, sim.rollout_id)], sim.clock.now())


def test_an_alarm_after_the_promotion_opens_one():
    """No rollout runs, and still people are told: once, also when a controller is killed meanwhile; what rings until it
    is resolved is part of it, and what rings after that is another event.
    """
    sim = promoted()
    assert opened(sim) == []
    sim.laws["2"] = WORSE
    sim.run_turns(10)
    assert opened(sim) == [("P2", "alarm error-rate of version 2")]
    sim.restart("controller-2")
    sim.laws["2"] = replace(WORSE, error=0.0)
    sim.run_turns(10)
    sim.laws["2"] = WORSE
    sim.run_turns(10)
    assert len(opened(sim)) == 1
    (found,) = incidents.all_of(sim.store)
    assert len(found.joined) == 1, "it was OK, and rang again"
    who = incidents.Who("ines", "v3 is out", sim.clock.now())
    incidents.resolve(sim.store, found.id, "prompt", who)
    sim.restart("controller-3")
    sim.run_turns(5)
    assert len(opened(sim)) == 1, "the alarm still rings: that event is over for people"
    sim.laws["2"] = replace(WORSE, error=0.0)
    sim.run_turns(10)
    sim.laws["2"] = WORSE
    sim.run_turns(10)
    assert opened(sim) == [("P2", "alarm error-rate of version 2")] * 2
    assert sum(event == "incident" for _, event, _ in sim.channel.sent) == 2
    assert_sound(sim)


def test_any_alarm_that_acts_and_only_that():
    """After the promotion an alarm that is not critical is a P3; one of a composite, of the baseline, or OK is none."""
    sim = promoted()
    alarm(sim, acts=False)
    alarm(sim, variant="baseline", critical=True)
    alarm(sim, to="OK")
    sim.run_turns(3)
    assert opened(sim) == []
    alarm(sim, "latency-p95")
    sim.run_turns(3)
    assert opened(sim) == [("P3", "alarm latency-p95 of version 2")]
    alarm(sim, critical=True)
    sim.run_turns(3)
    assert opened(sim) == [("P2", "alarm latency-p95 of version 2")], "the worse one makes it worse"


def test_nobody_is_woken_by_the_past():
    """An alarm that rang long ago and was OK since, and one of a version that another has taken the place of."""
    sim = promoted()
    sim.controller.close()
    alarm(sim)
    sim.clock.advance(60.0)
    alarm(sim, to="OK")
    sim.clock.advance(7200.0)
    sim.restart("controller-2")
    sim.run_turns(3)
    assert opened(sim) == []
    old = sim.rollout_id
    sim.controller.close()
    sim.turn_s, sim.sessions.grain_s = 1.0, 1
    sim.restart("controller-3")
    sim.release(quick_plan("./v3"))
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    sim.store.append([Entry("alarm", {"name": "x", "variant": "candidate", "from": "OK", "to": "ALARM"}, old)], 0.0)
    sim.run_turns(3)
    assert opened(sim) == []


def test_in_the_window_an_alarm_that_is_no_must_is_a_p3():
    """It breaches nothing and takes nothing back; people know of it, and no criterion counts it."""
    window = Validation((WindowPhase(3600.0, 60.0),), (Criterion(Tier.MUST, "incidents", "is", "none", "none"),))
    sim = served()
    sim.release(quick_plan(alarms=ALARMS, validation=window))
    sim.run_until(in_phase(Phase.VALIDATING))
    alarm(sim, "latency-p95")
    sim.run_turns(90)
    assert opened(sim) == [("P3", "alarm latency-p95 of the candidate")]
    assert (sim.rollout.phase, sim.rollout.window.results[0].met) == (Phase.VALIDATING, True)
    alarm(sim, critical=True)
    sim.run_turns(90)
    assert sim.rollout.phase is Phase.ROLLED_BACK or sim.rollout.window.results[0].met is False


def test_before_100_percent_the_analysis_decides():
    """An alarm that is not critical opens nothing while the candidate has a part of the sessions."""
    sim = stepping(quick_plan(alarms=ALARMS))
    alarm(sim, "latency-p95")
    sim.run_turns(2)
    assert sim.rollout.phase is Phase.STEPPING
    assert opened(sim) == []


def test_red_before_the_release_is_nobodys_event_until_it_was_ok():
    """A critical alarm that the baseline had: the candidate's copy of it opens nothing; after an OK it does."""
    red = AlarmSpec("too-dear", "cost_per_day", ">", 0.01, 60.0, 1, 1, critical=True)
    sim = served()
    sim.run_turns(150)
    window = Validation((WindowPhase(3600.0, 60.0),), ())
    sim.release(quick_plan(alarms=(red,), validation=window))
    sim.run_until(in_phase(Phase.VALIDATING))
    sim.run_turns(120)
    assert [r.body["to"] for r in sim.records("alarm") if r.body["variant"] == "candidate"] == ["ALARM"]
    assert opened(sim) == []
    alarm(sim, "too-dear", to="OK", critical=True)
    alarm(sim, "too-dear", critical=True)
    sim.run_turns(2)
    assert [severity for severity, _ in opened(sim)] == ["P2"]


def test_failing_turns_are_frozen_where_the_plan_keeps_them():
    """The last few of each version, redacted once more by the plan's patterns, cut; on the ledger and in the draft."""
    sim = served(laws={"2": WORSE})
    kept = Kept(
        [turn(t=float(i), said=f"I am ada@example.com, ACME-7{i}") for i in range(9)] + [turn("1", said="x" * 900)]
    )
    plan = quick_plan(recording=Recording(0.2, redact=(r"ACME-\d+",), failing=1.0))
    sim.world = replace(sim.world, recordings=kept)
    sim.restart()
    sim.release(plan)
    sim.run_to_the_end()
    (found,) = incidents.all_of(sim.store)
    turns = found.frozen.body["failing_turns"]
    assert [(t["version"], t["t"]) for t in turns] == [("1", 1.0), *(("2", float(i)) for i in range(4, 9))]
    assert turns[1]["said"] == "I am [e-mail], [redacted]"
    assert len(turns[0]["said"]) == 600
    assert found.frozen.body["live_turns"] == "the last that failed of 100% of the sessions, by consent, redacted"
    assert "ada@example" not in str([r.body for r in sim.store.read()])
    draft = to_markdown(
        incident_report(incidents.records(sim.store, found), found.id, sim.store.head(), sim.clock.now())
    )
    assert "I am [e-mail], [redacted]" in draft.replace("\\", "")
    assert "http\\_5xx" in draft or "http_5xx" in draft


@pytest.mark.parametrize(
    ("recording", "kept", "said"),
    [
        (None, Kept([turn()]), "the plan's `recording` keeps none"),
        (Recording(0.5, failing=0.0), Kept([turn()]), "the plan's `recording` keeps none"),
        (Recording(0.5), None, "nothing here keeps them"),
        (Recording(0.5), Kept(), "none failed of late"),
        (Recording(0.5), Kept(trouble=Unavailable("away")), "not to be read: away"),
    ],
)
def test_where_there_are_none_the_evidence_says_why(recording, kept, said):
    """No switch, no keeper, no failure, no answer: four different things."""
    sim = stepping(quick_plan(recording=recording))
    body = frozen(sim.store, kept, sim.rollout, None, sim.clock.now())
    assert said in body["live_turns"]
    assert body["failing_turns"] == []
