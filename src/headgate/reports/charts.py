"""The four drawings of a rollout: weights, session error rate, latency, evidence. Each with its numbers beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from headgate.core.model import FINISHED, Answer, Phase
from headgate.reports import model as m
from headgate.reports import words
from headgate.reports.document import Cited, Figure, Line, Missing, Plain, Span, Table, line
from headgate.reports.history import History
from headgate.reports.svg import Band, Chart, Point, Trace, draw

ERROR = ("error", "error_rate")
LATENCY = ("latency_p95", "p95")
_T = TypeVar("_T")
_Looks = Sequence[tuple[m.Look, m.Metric]]
_ROWS = 12  # of a data table; the drawing shows every look
_SINCE = "since the rollout was created"


def figures(history: History, now: float) -> tuple[Figure, ...]:
    """Those of the four for which there is anything to draw. `now` (Unix s) ends the picture of a running rollout."""
    made = (weights(history, now), errors(history), latency(history), evidence(history))
    return tuple(each for each in made if each)


def weights(history: History, now: float) -> Figure | None:
    """The weight asked for and the weight read back from the gateway, over the whole rollout."""
    if not history.weights:
        return None
    start = history.rollout.created_at
    end = _end(history, (history.standing.at if history.phase in FINISHED else now) - start)
    asked = [(0.0, 0.0), *((w.at - start, w.weight) for w in history.weights)]
    read = [(0.0, 0.0), *((w.verified.at - start, w.weight) for w in history.weights if w.verified)]
    events = [(p.at - start, name) for p in history.phases if (name := _EVENTS.get(p.phase))]
    chart = Chart(
        title="Weight of the candidate",
        description="Percent of new sessions asked for and verified at the gateway, in steps over time.",
        x_label=_SINCE,
        y_format=words.weight,
        traces=(
            Trace("asked for", "asked", _until(asked, end), stairs=True),
            Trace("verified at the gateway", "candidate", _until(read, end), stairs=True),
        ),
        events=tuple((at, name) for at, name in events if at <= end),
        y_top=100.0,
    )
    rows = tuple(_weight_row(w) for w in history.weights)
    head = (Plain("Weight"), Plain("Asked"), Plain("Verified"), Plain("Took"))
    proof = tuple(dict.fromkeys(e for w in history.weights for e in _weight_evidence(w)))
    return Figure(
        line("Percent of new sessions that go to the candidate, up to its last change"),
        draw(chart),
        Table(head, rows),
        proof,
    )


def _end(history: History, whole: float) -> float:
    """Where the picture ends: a day at the last weight would leave no room for the steps before it."""
    before, last = 0.0, 0.0
    for weight in history.weights:
        if weight.weight != before:
            before, last = weight.weight, weight.at - history.rollout.created_at
    return min(whole, 1.5 * last) if last else whole


def _until(points: Sequence[Point], end: float) -> tuple[Point, ...]:
    inside = [p for p in points if p[0] <= end]
    return (*inside, (end, inside[-1][1]))


_EVENTS = {Phase.ROLLING_BACK: "rollback", Phase.COMPLETED: "completed", Phase.PAUSED: "held"}


def _weight_evidence(weight: m.Weight) -> tuple[str, ...]:
    return (weight.evidence, weight.verified.evidence) if weight.verified else (weight.evidence,)


def _weight_row(weight: m.Weight) -> tuple[Line, ...]:
    done = weight.verified
    asked = Cited(words.utc(weight.at), (weight.evidence,))
    if done is None:
        return (line(Cited(words.weight(weight.weight), (weight.evidence,))), line(asked), line(_UNREAD), line(_UNREAD))
    took = words.duration(done.at - weight.at)
    return (
        line(Cited(words.weight(weight.weight), (weight.evidence,))),
        line(asked),
        line(Cited(words.utc(done.at), (done.evidence,))),
        line(Cited(took, _weight_evidence(weight))),
    )


_UNREAD = Missing("not read back from the gateway yet")


def errors(history: History) -> Figure | None:
    """Session error rate of both variants; the band, baseline plus bounds of the harm, is the candidate's."""
    looks = _with(history.looks, ERROR)
    if not looks:
        return None
    start = history.rollout.created_at
    points = []
    for look, metric in looks:
        if (bounds := _rate_bounds(metric)) is not None:
            points.append((look.at - start, *bounds))
    band = Band("bounds of the candidate", tuple(points)) if len(points) > 1 else None
    chart = Chart(
        title="Session error rate",
        description="Share of sessions with a failure at each look; the first bounds may leave the frame.",
        x_label=_SINCE,
        y_format=words.percent,
        traces=_variants(looks, start),
        band=band,
        events=_verdicts(history, start),
        y_top=0.05,
        x_from=_exposed(history),
    )
    caption = "Sessions with a failure; the band is the baseline plus the confidence bounds of the harm"
    return _figure(caption, chart, looks, ERROR[0])


