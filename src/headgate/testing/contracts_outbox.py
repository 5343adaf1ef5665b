"""What every store's outbox must do; part of `contracts_store.StoreContract`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from headgate.core.plan import Receiver
from headgate.errors import RefusedError
from headgate.ports import Change, Command, Delivery, Entry, Message, Store
from headgate.testing.examples import NOW, example_rollout

ROLLOUT = "coach-companion-20261123-1"
HOOK = Receiver("webhook", "https://example.invalid/hook", ("rollback",), "team")


def message(key: str = "k1") -> Message:
    """A message with every member."""
    return Message(key, ROLLOUT, "rollback", "v2 is taken back", HOOK, NOW, ROLLOUT, ("abort",), NOW + 60, "P2", True)


class OutboxContract:
    """Every test takes the subclass's fixture `store`: an empty store."""

    def test_a_message_goes_in_with_its_decision_and_once(self, store: Store) -> None:
        """With the change or with the entries, whole; a second one of the same key is the same one."""
        store.create(example_rollout(), [], NOW)
        lease = store.acquire("controller", "a", 30.0, NOW)
        assert lease is not None
        for _ in range(2):
            store.commit(Change(example_rollout(), messages=(message(),)), lease, NOW)
            store.append([Entry("incident.opened", {})], NOW, [message("k2"), message()])
        assert store.undelivered() == [Delivery(message()), Delivery(message("k2"))]
        assert store.deliveries(ROLLOUT) == store.undelivered()
        assert store.deliveries("another") == []

    def test_one_sender_gets_an_attempt(self, store: Store) -> None:
        """Who comes second is told no; a claim that died is claimed again by its number."""
        store.append([], NOW, [message()])
        assert store.claim("k1", 0, NOW)
        assert not store.claim("k1", 0, NOW)
        assert store.undelivered() == [Delivery(message(), "sending", 1, NOW)]
        assert store.claim("k1", 1, NOW + 60)
        assert not store.claim("unknown", 0, NOW)

    def test_only_the_last_attempt_says_how_it_went(self, store: Store) -> None:
        """A sender that was taken for dead and comes back changes nothing; what ended is not sent again."""
        store.append([], NOW, [message()])
        assert store.claim("k1", 0, NOW)
        assert store.claim("k1", 1, NOW + 60)
        late = Delivery(message(), "failed", 1, error="late")
        assert not store.settle(late, [Entry("notification", {"n": 1})], NOW + 61)
        again = Delivery(message(), "waiting", 2, NOW + 90, "busy \u00e4\ud800")
        assert store.settle(again, [], NOW + 62)
        assert store.undelivered() == [again]
        assert store.claim("k1", 2, NOW + 90)
        sent = replace(again, state="sent", attempts=3, error="")
        assert store.settle(sent, [Entry("notification", {"n": 2})], NOW + 91)
        assert not store.settle(sent, [Entry("notification", {"n": 3})], NOW + 91)
        assert store.undelivered() == []
        assert store.deliveries(ROLLOUT)[0].state == "sent"
        assert [r.body for r in store.read(kinds=("notification",))] == [{"n": 2}]
        assert not store.claim("k1", 3, NOW + 92)

    @pytest.mark.parametrize("ended", ["failed", "uncertain", "muted", "sent"])
    def test_an_ended_message_waits_once_more(self, store: Store, ended: str) -> None:
        """On a person's word, once, with its attempts as they were; two people at once ask for one attempt."""
        store.append([], NOW, [message()])
        asked = Entry("notification.retried", {"by": "ines"})
        assert store.claim("k1", 0, NOW)
        assert not store.again(Delivery(message(), "sending", 1, NOW), [asked], NOW), "it is being sent"
        done = Delivery(message(), ended, 1, error="x")
        assert store.settle(done, [], NOW)
        assert not store.again(replace(done, attempts=0), [asked], NOW)
        assert not store.again(replace(done, message=message("k2")), [asked], NOW)
        assert store.again(done, [asked], NOW)
        assert not store.again(done, [asked], NOW)
        assert store.undelivered() == [Delivery(message(), "waiting", 1)]
        assert store.deliveries() == store.deliveries(ROLLOUT) == store.undelivered()
        assert [r.kind for r in store.read()] == ["notification.retried"]
        assert store.claim("k1", 1, NOW + 1)

    def test_a_link_works_once(self, store: Store) -> None:
        """Whatever is said by it: the second time nothing is posted and nothing written."""
        word = Command(0, ROLLOUT, "abort", "ines", NOW)
        assert store.post(word, link="a") == 1
        with pytest.raises(RefusedError, match="used before"):
            store.post(word, link="a")
        store.spend("b", [Entry("incident.acknowledged", {"n": 1})], NOW)
        for link in ("a", "b"):
            with pytest.raises(RefusedError, match="used before"):
                store.spend(link, [Entry("incident.acknowledged", {"n": 2})], NOW)
        assert len(store.waiting()) == 1
        assert [r.body for r in store.read()] == [{"n": 1}]
        assert store.post(word) == store.post(word) - 1
