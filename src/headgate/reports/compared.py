"""What the variants were compared by at one look, as people read it: guardrails, objectives, what is only observed.

The texts are made of the data of a look (`analysis.figures`); command line, dashboard and reports show the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from headgate.reports import words
from headgate.reports.reading import real, whole

HEADS = ("Metric", "Role", "Baseline (n)", "Candidate (n)", "Harm between", "Evidence of harm", "Asked for", "Answer")
NOT_MEASURED = "not measured"


def refused(n: int) -> str:
    """What is to be said of values that were told and could be none."""
    return f"{words.count(n, 'value')} refused: no number, or none of its metric's kind"


class Compared(NamedTuple):
    """One metric at a look. `harm`: its confidence sequence, as a ratio candidate : baseline or so much worse."""

    metric: str
    role: str  # guardrail | objective | observed
    baseline: str
    candidate: str
    harm: str
    evidence: str
    asked: str
    answer: str


def compared(look: Mapping[str, Any]) -> Iterator[Compared]:
    """The metrics of a look's data, guardrails first."""
    for row in look.get("metrics", ()):
        asked = str(row.get("margin_text") or "").removeprefix(str(row["metric"])).strip()
        yield _row(row, "guardrail", asked, "excluded" if row.get("margin_proven") else "not yet")
    for row in look.get("objectives", ()):
        asked = "improved" if row.get("required") else "reported"
        yield _row(row, "objective", asked, "improved" if row.get("improved") else "not shown")
    for row in look.get("observed", ()):
        yield _row(row, "observed", "", "")


def _row(row: Mapping[str, Any], role: str, asked: str, answer: str) -> Compared:
    odds = real(row, "evidence")
    return Compared(
        metric=str(row["metric"]),
        role=role,
        baseline=_value(row, "baseline"),
        candidate=_value(row, "candidate"),
        harm=_harm(row),
        evidence=NOT_MEASURED if odds is None else f"{words.number(odds)} : 1",
        asked=asked,
        answer=answer,
    )


def _value(row: Mapping[str, Any], variant: str) -> str:
    value, n = real(row, variant), whole(row, f"n_{variant}")
    if value is None:
        return NOT_MEASURED
    return words.in_unit(str(row.get("unit", "")), value) + (f" ({n:,})" if n is not None else "")


def _harm(row: Mapping[str, Any]) -> str:
    """The bounds; a side that is not bounded yet is open."""
    bounds = real(row, "harm_lower"), real(row, "harm_upper")
    if bounds == (None, None):
        return "open"
    ratio, share = bool(row.get("harm_is_ratio")), row.get("unit") == "share"
    told = ["open" if each is None else _bound(each, ratio=ratio, share=share) for each in bounds]
    return " to ".join(told)


def _bound(value: float, *, ratio: bool, share: bool) -> str:
    if ratio:
        return f"x{value:.3g}"
    return f"{value * 100:+.3g} pp" if share else f"{value:+.3g}"
