"""What makes a comparison doubtful, whoever seems worse: each is a reason to hold, none to roll back.

sample-ratio mismatch   the variants do not get the shares of the sessions that the weights say: routing or counting is
                        broken, or outcomes are lost
late scores             scored sessions are not shared out as the weights say: some scores arrive later
missing values          fewer of the candidate's sessions have a value of a metric than of the baseline's
silence                 fewer of the candidate's sessions have ended than of the baseline's: some are late or lost, and
                        those that ended are no fair sample. Failures are counted when they happen, and convict all
                        the same
common cause            the baseline itself is far from what it was: both variants are worse than before
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headgate.stats.rates import beta_cdf
from headgate.stats.ratio_check import RatioCheck
from headgate.stats.reference import Law
from headgate.stats.units import FINE, Bools, Units, whole

_DOUBT = 200.0  # odds, by all that was counted so far, at which nothing is decided by comparison
_FEWER = (0.1, 0.5, 0.8)  # of the baseline's share of scored sessions
_LAST = 100  # sessions of the baseline that are held against its past
_UNLIKELY = 1e-5  # the chance of so many among them
_TAIL = 0.05


class Sampling:
    """Have fewer of the candidate's sessions a value? A bet on the label of a session by whether it has one.

    Where all sessions are scored it tells nothing, and raises no doubt.
    """

    def __init__(self) -> None:
        self._scored, self._seen = 1.0, 2.0
        self._logs = [0] * len(_FEWER)  # whole numbers, so that batches do not matter

    def update(self, units: Units, scored: Bools) -> None:
        """Sessions that were bet on; the share of scored ones is guessed from those before, whatever their label."""
        scored_before = self._scored + np.cumsum(scored) - scored
        shares = np.minimum(0.999, scored_before / (self._seen + np.arange(len(units))))
        mine = (units.weight > 0.0) & (units.weight < 1.0)
        w, share = units.weight[mine], shares[mine]
        for k, part in enumerate(_FEWER):
            ratio = np.where(scored[mine], part, (1.0 - part * share) / (1.0 - share))
            gains = np.where(units.candidate[mine], np.log(ratio), 0.0) - np.log(w * ratio + 1.0 - w)
            self._logs[k] += int(whole(gains).sum())
        self._scored += float(scored.sum())
        self._seen += len(units)

    @property
    def evidence(self) -> float:
        """Odds that the candidate's scores are missing, by all that was seen so far."""
        return float(np.exp(np.minimum(600.0, np.array(self._logs) / FINE)).mean())

    def to_data(self) -> list[Any]:
        """The exact state as JSON data."""
        return [self._scored, self._seen, self._logs]

    @classmethod
    def from_data(cls, data: list[Any]) -> Sampling:
        """The inverse of `to_data`."""
        made = cls()
        made._scored, made._seen, made._logs = data[0], data[1], list(data[2])
        return made


