"""The right to drive an agent, one lease for each: its term goes with every change, to store and gateway."""

from __future__ import annotations

from headgate.controller.world import World
from headgate.errors import HeadgateError
from headgate.ports import Entry, Lease


class Leases:
    """The leases that this controller holds. Renewed at half their time; a new term is on the ledger."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._held: dict[str, Lease] = {}

    def hold(self, agent: str, rollout: str = "") -> tuple[Lease | None, bool]:
        """(lease, whether its term is new to us); (None, False) while another controller holds it."""
        world, now = self._world, self._world.clock.now()
        held = self._held.get(agent)
        if held and now < held.until - world.lease_s / 2:
            return held, False
        lease = world.store.acquire(f"agent/{agent}", world.holder, world.lease_s, now)
        if lease is None:
            self._held.pop(agent, None)
            return None, False
        fresh = held is None or held.term != lease.term
        if fresh:
            body = {"agent": agent, "holder": lease.holder, "term": lease.term}
            world.store.append([Entry("lease.taken", body, rollout)], now)
        self._held[agent] = lease
        return lease, fresh

    def lost(self, agent: str) -> None:
        """Another controller has taken it."""
        self._held.pop(agent, None)

    def release(self) -> str:
        """Give all back, so that the next controller need not wait; "" or what went wrong."""
        trouble = ""
        for lease in self._held.values():
            try:
                self._world.store.release(lease)
            except HeadgateError as error:
                trouble = error.message
        self._held.clear()
        return trouble
