"""Is the candidate worse? Betting on the label: an anytime-valid test of "the label says nothing".

A session got the candidate with a known probability w. Guess from the past alone how much likelier its outcome x is
under a worse candidate, r(x), and multiply a capital by e = r(x)^v / (w r(x) + 1 - w), v = 1 for the candidate. If
outcome and label are independent, E[e] = 1 whatever the law of x is (drifting, heavy tailed, hit by incidents), so
P(capital ever >= 1/alpha) <= alpha (Ville). With r rising in the harmful direction, a candidate that is better earns
E[e] <= 1. Sources: Turner, Ly & Grunwald 2106.02693; Shekhar & Ramdas 2112.09162; change points: Shiryaev's mixture
of start times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log, sqrt
from typing import Any

from headgate.stats.observations import Session
from headgate.stats.reference import Law, Reference, cost_bucket

METRICS = ("error", "latency", "cost")

CASH = 0.35  # share of the capital kept back for harm that begins later (Shiryaev)
CASH_SPAN = 1000.0  # after so many sessions half of the cash is invested
_CEILING = 1e280  # far above any threshold; keeps 1e9 updates inside a float
_LOG_RATIO_LIMIT = 6.0  # of one session: one odd session costs an expert at most this many nats, plus log(1/w)

# (error ratio, share of the capital)
_ERROR_EXPERTS = ((1.6, 0.14), (2.5, 0.14), (4.0, 0.14), (8.0, 0.16), (18.0, 0.17), (40.0, 0.25))
# shift of the normal score of the whole law, and (share of the sessions' turns in a tail, its shift)
_BODY_EXPERTS = ((0.25, 0.17), (0.5, 0.17), (0.9, 0.17), (1.5, 0.17))
_TAIL_EXPERTS = (((0.015, 3.0), 0.16), ((0.06, 2.5), 0.16))
_COST_EXPERTS = ((0.2, 0.34), (0.45, 0.33), (0.9, 0.33))


def e_value(r: float, candidate: bool, w: float) -> float:
    """The factor on the capital for one session: r > 0 the guessed density ratio, w in [0, 1] the candidate's
    probability.

    w of 0 or 1 tells nothing: the label was no lot. The result lies between 1 / (w r + 1 - w) and 1 / w.
    """
    if w <= 0.0 or w >= 1.0:
        return 1.0
    return (r if candidate else 1.0) / (w * r + 1.0 - w)


def _clipped_exp(log_ratio: float) -> float:
    return exp(min(_LOG_RATIO_LIMIT, max(-_LOG_RATIO_LIMIT, log_ratio)))


def error_ratios(failed: bool, rate: float) -> list[float]:
    """r of each error expert: a candidate that fails rho times as often as the baseline's `rate`."""
    ratios = []
    for rho, _ in _ERROR_EXPERTS:
        p = min(rate, 0.8 / rho)
        ratios.append(rho if failed else (1.0 - p * rho) / (1.0 - p))
    return ratios


def latency_ratios(session: Session, law: Law) -> list[float] | None:
    """r of each latency expert: log ratios summed over the turns, and divided by sqrt(turns) as turns of a session
    are alike.

    None where nothing was measured or the baseline is not known yet.
    """
    if law.time is None or not session.latency:
        return None
    tolerant = session.variant == "candidate"
    turns, score = 0, 0.0
    tails = [0.0 for _ in _TAIL_EXPERTS]
    for bucket, n in session.latency.items():
        z = law.time.z(bucket, tolerant)
        turns += n
        score += n * z
        for i, ((share, d), _) in enumerate(_TAIL_EXPERTS):
            tails[i] += n * log(1.0 - share + share * exp(d * z - d * d / 2.0))
    root = sqrt(turns)
    logs = [(d * score - turns * d * d / 2.0) / root for d, _ in _BODY_EXPERTS]
    return [_clipped_exp(value) for value in (*logs, *(tail / root for tail in tails))]


def cost_ratios(session: Session, law: Law) -> list[float] | None:
    """r of each cost expert, on the log scale of a session's cost; None as for latency."""
    bucket = cost_bucket(session)
    if law.cost is None or bucket is None:
        return None
    z = law.cost.z(bucket, False)
    return [_clipped_exp(d * z - d * d / 2.0) for d, _ in _COST_EXPERTS]


