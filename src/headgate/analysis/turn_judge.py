"""The judge of turns: columns of turns in, a verdict out, at any number of looks; the statistics alone.

ROLLBACK when the candidate is proven worse than the baseline beside it (0.9 alpha over the whole rollout and all
metrics together; the rest is kept back). PROMOTE when harm beyond the margin of every metric is excluded, each at level
alpha, and nothing speaks against it. CONTINUE says what is missing. See docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any

from headgate.analysis.columns import SPARSE, read_turns
from headgate.analysis.doubts import Doubts
from headgate.analysis.metrics import TAKEN, flipped, harms, kinds, weights
from headgate.analysis.tally import Tally
from headgate.analysis.wording import odds, rounded, shown
from headgate.core.metrics import OwnMetric
from headgate.stats.closing import Closing, Turns
from headgate.stats.comparison import Comparison, Setting
from headgate.stats.experts import Kind
from headgate.stats.non_inferiority import Harm

COMPARISON_SHARE = 0.9  # of alpha
MARGINS: Mapping[str, float] = {
    "error_abs": 0.01,
    "latency_p95_ratio": 1.25,
    "latency_p99_ratio": 1.5,
    "cost_ratio": 1.10,
    "ttft_p95_ratio": 1.25,
    "ttft_p99_ratio": 1.5,
    "tokens_ratio": 1.10,
    "quality_abs": 0.03,
}
OPTIONAL = {"error_per_request_abs"}  # judged only where it is given
# of an own metric: a ratio worse, of a score a difference
OWN_MARGINS: Mapping[Kind, float] = {Kind.TIME: 1.25, Kind.AMOUNT: 1.10, Kind.COUNT: 1.10, Kind.SCORE: 0.03}
METRICS = ("error", "latency", "cost", "quality")
# a promotion on old proof: none while betting from the best moment on would have earned this
_SUSPICION = 5.0
_MAX_TURNS = 20  # a session is bet on at this turn at the latest


class Action(StrEnum):
    """What a verdict asks for."""

    CONTINUE = "CONTINUE"
    PROMOTE = "PROMOTE"
    ROLLBACK = "ROLLBACK"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that may not get worse: what was observed, and the confidence sequence of the harm.

    Bounds hold at all times, each at level alpha; None: beyond the grid of margins. A ratio where `ratio`, else a
    difference; above 1 (0) is harm.
    """

    name: str
    baseline: float | None
    candidate: float | None
    n_baseline: int
    n_candidate: int
    lower: float | None
    upper: float | None
    ratio: bool
    margin: float
    margin_evidence: float
    proven: bool
    needed: int | None  # more sessions of both variants until it is proven, if the candidate is like the baseline


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer after a batch, and what decided it."""

    action: Action
    reason: str
    metric: str  # that contributes most to the evidence
    evidence: float  # of harm, as odds, the most there ever was
    threshold: float
    p_value: float  # valid at any number of looks
    alpha: float
    sessions: tuple[int, int]  # closed ones: baseline, candidate
    weights: tuple[float, ...]  # the strata, 0..1
    window: tuple[float, float] | None  # times of the first and the last turn
    findings: tuple[Finding, ...]


class Judge:
    """Judges one rollout.

    `metrics`: those watched, out of error, latency, cost, quality (and ttft, tokens), or an `OwnMetric`, whose column
    has its name. `margins`: how much worse is acceptable (`MARGINS` for those left out, `OWN_MARGINS` for one's own).
    `horizon`: planned number of turns of both variants, or None. `history`: a batch of the baseline's turns from before
    the rollout (without `variant` and `weight`, if you like); stale ones cost time, never validity.

    Turns come in the order in which they began, and `t` says when. While every session is one turn, sessions that went
    well count as evidence as well (`stats.experts`); where times run backwards or sessions are longer, failures alone.

    Raises ValueError for a setting or a batch that cannot be.
    """

    def __init__(
        self,
        alpha: float = 0.05,
        metrics: Sequence[str | OwnMetric] = METRICS,
        margins: Mapping[str, float] | None = None,
        horizon: float | None = None,
        history: Any = None,
    ) -> None:
        if not 0.0 < alpha < 0.5:
            raise ValueError(f"alpha must lie between 0 and 0.5, not at {alpha:g}")
        if horizon is not None and not 0.0 < horizon < inf:
            raise ValueError(f"horizon is a number of turns above 0, or None; not {horizon:g}")
        own = [each for each in metrics if isinstance(each, OwnMetric)]
        names = [each.name if isinstance(each, OwnMetric) else each for each in metrics]
        self._known = harms(own)
        known = kinds(self._known, self._known)
        unknown = set(names) - set(known)
        if unknown or not metrics:
            raise ValueError(f"metrics are some of {', '.join(known)}; not {', '.join(sorted(unknown)) or 'none'}")
        if taken := [each.name for each in own if each.name in TAKEN]:
            raise ValueError(f"{taken[0]} is a metric of Headgate's: name your own otherwise")
        self.alpha = alpha
        self._kinds = kinds(names, self._known)
        self._margins = _margins(margins or {}, self._known, self._kinds)
        self._sparse = SPARSE | {each.name for each in own}
        turned = flipped(self._known)
        past = Closing(self._kinds, max_turns=_MAX_TURNS, flipped=turned)
        before = [] if history is None else [past.take(self._read(history, past=True)), past.rest()]
        turns = sum(float(units.turns.sum()) for units in before) / max(1, sum(len(units) for units in before))
        self._comparison = Comparison(
            Setting(
                kinds=self._kinds,
                weights=weights(self._kinds, self._kinds),
                margins={name: (self._known[name], [margin]) for name, margin in self._margins.items()},
                target=1.0 / (COMPARISON_SHARE * alpha),
                horizon=None if horizon is None else max(1.0, horizon / max(1.0, turns)),
            )
        )
        for units in before:
            self._comparison.remember(units)
        self._closing = Closing(self._kinds, max_turns=_MAX_TURNS, flipped=turned)
        self._doubts = Doubts(sampled=tuple(name for name in self._kinds if name in self._sparse))
        self._tallies = Tally(turned), Tally(turned)
        self._weights: set[float] = set()
        self._window: tuple[float, float] | None = None
        self._final: Verdict | None = None

    def _read(self, batch: Any, *, past: bool = False) -> Turns:
        return read_turns(batch, self._kinds, self._sparse, past=past)

    def update(self, batch: Any) -> Verdict:
        """Take a batch of turns, in the order of time, and answer. ROLLBACK is the last word: it stays."""
        turns = self._read(batch)
        units = self._closing.take(turns)
        self._doubts.began(self._closing.began)
        if len(turns):
            first = float(turns.t[0]) if self._window is None else self._window[0]
            self._window = (first, float(turns.t[-1]))
            self._weights.update(turns.weight.tolist())
        if len(units):
            self._comparison.add(units, self._doubts.closed)
            for tally, mine in zip(self._tallies, (~units.candidate, units.candidate), strict=True):
                tally.add(units.of(mine))
        if self._final is not None:
            return self._final
        action, reason = self._decide()
        verdict = self._verdict(action, reason)
        if action is Action.ROLLBACK:
            self._final = verdict
        return verdict

    def _decide(self) -> tuple[Action, str]:
        bets = self._comparison.bets
        doubt = self._doubts.mismatch or self._doubts.late(bets.blamed)
        # sessions of the baseline alone speak against nobody: where the candidate's are missing, that is what is wrong
        if bets.proven and not doubt and self._tallies[1].sessions:
            return Action.ROLLBACK, self._harm()
        missing = doubt or self._missing()
        if missing:
            return Action.CONTINUE, missing
        proofs = ", ".join(f"{name} ({odds(self._proof(name))})" for name in self._margins)
        return Action.PROMOTE, f"harm beyond the margins of {proofs} is excluded, {odds(1.0 / self.alpha)} needed"

    def _harm(self) -> str:
        bets = self._comparison.bets
        names = [name for name in self._margins if self._known[name].metric == bets.blamed]
        harm = self._known[names[0]]
        baseline, candidate = (shown(harm, tally.estimate(harm)) for tally in self._tallies)
        n_baseline, n_candidate = (tally.sessions for tally in self._tallies)
        return (
            f"{names[0]}: {candidate} over {n_candidate} candidate sessions, {baseline} over {n_baseline} baseline "
            f"sessions; evidence of harm {odds(bets.peak)}, {odds(bets.target)} needed"
        )

    def _missing(self) -> str:
        """Why nothing can be promoted yet; empty when it can."""
        if not self._tallies[1].sessions:
            return "no data yet: no session of the candidate has ended"
        if self._doubts.silence:
            return self._doubts.silence
        for metric in self._kinds:
            if not all(tally.measured(metric) for tally in self._tallies):
                return f"{metric} is not measured"
            if late := self._doubts.late(metric):
                return late
        unproven = [name for name in self._margins if not self._proven(name)]
        if unproven:
            return "; ".join(f"{name}: {self._needs(name)}" for name in unproven)
        if self._doubts.common_cause:
            return self._doubts.common_cause
        suspicion = self._comparison.bets.suspicion
        if suspicion >= _SUSPICION:
            return (
                f"the margins are proven, but lately evidence of harm is {odds(suspicion)} ({odds(_SUSPICION)} is much)"
            )
        return ""

    def _proven(self, name: str) -> bool:
        return self._comparison.harms[name].proven(*self._margins[name], self.alpha)

    def _proof(self, name: str) -> float:
        return self._comparison.harms[name].evidence(*self._margins[name])

    def _needs(self, name: str) -> str:
        more = self._comparison.harms[name].needed(*self._margins[name], self.alpha)
        return "no telling yet how many sessions it needs" if more is None else f"about {rounded(more)} more sessions"

    def _verdict(self, action: Action, reason: str) -> Verdict:
        bets = self._comparison.bets
        return Verdict(
            action=action,
            reason=reason,
            metric=bets.blamed,
            evidence=bets.peak,
            threshold=bets.target,
            p_value=min(1.0, 1.0 / bets.peak),
            alpha=self.alpha,
            sessions=(self._tallies[0].sessions, self._tallies[1].sessions),
            weights=tuple(sorted(self._weights)),
            window=self._window,
            findings=tuple(self._finding(name) for name in self._margins),
        )

    def _finding(self, name: str) -> Finding:
        harm, (value, ratio) = self._comparison.harms[name], self._margins[name]
        lower, upper = harm.bounds(self.alpha)
        baseline, candidate = self._tallies
        known = self._known[name]
        metric = known.metric
        return Finding(
            name=name,
            baseline=baseline.estimate(known),
            candidate=candidate.estimate(known),
            n_baseline=baseline.measured(metric),
            n_candidate=candidate.measured(metric),
            lower=lower,
            upper=upper,
            ratio=ratio,
            margin=value,
            margin_evidence=self._proof(name),
            proven=self._proven(name),
            needed=harm.needed(value, ratio, self.alpha),
        )


def _margins(
    given: Mapping[str, float], known: Mapping[str, Harm], watched: Mapping[str, Any]
) -> dict[str, tuple[float, bool]]:
    """By what may not get worse: (margin, is it a ratio)."""
    own = {name: harm for name, harm in known.items() if harm.sampled}
    either = {f"{name}_{how}" for name in own for how in ("abs", "ratio")}
    if unknown := given.keys() - MARGINS.keys() - OPTIONAL - either:
        there = ", ".join((*MARGINS, *sorted(OPTIONAL), *sorted(either)))
        raise ValueError(f"no margin {', '.join(sorted(unknown))}; there are {there}")
    usual = {f"{name}_{how}": value for name, harm in own.items() for how, value in [_usual(harm)]}
    usual = {key: value for key, value in usual.items() if not {key, _other(key)} & given.keys()}
    made = {}
    for key, value in {**MARGINS, **usual, **given}.items():
        ratio = key.endswith("_ratio")
        name = key.removesuffix("_ratio").removesuffix("_abs")
        if known[name].metric not in watched:
            continue
        _check_margin(key, value, known[name], ratio)
        made[name] = (float(value), ratio)
    return made


def _usual(harm: Harm) -> tuple[str, float]:
    """The margin of an own metric that was given none: (abs or ratio, value)."""
    if harm.kind is Kind.SCORE:
        return "abs", OWN_MARGINS[harm.kind]
    return "ratio", harm.turned(OWN_MARGINS[harm.kind], True)


def _other(key: str) -> str:
    return f"{key.removesuffix('_ratio')}_abs" if key.endswith("_ratio") else f"{key.removesuffix('_abs')}_ratio"


def _check_margin(key: str, value: float, harm: Harm, ratio: bool) -> None:
    least, most, span = 0.0, 1.0, "between 0 and 1"
    if ratio and not harm.falling:
        least, most, span = 1.0, 1e6, "above 1"
    elif not ratio and harm.kind in {Kind.AMOUNT, Kind.COUNT}:
        most, span = 1e9, "above 0"
    if not least < value < most:
        raise ValueError(f"{key} must be {span}, not {value:g}")
