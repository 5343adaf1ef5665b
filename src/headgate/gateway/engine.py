"""Everything that one gateway process holds, joined: agents by name, clients, pins, policies, telemetry.

Lives in one event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from time import perf_counter
from typing import Any
from urllib.parse import unquote_to_bytes

from headgate.errors import Unavailable
from headgate.gateway.agent import ServedAgent
from headgate.gateway.book import Kept, PolicyBook, admit, raises_exposure
from headgate.gateway.client import Client
from headgate.gateway.journal import Journal
from headgate.gateway.meter import Batch
from headgate.gateway.pins import PinStore
from headgate.gateway.policy import Forced, names, read_fixed
from headgate.gateway.recordings import Recordings
from headgate.gateway.settings import GatewaySettings
from headgate.ports import TrafficPolicy

_ROUTES = 4096  # request targets whose agent is remembered
_ACTIONS = {b"invocations": "invoke", b"stopruntimesession": "stop"}
_SAVE_AGAIN_S = 5.0
_TRIM_S = 60.0

Found = tuple[str, ServedAgent | None]  # what to do ("" where the path means nothing here), with whom


class Engine:
    """`clock` is wall-clock time in Unix seconds. Raises Unavailable where the home directory cannot be used."""

    def __init__(self, settings: GatewaySettings, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.clock = clock
        self.clients: set[Client] = set()
        self.stopping = False
        self.refused = 0  # requests that were refused before they had a session
        self.agents: dict[str, ServedAgent] = {}
        self._names: dict[bytes, ServedAgent] = {}
        self._routes: dict[bytes, Found] = {}
        self._unsaved: set[str] = set()
        self._saved_at = self._trimmed_at = 0.0
        self._writing = asyncio.Lock()  # one policy at a time
        self._worker = ThreadPoolExecutor(1, "gateway-disk")
        try:
            settings.home.mkdir(parents=True, exist_ok=True)
            self._book = PolicyBook(settings.home / "policy")
        except OSError as error:
            raise Unavailable(
                f"the gateway cannot write to {settings.home}: {error}", "give it another --home"
            ) from error
        policies = self._policies()
        self.pins = PinStore(settings.home / "pins.db")
        try:
            self.journal = Journal(settings.home / "telemetry.db")
            self.recordings = Recordings(settings.home / "recordings.db")
        except Unavailable:
            self.pins.close()
            raise
        for kept in policies:
            self._serve(kept)

    @property
    def fixed(self) -> bool:
        """Whether the policy is a file's, which no controller can change."""
        return self.settings.policy_file is not None

    def _policies(self) -> list[Kept]:
        if self.settings.policy_file is not None:
            return [Kept(policy) for policy in read_fixed(self.settings.policy_file)]
        return self._book.load(self.clock())

    # --- data path -------------------------------------------------------------------------------------------------

    def find(self, path: bytes) -> Found:
        """What the path of a request asks for.

        `/runtimes/{ARN, runtime id or name}/invocations | stopruntimesession`.
        """
        found = self._routes.get(path)
        if found is None:
            found = self._find(path)
            if found[1] is not None:
                if len(self._routes) >= _ROUTES:
                    self._routes.clear()
                self._routes[path] = found
        return found

    def _find(self, path: bytes) -> Found:
        head, _, last = path.rpartition(b"/")
        if not head.startswith(b"/runtimes/") or last not in _ACTIONS:
            return "", None
        return _ACTIONS[last], self._names.get(unquote_to_bytes(head[len(b"/runtimes/") :]))

    # --- policies --------------------------------------------------------------------------------------------------

    def _serve(self, kept: Kept) -> None:
        agent = self.agents.get(kept.policy.agent)
        if agent is None:
            agent = self.agents[kept.policy.agent] = ServedAgent(kept, self.pins, self.clock)
            agent.restore(self.journal.sessions(agent.name))
        else:
            agent.apply(kept)
        self._names = {name.encode(): each for each in self.agents.values() for name in names(each.kept.policy)}
        self._routes.clear()

    async def put(self, policy: TrafficPolicy) -> ServedAgent:
        """Puts a policy in force. Raises Conflict, or Unavailable where a higher weight cannot be made durable."""
        async with self._writing:
            before = self.agents.get(policy.agent)
            old = before.kept if before else None
            kept = admit(policy, old)
            if kept != old:
                saved = await self._save(kept)
                if not saved and raises_exposure(kept, old):
                    raise Unavailable("the policy cannot be written to the gateway's disk, so the weight is not raised")
                latest = self.agents[policy.agent].kept if before else None
                if latest is not None and latest.forced and latest is not old:
                    kept = admit(policy, latest)  # a person forced it down while the disk was written
                    self._unsaved.add(policy.agent)
                self._serve(kept)
            return self.agents[policy.agent]

    async def force_down(self, agent: str, by: str, reason: str) -> ServedAgent:
        """Weight 0 at once, and on disk as soon as the disk allows. Raises KeyError for an unknown agent."""
        served = self.agents[agent]
        kept = replace(served.kept, forced=Forced(by, reason, self.clock()))
        served.apply(kept)
        async with self._writing:
            await self._save(served.kept)
        return served

    async def _save(self, kept: Kept) -> bool:
        """Writes a policy; where the disk refuses it is tried again from `tick`."""
        try:
            await self.on_disk(self._book.save, kept)
        except OSError:
            self._unsaved.add(kept.policy.agent)
            return False
        self._unsaved.discard(kept.policy.agent)
        return True

    async def on_disk(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Runs blocking work in the one thread that may wait for the disk."""
        return await asyncio.get_running_loop().run_in_executor(self._worker, work, *arguments)

    # --- time ------------------------------------------------------------------------------------------------------

    def sweep(self) -> None:
        """Every 100 ms: ends requests and clients that waited too long."""
        now = perf_counter()
        for agent in self.agents.values():
            for exchange in list(agent.exchanges):
                exchange.expire(now)
        for client in list(self.clients):
            client.expire(now)

    async def tick(self) -> None:
        """Every second: what is due by the wall clock, then one commit of what was measured."""
        for agent in self.agents.values():
            agent.tick()
        while self.pins.flush():
            await asyncio.sleep(0)  # requests go on between two slices
        await self.commit()
        now = self.clock()
        if self.pins.wants_checkpoint:
            await self.on_disk(self.pins.checkpoint)
        if now - self._trimmed_at > _TRIM_S:
            self._trimmed_at = now
            await self.on_disk(self.journal.trim, now)
            for agent in self.agents.values():
                await self.on_disk(self.recordings.trim, agent.name, now - agent.kept.policy.record_keep_s)
        if self._unsaved and not self.fixed and now - self._saved_at > _SAVE_AGAIN_S:
            self._saved_at = now
            async with self._writing:
                for name in list(self._unsaved):
                    await self._save(self.agents[name].kept)

    async def commit(self, *, everything: bool = False) -> None:
        """Hands what was measured to the journal; `everything`: also the second that is not over."""
        now = self.clock()
        batch = Batch()
        for agent in self.agents.values():
            part = agent.meter.take(now, everything=everything)
            batch.rows += part.rows
            batch.sessions += part.sessions
            batch.forgotten += part.forgotten
        await self.on_disk(self.journal.write, batch)
        for agent in self.agents.values():
            if kept := agent.recorder.take():
                await self.on_disk(self.recordings.write, agent.name, kept)

    async def drain(self, seconds: float) -> None:
        """Lets requests in flight finish, for so long; then cuts them. Nothing of this is the versions' fault."""
        self.stopping = True
        for client in list(self.clients):
            client.stop()
        until = perf_counter() + seconds
        while any(agent.exchanges for agent in self.agents.values()) and perf_counter() < until:
            await asyncio.sleep(0.02)
        for client in list(self.clients):
            client.abort()

    async def close(self) -> None:
        """Writes what is left. Sessions stay open: the next process goes on with them."""
        await self.commit(everything=True)
        self.release()

    def release(self) -> None:
        """Lets go of files and connections."""
        for agent in self.agents.values():
            agent.close()
        self._worker.shutdown()
        self.pins.close()
        self.journal.close()
        self.recordings.close()
