"""The desk: what time and the ledger make of incidents, once a second. All that it remembers is read anew at a restart.

An alarm of the candidate that rings is an event: a critical one at any time, any other once the candidate has all new
sessions, for then nothing else would follow from it until the window ends, and after it nothing at all. One event is
one incident: what rings or is decided while that one is not resolved is part of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from headgate.controller import incidents, messages
from headgate.controller.mutes import Mutes
from headgate.controller.operations import promoted
from headgate.controller.world import World
from headgate.core import policy
from headgate.core.model import FINISHED, Phase, Rollout
from headgate.ports import Change, Data, Entry, Lease, Record
from headgate.reports.incidents import KINDS, Incident, incidents_of

EVERY_S = 1.0
_NEWS_S = 3600.0  # an alarm that rang longer ago, and is over, is no event of now

Alarm = tuple[str, str, str]  # rollout, alarm, variant


@dataclass(slots=True)
class _Seen:
    """The ledger as far as the desk has read it."""

    seq: int = 0
    records: dict[int, Record] = field(default_factory=dict)  # of incidents, by their place in the ledger
    last: dict[Alarm, Record] = field(default_factory=dict)  # the last record of each alarm
    been_ok: set[Alarm] = field(default_factory=set)
    fresh: list[Record] = field(default_factory=list)  # alarms that ring, not looked at yet


class Desk:
    """`hold`: the lease of an agent, or None where another controller has it."""

    def __init__(self, world: World, hold: Callable[[str], Lease | None]) -> None:
        self._world = world
        self._hold = hold
        self._mutes = Mutes(world.store)
        self._seen = _Seen()
        self._at = 0.0

    def turn(self) -> None:
        now = self._world.clock.now()
        if 0.0 <= now - self._at < EVERY_S:
            return
        self._at = now
        self._read()
        waiting, self._seen.fresh = self._seen.fresh, []
        self._seen.fresh = [alarm for alarm in waiting if not self._rang(alarm, now)]
        for incident in self._incidents():
            if incident.state == "open":
                self._escalate(incident, now)

    def _read(self) -> None:
        seen = self._seen
        for record in self._world.store.read(after=seen.seq, kinds=(*KINDS, "alarm")):
            seen.seq = record.seq
            if record.kind != "alarm":
                self._note(record)
                continue
            alarm = _alarm(record)
            seen.last[alarm] = record
            if record.body["to"] == "OK":
                seen.been_ok.add(alarm)
            elif _rings(record):
                seen.fresh.append(record)

    def _note(self, record: Record) -> None:
        self._seen.records[record.seq] = record

    def _incidents(self) -> list[Incident]:
        return incidents_of([self._seen.records[seq] for seq in sorted(self._seen.records)])

    # --- alarms ------------------------------------------------------------------------------------------------------

    def _rang(self, alarm: Record, now: float) -> bool:
        """Open an incident for it, or join it to the one that is open. False: not now, ask again."""
        if (now - alarm.at > _NEWS_S and self._seen.last[_alarm(alarm)] is not alarm) or self._known(alarm):
            return True
        rollout = self._world.store.load(alarm.rollout)
        if self._mutes.covers(rollout.agent, alarm.body["name"], now):
            return self._seen.last[_alarm(alarm)] is not alarm  # what rings on when the mute is over is an event then
        severity = self._severity(alarm, rollout)
        if severity is None or self._red_before(alarm, rollout):
            return True
        lease = self._hold(rollout.agent)
        if lease is None:
            return False
        body: Data = {"severity": severity, "title": _title(alarm, rollout), "cause": alarm.id}
        mine = [i for i in self._incidents() if i.rollout == rollout.id and not i.resolved]
        if mine:
            entry = Entry("incident.joined", {"incident": mine[-1].id, **body}, rollout.id)
            change = Change(entries=(entry,))
        else:
            name = incidents.next_id(self._world.store, rollout)
            opened: Data = {"incident": name, **body, "at": now, "agent": rollout.agent}
            entries, told = incidents.opening(self._world.store, self._world.recordings, opened, rollout, None)
            change = Change(entries=entries, messages=told)
        for record in self._world.store.commit(change, lease, now):
            self._note(record)
        return True

    def _known(self, alarm: Record) -> bool:
        records = self._seen.records.values()
        return any(r.body.get("cause") == alarm.id for r in records if r.kind in {"incident.opened", "incident.joined"})

    def _severity(self, alarm: Record, rollout: Rollout) -> str | None:
        """None where it is no event for people: before 100 % the analysis decides, after the end another may serve."""
        if rollout.phase in FINISHED and not self._serves(rollout):
            return None
        if alarm.body.get("critical"):
            return "P2"
        alone = policy.working_phase(rollout) in {Phase.VALIDATING, Phase.HANDING_OVER, Phase.COMPLETED}
        return "P3" if alone else None

    def _serves(self, rollout: Rollout) -> bool:
        """Whether it is the rollout that made the agent's present baseline."""
        store = self._world.store
        agent = next((a for a in store.agents() if a.name == rollout.agent), None)
        found = promoted(agent, store.all(agent=rollout.agent)) if agent else None
        return found is not None and found.id == rollout.id

    def _red_before(self, alarm: Record, rollout: Rollout) -> bool:
        """Red before the release and not OK since: the release is not to blame."""
        before = self._world.store.read(rollout.id, kinds=("evidence.baseline",))
        red = any((r.body.get("alarms") or {}).get(alarm.body["name"]) == "ALARM" for r in before)
        return red and _alarm(alarm) not in self._seen.been_ok

    # --- time --------------------------------------------------------------------------------------------------------

    def _escalate(self, incident: Incident, now: float) -> None:
        plan = incidents.plan_of(self._world.store, incident)
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
            for record in self._world.store.commit(Change(entries=(entry,), messages=told), lease, now):
                self._note(record)
            incident = next(i for i in self._incidents() if i.id == incident.id)


def _alarm(record: Record) -> Alarm:
    return record.rollout, record.body["name"], record.body.get("variant", "")


def _rings(record: Record) -> bool:
    """The candidate's, or the agent's as a whole; one that leads to nothing by itself (a composite's part) does not."""
    body = record.body
    acts = body["to"] == "ALARM" and body.get("acts", True)
    return bool(acts and body.get("variant") != "baseline" and record.rollout)


def _title(alarm: Record, rollout: Rollout) -> str:
    number = rollout.candidate.number if rollout.candidate else "?"
    over = rollout.phase in FINISHED
    whose = "the agent" if alarm.body.get("variant") == "agent" else f"version {number}" if over else "the candidate"
    return f"alarm {alarm.body['name']} of {whose}"
