"""The same cases on two versions: what the pairs prove, exactly, however few they are.

Only pairs that differ tell anything (McNemar 1947); how many of them favour one side is a binomial with 1/2 where the
versions are equal, so its tail is an exact p-value (the sign test). Nothing here needs a large sample.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from headgate.stats.rates import beta_cdf, exact_lower, exact_upper

_ON_WORSE = 0.8  # share of the error that the bound on worse pairs gets


class Side(StrEnum):
    """Whom one pair favours."""

    BASELINE = "baseline"
    CANDIDATE = "candidate"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Pairs:
    """`worse`: pairs in which the candidate did worse, `better`: in which it did better, `same`: the others."""

    worse: int
    better: int
    same: int

    @classmethod
    def of(cls, sides: Iterable[Side]) -> Pairs:
        found = list(sides)
        return cls(found.count(Side.BASELINE), found.count(Side.CANDIDATE), found.count(Side.NEITHER))

    @property
    def n(self) -> int:
        return self.worse + self.better + self.same

    @property
    def p_worse(self) -> float:
        """Chance of so many worse pairs, or more, among those that differ, were the versions equal (one-sided)."""
        return _tail(self.worse, self.worse + self.better)

    @property
    def p_different(self) -> float:
        """The exact McNemar test, two-sided."""
        return min(1.0, 2 * _tail(max(self.worse, self.better), self.worse + self.better))

    def harm_upper(self, confidence: float = 0.95) -> float:
        """With this confidence, the share of worse pairs less the share of better ones is below (1 where n is 0).

        The difference of two exact bounds whose errors add up (Bonferroni): valid whatever the shares. Most of the
        error is spent on the worse ones, where it is needed.
        """
        if not self.n:
            return 1.0
        error = 1.0 - confidence
        upper = exact_upper(self.worse, self.n, 1.0 - _ON_WORSE * error)
        return upper - exact_lower(self.better, self.n, 1.0 - (1.0 - _ON_WORSE) * error)


def _tail(k: int, n: int) -> float:
    """P(X >= k) of a binomial of n with 1/2."""
    return 1.0 if k <= 0 else beta_cdf(k, n - k + 1, 0.5)


def pairs_needed(margin: float, confidence: float = 0.95) -> int:
    """How many pairs without a worse one prove that harm is below the margin (0 < margin < 1)."""
    n = 1
    while exact_upper(0, n, 1.0 - _ON_WORSE * (1.0 - confidence)) > margin:
        n += 1 if n < 64 else n // 32
    return n
