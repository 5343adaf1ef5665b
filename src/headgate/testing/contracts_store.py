"""What every store must do, as a suite: subclass `StoreContract`, give it a `store` fixture, and pytest runs it all.

The store must be empty at the start of each test.
"""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from headgate.core.effects import Notify, RunGate, SetTraffic
from headgate.core.facts import AbortAsked, Approved
from headgate.core.model import Phase, Version
from headgate.errors import HeadgateError, NotFound, RefusedError, Rejected, StaleTermError
from headgate.ports import Agent, Change, Command, Entry, Lease, Spent, Store
from headgate.stats.observations import Move, Score
from headgate.store import chain
from headgate.testing.contracts_outbox import OutboxContract
from headgate.testing.examples import NOW, example_plan, example_rollout, example_second, example_session


def taken(store: Store, name: str = "controller", holder: str = "a", ttl: float = 30.0, now: float = NOW) -> Lease:
    """The lease, which must be there for the taking."""
    lease = store.acquire(name, holder, ttl, now)
    assert lease is not None
    return lease


class StoreContract(OutboxContract):
    """Every test takes the subclass's fixture `store`: an empty store."""

    # --- rollouts ----------------------------------------------------------------------------------------------------

    def test_a_rollout_comes_back_as_it_was_put_in(self, store: Store) -> None:
        """No member is lost or changes its type on the way through the store."""
        store.create(example_rollout(), [], NOW)
        assert store.load("coach-companion-20261123-1") == example_rollout()
        assert store.all() == [example_rollout()]

    def test_create_writes_its_entries_to_the_ledger(self, store: Store) -> None:
        """The start of a rollout and its first records are one change."""
        records = store.create(example_rollout(), [Entry("started", {"by": "maria"}, "r"), Entry("plan", {}, "r")], NOW)
        assert [(r.seq, r.id, r.at, r.kind, r.rollout) for r in records] == [
            (1, "L1", NOW, "started", "r"),
            (2, "L2", NOW, "plan", "r"),
        ]
        assert store.read() == records

    def test_an_agent_has_one_active_rollout(self, store: Store) -> None:
        """A second one is refused, with nothing written and the first one named, until that has ended."""
        store.create(example_rollout(), [], NOW)
        second = example_rollout(number=2, phase=Phase.PLANNED)
        with pytest.raises(RefusedError, match=r"coach-companion-20261123-1 \(stepping\)") as refused:
            store.create(second, [Entry("started", {})], NOW)
        assert "rollout status coach-companion-20261123-1" in refused.value.mend
        assert "rollout abort coach-companion-20261123-1" in refused.value.mend
        assert (store.all(), store.read()) == ([example_rollout()], [])

        store.create(example_rollout("other-agent"), [], NOW)
        store.commit(Change(rollout=example_rollout(phase=Phase.ROLLED_BACK)), taken(store), NOW)
        store.create(second, [], NOW)
        assert [r.id for r in store.all(active=True)] == ["other-agent-20261123-1", second.id]
        assert [r.id for r in store.all(agent="coach-companion")] == ["coach-companion-20261123-1", second.id]
        assert [r.id for r in store.all(active=True, agent="coach-companion")] == [second.id]

    def test_a_finished_rollout_does_not_come_back_beside_an_active_one(self, store: Store) -> None:
        """The rule of one active rollout holds for changes as for creation."""
        store.create(example_rollout(phase=Phase.FAILED), [], NOW)
        store.create(example_rollout(number=2), [], NOW)
        with pytest.raises(RefusedError, match="coach-companion-20261123-2"):
            store.commit(Change(rollout=example_rollout(phase=Phase.STEPPING)), taken(store), NOW)
        assert store.load("coach-companion-20261123-1").phase is Phase.FAILED

    def test_an_id_is_given_once(self, store: Store) -> None:
        """A second rollout of the same id would hide the first."""
        store.create(example_rollout(phase=Phase.COMPLETED), [], NOW)
        with pytest.raises(RefusedError, match="there is a rollout coach-companion-20261123-1 already"):
            store.create(example_rollout(phase=Phase.PLANNED), [], NOW)

    def test_load_takes_the_beginning_of_an_id(self, store: Store) -> None:
        """Only when one id begins so, and never by cutting a number: -1 is not -12."""
        for number in (2, 12):
            store.create(example_rollout(number=number, phase=Phase.COMPLETED), [], NOW)
        store.create(example_rollout("tutor"), [], NOW)
        assert store.load("tutor").id == "tutor-20261123-1"
        assert store.load("coach-companion-20261123-2").id == "coach-companion-20261123-2"
        with pytest.raises(NotFound, match="could be any of coach-companion-20261123-2, coach-companion-20261123-12"):
            store.load("coach")
        with pytest.raises(NotFound, match="no rollout 'coach-companion-20261123-1'") as missing:
            store.load("coach-companion-20261123-1")
        assert "did you mean" in missing.value.mend

    @pytest.mark.parametrize("asked", ["", "nothing-like-it"])
    def test_load_of_an_unknown_id_says_where_to_look(self, store: Store, asked: str) -> None:
        """With nothing near, the list is what helps."""
        store.create(example_rollout(), [], NOW)
        with pytest.raises(NotFound) as missing:
            store.load(asked)
        assert "headgate rollout list" in missing.value.mend

    # --- commit ------------------------------------------------------------------------------------------------------

    def test_a_change_is_written_whole(self, store: Store) -> None:
        """State, agent, effects, commands and ledger of one decision arrive together, and records in order."""
        store.create(example_rollout(), [], NOW)
        number = store.post(Command(0, "coach-companion-20261123-1", "abort", "maria", NOW))
        after = replace(example_rollout(), epoch=4)
        agent = Agent("coach-companion", "cc-1", "arn:x", Version("1", "aa"), Version("0", "00"), example_plan())
        effect = SetTraffic("coach-companion-20261123-1/traffic/4", 0.0, 4, withdraw=True, deadline=NOW + 900)
        entries = (Entry("decision", {"n": 1}, after.id), Entry("asked", {"n": [1.5, None, "x"]}, after.id))
        change = Change(after, agent, entries, asked=(effect,), consumed=(number,))
        records = store.commit(change, taken(store), NOW + 1)
        assert store.load(after.id) == after
        assert store.agents() == [agent]
        assert [(p.key, p.effect, p.asked_at, p.attempts) for p in store.pending(after.id)] == [
            (effect.key, effect, NOW + 1, 0)
        ]
        assert store.waiting() == []
        assert [(r.kind, r.body) for r in records] == [(e.kind, e.body) for e in entries]
        assert store.read() == records

    def test_a_change_that_is_refused_leaves_nothing(self, store: Store) -> None:
        """Each reason to refuse is found before anything is kept."""
        store.create(example_rollout(), [], NOW)
        store.create(example_rollout("tutor"), [], NOW)
        lease = taken(store)
        mine = Notify("k", "started", "x")
        store.commit(Change(example_rollout("tutor"), asked=(mine,)), lease, NOW)
        after = replace(example_rollout(), epoch=99)
        good = Change(
            after, Agent("x", "x", "x", Version("1", "a")), (Entry("decision", {}),), (RunGate("g", "smoke"),)
        )
        for bad, error in (
            (replace(good, consumed=(7,)), RefusedError),
            (replace(good, asked=(*good.asked, mine)), Rejected),
            (replace(good, rollout=None), Rejected),
            (replace(good, rollout=replace(after, id="never-created")), NotFound),
        ):
            with pytest.raises(error):
                store.commit(bad, lease, NOW)
        assert store.load(after.id) == example_rollout()
        assert (store.agents(), store.read(), store.pending(after.id)) == ([], [], [])

    def test_an_effect_asked_twice_is_one(self, store: Store) -> None:
        """Also when it has been settled in between: the same key is the same asking."""
        rollout = example_rollout()
        store.create(rollout, [], NOW)
        lease = taken(store)
        first, second = RunGate("r/gate/smoke", "smoke"), Notify("r/notify/1", "started", "hello")
        store.commit(Change(rollout, asked=(first, second)), lease, NOW)
        store.commit(Change(rollout, asked=(second, first)), lease, NOW + 9)
        assert [(p.effect, p.asked_at) for p in store.pending(rollout.id)] == [(first, NOW), (second, NOW)]
        store.commit(Change(rollout, settled=(first.key,)), lease, NOW + 10)
        store.commit(Change(rollout, asked=(first,), settled=(first.key,)), lease, NOW + 11)
        assert [p.effect for p in store.pending(rollout.id)] == [second]
        assert store.pending("another") == []

    def test_an_effect_may_be_settled_where_it_is_asked(self, store: Store) -> None:
        """Settled without a rollout in the change, and asked and settled at once."""
        rollout = example_rollout()
        store.create(rollout, [], NOW)
        lease = taken(store)
        effect = RunGate("r/gate/smoke", "smoke")
        store.commit(Change(rollout, asked=(effect,)), lease, NOW)
        store.commit(Change(settled=(effect.key,)), lease, NOW)
        store.commit(Change(rollout, asked=(RunGate("r/gate/load", "load"),), settled=("r/gate/load",)), lease, NOW)
        assert store.pending(rollout.id) == []

    def test_a_delayed_effect_counts_its_attempts(self, store: Store) -> None:
        """What went wrong, with which words, and when to try again; half a surrogate in the words does no harm."""
        rollout = example_rollout()
        store.create(rollout, [], NOW)
        lease = taken(store)
        store.commit(Change(rollout, asked=(RunGate("g", "smoke"),)), lease, NOW)
        store.delay("g", NOW + 1, "no answer")
        store.delay("g", NOW + 3, "broken \ud83c text")
        (pending,) = store.pending(rollout.id)
        assert (pending.attempts, pending.next_at, pending.error) == (2, NOW + 3, "broken \ud83c text")
        with pytest.raises(NotFound, match="no effect h"):
            store.delay("h", NOW, "")
        store.commit(Change(rollout, settled=("g",)), lease, NOW)
        store.delay("g", NOW + 9, "late")
        assert store.pending(rollout.id) == []

    def test_an_agent_is_replaced_by_name(self, store: Store) -> None:
        """A promotion changes the agent's baseline; agents are listed by name."""
        lease = taken(store)
        for name, number in (("b", "1"), ("a", "1"), ("b", "2")):
            store.commit(Change(agent=Agent(name, "rt", "arn", Version(number, "d"))), lease, NOW)
        assert [(a.name, a.baseline.number) for a in store.agents()] == [("a", "1"), ("b", "2")]

    # --- ledger ------------------------------------------------------------------------------------------------------

    def test_the_ledger_is_a_chain(self, store: Store) -> None:
        """Every record carries the hash of the one before, and the head is the last one's."""
        assert store.head() == (0, chain.GENESIS)
        assert chain.verify(store.read(), store.head()).ok
        store.append([Entry("a", {"x": 1}), Entry("b", {})], NOW)
        store.append([Entry("c", {"deep": {"list": [1, 2.5, None, True]}})], NOW + 1)
        records = store.read()
        assert [r.previous for r in records] == [chain.GENESIS, records[0].hash, records[1].hash]
        assert store.head() == (3, records[2].hash)
        assert chain.verify(records, store.head(), records[1].hash).ok

    def test_the_ledger_is_read_in_parts(self, store: Store) -> None:
        """By rollout, after a place, by kinds, and by all of them."""
        entries = [Entry(kind, {}, rollout) for rollout in ("r", "s", "") for kind in ("decision", "fact", "asked")]
        store.append(entries, NOW)
        assert [r.seq for r in store.read("s")] == [4, 5, 6]
        assert [r.seq for r in store.read(after=7)] == [8, 9]
        assert [r.seq for r in store.read(kinds=("fact", "asked"))] == [2, 3, 5, 6, 8, 9]
        assert [r.seq for r in store.read("s", after=4, kinds=["asked", "decision"])] == [6]
        assert store.read("t") == []

    def test_a_record_is_what_was_said_then(self, store: Store) -> None:
        """Changing a body after it was handed in, or after it was read, changes no record; any text survives."""
        body = {"text": "line\n\u2028 \x00 \ud83c half, \U0001f331 whole", "list": [1]}
        (record,) = store.append([Entry("k", body)], NOW)
        body["list"].append(2)  # type: ignore[attr-defined]
        record.body["text"] = "other"
        (again,) = store.read()
        assert again.body == {"text": "line\n\u2028 \x00 \ud83c half, \U0001f331 whole", "list": [1]}
        assert chain.verify([again], store.head()).ok

    def test_what_json_cannot_say_is_not_written(self, store: Store) -> None:
        """A NaN would make the ledger unreadable for others; nothing before it in the same change stays."""
        with pytest.raises(ValueError, match="JSON"):
            store.append([Entry("good", {}), Entry("bad", {"p95": float("nan")})], NOW)
        assert (store.read(), store.head()) == ([], (0, chain.GENESIS))

    # --- leases ------------------------------------------------------------------------------------------------------

    def test_a_lease_has_one_holder(self, store: Store) -> None:
        """Renewing keeps the term; another holder waits until it has run out, and gets the next term."""
        assert taken(store, holder="a", ttl=30, now=NOW) == Lease("controller", "a", 1, NOW + 30)
        assert store.acquire("controller", "b", 30, NOW + 29) is None
        assert taken(store, holder="a", ttl=30, now=NOW + 20) == Lease("controller", "a", 1, NOW + 50)
        assert store.acquire("controller", "b", 30, NOW + 49.9) is None
        assert taken(store, holder="b", now=NOW + 50) == Lease("controller", "b", 2, NOW + 80)
        assert store.acquire("controller", "a", 30, NOW + 51) is None
        assert taken(store, "another", "a").term == 1

    def test_a_released_lease_is_free_at_once(self, store: Store) -> None:
        """The next term goes to whoever comes, the old holder too; an old lease releases nothing."""
        first = taken(store, holder="a")
        store.release(first)
        second = taken(store, holder="b")
        assert second.term == 2
        store.release(first)
        assert store.acquire("controller", "a", 30, NOW) is None
        store.release(second)
        assert taken(store, holder="b").term == 3
        store.release(Lease("never-taken", "a", 1, NOW))
        assert taken(store, "never-taken").term == 1

    def test_a_stale_term_writes_nothing(self, store: Store) -> None:
        """A controller that lost its lease is refused in words that name both terms and both holders."""
        store.create(example_rollout(), [], NOW)
        old = taken(store, holder="host-1/411", ttl=1, now=NOW)
        taken(store, holder="host-2/97", now=NOW + 2)
        change = Change(replace(example_rollout(), epoch=50), entries=(Entry("decision", {}),))
        with pytest.raises(StaleTermError, match=r"term 1 of host-1/411 .* term is 2, held by host-2/97"):
            store.commit(change, old, NOW + 3)
        with pytest.raises(StaleTermError, match="never taken"):
            store.commit(change, Lease("unknown", "a", 1, NOW + 99), NOW)
        released = taken(store, "other")
        store.release(released)
        with pytest.raises(StaleTermError, match="term 1 was released"):
            store.commit(change, released, NOW)
        assert (store.load(change.rollout.id), store.read()) == (example_rollout(), [])  # type: ignore[union-attr]

    def test_a_lease_that_ran_out_unclaimed_still_writes(self, store: Store) -> None:
        """Nobody else can have written meanwhile, so there is nothing to protect."""
        lease = taken(store, ttl=1, now=NOW)
        assert len(store.commit(Change(entries=(Entry("late", {}),)), lease, NOW + 60)) == 1

    # --- inbox -------------------------------------------------------------------------------------------------------

    def test_a_command_waits_until_it_is_consumed_once(self, store: Store) -> None:
        """In the order of posting, for one rollout or all, with its fact and plan; never consumed twice."""
        abort = Command(0, "r", "abort", "maria", NOW, AbortAsked("maria", "worse \ud83c"))
        serve = Command(0, "", "register", "ines", NOW + 1, plan=example_plan())
        approve = Command(77, "s", "approve", "ines", NOW + 2, Approved("ines", "looks good"))
        ids = [store.post(c) for c in (abort, serve, approve)]
        posted = [replace(c, id=i) for c, i in zip((abort, serve, approve), ids, strict=True)]
        assert ids == sorted(set(ids))
        assert store.waiting() == posted
        assert (store.waiting("s"), store.waiting(""), store.waiting("t")) == ([posted[2]], [posted[1]], [])
        lease = taken(store)
        store.commit(Change(consumed=(ids[0], ids[2])), lease, NOW)
        assert store.waiting() == [posted[1]]
        with pytest.raises(RefusedError, match=f"command {ids[0]} is not waiting"):
            store.commit(Change(entries=(Entry("twice", {}),), consumed=(ids[0],)), lease, NOW)
        with pytest.raises(RefusedError):
            store.commit(Change(consumed=(ids[1], ids[1])), lease, NOW)
        assert (store.waiting(), store.read()) == ([posted[1]], [])

    # --- observations ------------------------------------------------------------------------------------------------

    def test_observations_come_back_as_they_were_ingested(self, store: Store) -> None:
        """Histograms keep their integer buckets; moves are no sessions; agents are apart."""
        assert store.cursor("a") == ""
        move = Move(3, 101.0, "0123456789abcdef", "2", "1", "evict")
        store.ingest("a", [example_second(1), example_session(2), move], "log:3")
        store.ingest("b", [example_second(1)], "log:1")
        assert store.cursor("a") == "log:3"
        assert store.seconds("a") == [example_second(1)]
        assert [row for _, row in store.sessions("a")] == [example_session(2)]
        assert (store.sessions("b"), store.cursor("b"), store.seconds("c")) == ([], "log:1", [])

    def test_a_row_counts_once(self, store: Store) -> None:
        """A batch that is polled again adds nothing; the same numbers in a new log are new rows."""
        store.ingest("a", [example_session(1), example_session(2)], "log:2")
        store.ingest("a", [example_session(2), example_session(3)], "log:3")
        store.ingest("a", [], "log:9")
        assert [row.seq for _, row in store.sessions("a")] == [1, 2, 3]
        assert store.cursor("a") == "log:9"
        store.ingest("a", [example_session(1)], "new:log:1")
        assert [row.seq for _, row in store.sessions("a")] == [1, 2, 3, 1]

    def test_a_cursor_must_name_its_log(self, store: Store) -> None:
        """Without it a row could not be known again."""
        with pytest.raises(Rejected, match="names no log"):
            store.ingest("a", [example_session(1)], "12")
        assert (store.sessions("a"), store.cursor("a")) == ([], "")

    def test_sessions_are_read_on_from_a_position(self, store: Store) -> None:
        """In the order they came, not by time: a late row is not skipped. `since` is the time of closing, inclusive."""
        rows = [example_session(1, 50.0), example_session(2, 30.0), example_session(3, 40.0)]
        store.ingest("a", rows[:1], "log:1")
        store.ingest("other", [example_session(1)], "log:1")
        store.ingest("a", rows[1:], "log:3")
        found = store.sessions("a")
        assert [row for _, row in found] == rows
        assert [row.seq for _, row in store.sessions("a", after=found[0][0])] == [2, 3]
        assert store.sessions("a", after=found[2][0]) == []
        assert [row.seq for _, row in store.sessions("a", since=40.0)] == [1, 3]

    def test_a_session_has_one_score_by_the_same_evaluators(self, store: Store) -> None:
        """Scores come back as they were and in order, each agent its own; the second of a session is not kept."""
        first = Score(5.0, "candidate", "2", 10.0, 3, "0123456789abcdef", 0.25, "d1")
        other = replace(first, session="fedcba9876543210", quality=1.0, t=4.0)
        store.keep_scores("a", [first, other])
        store.keep_scores("a", [replace(first, quality=0.75), replace(first, digest="d2")])
        found = store.scores("a")
        assert [score for _, score in found] == [first, other, replace(first, digest="d2")]
        assert [score for _, score in store.scores("a", after=found[0][0])] == [other, replace(first, digest="d2")]
        assert (store.scores("b"), store.cursor("a")) == ([], "")

    def test_seconds_are_read_by_time(self, store: Store) -> None:
        """since <= t < until; rows of the same second stay apart, in the order they came."""
        store.ingest("a", [example_second(n, t) for n, t in ((1, 30), (2, 10), (3, 20), (4, 10))], "log:4")
        assert [(row.t, row.seq) for row in store.seconds("a")] == [(10, 2), (10, 4), (20, 3), (30, 1)]
        assert [row.t for row in store.seconds("a", since=20)] == [20, 30]
        assert [row.t for row in store.seconds("a", since=10, until=30)] == [10, 10, 20]

    def test_what_was_spent_is_summed(self, store: Store) -> None:
        """Money, tokens and requests with since <= t < until, of one version or of all; nothing is nothing."""
        store.ingest("a", [example_second(n, t) for n, t in ((1, 10), (2, 20), (3, 30))], "log:3")
        spent = store.spent("a", since=10, until=30)
        assert (round(spent.usd, 9), spent.tokens, spent.requests, spent.first_at) == (0.5, 400, 14, 10)
        assert store.spent("a", since=10, until=30, version="2") == spent
        assert store.spent("a", since=10, until=30, version="1") == Spent()
        assert store.spent("b", since=0, until=100) == Spent()

    # --- threads -----------------------------------------------------------------------------------------------------

    def test_threads_may_share_a_store(self, store: Store) -> None:
        """Eight threads append, poll and race for one command: the chain holds, and exactly one consumes it."""
        number = store.post(Command(0, "r", "pause", "maria", NOW))
        lease = taken(store)
        won: list[int] = []
        failures: list[BaseException] = []

        def work(me: int) -> None:
            try:
                for turn in range(10):
                    store.append([Entry("fact", {"thread": me, "turn": turn})], NOW)
                    store.ingest("a", [example_session(me * 100 + turn)], f"log:{me * 100 + turn}")
                store.commit(Change(consumed=(number,)), lease, NOW)
                won.append(me)
            except RefusedError:
                pass
            except (HeadgateError, AssertionError) as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(me,)) for me in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert (failures, len(won)) == ([], 1)
        assert len(store.sessions("a")) == 80
        assert chain.verify(store.read(), store.head()).count == 80
        assert chain.verify(store.read(), store.head()).ok
