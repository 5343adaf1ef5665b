"""Messages from the outbox to people: each event once for each channel, whoever is away and whoever dies."""

import contextlib
from dataclasses import replace
from itertools import pairwise

import pytest
from sims import WORSE, quick_plan, served, stepping, with_approval

from headgate.controller.courier import ATTEMPTS, STALE_S, Courier
from headgate.core.model import FINISHED
from headgate.core.plan import Receiver
from headgate.errors import Rejected, TimedOut, Unavailable
from headgate.ports import Entry, Link, Message
from headgate.testing.simulation import EVENTS

HOOK = Receiver("webhook", "https://example.invalid/hook", EVENTS)


class Killed(BaseException):
    """The process ends here."""


def told(sim):
    """A courier of a quiet world, and a message that waits."""
    message = Message("k1", "", "rollback", "v2 is taken back", HOOK, sim.clock.now(), "coach-1", ("abort",), 9e9)
    sim.store.append([], sim.clock.now(), [message])
    return sim


def results(sim):
    return [(r.body["result"], r.body["attempts"], r.body["error"]) for r in sim.store.read(kinds=("notification",))]


def test_quiet_when_nothing_happens():
    """A served agent and a day without a release: no message."""
    sim = served()
    for _ in range(24 * 60):
        sim.clock.advance(60.0)
        sim.courier.turn()
    sim.controller.turn()
    assert sim.channel.sent == []
    assert sim.store.undelivered() == []


def test_each_event_once_for_each_channel():
    """Two receivers at two addresses are two channels; the same address named twice is one."""
    other = replace(HOOK, target="https://example.invalid/other")
    sim = served(laws={"2": WORSE})
    sim.release(quick_plan(notify=(HOOK, other, replace(HOOK, name="again"))))
    sim.run_to_the_end()
    sim.run_turns(3)
    events = [event for _, event, _ in sim.channel.sent]
    assert {event: events.count(event) for event in events} == {
        "started": 2,
        "advanced": 2,
        "rollback": 2,
        "incident": 2,
    }
    assert all(result == "sent" for result, _, _ in results(sim))
    assert "example.invalid/hook" not in str([r.body["receiver"] for r in sim.store.read(kinds=("notification",))])


@pytest.mark.parametrize("error", [Unavailable("busy"), TimedOut("no answer")])
def test_tried_again_with_growing_pauses_and_given_up(error):
    """A receiver that is away for an hour: bounded, with jitter, and the end is on the ledger."""
    sim = told(served())
    sim.channel.trouble = error
    times = []
    for _ in range(5000):
        before = sim.store.deliveries("")[0].attempts
        sim.courier.turn()
        if sim.store.deliveries("")[0].attempts > before:
            times.append(sim.clock.now())
        sim.clock.advance(1.0)
    pauses = [b - a for a, b in pairwise(times)]
    assert len(times) == ATTEMPTS
    assert pauses[:3] < pauses[3:6] < pauses[6:9]
    assert max(pauses) <= 1.25 * 600 + 1
    assert results(sim) == [("failed", ATTEMPTS, error.message)]


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (TimedOut("no answer"), [("uncertain", 1, "no answer; it may have arrived")]),
        (Rejected("404"), [("failed", 1, "404")]),
    ],
)
def test_what_may_have_arrived_is_not_repeated(error, wanted):
    """Where the channel drops no repetition, a message is sent again only if it surely has not arrived."""
    sim = told(served())
    sim.channel.again, sim.channel.trouble = False, Unavailable("busy")
    sim.courier.turn()
    assert results(sim) == []
    sim.channel.trouble = error
    sim.clock.advance(2.0)
    sim.courier.turn()
    sim.channel.trouble = None
    sim.clock.advance(3600.0)
    sim.courier.turn()
    assert results(sim) == [(result, attempts + 1, said) for result, attempts, said in wanted]
    assert sim.channel.sent == []


