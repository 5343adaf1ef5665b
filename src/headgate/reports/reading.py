"""Numbers, looks and window checks out of the JSON bodies of ledger records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.core.codec import from_data
from headgate.core.identity import of_record
from headgate.core.model import CriterionResult, Verdict
from headgate.ports import Record
from headgate.reports import model as m


def real(data: Mapping[str, Any], name: str) -> float | None:
    """The number under this name; None where there is none."""
    value = data.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def whole(data: Mapping[str, Any], name: str) -> int | None:
    """The count under this name; None where there is none."""
    value = real(data, name)
    return None if value is None else int(value)


def look(record: Record) -> m.Look:
    """One look of the analysis. Raises KeyError or ValueError where it has no verdict."""
    data = record.body.get("data") or {}
    metrics = tuple(_metric(each) for each in data.get("metrics", ()))
    verdict = from_data(Verdict, record.body["verdict"])
    return m.Look(record.at, record.id, verdict, metrics, real(data, "evidence"), real(data, "threshold"), data)


def _metric(data: Mapping[str, Any]) -> m.Metric:
    scale = 0.001 if data.get("unit") == "ms" else 1.0  # the read model has seconds
    baseline, candidate = real(data, "baseline"), real(data, "candidate")
    return m.Metric(
        name=str(data.get("metric", "")),
        baseline=None if baseline is None else baseline * scale,
        candidate=None if candidate is None else candidate * scale,
        n_baseline=whole(data, "n_baseline"),
        n_candidate=whole(data, "n_candidate"),
        evidence=real(data, "evidence"),
        harm_lower=real(data, "harm_lower"),
        harm_upper=real(data, "harm_upper"),
        harm_ratio=bool(data.get("harm_is_ratio")),
    )


def identified(record: Record) -> m.Identified:
    """What a version is made of."""
    return m.Identified(record.at, record.id, str(record.body["version"]), of_record(record.body))


def drift(record: Record) -> m.Drift:
    """A change without a deployment, of this rollout's versions."""
    return m.Drift(record.at, record.id, tuple(record.body["variants"]), str(record.body["detail"]))


def drill(record: Record) -> m.Drill:
    """A rehearsed failure, and what it measured."""
    body = record.body
    words = (str(body["drill"]), str(body["by"]), bool(body["passed"]), str(body.get("detail", "")))
    lost, runs = whole(body, "turns_failed"), whole(body, "records_lost")
    steps = tuple((str(s["step"]), real(s, "seconds"), str(s["found"])) for s in body.get("steps", ()))
    return m.Drill(record.at, record.id, *words, real(body, "recovery_s"), lost, runs, steps)


def check(record: Record) -> m.Check:
    """One check of the validation window. Raises KeyError or ValueError where it is not one."""
    body = record.body
    return m.Check(
        record.at,
        record.id,
        int(body["check"]),
        int(body.get("phase", 0)),
        float(body["window_s"]),
        tuple(from_data(CriterionResult, each) for each in body.get("results", ())),
        dict(body.get("alarms") or {}),
        str(body.get("status") or ""),
        dict(body.get("totals") or {}),
        body.get("probe") or None,
        int(body.get("missed") or 0),
    )


def trial(record: Record) -> m.Trial:
    """Another's A/B test, as it was read."""
    body = record.body
    state = " ".join(str(body.get(name) or "").lower() for name in ("status", "running"))
    return m.Trial(record.at, record.id, str(body.get("name", "")), state, tuple(body.get("results", ())))


def stray(record: Record) -> m.Stray:
    """An endpoint that is where nobody put it."""
    words = (str(record.body.get(name, "")) for name in ("endpoint", "version", "trusted"))
    return m.Stray(record.at, record.id, *words)
