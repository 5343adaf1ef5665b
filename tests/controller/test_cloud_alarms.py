"""Alarms kept on AWS, in simulated releases: made once, read as facts, never believed where unread, cleared away."""

from dataclasses import replace

import pytest
from sims import ENDED, assert_sound, in_phase, quick_plan, served

from headgate.controller import queries
from headgate.core.clouds import CloudWatch, WatchedAlarm
from headgate.core.model import Phase
from headgate.core.plan import AlarmSpec, CompositeSpec, Criterion, Tier, Validation, WindowPhase
from headgate.errors import Rejected, Throttled, TimedOut, Unavailable
from headgate.reports.handoff import handoff_package
from headgate.reports.history import History
from headgate.reports.monitoring_plan import monitoring_plan
from headgate.reports.render import to_markdown
from headgate.testing.contracts_alarms import AlarmsContract, version
from headgate.testing.fake_alarms import FakeAlarms
from headgate.testing.simulation import AGENT

MUST = (Criterion(Tier.MUST, "alarms", "is", "ok", "ok"),)
ERRORS = AlarmSpec("error-rate", "error_rate", ">", 0.05, 60.0, 1, 1, critical=True)
USAGE = AlarmSpec("usage", "invocations", ">", 1e6, 60.0, 1, 1, scope="agent")
COST = AlarmSpec("cost", "cost", ">", 500.0, 60.0, 1, 1, "notBreaching")
BOTH = CompositeSpec("both", "ALARM(error-rate) AND ALARM(usage)")


class TestFakeAlarms(AlarmsContract):
    @pytest.fixture
    def alarms(self):
        return FakeAlarms()


def plan(*watch, alarms=(ERRORS, USAGE, COST), composites=(), window_s=600.0, **more):
    """The quick plan with its alarms on AWS, save for the cost."""
    cloud = CloudWatch(**{"create": True, "watch": watch, **more})
    window = Validation((WindowPhase(window_s, 30.0),), MUST)
    return quick_plan(alarms=alarms, composites=composites, cloudwatch=cloud, validation=window)


def rate(now):
    """Sessions a minute: few, once the steps are over."""
    return 300.0 if now < 1_800_000_100.0 else 4.0


def released(asked, **more):
    """A simulation that releases it."""
    sim = served(sessions_per_minute=rate, **more)
    sim.alarms.stay = {"cost": "no cost there"}
    sim.release(asked)
    return sim


def there(sim, variant, alarm):
    return f"headgate/{AGENT}/{sim.rollout_id}/{variant}/{alarm}"


def quiet(sim):
    """Everything that was made is OK."""
    for name in sim.alarms.made:
        sim.alarms.set(name, "OK", since=sim.clock.now())


def validating(asked):
    """Its window has begun, and all that was made is OK. From then on a turn is 15 seconds, and so is a row."""
    sim = released(asked)
    sim.run_until(lambda r: bool(sim.alarms.made) or r.phase in ENDED)
    quiet(sim)
    return in_the_window(sim)


def in_the_window(sim):
    sim.run_until(in_phase(Phase.VALIDATING))
    sim.turn_s, sim.sessions.grain_s = 15.0, 15
    return sim


def checked(sim):
    """The last answer of the window about alarms."""
    results = sim.records("evidence.window")[-1].body["results"]
    return next(r for r in results if r["name"] == "alarms")


def test_each_variant_gets_its_alarms_and_the_agent_its_own():
    """By names and tags that say whose they are; what AWS cannot measure stays here, and the ledger says so."""
    sim = validating(plan(composites=(BOTH,)))
    names = [
        there(sim, *each)
        for each in (
            ("baseline", "error-rate"),
            ("candidate", "error-rate"),
            ("agent", "usage"),
            ("baseline", "both"),
            ("candidate", "both"),
        )
    ]
    assert list(sim.alarms.made) == names
    candidate = sim.alarms.made[names[1]]
    assert dict(candidate.tags) == {
        "headgate:agent": AGENT,
        "headgate:release": sim.rollout_id,
        "headgate:variant": "candidate",
        "headgate:version": "2",
    }
    assert [v.number for v in sim.alarms.made[names[2]].versions] == ["1", "2"]
    assert dict(sim.alarms.made[names[4]].parts) == {"error-rate": names[1], "usage": names[2]}
    (made,) = sim.records("alarms.made")
    assert (made.body["alarms"], made.body["here"]) == (names, {"cost": "no cost there"})
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert {"error-rate", "usage", "both", "cost"} == set(sim.records("evidence.window")[-1].body["alarms"])
    assert_sound(sim)