@pytest.mark.parametrize("again", [True, False])
def test_killed_between_sending_and_noting(again):
    """Its successor sends it with the same key where that is dropped, and nowhere else."""
    sim = told(served())
    sim.channel.again = again

    def die(_where):
        raise Killed

    with contextlib.suppress(Killed):
        Courier(replace(sim.world, crash_point=die), lambda work: work()).turn()
    assert len(sim.channel.sent) == 1
    sim.courier.turn()
    assert len(sim.channel.sent) == 1, "its claim may be that of one who lives"
    sim.clock.advance(STALE_S + 1)
    sim.courier.turn()
    assert len(sim.channel.sent) == (2 if again else 1)
    assert len({key for key, _, _ in sim.channel.sent}) == 1
    assert results(sim)[0][0] == ("sent" if again else "uncertain")


def test_two_couriers_of_one_store_send_once():
    """Two controllers: the claim decides."""
    sim = told(served())
    both = [Courier(sim.world, lambda work: work()) for _ in range(2)]
    due = []
    slow = [Courier(sim.world, due.append) for _ in range(2)]
    for courier in slow:
        courier.turn()
    assert len(due) == 2
    for work in due:
        work()
    for courier in both:
        courier.turn()
    assert len(sim.channel.sent) == 1


def test_a_receiver_that_hangs_keeps_nobody_waiting():
    """Its own messages wait their turn; another receiver's and the rollout go on."""
    sim = told(served())
    other = replace(HOOK, target="https://example.invalid/other")
    sim.store.append([], sim.clock.now(), [Message(k, "", "hold", "x", other, 0.0) for k in ("k2", "k3")])
    hanging = []
    courier = Courier(sim.world, hanging.append)
    for _ in range(3):
        courier.turn()
    assert len(hanging) == 2, "one for each receiver, however often it turns"
    hanging[1]()
    courier.turn()
    hanging[2]()
    assert [key for key, _, _ in sim.channel.sent] == ["k2", "k3"]


def test_what_a_link_may_say():
    """Each person whom the plan names is offered an approval of their own, until its deadline and until they gave it; a
    channel, and anybody else, can stop it.
    """
    people = [Receiver("webhook", f"https://example.invalid/{p}", ("approval",), p, p) for p in ("ana", "ben", "eve")]
    plan = with_approval(people=("ana", "ben"), count=2)
    sim = stepping(replace(plan, notify=(HOOK, *people)))
    sent = []
    sim.courier = Courier(replace(sim.world, links=lambda m: sent.append(m) or (Link("x", "y"),)), lambda w: w())
    sim.run_until(lambda r: r.approval_asked_at is not None)
    sim.turn()
    asked = {m.receiver.person: m for m in sent if m.event == "approval"}
    assert {person: m.verbs for person, m in asked.items()} == {
        "": ("abort",),
        "ana": ("approve", "reject"),
        "ben": ("approve", "reject"),
        "eve": ("abort",),
    }
    assert {m.step for m in asked.values()} == {1}
    assert asked["ana"].until == pytest.approx(sim.rollout.approval_asked_at + 300.0)
    assert sim.channel.offered[-1] == (Link("x", "y"),)
    sent.clear()
    sim.say("approve", "ana")
    sim.run_turns(2)
    again = {m.receiver.person: m.verbs for m in sent if m.event == "approval"}
    assert (again["ana"], again["ben"]) == (("abort",), ("approve", "reject"))


def test_the_ledger_names_no_address():
    """Whatever the outcome: neither the variable's value nor a URL's path is written anywhere."""
    sim = served()
    sim.world.channels["webhook"].trouble = None
    secret = Receiver("webhook", "env:HOOK", EVENTS)
    world = replace(sim.world, lookup={"HOOK": "https://host/T0KEN"}.get)
    for key, receiver in (("a", secret), ("b", replace(secret, target="env:NONE"))):
        message = Message(key, "", "hold", "x", receiver, 0.0)
        sim.store.append([Entry("note", {})], sim.clock.now(), [message])
        Courier(world, lambda work: work()).turn()
    assert "T0KEN" not in str(sim.store.read())
    assert results(sim) == [("sent", 1, ""), ("failed", 1, "webhook: the variable NONE is not set")]


def test_a_rollout_does_not_wait_for_a_courier():
    """No courier at all: the release ends as it would, and its messages wait."""
    sim = served()
    sim.courier = Courier(sim.world, lambda _work: None)
    sim.release(quick_plan())
    assert sim.run_until(lambda r: r.phase in FINISHED)
    assert {d.message.event for d in sim.store.undelivered()} >= {"started", "completed"}