def _rate_bounds(metric: m.Metric) -> tuple[float, float] | None:
    """Where the candidate's rate may lie; a side that is not bounded yet reaches to none or to all."""
    base, low, high = metric.baseline, metric.harm_lower, metric.harm_upper
    if base is None or metric.harm_ratio or (low is None and high is None):
        return None
    return (0.0 if low is None else max(0.0, base + low), 1.0 if high is None else min(1.0, base + high))


def latency(history: History) -> Figure | None:
    """p95 latency of both variants at each look."""
    looks = _with(history.looks, LATENCY)
    if not looks:
        return None
    start = history.rollout.created_at
    chart = Chart(
        title="p95 latency",
        description="The p95 latency of a turn, baseline and candidate, at each look of the analysis.",
        x_label=_SINCE,
        y_format=words.duration,
        traces=_variants(looks, start),
        events=_verdicts(history, start),
        x_from=_exposed(history),
    )
    return _figure("The p95 latency of a turn", chart, looks, LATENCY[0])


_KINDS = ("first", "second", "third", "fourth")  # of the lines of single guardrails


def evidence(history: History) -> Figure | None:
    """The evidence of harm, all guardrails together and each alone, against the threshold at which it is a FAIL."""
    start = history.rollout.created_at
    looks = [k for k in history.looks if k.evidence_of_harm is not None]
    if not looks:
        return None
    names = list(dict.fromkeys(x.name for k in looks for x in k.metrics if x.evidence is not None))[: len(_KINDS)]
    together = tuple((k.at - start, _log(k.evidence_of_harm)) for k in looks)
    each = (
        Trace(_NAMES.get(n, n), kind, _evidence_of(looks, n, start)) for n, kind in zip(names, _KINDS, strict=False)
    )
    bars = sorted({k.threshold for k in looks if k.threshold is not None and k.threshold > 0})
    chart = Chart(
        title="Evidence of harm",
        description="E-value at each look, on a log scale; all guardrails together at the threshold are a FAIL.",
        x_label=_SINCE,
        y_format=lambda log: f"{10**log:,.0f}" if 0 <= log <= 6 else f"1e{log:g}",
        traces=(Trace("all together", "candidate", together), *each),
        limits=tuple((math.log10(bar), f"threshold {words.number(bar)}") for bar in bars),
        events=_verdicts(history, start),
        y_step=1.0,
        x_from=_exposed(history),
    )
    head = (Plain("Look"), Plain("Step"), Plain("All together"), *(metric_name(n, looks[-1]) for n in names))
    rows = tuple(_evidence_row(look, names) for look in thinned(looks))
    caption = line(
        "Evidence of harm (e-value, drawn on a log scale); a FAIL is all guardrails together at the threshold"
    )
    table = Table((*head, Plain("Threshold")), rows)
    return Figure(caption, draw(chart), table, tuple(k.evidence for k in looks))


def _log(e_value: float | None) -> float:
    """Decimal log; what speaks against harm, however strongly, is drawn at the foot, and a certainty at the top."""
    return math.log10(min(max(e_value or 0.0, 1.0), 1e9))


def thinned(items: Sequence[_T]) -> list[_T]:
    """At most a dozen of them, evenly spaced, the last always among them."""
    if len(items) <= _ROWS:
        return list(items)
    return [items[round(i * (len(items) - 1) / (_ROWS - 1))] for i in range(_ROWS)]


