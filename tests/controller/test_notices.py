"""A message that did not arrive is sent again by hand: once for each word, and never twice unless a person says so."""

import json

import pytest
from click.testing import CliRunner
from sims import served

from headgate.cli.main import cli
from headgate.controller import notices
from headgate.controller.commands import Who
from headgate.controller.courier import ATTEMPTS, Courier
from headgate.core.plan import Receiver
from headgate.errors import NotFound, RefusedError, Rejected, TimedOut, Unavailable, UsageError
from headgate.ports import Entry, Message
from headgate.store.sqlite import SqliteStore

HOOK = Receiver("webhook", "https://example.invalid/T0KEN", ("rollback",), "team")


def waiting(sim, key="r1/notify/rollback/1"):
    sim.store.append([], sim.clock.now(), [Message(key, "", "rollback", "v2 is taken back", HOOK, sim.clock.now())])
    return sim


def ended(error, again=True):
    """A message whose only or last attempt ended with this error."""
    sim = waiting(served())
    sim.channel.again, sim.channel.trouble = again, error
    for _ in range(5000):
        sim.courier.turn()
        if not sim.store.undelivered():
            break
        sim.clock.advance(1.0)
    sim.channel.trouble = None
    return sim


def who(sim, by="ines", reason="the server is back"):
    return Who(by, reason, sim.clock.now())


def state(sim):
    (found,) = sim.store.deliveries()
    return found.state, found.attempts


@pytest.mark.parametrize(("error", "attempts"), [(Rejected("404"), 1), (Unavailable("away"), ATTEMPTS)])
def test_what_surely_did_not_arrive_is_sent_for_the_asking(error, attempts):
    """One attempt more, under the same key, with the name and the reason on the ledger; if it fails again, that too."""
    sim = ended(error)
    assert state(sim) == ("failed", attempts)
    for trouble in (error, None):
        sim.channel.trouble = trouble
        assert notices.retry(sim.store, "rollback/1", who(sim)).state == "waiting"
        with pytest.raises(RefusedError, match="is on its way"):
            notices.retry(sim.store, "rollback/1", who(sim))
        sim.courier.turn()
    assert state(sim) == ("sent", attempts + 2)
    assert [key for key, _, _ in sim.channel.sent] == ["r1/notify/rollback/1"]
    told = sim.store.read(kinds=("notification.retried",))
    said = [(r.body["by"], r.body["reason"], r.body["was"]) for r in told]
    assert said == [("ines", "the server is back", "failed")] * 2
    assert "T0KEN" not in str([r.body for r in told])
    with pytest.raises(RefusedError, match="was sent"):
        notices.retry(sim.store, "rollback/1", who(sim), may_repeat=True)


def test_what_may_have_arrived_needs_the_word_that_it_may_come_twice():
    """Refused with what is known of it; with the word it is sent, once."""
    sim = ended(TimedOut("no answer"), again=False)
    assert state(sim) == ("uncertain", 1)
    with pytest.raises(RefusedError, match="may have arrived: no answer") as refused:
        notices.retry(sim.store, "rollback/1", who(sim))
    assert "--may-repeat" in refused.value.mend
    assert (state(sim), sim.store.read(kinds=("notification.retried",))) == (("uncertain", 1), [])
    notices.retry(sim.store, "rollback/1", who(sim), may_repeat=True)
    for _ in range(3):
        sim.courier.turn()
    assert len(sim.channel.sent) == 1
    assert state(sim) == ("sent", 2)


def test_a_sender_that_was_taken_for_dead_settles_nothing_of_the_new_attempt():
    """It comes back after a person asked for another attempt: what it says is of the one before."""
    sim = ended(TimedOut("no answer"), again=False)
    (before,) = sim.store.deliveries()
    notices.retry(sim.store, "rollback/1", who(sim), may_repeat=True)
    Courier(sim.world, lambda work: work()).turn()
    assert not sim.store.settle(before, [Entry("notification", {})], sim.clock.now())
    assert state(sim) == ("sent", 2)


def test_who_and_which():
    """A name, a reason, and one message that is meant."""
    sim = ended(Rejected("404"))
    for by, reason in (("", "x"), ("ines", "")):
        with pytest.raises(UsageError):
            notices.retry(sim.store, "rollback/1", who(sim, by, reason))
    with pytest.raises(NotFound, match="notify list"):
        notices.retry(sim.store, "hold/1", who(sim))
    waiting(sim, "r2/notify/rollback/1")
    with pytest.raises(NotFound, match="could be any of r1"):
        notices.retry(sim.store, "rollback/1", who(sim))
    assert notices.find(sim.store, "r2/notify/rollback/1").state == "waiting"


def test_the_commands(tmp_path):
    """`notify list` shows keys and ends, `notify retry` refuses with exit code 4 where it may have arrived."""
    store = SqliteStore(tmp_path / "store.db")
    store.append([], 0.0, [Message(f"r1/notify/{e}/1", "", e, "x", HOOK, 0.0) for e in ("hold", "rollback")])
    for d, end in zip(store.deliveries(), ("failed", "uncertain"), strict=True):
        assert store.claim(d.message.key, 0, 0.0)
        (claimed,) = [c for c in store.undelivered() if c.message.key == d.message.key]
        store.settle(type(d)(d.message, end, claimed.attempts, error="why not"), [], 0.0)
    store.close()

    def run(*words):
        return CliRunner().invoke(cli, ["--home", str(tmp_path), "notify", *words])

    shown = run("list").output
    assert "failed" in shown
    assert "r1/notify/hold/1" in shown
    assert "webhook team" in shown
    assert "T0KEN" not in shown
    assert [d["key"] for d in json.loads(run("list", "--state", "uncertain", "--json").output)] == [
        "r1/notify/rollback/1"
    ]
    assert isinstance(run("retry", "rollback/1", "--reason", "x").exception, RefusedError)
    assert "waits to be sent" in run("retry", "rollback/1", "--reason", "x", "--may-repeat").output
    assert json.loads(run("retry", "hold/1", "--reason", "x", "--json").output)["state"] == "waiting"