class Mixture:
    """Capital spread over experts; cash flows to them at a rate fixed in advance, so that none is ever ruined."""

    def __init__(self, shares: Sequence[float]) -> None:
        total = sum(shares)
        self._shares = [share / total for share in shares]
        self.capital = [(1.0 - CASH) * share for share in self._shares]

    def update(self, flow: float, factors: Sequence[float] | None) -> None:
        """One session: invest `flow` of the cash, then multiply each expert's capital by its factor; None: nothing to
        bet on.
        """
        invested = [capital + flow * share for capital, share in zip(self.capital, self._shares, strict=True)]
        if factors is not None:
            invested = [min(_CEILING, capital * factor) for capital, factor in zip(invested, factors, strict=True)]
        self.capital = invested

    @property
    def invested(self) -> float:
        return sum(self.capital)


class LabelBet:
    """The capital of all metrics together: a weighted mean of theirs, which needs no correction for their number.

    `weights`: share of each metric (error, latency, cost); one of 0 is watched and decides nothing.
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        if unknown := weights.keys() - set(METRICS):
            raise ValueError(f"no bets are known on {', '.join(sorted(unknown))}; there are {', '.join(METRICS)}")
        total = sum(weights.values())
        if total <= 0 or min(weights.values()) < 0:
            raise ValueError("the weights of the metrics must be at least 0 and not all 0")
        self._weights = {name: weights[name] / total for name in METRICS if name in weights}
        experts = {
            "error": [share for _, share in _ERROR_EXPERTS],
            "latency": [share for _, share in (*_BODY_EXPERTS, *_TAIL_EXPERTS)],
            "cost": [share for _, share in _COST_EXPERTS],
        }
        self._mixtures = {name: Mixture(experts[name]) for name in self._weights}
        self.sessions = 0
        self.peak = 1.0  # the most the combined capital ever was: this is what alpha is spent on

    @property
    def cash(self) -> float:
        return CASH * CASH_SPAN / (CASH_SPAN + self.sessions)

    def update(self, session: Session, reference: Reference) -> None:
        """Bet on one session. Sessions that began at 0 or 100 % change nothing."""
        w = session.weight / 100.0
        if w <= 0.0 or w >= 1.0:
            return
        before = self.cash
        self.sessions += 1
        flow = before - self.cash
        candidate = session.variant == "candidate"
        for name, mixture in self._mixtures.items():
            ratios = self._ratios(name, session, reference)
            mixture.update(flow, None if ratios is None else [e_value(r, candidate, w) for r in ratios])
        self.peak = max(self.peak, self.combined)

    def _ratios(self, name: str, session: Session, reference: Reference) -> list[float] | None:
        if name == "error":
            return error_ratios(session.failures > 0, reference.error_rate)
        if name == "latency":
            return latency_ratios(session, reference.law)
        return cost_ratios(session, reference.law)

    @property
    def evidence(self) -> dict[str, float]:
        """Evidence of harm per metric, as odds: 20 is "20 to 1 against a candidate that is no worse"."""
        cash = self.cash
        return {name: mixture.invested + cash for name, mixture in self._mixtures.items()}

    @property
    def combined(self) -> float:
        """Evidence of harm over all metrics."""
        return sum(self._weights[name] * value for name, value in self.evidence.items())

    @property
    def blamed(self) -> str:
        """The metric that contributes most."""
        evidence = self.evidence
        return max(self._weights, key=lambda name: self._weights[name] * evidence[name])

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        return {
            "weights": self._weights,
            "capital": {name: list(mixture.capital) for name, mixture in self._mixtures.items()},
            "sessions": self.sessions,
            "peak": self.peak,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> LabelBet:
        """The inverse of `to_data`."""
        made = cls(data["weights"])
        made._weights = dict(data["weights"])
        for name, capital in data["capital"].items():
            made._mixtures[name].capital = list(capital)
        made.sessions, made.peak = data["sessions"], data["peak"]
        return made
