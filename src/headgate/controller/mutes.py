"""Mutes: a planned maintenance, by name, with a reason and an end. All of it is on the ledger; nothing else is state.

As with CloudWatch's mute rules, alarms go on changing their states and lead to nothing meanwhile: no incident, and no
breach of `alarms: ok` (nor is it met). When the mute ends, an alarm that still rings acts. A mute of all alarms keeps
messages back too: of incidents but P1, of escalations and of budgets. What asks people, and what says that a candidate
was taken back, is always told.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from headgate.analysis.criteria import AlarmsSeen
from headgate.controller.commands import Who, served
from headgate.core.model import Rollout
from headgate.errors import NotFound, UsageError
from headgate.ports import Data, Entry, Message, Record, Store

KINDS = ("mute.set", "mute.ended")
LONGEST_S = 15 * 86_400.0  # as of CloudWatch's mute rules
SHORTEST_S = 60.0
QUIET = frozenset({"incident", "escalation", "budget"})  # events that a mute of everything keeps back

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


@dataclass(frozen=True, slots=True)
class Mute:
    """`alarms` (): all of the agent. In force from `since` until `until` (Unix s)."""

    name: str
    agent: str
    alarms: tuple[str, ...]
    since: float
    until: float
    by: str
    reason: str
    evidence: str

    def covers(self, agent: str, alarm: str, at: float) -> bool:
        """Whether this alarm leads to nothing at this time."""
        return agent == self.agent and self.since <= at < self.until and (not self.alarms or alarm in self.alarms)

    def quiets(self, agent: str, at: float) -> bool:
        """Whether it is of the agent as a whole, and in force."""
        return agent == self.agent and not self.alarms and self.since <= at < self.until

    def state(self, at: float) -> str:
        """to come | in force | over."""
        if at >= self.until or self.since >= self.until:
            return "over"
        return "to come" if at < self.since else "in force"

    def data(self) -> Data:
        return {
            "mute": self.name,
            "agent": self.agent,
            "alarms": list(self.alarms),
            "from": self.since,
            "until": self.until,
            "by": self.by,
            "reason": self.reason,
            "record": self.evidence,
        }


def mutes_of(records: Iterable[Record]) -> list[Mute]:
    """Every mute among these records, oldest first; one that was ended, or set again, is over from then on."""
    found: list[Mute] = []
    for record in records:
        body = record.body
        found = [_over(mute, record.at) if mute.name == body["mute"] else mute for mute in found]
        if record.kind == "mute.set":
            who = str(body["by"]), str(body["reason"]), record.id
            span = float(body["from"]), float(body["until"])
            found.append(Mute(str(body["mute"]), str(body["agent"]), tuple(body["alarms"]), *span, *who))
    return found


def _over(mute: Mute, at: float) -> Mute:
    return replace(mute, until=min(mute.until, max(at, mute.since)))


def all_of(store: Store) -> list[Mute]:
    return mutes_of(store.read(kinds=KINDS))


def put(store: Store, mute: Mute, who: Who) -> Mute:
    """Set a mute by its name; one of that name before it is over. Raises UsageError, or NotFound: no such agent."""
    agent = served(store, mute.agent)
    if not who.by.strip() or not who.reason:
        raise UsageError("a mute needs a name and a reason", "say --by NAME --reason TEXT")
    if not _NAME.fullmatch(mute.name):
        raise UsageError(f"{mute.name!r} is no name for a mute", "small letters, digits and hyphens: db-upgrade")
    if not SHORTEST_S <= mute.until - mute.since <= LONGEST_S:
        raise UsageError("a mute lasts between a minute and 15 days", "give its length with --for 2h")
    plans = [r.plan for r in store.all(active=True, agent=agent.name)] + ([agent.plan] if agent.plan else [])
    known = sorted({spec.name for plan in plans for spec in plan.every_alarm})
    if missing := [name for name in mute.alarms if name not in known]:
        raise UsageError(f"{agent.name} has no alarm {missing[0]}", f"there are: {', '.join(known) or 'none'}")
    body = {key: value for key, value in mute.data().items() if key != "record"}
    body |= {"by": who.by, "reason": who.reason}
    return mutes_of(store.append([Entry("mute.set", body)], who.at))[0]


def end(store: Store, name: str, who: Who) -> Mute:
    """End a mute before its time. NotFound: none of that name is in force, or will be."""
    found = next((m for m in reversed(all_of(store)) if m.name == name and m.until > who.at), None)
    if found is None:
        raise NotFound(f"no mute {name!r} is in force, or to come", "`headgate mute list` shows them")
    if not who.by.strip() or not who.reason:
        raise UsageError("to end a mute needs a name and a reason", "say --by NAME --reason TEXT")
    store.append([Entry("mute.ended", {"mute": name, "by": who.by, "reason": who.reason})], who.at)
    return _over(found, who.at)


class Mutes:
    """The mutes of a store, read as they come; several threads may ask."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: list[Record] = []
        self._lock = threading.Lock()

    def now(self) -> list[Mute]:
        """All that were ever set."""
        with self._lock:
            last = self._records[-1].seq if self._records else 0
            self._records += self._store.read(after=last, kinds=KINDS)
            return mutes_of(self._records)

    def covers(self, agent: str, alarm: str, at: float) -> bool:
        return any(mute.covers(agent, alarm, at) for mute in self.now())

    def keeps_back(self, message: Message, at: float) -> Mute | None:
        """The mute for which a message is not sent."""
        if message.event not in QUIET or message.severity == "P1":
            return None
        mutes = [mute for mute in self.now() if not mute.alarms and mute.since <= at < mute.until]
        agent = self._agent(message) if mutes else ""
        return next((mute for mute in mutes if mute.agent == agent), None)

    def _agent(self, message: Message) -> str:
        if message.rollout:
            return self._store.load(message.rollout).agent
        opened = self._store.read(kinds=("incident.opened",))
        named = {str(r.body["incident"]): str(r.body.get("agent", "")) for r in opened}
        return named.get(message.about, message.about)

    def seen(self, rollout: Rollout, seen: AlarmsSeen | None, now: float) -> AlarmsSeen | None:
        """What a check of the window is told of the alarms, without what rings, or rang, while it was muted."""
        mutes = [mute for mute in self.now() if mute.agent == rollout.agent]
        if seen is None or not mutes:
            return seen

        def muted(name: str) -> bool:
            return any(mute.covers(rollout.agent, name, now) for mute in mutes)

        quiet = tuple(name for name in (*seen.ringing, *seen.general) if muted(name))
        rang = self._store.read(rollout.id, kinds=("alarm",))
        return replace(
            seen,
            ringing=tuple(name for name in seen.ringing if not muted(name)),
            general=tuple(name for name in seen.general if not muted(name)),
            rang=tuple(name for name in seen.rang if _rang_unmuted(name, rang, mutes, rollout)),
            muted=quiet,
        )


def _rang_unmuted(name: str, records: Sequence[Record], mutes: Sequence[Mute], rollout: Rollout) -> bool:
    since = rollout.window.started_at if rollout.window else rollout.created_at
    times = [r.at for r in records if r.body["name"] == name and r.body["to"] == "ALARM" and r.at >= since]
    return not times or any(not any(m.covers(rollout.agent, name, at) for m in mutes) for at in times)
