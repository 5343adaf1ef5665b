"""Is the candidate worse? Betting on the label: an anytime-valid test of "the label says nothing".

A session got the candidate with a known probability w. Guess from the past alone how much likelier its outcome x is
under a worse candidate, r(x), and multiply a capital by e = r(x)^v / (w r(x) + 1 - w), v = 1 for the candidate. If
outcome and label are independent, E[e] = 1 whatever the law of x is (drifting, heavy tailed, hit by incidents), so
P(capital ever >= 1/alpha) <= alpha (Ville). With r rising in the harmful direction, a candidate that is better earns
E[e] <= 1. Sources: Turner, Ly & Grunwald 2106.02693; Shekhar & Ramdas 2112.09162; change points: Shiryaev's mixture
of start times.

No bet is larger than it must be: where one session could carry the capital beyond the target, only as much is staked
as reaches it. The mean stays 1, nothing is won in vain, and so alpha is used to the full.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headgate.stats.experts import TOGETHER, Kind, View, families, log_ratios, together
from headgate.stats.reference import Law
from headgate.stats.units import FINE, Bools, Floats, Ints, Units, whole

CASH = 0.12  # share of the capital kept back for harm that begins later (Shiryaev)
RESERVE = 0.04  # the same for harm that begins when the weight changes: load, caches, quotas
CASH_SPAN = 4000.0  # where no horizon is planned: after so many sessions half of the cash is invested
TOGETHER_SHARE = 0.08
_CHUNK = 64  # sessions at a time, so that no sum of logs leaves a float
_CEILING = 1e280
_ENOUGH = 6.0  # nats: an expert that cannot earn these within the horizon gets less to begin with
_NEAR = 1e-9
_FAR = 300.0 * FINE
_GAINS, _SESSIONS = "bet", "bet sessions"


class LabelBet:
    """The capital of all metrics together: a weighted mean of theirs, which needs no correction for their number.

    `weights`: share of each metric; one of 0 is watched and decides nothing. `target`: odds that prove harm.
    `horizon`: planned number of sessions of both variants; `law`: what is known of the baseline when betting begins;
    `tolerant`: what is overlooked, as `experts.View` says.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        weights: Mapping[str, float],
        target: float,
        *,
        horizon: float | None = None,
        law: Law | None = None,
        tolerant: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        if min(weights.values(), default=-1.0) < 0 or sum(weights.values()) <= 0:
            raise ValueError("the weights of the metrics must be at least 0 and not all 0")
        if not target > 1.0:
            raise ValueError(f"a target of {target:g} proves nothing; it must be above 1")
        self.target, self.horizon, self.tolerant = target, horizon, dict(tolerant or {})
        self._kinds = dict(kinds)
        # experts on several metrics look only at those that decide
        several = together({name: kind for name, kind in kinds.items() if weights.get(name, 0.0) > 0.0})
        self._bank = [*families(kinds), *([several] if several else [])]
        of = np.repeat([family.metric for family in self._bank], [len(family.shares) for family in self._bank])
        self._groups = {name: of == name for name in dict.fromkeys(of.tolist())}
        self._given = dict(weights)
        self._weights = _normal(weights, TOGETHER in self._groups)
        self._shares = self._starting(law)
        self._decisive = np.zeros(len(of))  # the weight of each expert's metric
        for name, mask in self._groups.items():
            self._decisive[mask] = self._weights.get(name, 0.0)
        # an expert's capital is base x exp(grown): grown in whole numbers of nats / FINE
        self._base: Floats = (1.0 - CASH - RESERVE) * self._shares
        self._grown: Ints = np.zeros(len(self._shares), np.int64)
        self.cash = CASH + RESERVE  # what is not invested yet
        self._reserve = RESERVE
        # log of what each expert would own had it begun when it would have paid best
        self._best: Ints = np.zeros(len(self._shares), np.int64)
        self.sessions = 0
        self._weight: float | None = None  # of the last session
        self.peak = 1.0  # the most the combined capital ever was: this is what alpha is spent on

    def _starting(self, law: Law | None) -> Floats:
        """Each expert's share of its metric's capital; less for those that the horizon is too short for."""
        shares = np.concatenate([family.shares for family in self._bank])
        if self.horizon is not None and law is not None:
            found = [(family.growth(law), len(family.shares)) for family in self._bank]
            growth = np.concatenate([np.full(n, np.inf) if known is None else known for known, n in found])
            shares *= np.clip((growth * self.horizon / _ENOUGH) ** 2, 0.02, 1.0)
            for mask in self._groups.values():
                shares[mask] /= shares[mask].sum()
        return shares

    def update(self, units: Units, law: Law) -> None:
        """Bet on sessions in the order they closed. Those that began at 0 or 100 % change nothing.

        How sessions are cut into batches changes nothing either, to the last bit: logs are added as whole numbers, and
        floats one after the other.
        """
        units = units.of((units.weight > 0.0) & (units.weight < 1.0))
        for start in range(0, len(units), _CHUNK):
            part = units.part(start, min(start + _CHUNK, len(units)))
            as_candidate, as_baseline = self._log_e(part, law)
            self._play(part.candidate, as_candidate, as_baseline, self._flows(part.weight))

    def summarise(self, units: Units, law: Law) -> dict[str, Ints]:
        """What these sessions do to each expert's capital, as whole numbers that add up in any order."""
        units = units.of((units.weight > 0.0) & (units.weight < 1.0))
        if not len(units):
            return {}
        as_candidate, as_baseline = self._log_e(units, law)
        gains = np.where(units.candidate[:, None], as_candidate, as_baseline)
        return {_GAINS: gains.sum(axis=0), _SESSIONS: np.array([len(units)])}

    def absorb(self, summary: Mapping[str, Ints], weight: float) -> None:
        """Take in what `summarise` made of sessions of one weight (0..1), with the law that they were bet on with."""
        if _GAINS not in summary or self.proven:
            return
        gains, n = summary[_GAINS], int(summary[_SESSIONS][0])
        flow = float(self._flows(np.full(n, weight)).sum())
        self.sessions += n
        self.cash -= flow
        grown = np.exp(np.minimum(gains / FINE, 600.0))
        self._base, self._grown = (
            np.minimum(_CEILING, (self.capital + flow * self._shares) * grown),
            np.zeros_like(gains),
        )
        self._best = np.maximum(self._best, 0) + gains
        self.peak = max(self.peak, self.combined)

    def _log_e(self, units: Units, law: Law) -> tuple[Ints, Ints]:
        """log e of each unit and expert (n, K), for either label, as whole numbers."""
        ratios, w = log_ratios(View(units, law, self.tolerant), self._bank), units.weight[:, None]
        as_baseline = -np.log(w * np.exp(ratios) + 1.0 - w)
        return whole(ratios + as_baseline), whole(as_baseline)

    def _flows(self, weights: Floats) -> Floats:
        """What is invested before each session: cash at a rate fixed in advance, half of the reserve when the weight
        changes.
        """
        counts = self.sessions + np.arange(len(weights) + 1.0)
        left = np.maximum(0.0, 1.0 - counts / self.horizon) if self.horizon else CASH_SPAN / (CASH_SPAN + counts)
        flows = CASH * (left[:-1] - left[1:])
        before = np.concatenate(([weights[0] if self._weight is None else self._weight], weights[:-1]))
        for i in np.flatnonzero(weights != before):
            flows[i] += self._reserve / 2.0
            self._reserve /= 2.0
        self._weight = float(weights[-1])
        return flows

    def _play(self, candidate: Bools, as_candidate: Ints, as_baseline: Ints, flows: Floats) -> None:
        gains = np.where(candidate[:, None], as_candidate, as_baseline)
        at, n = 0, len(candidate)
        while at < n and not self.proven:
            grown = self._grown + np.cumsum(gains[at:], axis=0)
            before = grown - gains[at:]
            far = np.flatnonzero((np.abs(before) > _FAR).any(axis=1))
            if len(far) and far[0] == 0:  # long runs are begun anew before their exponentials leave a float
                self._base, self._grown = self.capital, np.zeros_like(self._grown)
                continue
            inflow = flows[at:, None] * self._shares * np.exp(-np.clip(before, -_FAR, _FAR) / FINE)
            bases = np.cumsum(np.concatenate((self._base[None], inflow)), axis=0)[1:]
            stakes = np.exp(np.clip(before, -_FAR, _FAR) / FINE) * bases
            cash = np.cumsum(np.concatenate(([self.cash], -flows[at:])))[1:]
            # the combined capital before each session, and after it for either label
            now, high, low = (
                (stakes * factor * self._decisive).sum(axis=1) + cash
                for factor in (1.0, np.exp(as_candidate[at:] / FINE), np.exp(as_baseline[at:] / FINE))
            )
            most = np.maximum(high, low)
            over = np.flatnonzero(most > self.target)
            stop = min(int(found[0]) for found in (over, far, np.array([n - at])) if len(found))
            if stop:
                self._base, self._grown = bases[stop - 1], grown[stop - 1]
                self._count(gains[at : at + stop], float(cash[stop - 1]))
                self.peak = max(self.peak, float(np.where(candidate[at:], high, low)[:stop].max()))
                at += stop
            if len(over) and over[0] == stop:
                bold = (self.target - now[stop]) / (most[stop] - now[stop])
                self._base = stakes[stop] * (1.0 + bold * np.expm1(gains[at] / FINE))
                self._grown = np.zeros_like(self._grown)
                self._count(gains[at : at + 1], float(cash[stop]))
                self.peak = max(self.peak, self.combined)
                at += 1

    def _count(self, gains: Ints, cash: float) -> None:
        self.cash = cash
        self.sessions += len(gains)
        grown = np.cumsum(gains, axis=0)
        lowest = np.minimum((grown - gains).min(axis=0), 0)
        self._best = grown[-1] + np.maximum(np.maximum(self._best, 0), -lowest)

    @property
    def capital(self) -> Floats:
        """What each expert owns, as a share of its metric's capital at the start."""
        return np.asarray(np.minimum(_CEILING, np.exp(np.minimum(self._grown / FINE, 600.0)) * self._base))

    @property
    def proven(self) -> bool:
        """Whether harm is proven, now or earlier."""
        return self.peak >= self.target * (1.0 - _NEAR)

    @property
    def suspicion(self) -> float:
        """Odds against the candidate had betting begun when it would have paid best: no proof, a reason to wait."""
        return float((np.exp(np.clip(self._best / FINE, 0.0, 50.0)) * self._shares * self._decisive).sum())

    @property
    def evidence(self) -> dict[str, float]:
        """Evidence of harm per metric, as odds: 20 is "20 to 1 against a candidate that is no worse"."""
        cash = self.cash
        return {name: float(self.capital[mask].sum()) + cash for name, mask in self._groups.items()}

    @property
    def combined(self) -> float:
        """Evidence of harm over all metrics."""
        return float((self.capital * self._decisive).sum()) + self.cash

    @property
    def blamed(self) -> str:
        """The metric that contributes most."""
        evidence = self.evidence
        return max(self._given, key=lambda name: self._weights[name] * evidence[name])

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        return {
            "kinds": [[name, kind.value] for name, kind in self._kinds.items()],  # the experts stand in this order
            "weights": self._given,
            "target": self.target,
            "horizon": self.horizon,
            "tolerant": {name: list(overlooked) for name, overlooked in self.tolerant.items()},
            "shares": self._shares.tolist(),
            "base": self._base.tolist(),
            "grown": self._grown.tolist(),
            "best": self._best.tolist(),
            "cash": self.cash,
            "reserve": self._reserve,
            "sessions": self.sessions,
            "weight": self._weight,
            "peak": self.peak,
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> LabelBet:
        """The inverse of `to_data`."""
        kinds = {name: Kind(kind) for name, kind in dict(data["kinds"]).items()}
        tolerant = {name: (ratio, difference) for name, (ratio, difference) in data["tolerant"].items()}
        made = cls(kinds, data["weights"], data["target"], horizon=data["horizon"], tolerant=tolerant)
        made._shares, made._base = np.array(data["shares"]), np.array(data["base"])
        made._grown, made._best = np.array(data["grown"], np.int64), np.array(data["best"], np.int64)
        made.cash, made._reserve, made._weight = data["cash"], data["reserve"], data["weight"]
        made.sessions, made.peak = data["sessions"], data["peak"]
        return made


def _normal(weights: Mapping[str, float], together: bool) -> dict[str, float]:
    """The weights as shares of 1, with that of the experts on several metrics."""
    total = sum(weights.values())
    left = 1.0 - TOGETHER_SHARE if together else 1.0
    made = {name: left * weight / total for name, weight in weights.items()}
    return {**made, TOGETHER: TOGETHER_SHARE} if together else made
