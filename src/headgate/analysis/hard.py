"""Hard guardrails: an absolute limit on the candidate's own rate of failing sessions.

A backstop beside the comparison, and all there is where no baseline runs beside the candidate. The same test watches
the baseline: where the baseline is beyond the limit too, the cause is common and the candidate is not blamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headgate.core.plan import Limit
from headgate.stats.rates import LimitTest, always_bounds, exact_lower

METRICS = ("error",)

# the candidate is not blamed while the baseline seems beyond the limit too: by these odds over all its sessions, or by
# what its last few did, with this confidence (an incident may be too young to weigh against a long good past)
_SUSPICION = 3.0
_LAST, _CONFIDENCE = 10, 0.8


class HardLimit:
    """One limit on the share of sessions with a failure. `share` of alpha is what a false alarm of it may cost."""

    def __init__(self, limit: Limit, share: float) -> None:
        if limit.metric not in METRICS:
            raise ValueError(f"no hard limit is known on {limit.metric}; there is {', '.join(METRICS)}")
        self.metric, self.limit, self.threshold = limit.metric, limit.limit, 1.0 / share
        self.candidate, self.baseline = LimitTest(limit.limit), LimitTest(limit.limit)
        self.broken = False  # by the candidate alone: for good
        self._common = False
        self._last: list[bool] = []  # failures of the baseline's last sessions

    def update(self, failed: bool, candidate: bool) -> None:
        """One session, at any weight."""
        x = float(failed)
        if not candidate:
            self.baseline.update(x)
            self._last = [*self._last[1 - _LAST :], failed]
            return
        self.candidate.update(x)
        if self.candidate.over >= self.threshold:
            if self._baseline_suspect():
                self._common = True
                self.candidate.forget()
            else:
                self.broken = True

    @property
    def common_cause(self) -> bool:
        """Both variants were beyond the limit, and the baseline still seems to be."""
        return self._common and self._baseline_suspect()

    def _baseline_suspect(self) -> bool:
        if self.baseline.over >= _SUSPICION:
            return True
        return exact_lower(sum(self._last), len(self._last), _CONFIDENCE) > self.limit

    def held(self, alpha: float) -> bool:
        """Whether the candidate's rate is proven below the limit, and nothing since speaks against it."""
        return self.candidate.under_peak >= 1.0 / alpha and self.candidate.over < _SUSPICION

    def to_row(self, alpha: float) -> dict[str, Any]:
        """For ledger and drawing, as JSON data."""
        n, failed = self.candidate.n, round(self.candidate.total)
        lower, upper = always_bounds(failed, n, alpha)
        return {
            "metric": self.metric,
            "limit": self.limit,
            "candidate": failed / n if n else None,
            "n_candidate": n,
            "lower": lower,
            "upper": upper,
            "baseline": self.baseline.total / self.baseline.n if self.baseline.n else None,
            "n_baseline": self.baseline.n,
            "evidence": self.candidate.over,
            "threshold": self.threshold,
            "held": self.held(alpha),
            "broken": self.broken,
        }

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        return {
            "candidate": self.candidate.to_data(),
            "baseline": self.baseline.to_data(),
            "broken": self.broken,
            "common": self._common,
            "last": self._last,
        }

    def restore(self, data: Mapping[str, Any]) -> None:
        """Take the state of `to_data`."""
        self.candidate, self.baseline = LimitTest.from_data(data["candidate"]), LimitTest.from_data(data["baseline"])
        self.broken, self._common, self._last = data["broken"], data["common"], list(data["last"])
