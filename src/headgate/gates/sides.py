"""The same cases on baseline and candidate, one pair after the other, and what the pairs prove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headgate.config.suite_schema import Suite
from headgate.gates.holding import CaseResult
from headgate.gates.runner import HttpGateRunner
from headgate.ports import Data
from headgate.stats.paired import Pairs, Side

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Pair:
    """One case on both versions."""

    baseline: CaseResult
    candidate: CaseResult

    @property
    def side(self) -> Side:
        """Whom it favours."""
        if self.baseline.passed == self.candidate.passed:
            return Side.NEITHER
        return Side.BASELINE if self.baseline.passed else Side.CANDIDATE


@dataclass(frozen=True, slots=True)
class Compared:
    """All pairs. `worse`: that the candidate is worse is shown (exact sign test, one-sided, 5 %)."""

    pairs: tuple[Pair, ...]

    @property
    def counts(self) -> Pairs:
        return Pairs.of(pair.side for pair in self.pairs)

    @property
    def worse(self) -> bool:
        return self.counts.p_worse <= ALPHA

    @property
    def passed(self) -> bool:
        """Held once: no case passes on the baseline and fails on the candidate. Repeated: not shown to be worse."""
        names = {pair.candidate.name for pair in self.pairs}
        return not self.worse if len(self.pairs) > len(names) else not self.counts.worse

    def line(self) -> str:
        """One line for people."""
        c = self.counts
        verdict = "the candidate is worse" if self.worse else "that the candidate is worse is not shown"
        told = f"{c.n} pairs: worse in {c.worse}, better in {c.better}, alike in {c.same}"
        return (
            f"{told}; {verdict} (one-sided p {c.p_worse:.3g}, McNemar {c.p_different:.3g}); "
            f"with 95 % confidence its net harm is below {c.harm_upper():.1%} of conversations"
        )

    def data(self) -> Data:
        c = self.counts
        return {
            "pairs": c.n,
            "worse": c.worse,
            "better": c.better,
            "same": c.same,
            "p_worse": c.p_worse,
            "p_mcnemar": c.p_different,
            "harm_upper": round(c.harm_upper(), 4),
            "candidate_is_worse": self.worse,
            "cases": [
                {"name": p.candidate.name, "baseline": p.baseline.passed, "candidate": p.candidate.passed}
                for p in self.pairs
            ],
        }


def side_by_side(runner: HttpGateRunner, suite: Suite, baseline: str, candidate: str, repeat: int) -> Compared:
    """Holds each case on both, `repeat` times; which goes first changes each time, so that neither has it warmer."""
    pairs: list[Pair] = []
    for number, case in enumerate(list(suite.cases) * repeat):
        order: Sequence[str] = (baseline, candidate) if number % 2 == 0 else (candidate, baseline)
        found = {url: runner.hold(suite, [case], url)[0] for url in order} if baseline != candidate else {}
        if not found:  # one version against itself: the noise of the suite
            first, second = runner.hold(suite, [case], baseline)[0], runner.hold(suite, [case], baseline)[0]
            pairs.append(Pair(first, second))
            continue
        pairs.append(Pair(found[baseline], found[candidate]))
    return Compared(tuple(pairs))