@pytest.mark.parametrize("when", ["its answer is lost", "between doing and noting", "after noting"])
def test_a_controller_that_is_killed_makes_nothing_twice(when):
    """Names are the same whenever they are asked for, and the ledger knows what was made."""
    sim = released(plan())
    if when == "its answer is lost":
        sim.alarms.lost = TimedOut("no answer")
        sim.run_until(lambda _r: bool(sim.records("alarms.failing")))
    elif when == "between doing and noting":
        sim.alarms.lost = SystemExit("killed")
        with pytest.raises(SystemExit):
            sim.run_until(in_phase(Phase.VALIDATING))
    else:
        sim.run_until(lambda _r: bool(sim.records("alarms.made")))
    before = set(sim.alarms.made)
    sim.restart("controller-2")
    sim.run_until(lambda _r: bool(sim.records("alarms.made")))
    quiet(sim)
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    sim.run_turns(5)
    assert sim.alarms.puts == (1 if when == "after noting" else 2)
    assert len(before) == 3
    assert sim.alarms.made == {}
    assert len(sim.records("alarms.made")) == len(sim.records("alarms.ended")) == 1


def test_an_alarm_of_the_candidate_takes_it_back():
    """The state that CloudWatch tells is a fact: an incident, and a must that is breached."""
    sim = validating(plan())
    sim.run_turns(4)
    assert checked(sim)["met"] is True
    sim.alarms.set(there(sim, "candidate", "error-rate"), "ALARM", since=sim.clock.now())
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    rang = [r.body for r in sim.records("alarm") if r.body["to"] == "ALARM"]
    assert [(b["variant"], b["source"], b["critical"]) for b in rang] == [("candidate", "cloudwatch", True)]
    assert sim.records("incident.opened")
    assert_sound(sim)


def test_an_alarm_of_the_baseline_is_not_the_candidates():
    """It is on the ledger, and decides nothing."""
    sim = validating(plan())
    sim.alarms.set(there(sim, "baseline", "error-rate"), "ALARM", since=sim.clock.now())
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert [r.body["variant"] for r in sim.records("alarm") if r.body["to"] == "ALARM"] == ["baseline"]


@pytest.mark.parametrize(
    "trouble", [Rejected("AccessDenied: you may not", "headgate iam PLAN"), Rejected("it is another account's")]
)
def test_an_alarm_that_cannot_be_read_is_neither_good_nor_bad(trouble):
    """The window ends undecided, a person is called, and the reason is told."""
    sim = validating(plan())
    sim.alarms.trouble = trouble
    sim.run_until(lambda r: r.hold is not None or r.phase in ENDED)
    assert sim.rollout.phase is Phase.PAUSED
    assert checked(sim)["met"] is None
    assert trouble.message in checked(sim)["detail"]
    assert trouble.message in sim.records("alarm.reading")[-1].body["why"]
    assert sim.records("evidence.window")[-1].body["alarms"]["error-rate"] == "UNREADABLE"
    assert not [r for r in sim.records("alarm") if r.body["to"] == "ALARM"]


def test_a_busy_cloud_is_waited_for_and_not_for_ever():
    """Throttled for some minutes the last state counts; after five it is not known any more, then it is again."""
    sim = validating(plan(window_s=3600.0))
    sim.run_turns(5)
    sim.alarms.trouble = Throttled("slow down")
    sim.run_turns(17)
    assert checked(sim)["met"] is True
    sim.run_turns(9)
    assert checked(sim)["met"] is None
    assert "slow down" in checked(sim)["detail"]
    sim.alarms.trouble = None
    sim.run_turns(5)
    assert checked(sim)["met"] is True
    assert [bool(r.body["why"]) for r in sim.records("alarm.reading")] == [True, True, True, False, False, False]


def test_a_cloud_that_is_away_keeps_no_rollout_from_going_on_or_back():
    """Alarms that could not be made are said to be so; the rollout is held at the end of its window, not before."""
    sim = released(plan())
    sim.alarms.trouble = Unavailable("nobody answers")
    sim.run_until(lambda r: r.hold is not None or r.phase in ENDED)
    assert sim.rollout.hold.resume_to is Phase.VALIDATING
    assert "nobody answers" in checked(sim)["detail"]
    assert len(sim.records("alarms.failing")) == 1
    sim.say("abort")
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    sim.alarms.trouble = None
    sim.run_turns(9)
    assert sim.records("alarms.ended")


