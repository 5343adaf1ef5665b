"""A line of metric math as a plan writes it: "errors Sum", or an expression."""

from __future__ import annotations

import re
from collections.abc import Iterable

from headgate.analysis.extended import extended
from headgate.analysis.metric_math import parse
from headgate.analysis.periods import COUNTERS, HISTOGRAMS, STATISTICS, quantile_of
from headgate.core.plan import MetricQuery

_METRIC = re.compile(r"([a-z_]+)\s+([A-Za-z][\w.]*(?:\([^()]*\))?)")
_OF_COUNTERS = frozenset({"Sum", "SampleCount", "Average"})


def query(name: str, text: str) -> MetricQuery:
    """One line under its id; whether it can be evaluated is `wrong_query`'s question."""
    found = _METRIC.fullmatch(text.strip())
    return MetricQuery(name, found[1], found[2]) if found else MetricQuery(name, expression=text)


def wrong_query(text: str, ids: Iterable[str]) -> str:
    """What is wrong with a line over these earlier ids; "" where nothing is."""
    made = query("", text)
    if made.expression:
        try:
            parse(made.expression, ids)
        except ValueError as error:
            return str(error)
        return ""
    if made.metric not in (*COUNTERS, *HISTOGRAMS):
        return f"there is no metric {made.metric}: there are {', '.join((*COUNTERS, *HISTOGRAMS))}"
    known = STATISTICS if made.metric in HISTOGRAMS else _OF_COUNTERS
    try:
        more = quantile_of(made.statistic) is not None or extended(made.statistic) is not None
    except ValueError as error:
        return str(error)
    if made.statistic not in known and not (more and made.metric in HISTOGRAMS):
        also = ", p95, tm95, TM(10%:90%), TC, TS, WM, IQM and PR(:0.3)" if made.metric in HISTOGRAMS else ""
        return f"{made.metric} has no statistic {made.statistic}: there are {', '.join(sorted(known))}{also}"
    return ""