class Doubts:
    """`sampled`: metrics measured of some sessions when they end; `late`: those whose values come later."""

    def __init__(self, *, sampled: tuple[str, ...] = (), late: tuple[str, ...] = ()) -> None:
        self.ratio = RatioCheck()
        self._ended = RatioCheck()
        self._sampled = {metric: Sampling() for metric in sampled}
        self._scored = {metric: RatioCheck() for metric in late}
        self._last: list[tuple[float, float]] = []  # of the baseline: failed, share of slow turns
        self._cause = ""

    def began(self, units: Units) -> None:
        """Sessions that were assigned; a batch holds both variants' of a time."""
        _count(self.ratio, units)

    def scored(self, metric: str, units: Units) -> None:
        """Sessions whose late score came in."""
        _count(self._scored[metric], units)

    def closed(self, units: Units, law: Law) -> None:
        """Sessions that were bet on, and the law that they were bet on with."""
        _count(self._ended, units)
        for metric, sampling in self._sampled.items():
            column = units.columns.get(metric)
            if column is not None:
                sampling.update(units, column.total(len(units)) > 0.0)
        baseline = units.of(~units.candidate)
        slow = np.zeros(len(baseline))
        latency = baseline.columns.get("latency")
        if latency is not None and law.scale("latency") is not None:
            place, _ = law.tail("latency", _TAIL, 1.0)
            above = latency.total(len(baseline), (latency.place > place).astype(np.float64))
            slow = above / np.maximum(1.0, latency.total(len(baseline)))
        self._last = [*self._last, *zip(baseline.failed.tolist(), slow.tolist(), strict=True)][-_LAST:]
        self._cause = self._look(law)

    def _look(self, law: Law) -> str:
        n = len(self._last)
        if n < _LAST:
            return ""
        failed = sum(f for f, _ in self._last)
        if failed >= 5 and beta_cdf(failed, n - failed + 1.0, law.failed_rate) < _UNLIKELY:
            return f"{failed:.0f} of the last {n} baseline sessions failed, against {law.failed_rate:.2%} before"
        slow = float(round(sum(s for _, s in self._last)))
        if slow >= 10 and beta_cdf(slow, n - slow + 1.0, 1.5 * _TAIL) < _UNLIKELY:
            return f"{slow / n:.0%} of the baseline's last turns are slower than its 95 % quantile before"
        return ""

    @property
    def common_cause(self) -> str:
        """Why the baseline is not what it was; empty while it is."""
        return f"common cause: {self._cause}; the candidate is not blamed" if self._cause else ""

    @property
    def mismatch(self) -> str:
        """The sample-ratio mismatch in words; empty while there is none. A proven one (1000:1) stays."""
        if self.ratio.look() or self.ratio.evidence >= _DOUBT:
            why = "routing or counting is broken, so nothing can be compared"
            return f"sample-ratio mismatch: {self.ratio.worst()}; {why}"
        return ""

    @property
    def silence(self) -> str:
        """Why the candidate's ended sessions are no fair sample; empty while they may be."""
        if self._ended.too_few < _DOUBT:
            return ""
        return f"the candidate's sessions end late or are lost: {self._ended.worst()} among those that ended"

    def late(self, metric: str) -> str:
        """Why a metric's values cannot be compared yet; empty where they can."""
        return self.silence if metric != "error" and self.silence else self.missing(metric)

    def missing(self, metric: str) -> str:
        """Why the sessions that have a value are no fair sample; empty where they may be."""
        check, sampling = self._scored.get(metric), self._sampled.get(metric)
        if check is not None and check.evidence >= _DOUBT:
            return f"late scores: of the sessions scored for {metric}, {check.worst()}; the rest may be still to come"
        if sampling is not None and sampling.evidence >= _DOUBT:
            return f"missing values: fewer of the candidate's sessions have one of {metric} than of the baseline's"
        return ""

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        scored = {metric: check.to_data() for metric, check in self._scored.items()}
        sampled = {metric: each.to_data() for metric, each in self._sampled.items()}
        return {
            "ratio": self.ratio.to_data(),
            "ended": self._ended.to_data(),
            "sampled": sampled,
            "scored": scored,
            "last": self._last,
            "cause": self._cause,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Doubts:
        """The inverse of `to_data`."""
        made = cls(late=tuple(data["scored"]))
        made.ratio, made._ended = RatioCheck.from_data(data["ratio"]), RatioCheck.from_data(data["ended"])
        made._sampled = {metric: Sampling.from_data(each) for metric, each in data["sampled"].items()}
        made._scored = {metric: RatioCheck.from_data(check) for metric, check in data["scored"].items()}
        made._last, made._cause = [(failed, slow) for failed, slow in data["last"]], data["cause"]
        return made


def _count(check: RatioCheck, units: Units) -> None:
    for weight in np.unique(units.weight).tolist():
        mine = units.candidate[units.weight == weight]
        check.add(100.0 * weight, True, int(mine.sum()))
        check.add(100.0 * weight, False, int((~mine).sum()))
