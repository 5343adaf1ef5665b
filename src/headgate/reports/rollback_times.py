"""When a rollback was asked for, detected, decided, cut over and drained.

The controller's own measurement (`incident.times`) counts first, then what the other records say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headgate.core.model import Answer, Phase
from headgate.reports import model as m

if TYPE_CHECKING:
    from headgate.reports.history import History

_NOTHING = m.Times(0.0, "", None, None, None, None, None)


def taken(history: History) -> m.Taken | None:
    """The rollback of this history, or None where nothing was taken back."""
    decided = history.entered(Phase.ROLLING_BACK)
    if decided is None:
        return None
    times = history.times[-1] if history.times else _NOTHING
    asked = _word_before(history, decided)
    cut_over = next((w.verified for w in history.weights if w.withdraw and w.verified), None)
    pins = [e["key"] for e in history.records[decided.evidence].body.get("effects", ()) if e.get("is") == "PinEndpoint"]
    endpoint = next((v for v in history.verified if v.key in pins), None)
    return m.Taken(
        by=asked.by if asked else "headgate",
        reason=decided.reason,
        asked=asked or decided,
        decided=_stamp(times, times.decided) or decided,
        fault=_stamp(times, times.fault),
        detected=_stamp(times, times.detected) or _detected(history, decided),
        cut_over=_stamp(times, times.cut_over) or cut_over,
        endpoint=endpoint,
        drained=_stamp(times, times.drained) or _drained(history, decided),
    )


def _stamp(times: m.Times, at: float | None) -> m.Noted | None:
    return None if at is None else m.Noted(at, times.evidence)


def _word_before(history: History, decided: m.Entered) -> m.Word | None:
    """The person's word that led to the decision, if a person's word did."""
    spoken = [w for w in (*history.words, *history.forced) if w.verb in {"abort", "reject", "rollback", "force-down"}]
    return next((w for w in reversed(spoken) if w.at <= decided.at and w.by in decided.reason), None)


def _detected(history: History, decided: m.Entered) -> m.Noted | None:
    """The first look of the row of FAILs, or the health change, that the decision rests on."""
    found: m.Noted | None = None
    for look in history.looks:
        if int(look.evidence[1:]) > int(decided.evidence[1:]):
            break
        fails = look.verdict.answer is Answer.FAIL
        found = (found or look) if fails else None
    ill = [h for h in history.health if not h.healthy and h.variant == "candidate" and h.at <= decided.at]
    return found or (ill[-1] if ill else None)


def _drained(history: History, decided: m.Entered) -> m.Noted | None:
    return next((d for d in history.debts if d.sessions == 0 and int(d.evidence[1:]) > int(decided.evidence[1:])), None)