def test_what_was_red_before_the_start_is_not_blamed_on_the_candidate():
    """It neither stops the release nor opens an incident; turned OK and red again, it counts."""
    watch = WatchedAlarm("tools", "tools", "candidate", critical=True)
    sim = served(sessions_per_minute=rate)
    sim.alarms.stay = {"cost": "no cost there"}
    sim.alarms.set("tools", "ALARM", since=sim.clock.now() - 3600)
    sim.release(plan(watch))
    sim.run_until(lambda r: bool(sim.alarms.made) or r.phase in ENDED)
    assert sim.records("evidence.baseline")[0].body["alarms"]["tools"] == "ALARM"
    quiet(sim)
    in_the_window(sim)
    sim.run_turns(5)
    assert checked(sim)["met"] is True
    assert "red before the release, and not counted: tools" in checked(sim)["detail"]
    assert not sim.records("incident.opened")
    sim.alarms.set("tools", "OK", since=sim.clock.now())
    sim.run_turns(5)
    sim.alarms.set("tools", "ALARM", since=sim.clock.now())
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK


def test_what_was_red_before_and_could_not_be_read_is_not_blamed_either():
    """CloudWatch itself says since when: nobody had to look in time."""
    sim = served(sessions_per_minute=rate)
    sim.alarms.set("tools", "ALARM", since=sim.clock.now() - 3600)
    sim.alarms.trouble = Unavailable("nobody answers")
    sim.release(plan(WatchedAlarm("tools", "tools", "candidate", critical=True), create=False, alarms=(COST,)))
    in_the_window(sim)
    assert sim.records("evidence.baseline")[0].body["alarms"]["tools"] == "UNREADABLE"
    sim.alarms.trouble = None
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert "not counted: tools" in checked(sim)["detail"]
    assert not sim.records("incident.opened")


@pytest.mark.parametrize(
    ("endpoint", "whose", "end"),
    [
        ("headgate_b", "candidate", Phase.ROLLED_BACK),
        ("headgate_a", "baseline", Phase.COMPLETED),
        ("", "agent", Phase.PAUSED),
    ],
)
def test_a_watched_alarm_is_whose_endpoint_it_watches(endpoint, whose, end):
    """The candidate's takes it back, the baseline's does nothing, one of neither calls a person."""
    sim = served(sessions_per_minute=rate)
    for number, seat in (("1", "headgate_a"), ("2", "headgate_b")):
        sim.platform.move(number, version(seat, number).url)
    sim.run_turns(10)  # what moved is noted
    sim.alarms.set("tools", "OK", since=1.0, endpoint=endpoint)
    sim.release(plan(WatchedAlarm("tools", "tools"), create=False, alarms=(COST,)))
    in_the_window(sim)
    sim.run_turns(4)
    sim.alarms.set("tools", "ALARM", since=sim.clock.now(), endpoint=endpoint)
    sim.run_until(lambda r: r.phase in ENDED or r.hold is not None)
    assert [r.body["variant"] for r in sim.records("alarm")][-1] == whose
    assert sim.run_until(lambda r: r.phase is end).phase is end
    assert sim.alarms.made == {}


def test_what_a_suppressor_holds_back_leads_to_nothing():
    """A composite in ALARM whose actions are suppressed, and parts of composites, are shown and do not count."""
    sim = validating(plan(composites=(BOTH,)))
    sim.alarms.set(there(sim, "candidate", "both"), "ALARM", since=sim.clock.now(), held=True)
    sim.alarms.set(there(sim, "candidate", "error-rate"), "ALARM", since=sim.clock.now())
    sim.run_turns(5)
    assert checked(sim)["met"] is True
    assert sim.run_to_the_end().phase is Phase.COMPLETED


def test_what_rang_in_the_window_is_not_forgotten():
    """All alarms are on AWS; two were red between two checks, the agent's and the candidate's: OK now is not enough."""
    asked = plan(alarms=(ERRORS, USAGE))
    sim = validating(replace(asked, validation=Validation((WindowPhase(600.0, 300.0),), MUST)))
    for state in ("ALARM", "OK"):
        for whose, alarm in (("agent", "usage"), ("candidate", "error-rate")):
            sim.alarms.set(there(sim, whose, alarm), state, since=sim.clock.now())
        sim.run_turns(3)
    sim.run_until(lambda _r: bool(sim.records("evidence.window")))
    assert checked(sim)["detail"] == "not any more in ALARM, but was in this window: error-rate"
    assert (checked(sim)["met"], checked(sim)["breached"]) == (False, False)