_NAMES = {
    "error": "session error rate",
    "error_rate": "session error rate",
    "latency_p95": "p95 latency",
    "latency_p99": "p99 latency",
    "ttft_p95": "p95 time to first byte",
    "ttft_p99": "p99 time to first byte",
    "tokens": "tokens per session",
    "cost": "cost",
    "quality": "quality",
}


def metric_name(name: str, source: m.Noted) -> Span:
    """A metric in words; one that we have no words for as the record spells it."""
    return Plain(_NAMES[name]) if name in _NAMES else Cited(name, (source.evidence,))


def _exposed(history: History) -> float:
    """When the first session could meet the candidate, in seconds since the rollout was created."""
    first = history.exposed()
    return 0.0 if first is None else first.at - history.rollout.created_at


def _with(looks: Sequence[m.Look], names: tuple[str, ...]) -> _Looks:
    """The looks at which this metric had a value for both variants."""
    found = ((look, look.metric(*names)) for look in looks)
    return [(k, x) for k, x in found if x and x.baseline is not None and x.candidate is not None]


def _variants(looks: _Looks, start: float) -> tuple[Trace, Trace]:
    baseline = tuple((k.at - start, x.baseline) for k, x in looks if x.baseline is not None)
    candidate = tuple((k.at - start, x.candidate) for k, x in looks if x.candidate is not None)
    return Trace("baseline", "baseline", baseline), Trace("candidate", "candidate", candidate)


def _verdicts(history: History, start: float) -> tuple[tuple[float, str], ...]:
    """The first FAIL, where there is one: what the eye looks for."""
    fails = [k for k in history.looks if k.verdict.answer is Answer.FAIL]
    return ((fails[0].at - start, "FAIL"),) if fails else ()


def _figure(caption: str, chart: Chart, looks: _Looks, metric: str) -> Figure:
    head = tuple(Plain(name) for name in ("Look", "Baseline", "Sessions", "Candidate", "Sessions", "Harm, bounds"))
    rows = tuple(_look_row(look, x, metric) for look, x in thinned(looks))
    return Figure(line(caption), draw(chart), Table(head, rows), tuple(k.evidence for k, _ in looks))


def _look_row(look: m.Look, x: m.Metric, metric: str) -> tuple[Line, ...]:
    proof = (look.evidence,)

    def cell(text: str | None) -> Line:
        return line(Cited(text, proof) if text is not None else Missing("the look does not say"))

    return (
        cell(words.clock(look.at)),
        cell(None if x.baseline is None else words.measure(metric, x.baseline)),
        cell(None if x.n_baseline is None else words.number(x.n_baseline)),
        cell(None if x.candidate is None else words.measure(metric, x.candidate)),
        cell(None if x.n_candidate is None else words.number(x.n_candidate)),
        cell(_bounds(x, metric)),
    )


def _bounds(x: m.Metric, metric: str) -> str | None:
    """Of the harm: points of a rate, times the baseline, or the metric's own unit."""
    if x.harm_lower is None and x.harm_upper is None:
        return None
    told = []
    for bound in (x.harm_lower, x.harm_upper):
        if bound is None:
            told.append("open")
        elif x.harm_ratio:
            told.append(f"x{bound:.3g}")
        else:
            told.append(f"{bound * 100:+.1f} pp" if metric == ERROR[0] else f"{bound:+.3g}")
    return " to ".join(told)


def _evidence_of(looks: Sequence[m.Look], name: str, start: float) -> tuple[Point, ...]:
    found = ((look, look.metric(name)) for look in looks)
    return tuple((k.at - start, _log(x.evidence)) for k, x in found if x and x.evidence is not None)


def _evidence_row(look: m.Look, names: Sequence[str]) -> tuple[Line, ...]:
    proof = (look.evidence,)

    def cell(value: float | None) -> Line:
        return line(Missing("not at this look") if value is None else Cited(words.number(value), proof))

    found = (look.metric(name) for name in names)
    first = (line(Cited(words.clock(look.at), proof)), line(Cited(str(look.verdict.step + 1), proof)))
    return (
        *first,
        cell(look.evidence_of_harm),
        *(cell(x.evidence if x else None) for x in found),
        cell(look.threshold),
    )
