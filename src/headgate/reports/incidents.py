"""Incidents, folded from the ledger: what was opened, who has seen it, who was told since, how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headgate.ports import Record
from headgate.reports import model as m

KINDS = (
    "incident.opened",
    "incident.joined",
    "incident.evidence",
    "incident.acknowledged",
    "incident.escalated",
    "incident.diagnosed",
    "incident.resolved",
    "incident.times",
)
SEVERITIES = ("P1", "P2", "P3", "P4")


@dataclass(frozen=True, slots=True)
class Said(m.Noted):
    """A person's word on an incident; `via` says how it came, "" by the command line."""

    by: str
    reason: str
    cause: str = ""
    via: str = ""


@dataclass(frozen=True, slots=True)
class Told(m.Noted):
    """A step of escalation: who was told, how long after the opening (s)."""

    step: int
    to: tuple[str, ...]
    after_s: float


@dataclass(frozen=True, slots=True)
class Diagnosis(m.Noted):
    """`checks`: each {"check", "answer": ok | bad | not measured, "detail"}."""

    runbook: str
    by: str
    checks: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Incident(m.Noted):
    """`at` is when it was opened, `evidence` the record of it. `cause`: the record that it was opened for, or ""."""

    id: str
    severity: str
    title: str
    rollout: str
    agent: str
    by: str = "headgate"
    cause: str = ""
    joined: tuple[m.Noted, ...] = ()
    frozen: Record | None = None
    acknowledged: Said | None = None
    told: tuple[Told, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    resolved: Said | None = None
    times: m.Times | None = None

    @property
    def state(self) -> str:
        """open | acknowledged | resolved"""
        return "resolved" if self.resolved else "acknowledged" if self.acknowledged else "open"


def incidents_of(records: Sequence[Record]) -> list[Incident]:
    """Every incident among these records, oldest first. The first acknowledgement and resolution of each count."""
    found: dict[str, Incident] = {}
    for record in records:
        name = str(record.body.get("incident", ""))
        if record.kind == "incident.opened":
            found[name] = _opened(record)
        elif name in found:
            found[name] = _more(found[name], record)
    return list(found.values())


def _opened(record: Record) -> Incident:
    body = record.body
    return Incident(
        record.at,
        record.id,
        str(body["incident"]),
        str(body["severity"]),
        str(body["title"]),
        record.rollout,
        str(body.get("agent") or record.rollout.rpartition("-")[0].rpartition("-")[0]),
        str(body.get("by") or "headgate"),
        str(body.get("cause") or ""),
    )


def _more(known: Incident, record: Record) -> Incident:
    body = record.body
    match record.kind:
        case "incident.joined":
            severity = min(known.severity, str(body["severity"]))
            return replace(known, severity=severity, joined=(*known.joined, m.Noted(record.at, record.id)))
        case "incident.evidence":
            return replace(known, frozen=known.frozen or record)
        case "incident.acknowledged":
            return replace(known, acknowledged=known.acknowledged or _said(record))
        case "incident.resolved":
            return replace(known, resolved=known.resolved or _said(record))
        case "incident.escalated":
            step = Told(record.at, record.id, int(body["step"]), tuple(body["to"]), float(body["after_s"]))
            return replace(known, told=(*known.told, step))
        case "incident.diagnosed":
            made = Diagnosis(record.at, record.id, str(body["runbook"]), str(body["by"]), tuple(body["checks"]))
            return replace(known, diagnoses=(*known.diagnoses, made))
        case "incident.times":
            names = ("fault_at", "detected_at", "decided_at", "cut_over_at", "drained_at")
            return replace(known, times=m.Times(record.at, record.id, *(body.get(name) for name in names)))
    return known


def _said(record: Record) -> Said:
    words = (str(record.body.get(name) or "") for name in ("by", "reason", "cause", "via"))
    return Said(record.at, record.id, *words)
