"""Incidents: opened once per event, seen, escalated, resolved. All of it is on the ledger; nothing else is state.

The core opens one by its effect, a person by the command line, a critical alarm of the candidate by the desk's turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from headgate.controller import messages
from headgate.controller.commands import Who
from headgate.controller.frozen import frozen
from headgate.controller.world import World
from headgate.core.model import FINISHED, Rollout
from headgate.core.plan import Plan
from headgate.errors import NotFound, RefusedError, UsageError
from headgate.ports import Agent, Change, Data, Entry, Lease, Message, Record, Store
from headgate.reports.incidents import KINDS, SEVERITIES, Incident, incidents_of

EVERY_S = 1.0


def all_of(store: Store) -> list[Incident]:
    """Every incident of the ledger, oldest first."""
    return incidents_of(store.read(kinds=KINDS))


def find(store: Store, asked: str) -> Incident:
    """The incident of this id, or of the only one that ends with it. NotFound lists what there is."""
    known = all_of(store)
    found = [i for i in known if i.id == asked] or [i for i in known if asked and i.id.endswith(asked)]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"{asked} could be any of {', '.join(i.id for i in found)}", "give the whole id")
    names = ", ".join(i.id for i in known[-3:]) or "none yet"
    raise NotFound(f"there is no incident {asked!r}", f"`headgate incident list` shows them; the last ones: {names}")


def records(store: Store, incident: Incident) -> list[Record]:
    """What a report on it is made of: its own records, and those of its rollout or agent."""
    if incident.rollout:
        mine = store.read(incident.rollout)
    else:
        mine = [r for r in store.read(kinds=KINDS) if r.body.get("incident") == incident.id]
    return mine


def opening(store: Store, body: Data, rollout: Rollout | None, agent: Agent | None, now: float) -> _Opened:
    """The entries and messages of a new incident. `body` is that of `incident.opened`."""
    entry = Entry("incident.opened", body, rollout.id if rollout else "")
    plan = rollout.plan if rollout else agent.plan if agent else None
    evidence = Entry(
        "incident.evidence", {"incident": body["incident"], **frozen(store, rollout, agent, now)}, entry.rollout
    )
    made = incidents_of([Record(0, now, entry.rollout, entry.kind, body, "", "")])[0]
    text = f"{made.id} {made.severity}: {made.title}"
    told = [r for r in plan.notify if "incident" in r.on] if plan else []
    return (entry, evidence), messages.of_incident(told, made, "incident", text, now)


_Opened = tuple[tuple[Entry, ...], tuple[Message, ...]]


def open_by_hand(store: Store, about: str, severity: str, title: str, who: Who) -> Incident:
    """A person's incident of a rollout or an agent. NotFound where there is neither."""
    if severity not in SEVERITIES:
        raise UsageError(f"{severity} is no severity", f"one of {', '.join(SEVERITIES)}")
    if not title.strip():
        raise UsageError("an incident needs a title", "say what happens with --title TEXT")
    agent = next((a for a in store.agents() if a.name == about), None)
    running = store.all(active=True, agent=about) if agent else []
    rollout = running[0] if running else None if agent else store.load(about)
    agent = agent or next((a for a in store.agents() if rollout and a.name == rollout.agent), None)
    name = rollout.agent if rollout else about
    stamp = datetime.fromtimestamp(who.at, UTC).strftime("%Y%m%d-%H%M%S")
    body: Data = {
        "incident": f"INC-{name}-{stamp}",
        "severity": severity,
        "title": title.strip(),
        "at": who.at,
        "agent": name,
        "by": who.by,
        "reason": who.reason,
    }
    if any(i.id == body["incident"] for i in all_of(store)):
        raise RefusedError(f"{body['incident']} was opened this very second", "see `headgate incident list`")
    entries, told = opening(store, body, rollout, agent, who.at)
    store.append(entries, who.at, told)
    return find(store, body["incident"])


def acknowledge(store: Store, asked: str, who: Who, *, link: str = "") -> Incident:
    """Somebody has seen it: escalation stops. RefusedError: it was acknowledged or resolved before."""
    found = find(store, asked)
    if found.state != "open":
        said = found.resolved or found.acknowledged
        raise RefusedError(f"{found.id} is {found.state} already{f', by {said.by}' if said else ''}")
    body: Data = {"incident": found.id, "by": _named(who), "reason": who.reason, "via": "link" if link else ""}
    entry = Entry("incident.acknowledged", body, found.rollout)
    if link:
        store.spend(link, [entry], who.at)
    else:
        store.append([entry], who.at)
    return find(store, found.id)


