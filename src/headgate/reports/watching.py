"""Alarms and figures in words: when an alarm is breached, and a later figure beside the baseline's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.core.clouds import cloud_prefix
from headgate.core.plan import AlarmSpec
from headgate.reports import model as m
from headgate.reports import words
from headgate.reports.document import Block, Cited, Line, Missing, Plain, Span, Table, bullets, item, line, paragraph
from headgate.reports.history import History
from headgate.reports.telling import of_created

# what figures are called, how they are read out of totals, and the metric whose unit they have
_FIGURES = (
    ("Requests", "requests"),
    ("Error rate", "error_rate"),
    ("p95 of the wait", "latency_p95"),
    ("First token, p95", "first_token_p95"),
    ("Token gap, p95", "token_gap_p95"),
    ("Cost per day", "cost_per_day"),
    ("Tokens per request", "tokens_per_request"),
)
_DAY_S = 86_400.0


def breached_when(alarm: AlarmSpec) -> str:
    """ "error_rate > 5 %", "invocations above 4 spreads", or the last line of its metric math."""
    what = alarm.metric or (alarm.queries[-1].expression if alarm.queries else "") or alarm.name
    if alarm.band:
        return f"{what} {alarm.op} {alarm.band:g} spreads of what is usual"
    return f"{what} {alarm.op} {words.measure(alarm.metric, alarm.threshold)}"


def over(alarm: AlarmSpec) -> str:
    """ "2 of 3 periods of 5 min"."""
    return f"{alarm.datapoints} of {alarm.evaluation_periods} periods of {words.duration(alarm.period_s)}"


def figures(totals: Mapping[str, Any]) -> dict[str, float | None]:
    """What some totals say, in the units of `words.measure`; None: not measured."""
    requests, seconds = totals.get("requests") or 0, totals.get("seconds") or 0.0
    cost, tokens = totals.get("cost_usd") or 0.0, totals.get("tokens") or 0
    used = cost > 0 or tokens > 0  # an agent that reports no usage has no cost of zero
    return {
        "requests": float(requests) if totals else None,
        "error_rate": totals["errors"] / requests if requests else None,
        "latency_p95": totals.get("latency_p95"),
        "first_token_p95": totals.get("first_token_p95"),
        "token_gap_p95": totals.get("token_gap_p95"),
        "cost_per_day": cost * _DAY_S / seconds if used and cost > 0 and seconds else None,
        "tokens_per_request": tokens / requests if requests and tokens else None,
    }


def known_figures(totals: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """(label, name, value) of what was measured."""
    found = figures(totals)
    return [(label, name, value) for label, name in _FIGURES if (value := found[name]) is not None]


def against_baseline(history: History, check: m.Check) -> Block:
    """Every figure at a check beside the baseline's before the release."""
    before, now = history.before, figures(check.totals)
    was = figures(before.totals) if before else {}
    rows = tuple(
        (
            line(label),
            line(_figure(name, was.get(name), before)),
            line(_figure(name, now[name], check)),
        )
        for label, name in _FIGURES
    )
    head = (Plain("Figure"), Plain("Baseline, before the release"), Plain("Candidate, since the window began"))
    return Table(head, rows)


def _figure(name: str, value: float | None, noted: m.Noted | None) -> Span:
    if noted is None:
        return Missing("no baseline is on the ledger")
    if value is None:
        return Missing("nothing of it was seen")
    return Cited(words.measure(name, value), (noted.evidence,))


def states(alarms: Mapping[str, str], noted: m.Noted) -> Line:
    """ "6 OK, 1 without data: x", or which are in ALARM."""
    if not alarms:
        return line(Missing("no alarm was read"))
    red = sorted(name for name, state in alarms.items() if state == "ALARM")
    blind = sorted(name for name, state in alarms.items() if state not in {"OK", "ALARM"})
    parts = [f"{len(alarms) - len(red) - len(blind)} OK"]
    parts += [f"in ALARM: {', '.join(red)}"] if red else []
    parts += [f"without data: {', '.join(blind)}"] if blind else []
    return line(Cited("; ".join(parts), (noted.evidence,)))


def on_cloudwatch(history: History) -> tuple[Block, ...]:
    """What of the alarms is on AWS: made there, and watched there."""
    cloud, blocks = history.plan.cloudwatch, list[Block]()
    if cloud is None:
        return ()
    if cloud.create:
        names = of_created(history, cloud_prefix(history.agent, history.rollout.id), code=True)
        end = of_created(history, "left" if cloud.on_end == "leave" else "removed")
        kept = "Kept on CloudWatch where it can be, for each variant, under names that begin with "
        blocks.append(paragraph(kept, names, "; at the end ", end, "."))
    if cloud.watch:
        blocks.append(paragraph("Watched on CloudWatch, and made by others:"))
        rows = [(each.name, f"of {each.of or 'whose endpoint it watches'}") for each in cloud.watch]
        blocks.append(bullets(*(item(of_created(history, name), ", ", of_created(history, of)) for name, of in rows)))
    return tuple(blocks)
