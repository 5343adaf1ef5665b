"""Closed sessions and late scores, as gateways and scorers tell them -> units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np

from headgate.core.metrics import Measure, OwnMetric
from headgate.stats.closing import placed
from headgate.stats.experts import Kind
from headgate.stats.observations import Score, Session
from headgate.stats.units import Column, Units, log_place, score_place


def units_of(sessions: Sequence[Session], own: Sequence[OwnMetric] = ()) -> Units:
    """Sessions as units, in this order, with a plan's own metrics. What was not measured is absent.

    Raises ValueError for a session that cannot be.
    """
    for session in sessions:
        refuse_nonsense(session)
    spent = {
        "cost": [session.cost_usd for session in sessions],
        "tokens": [float(session.tokens_in + session.tokens_out) for session in sessions],
    }
    columns = {name: _amounts(values) for name, values in spent.items()}
    columns["latency"] = _times([session.latency for session in sessions])
    columns["ttft"] = _times([session.ttfb for session in sessions])
    columns |= {each.name: _told(sessions, each) for each in own}
    return Units(
        candidate=np.array([session.variant == "candidate" for session in sessions], bool),
        weight=np.array([session.weight / 100.0 for session in sessions], np.float64),
        turns=np.array([max(1, session.turns) for session in sessions], np.float64),
        failures=np.array([session.failures for session in sessions], np.float64),
        columns=columns,
    )


def scored(scores: Sequence[Score]) -> Units:
    """Scores that came after their sessions had closed, as units of their own. Raises ValueError for nonsense."""
    for score in scores:
        if score.variant not in {"baseline", "candidate"} or not 0.0 <= score.quality <= 1.0:
            raise ValueError(f"session {score.session}: {score.quality!r} of {score.variant!r} is no score from 0 to 1")
    n = len(scores)
    quality = score_place(np.array([score.quality for score in scores], np.float64))
    return Units(
        candidate=np.array([score.variant == "candidate" for score in scores], bool),
        weight=np.array([score.weight / 100.0 for score in scores], np.float64),
        turns=np.ones(n),
        failures=np.zeros(n),
        columns={"quality": Column(np.arange(n), quality, np.ones(n))},
    )


def _told(sessions: Sequence[Session], metric: OwnMetric) -> Column:
    """What agents told of a metric; a number that cannot be one of its kind was not measured."""
    if metric.kind is Measure.TIME:
        return _times([session.times.get(metric.name, {}) for session in sessions])
    mean = metric.kind is Measure.SCORE
    told = [session.values.get(metric.name, (0.0, 0)) for session in sessions]
    values = np.array([total / max(1, n) if mean else total for total, n in told], np.float64)
    some = np.array([n > 0 for _, n in told], bool)
    measured = np.flatnonzero(some & np.isfinite(values) & (values >= 0.0) & (values <= (1.0 if mean else np.inf)))
    place = placed(values[measured], Kind(metric.kind.value), flipped=metric.flipped)
    return Column(measured, place, np.ones(len(measured)))


def _amounts(values: Sequence[float]) -> Column:
    amounts = np.array(values, np.float64)
    measured = np.flatnonzero(amounts > 0.0)
    return Column(measured, log_place(amounts[measured]), np.ones(len(measured)))


def _times(histograms: Sequence[Mapping[int, int]]) -> Column:
    rows = [(i, bucket, n) for i, counts in enumerate(histograms) for bucket, n in counts.items() if n]
    table = np.array(rows, np.float64).reshape(-1, 3)
    return Column(table[:, 0].astype(np.int64), table[:, 1] - 0.5, table[:, 2])


def refuse_nonsense(session: Session) -> None:
    """Raises ValueError, which names it, for a session that cannot be."""
    counts = (session.turns, session.failures, *session.latency.values(), *session.ttfb.values())
    what = ""
    if session.variant not in {"baseline", "candidate"}:
        what = f"variant {session.variant!r} is neither baseline nor candidate"
    elif not all(isfinite(number) for number in (session.t, session.weight, session.cost_usd)):
        what = "time, weight or cost is not a finite number"
    elif not 0.0 <= session.weight <= 100.0:
        what = f"a weight of {session.weight:g} % is not within 0 and 100"
    elif (
        session.cost_usd < 0.0 or any(n < 0 for n in counts) or (session.latency and not any(session.latency.values()))
    ):
        what = "a count or the cost is negative, or the histogram is empty"
    if what:
        raise ValueError(f"session {session.session} (row {session.seq}): {what}")
