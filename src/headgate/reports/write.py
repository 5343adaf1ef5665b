"""From records to a report by name: what `headgate report NAME ID` calls."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.errors import UsageError
from headgate.ports import Record
from headgate.reports.document import Document
from headgate.reports.dr_plan import dr_plan_report
from headgate.reports.evidence import evidence_report
from headgate.reports.handoff import handoff_report
from headgate.reports.history import History
from headgate.reports.monitoring_plan import monitoring_plan
from headgate.reports.monitoring_report import monitoring_report
from headgate.reports.render import render
from headgate.reports.runbooks import runbook_report
from headgate.reports.status import status_report

__all__ = ["render", "write"]

_REPORTS = {
    "status": status_report,
    "monitoring-plan": monitoring_plan,
    "monitoring": monitoring_report,
    "handoff": handoff_report,
    "evidence": evidence_report,
    "runbook": runbook_report,
    "dr-plan": dr_plan_report,
}


def write(name: str, records: Sequence[Record], head: tuple[int, str], now: float) -> Document:
    """The report of this name. `head` is the ledger's (count, hash), `now` the time of writing (Unix s).

    Raises UsageError for an unknown name or records without a rollout.
    """
    if name not in _REPORTS:
        raise UsageError(f"there is no report {name!r}", f"ask for {', '.join(_REPORTS)}")
    return _REPORTS[name](History.of(records), head, now)
