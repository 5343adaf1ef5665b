"""A batch of turns as people hand it in (a mapping of columns, or an object with such attributes), checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headgate.stats.closing import Turns
from headgate.stats.experts import Kind
from headgate.stats.units import Floats

# metric -> the names that its column may have
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "latency": ("latency_ms",),
    "ttft": ("ttft_ms",),
    "cost": ("cost", "cost_usd"),
    "tokens": ("tokens",),
    "quality": ("quality",),
}
_LEAST_WEIGHT = 1e-6
SPARSE = frozenset({"quality"})  # metrics of which NaN says "not scored"


def read_turns(
    batch: Any, metrics: Mapping[str, Kind], sparse: frozenset[str] = SPARSE, *, past: bool = False
) -> Turns:
    """The turns of a batch; a metric whose column is absent was not measured. `sparse`: those of which NaN says so.

    `past`: from before the rollout, so all of the baseline; `variant` and `weight` may be left out.

    Raises ValueError that names column and row where a number is NaN (but of `sparse`), infinite or out of its range.
    """

    def take(name: str) -> Any:
        return batch.get(name) if isinstance(batch, Mapping) else getattr(batch, name, None)

    def column(*names: str) -> Any:
        return next((found for name in names if (found := take(name)) is not None), None)

    ok = _wanted(column("ok"), "ok")
    n = len(ok)
    nothing = np.zeros(n) if past else None
    variant = _flags(_wanted(column("variant"), "variant", nothing), "variant", n)
    if past and variant.any():
        raise ValueError(f"column 'variant', row {np.flatnonzero(variant)[0]}: the past is the baseline's alone")
    session = column("session")
    t = column("t")
    values = {}
    for metric, kind in metrics.items():
        names = COLUMNS.get(metric, (metric,))
        found = None if metric == "error" else column(*names)
        if found is not None:
            most = 1.0 if kind is Kind.SCORE else np.inf
            values[metric] = _checked(found, names[0], n, metric in sparse, most=most)
    end = column("end")
    return Turns(
        t=np.zeros(n) if t is None else _checked(t, "t", n, False, least=-np.inf),
        session=_alone(n) if session is None else _same(np.asarray(session), "session", n),
        candidate=variant,
        weight=_weights(_wanted(column("weight"), "weight", nothing), n),
        ok=_flags(ok, "ok", n),
        end=np.ones(n, bool) if end is None else _flags(end, "end", n),
        values=values,
    )


def _alone(n: int) -> Any:
    return np.array([object() for _ in range(n)], dtype=object)


def _weights(found: Any, n: int) -> Floats:
    """Shares of the sessions: 0, 1, or far enough from both for a quotient by them to be a number."""
    weight = _checked(found, "weight", n, False, most=1.0)
    wrong = np.flatnonzero((np.minimum(weight, 1.0 - weight) < _LEAST_WEIGHT) & (weight > 0.0) & (weight < 1.0))
    if len(wrong):
        span = f"0, 1 or between {_LEAST_WEIGHT:g} and 1 - {_LEAST_WEIGHT:g}"
        raise ValueError(f"column 'weight', row {wrong[0]}: {weight[wrong[0]]:g} is not {span}")
    return weight


def _wanted(found: Any, name: str, otherwise: Any = None) -> Any:
    found = otherwise if found is None else found
    if found is None:
        raise ValueError(f"the batch has no column {name!r}")
    values = np.asarray(found)
    if values.ndim != 1:
        raise ValueError(f"column {name!r} has shape {values.shape}, and is no column")
    return values


def _same(found: Any, name: str, n: int) -> Any:
    if found.shape != (n,):
        raise ValueError(f"column {name!r} has shape {found.shape}, not ({n},) like 'ok'")
    return found


def _numbers(found: Any, name: str) -> Floats:
    try:
        return np.asarray(found, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {name!r} holds something else than numbers: {error}") from None


def _flags(found: Any, name: str, n: int) -> Any:
    """0 and 1 (or false and true) as booleans."""
    values = _same(np.asarray(found), name, n)
    if values.dtype == bool:
        return values
    numbers = _numbers(values, name)
    wrong = np.flatnonzero((numbers != 0.0) & (numbers != 1.0))
    if len(wrong):
        raise ValueError(f"column {name!r}, row {wrong[0]}: {numbers[wrong[0]]:g} is neither 0 nor 1")
    return numbers == 1.0


def _checked(found: Any, name: str, n: int, sparse: bool, *, least: float = 0.0, most: float = np.inf) -> Floats:
    values: Floats = _same(_numbers(found, name), name, n)
    good = np.isfinite(values) & (values >= least) & (values <= most)
    if sparse:
        good = good | np.isnan(values)
    wrong = np.flatnonzero(~good)
    if len(wrong):
        span = f"{least:g} to {most:g}" if most < np.inf else f"{least:g} or more" if least > -np.inf else "finite"
        raise ValueError(f"column {name!r}, row {wrong[0]}: {values[wrong[0]]:g} is not {span}")
    return values
