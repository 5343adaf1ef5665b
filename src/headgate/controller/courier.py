"""Carries messages from the outbox to people. A loop of its own: a receiver that is down never slows a rollout.

An attempt is claimed before it is sent and settled after it, each in the store. So a sender that dies in between leaves
a claim: where the channel drops repetitions the message is sent again, with the same key; where it does not, it is
settled as uncertain. Either way nobody is told twice.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from headgate.controller.jobs import pause
from headgate.controller.messages import shown
from headgate.controller.mutes import Mutes
from headgate.controller.world import World
from headgate.core.plan import Receiver
from headgate.errors import HeadgateError, NotFound, TimedOut
from headgate.ports import Channel, Data, Delivery, Entry

STALE_S = 60.0  # longer than any channel's own patience: who claimed an attempt so long ago is dead
ATTEMPTS = 12  # over about 40 minutes
EVERY_S = 0.5
_FIRST_S, _LONGEST_S = 1.0, 600.0


class Courier:
    """`start` does a piece of work, at once or on a thread: one at a time for each receiver."""

    def __init__(self, world: World, start: Callable[[Callable[[], None]], object]) -> None:
        self._world = world
        self._start = start
        self._mutes = Mutes(world.store)
        self._busy: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self.trouble = ""

    def run(self) -> None:
        """Turn until `stop`."""
        while not self._stopping.wait(EVERY_S):
            self.turn()

    def stop(self) -> None:
        self._stopping.set()

    def turn(self) -> None:
        """Begin every attempt that is due."""
        try:
            waiting = self._world.store.undelivered()
        except HeadgateError as error:
            self.trouble = error.message
            return
        now = self._world.clock.now()
        for delivery in waiting:
            due = delivery.next_at + (STALE_S if delivery.state == "sending" else 0.0)
            channel = (delivery.message.receiver.kind, delivery.message.receiver.target)
            if now >= due and self._take(channel):
                self._start(lambda delivery=delivery, channel=channel: self._work(delivery, channel))  # type: ignore[misc]

    def _take(self, channel: tuple[str, str]) -> bool:
        with self._lock:
            free = channel not in self._busy
            self._busy.add(channel)
            return free

    def _work(self, delivery: Delivery, channel: tuple[str, str]) -> None:
        try:
            self._deliver(delivery)
        except HeadgateError as error:  # the store: the claim is stale in a while, and tried again then
            self.trouble = error.message
        finally:
            with self._lock:
                self._busy.discard(channel)

    def _deliver(self, found: Delivery) -> None:
        world, message = self._world, found.message
        if not world.store.claim(message.key, found.attempts, world.clock.now()):
            return
        begun = world.clock.now()
        claimed = replace(found, state="sending", attempts=found.attempts + 1)
        done = self._outcome(claimed, died=found.state == "sending")
        world.crash_point(f"before settling {message.key}")
        now = world.clock.now()
        ended = done.state != "waiting"
        entries = [Entry("notification", _body(done, now - begun), message.rollout)] if ended else []
        world.store.settle(done, entries, now)

    def _outcome(self, claimed: Delivery, *, died: bool) -> Delivery:
        """The delivery after this attempt. `died`: the sender before us is dead, and nobody knows how far it came."""
        message = claimed.message
        if mute := self._mutes.keeps_back(message, self._world.clock.now()):
            return replace(claimed, state="muted", error=f"{mute.name}, by {mute.by}: {mute.reason}")
        try:
            channel, address = self._way(message.receiver)
            if died and not channel.repeatable(address):
                return replace(claimed, state="uncertain", error="the sender died; it may have arrived")
            channel.send(message, address, self._world.links(message))
        except TimedOut as error:
            if not channel.repeatable(address):
                return replace(claimed, state="uncertain", error=f"{error.message}; it may have arrived")
            return self._again(claimed, error)
        except HeadgateError as error:
            return self._again(claimed, error)
        return replace(claimed, state="sent", error="")

    def _way(self, receiver: Receiver) -> tuple[Channel, str]:
        """The channel of a receiver and the address itself, which is written nowhere."""
        channel = self._world.channels.get(receiver.kind)
        if channel is None:
            raise NotFound(f"{receiver.kind}: this Headgate has no such channel")
        if not receiver.target.startswith("env:"):
            return channel, receiver.target
        name = receiver.target.removeprefix("env:")
        if address := self._world.lookup(name):
            return channel, address
        raise NotFound(f"{receiver.kind}: the variable {name} is not set", f"set {name} where the controller runs")

    def _again(self, claimed: Delivery, error: HeadgateError) -> Delivery:
        if not error.retry or claimed.attempts >= ATTEMPTS:
            return replace(claimed, state="failed", error=error.message)
        later = self._world.clock.now() + pause(claimed.message.key, claimed.attempts - 1, _FIRST_S, _LONGEST_S)
        return replace(claimed, state="waiting", next_at=later, error=error.message)


def _body(done: Delivery, seconds: float) -> Data:
    message = done.message
    return {
        "key": message.key,
        "event": message.event,
        "receiver": shown(message.receiver),
        "result": done.state,
        "attempts": done.attempts,
        "seconds": round(seconds, 3),
        "error": done.error,
    }