def test_the_word_of_before_a_restart_is_not_believed():
    """A composite that CloudWatch suppresses is in ALARM on the ledger: a new controller asks before it says so."""
    sim = validating(plan(composites=(BOTH,)))
    both = there(sim, "candidate", "both")
    sim.alarms.set(both, "ALARM", since=sim.clock.now(), held=True)
    sim.run_turns(3)
    keeper = sim.restart("controller-2")._observer.clouds
    seen = keeper.seen(sim.rollout, None)
    assert (seen.ringing, set(seen.unread.values())) == ((), {"it has not been read yet"})
    sim.alarms.trouble = Rejected("you may not")
    sim.run_turns(3)
    assert checked(sim)["met"] is None
    sim.alarms.trouble = None
    sim.alarms.set(both, "ALARM", since=sim.clock.now())  # the suppressor is gone
    assert sim.run_to_the_end().phase is Phase.ROLLED_BACK
    said = [(r.body["to"], r.body["acts"]) for r in sim.records("alarm") if r.body.get("alarm") == both]
    assert said[-2:] == [("ALARM", False), ("ALARM", True)]


def test_left_alarms_are_those_of_the_version_that_is_trusted():
    """After a promotion the candidate's; a later release that is taken back leaves them, a promoted one does not."""
    sim = validating(plan(on_end="leave"))
    first = sim.run_to_the_end()
    sim.run_turns(5)
    names = [f"headgate/{AGENT}/{first.id}/{each}" for each in ("agent/usage", "candidate/error-rate")]
    assert sorted(sim.alarms.made) == names
    assert sim.records("alarms.ended")[0].body["left"] == names
    sim.release(replace(plan(on_end="leave"), platform=quick_plan("./v3").platform))
    sim.run_until(lambda _r: len(sim.alarms.made) > 2)
    sim.say("abort")
    sim.run_to_the_end()
    sim.run_turns(5)
    assert sorted(sim.alarms.made) == names
    sim.release(replace(plan(), platform=quick_plan("./v4").platform))
    sim.run_until(lambda _r: len(sim.alarms.made) > 2)
    quiet(sim)
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    sim.run_turns(5)
    assert sim.alarms.made == {}


def test_the_baselines_silence_pages_nobody_until_it_is_trusted_again():
    """It loses its sessions on purpose while a release goes on; what is left of it after a rollback is heard."""
    topic = ("arn:aws:sns:eu-west-1:123456789012:on-call",)
    sim = validating(plan(on_end="leave", actions=topic))

    def heard():
        return {tuple(name.split("/")[2:4]): alarm.heard for name, alarm in sim.alarms.made.items()}

    first = sim.rollout_id
    assert heard() == {(first, "baseline"): False, (first, "candidate"): True, (first, "agent"): True}
    assert {alarm.actions for alarm in sim.alarms.made.values()} == {topic}
    sim.run_to_the_end()
    sim.run_turns(3)
    assert heard() == {(first, "candidate"): True, (first, "agent"): True}
    sim.release(replace(plan(on_end="leave", actions=topic), platform=quick_plan("./v3").platform))
    sim.run_until(lambda _r: bool(sim.records("alarms.made")))
    assert not any(on for (rollout, _), on in heard().items() if rollout == first)
    sim.say("abort")
    sim.run_to_the_end()
    sim.run_turns(3)
    assert heard() == {(first, "candidate"): True, (first, "agent"): True}


def test_after_the_window_left_alarms_go_on_being_read():
    """And those that were removed are evaluated here again."""
    asked = plan(on_end="leave")
    asked = replace(asked, validation=replace(asked.validation, after_every_s=60.0))
    sim = validating(asked)
    sim.run_to_the_end()
    sim.run_turns(5)
    sim.alarms.set(there(sim, "candidate", "error-rate"), "ALARM", since=sim.clock.now())
    sim.run_turns(9)
    assert sim.records("operations.check")[-1].body["alarms"]["error-rate"] == "ALARM"


def test_reports_say_what_is_on_aws():
    """Operations find the alarms by their names; those of others are named as others'."""
    sim = validating(plan(WatchedAlarm("tools", "tools", "candidate"), on_end="leave"))
    history = History.of(queries.records(sim.store, sim.rollout))
    head, now = sim.store.head(), sim.clock.now()
    for made in (monitoring_plan(history, head, now), handoff_package(history, head, now)["monitoring"]):
        text = to_markdown(made)
        assert f"headgate/{AGENT}/{sim.rollout_id}/" in text
        assert "tools" in text.partition("Watched on CloudWatch")[2]


def test_a_rehearsal_knows_no_cloud():
    """What stays here is evaluated here: a plan all of whose alarms do is the plan without the block."""
    sim = served(sessions_per_minute=rate)
    sim.alarms.stay = dict.fromkeys(("error-rate", "usage", "cost"), "a rehearsal")
    sim.release(plan())
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert (sim.alarms.puts, sim.records("alarms.made")) == (0, [])
    assert sim.records("evidence.window")[-1].body["alarms"]["error-rate"] == "OK"
