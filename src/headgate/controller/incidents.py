"""Incidents: opened once per event, seen, escalated, resolved. All of it is on the ledger; nothing else is state.

The core opens one by its effect, a person by the command line, an alarm or a budget by the desk's turn (`desk`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from headgate.controller import messages
from headgate.controller.commands import Who
from headgate.controller.frozen import frozen
from headgate.core.model import Rollout
from headgate.core.plan import Plan
from headgate.errors import NotFound, RefusedError, UsageError
from headgate.ports import Agent, Data, Entry, Message, Record, Recordings, Store
from headgate.reports.incidents import KINDS, SEVERITIES, Incident, incidents_of


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
    """What a report on it is made of: all of its rollout's records; where it is of none, its own and its messages'."""
    if incident.rollout:
        return store.read(incident.rollout)
    found = store.read(kinds=(*KINDS, "notification"))
    return [r for r in found if r.body.get("incident") == incident.id or _tells_of(r, incident)]


def _tells_of(record: Record, incident: Incident) -> bool:
    return record.kind == "notification" and record.body["key"].startswith(f"{incident.id}/")


def opening(
    store: Store, recordings: Recordings | None, body: Data, rollout: Rollout | None, agent: Agent | None
) -> _Opened:
    """The entries and messages of a new incident. `body` is that of `incident.opened`, `at` in it is now."""
    now = float(body["at"])
    entry = Entry("incident.opened", body, rollout.id if rollout else "")
    plan = rollout.plan if rollout else agent.plan if agent else None
    kept = frozen(store, recordings, rollout, agent, now)
    evidence = Entry("incident.evidence", {"incident": body["incident"], **kept}, entry.rollout)
    made = incidents_of([Record(0, now, entry.rollout, entry.kind, body, "", "")])[0]
    text = f"{made.id} {made.severity}: {made.title}"
    told = [r for r in plan.notify if "incident" in r.on] if plan else []
    return (entry, evidence), messages.of_incident(told, made, "incident", text, now)


_Opened = tuple[tuple[Entry, ...], tuple[Message, ...]]


def open_by_hand(
    store: Store, about: str, severity: str, title: str, who: Who, *, recordings: Recordings | None = None
) -> Incident:
    """A person's incident of a rollout or an agent. NotFound where there is neither."""
    if severity not in SEVERITIES:
        raise UsageError(f"{severity} is no severity", f"one of {', '.join(SEVERITIES)}")
    if not title.strip():
        raise UsageError("an incident needs a title", "say what happens with --title TEXT")
    agent = next((a for a in store.agents() if a.name == about), None)
    running = store.all(active=True, agent=about) if agent else []
    rollout = running[0] if running else None if agent else _rollout(store, about)
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
    entries, told = opening(store, recordings, body, rollout, agent)
    store.append(entries, who.at, told)
    return find(store, body["incident"])


def _rollout(store: Store, about: str) -> Rollout:
    try:
        return store.load(about)
    except NotFound as error:
        served = ", ".join(agent.name for agent in store.agents()) or "none"
        raise NotFound(f"there is no agent and no rollout {about!r}", f"agents served here: {served}") from error


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


def next_id(store: Store, rollout: Rollout) -> str:
    return f"INC-{rollout.id}-{len(store.read(rollout.id, kinds=('incident.opened',))) + 1}"


def joins(store: Store, rollout: Rollout) -> Incident | None:
    """An unresolved incident that an alarm of this rollout opened: what follows from that alarm is the same event."""
    known = incidents_of(store.read(rollout.id, kinds=KINDS))
    return next((replace(i) for i in known if i.cause and not i.resolved), None)