def resolve(store: Store, asked: str, cause: str, who: Who) -> Incident:
    """It is over, and why it was. RefusedError: it was resolved before."""
    found = find(store, asked)
    if found.resolved:
        raise RefusedError(f"{found.id} was resolved by {found.resolved.by}: {found.resolved.cause}")
    if not cause.strip() or not who.reason:
        raise UsageError("a resolution needs a cause and a reason", "say both: --cause TEXT --reason TEXT")
    body: Data = {"incident": found.id, "by": _named(who), "cause": cause.strip(), "reason": who.reason}
    plan = plan_of(store, found)
    text = f"{found.id} resolved by {who.by}: {cause.strip()}"
    told = [r for r in plan.notify if "resolved" in r.on] if plan else []
    over = messages.of_incident(told, found, "resolved", text, who.at)
    store.append([Entry("incident.resolved", body, found.rollout)], who.at, over)
    return find(store, found.id)


def _named(who: Who) -> str:
    if not who.by.strip():
        raise UsageError("who says so?", "give your name with --by NAME")
    return who.by


def plan_of(store: Store, incident: Incident) -> Plan | None:
    """The plan that says who is told: the rollout's, else the one that the agent is served with."""
    if incident.rollout:
        return store.load(incident.rollout).plan
    return next((a.plan for a in store.agents() if a.name == incident.agent), None)


class Desk:
    """What time and the ledger make of incidents. Everything that it remembers is read again after a restart."""

    def __init__(self, world: World, hold: Callable[[str], Lease | None]) -> None:
        self._world = world
        self._hold = hold
        self._records: list[Record] = []
        self._alarms: list[Record] = []
        self._at = 0.0

    def turn(self) -> None:
        now = self._world.clock.now()
        if now - self._at < EVERY_S:
            return
        self._at = now
        self._read()
        for alarm in self._alarms:
            self._open(alarm, now)
        for incident in incidents_of(self._records):
            if incident.state == "open":
                self._escalate(incident, now)
        self._alarms = []

    def _read(self) -> None:
        known = max((r.seq for r in (*self._records, *self._alarms)), default=0)
        for record in self._world.store.read(after=known, kinds=(*KINDS, "alarm")):
            (self._alarms if record.kind == "alarm" else self._records).append(record)

    def _open(self, alarm: Record, now: float) -> None:
        """A critical alarm of the candidate is an event; what was red before, or is the baseline's, is not its."""
        body = alarm.body
        if body["to"] != "ALARM" or not body.get("critical") or body.get("variant") == "baseline" or not alarm.rollout:
            return
        store, rollout = self._world.store, self._world.store.load(alarm.rollout)
        known = incidents_of(self._records)
        unresolved = [i for i in known if i.rollout == rollout.id and not i.resolved]
        if rollout.phase in FINISHED or any(i.cause == alarm.id for i in known) or unresolved:
            return  # that event has its incident
        lease = self._hold(rollout.agent)
        if lease is None:
            return
        opened = {
            "incident": next_id(store, rollout),
            "severity": "P2",
            "title": f"alarm {body['name']} of the candidate",
            "at": now,
            "agent": rollout.agent,
            "cause": alarm.id,
        }
        entries, told = opening(store, opened, rollout, None, now)
        self._records += store.commit(Change(entries=entries, messages=told), lease, now)

    def _escalate(self, incident: Incident, now: float) -> None:
        plan = plan_of(self._world.store, incident)
        for number, step in enumerate(plan.escalation if plan else ()):
            known = any(told.step == number for told in incident.told)
            if known or incident.severity > step.severity or now < incident.at + step.after_s:
                continue
            lease = self._hold(incident.agent)
            if lease is None or plan is None:
                return
            to = [r for r in plan.notify if r.name in step.to]
            text = f"{incident.id} {incident.severity} is not acknowledged after {step.after_s:g} s: {incident.title}"
            told = messages.of_incident(to, incident, "escalation", text, now, step=f"-{number}")
            body: Data = {"incident": incident.id, "step": number, "to": list(step.to), "after_s": now - incident.at}
            entry = Entry("incident.escalated", body, incident.rollout)
            self._records += self._world.store.commit(Change(entries=(entry,), messages=told), lease, now)
            incident = incidents_of(self._records_of(incident))[0]

    def _records_of(self, incident: Incident) -> Sequence[Record]:
        return [r for r in self._records if r.body.get("incident") == incident.id]


def next_id(store: Store, rollout: Rollout) -> str:
    return f"INC-{rollout.id}-{len(store.read(rollout.id, kinds=('incident.opened',))) + 1}"


def joins(store: Store, rollout: Rollout) -> Incident | None:
    """An unresolved incident that an alarm of this rollout opened: what follows from that alarm is the same event."""
    known = incidents_of(store.read(rollout.id, kinds=KINDS))
    return next((replace(i) for i in known if i.cause and not i.resolved), None)
