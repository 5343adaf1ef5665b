"""Label betting as in the study that the judge started from: 19 fixed experts, fixed weights of the metrics, no
promotion.

A reference that the judge has to beat, written apart from it. Each unit multiplies expert k's capital by
r_k(x)^v / (w r_k(x) + 1 - w); the mean of the capitals reaches 1/alpha with probability alpha at most (Ville).
"""

from math import log

import numpy as np

from benchmarks.decisions.rules import GO_ON, TAKE_BACK

RATIOS = np.array([1.6, 2.5, 4.0, 8.0, 18.0, 40.0])
BODY = np.array([0.25, 0.5, 0.9, 1.5])
TAIL = np.array([[0.015, 3.0], [0.06, 2.5]])
COST = np.array([0.2, 0.45, 0.9])
QUALITY = np.array([0.25, 0.5, 1.0, 1.8])
SHARES = np.concatenate(
    [
        np.full(6, 0.30 / 6),
        np.full(4, 0.22 / 4),
        np.full(2, 0.10 / 2),
        np.full(3, 0.18 / 3),
        np.full(4, 0.20 / 4),
    ]
)
LEVELS = np.array([0.002, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 0.99, 0.998])
# their normal scores, to three places
SCORES = np.array([-2.878, -2.326, -1.881, -1.282, -0.842, -0.385, 0.0, 0.385, 0.842, 1.282, 1.881, 2.326, 2.878])
LEAST, MOST = -4.0, 4.5
REFRESH = 500  # units between two looks at the past


def normal_scores(x, knots):
    """Piecewise linear map of x to normal scores by the quantiles `knots`, continued beyond them, clipped."""
    z = np.interp(x, knots, SCORES)
    low = (SCORES[1] - SCORES[0]) / (knots[1] - knots[0])
    high = (SCORES[-1] - SCORES[-2]) / (knots[-1] - knots[-2])
    z = np.where(x < knots[0], SCORES[0] + low * (x - knots[0]), z)
    z = np.where(x > knots[-1], SCORES[-1] + high * (x - knots[-1]), z)
    return np.clip(z, LEAST, MOST)


def _knots(values):
    known = values[~np.isnan(values)]
    if len(known) < 20:
        return None
    quantiles = np.quantile(known, LEVELS)
    return np.maximum.accumulate(quantiles + 1e-9 * np.arange(len(quantiles)))


class LabelBet:
    """Bets once per session, at its last turn: log ratios of its turns summed and divided by the root of their number.

    `cash`: share of the capital that is invested at a constant rate over the rollout, for harm that begins later.
    """

    def __init__(self, setting, *, cash=0.0):
        self._needed, self._cash = log(1 / setting.alpha), cash
        self._logs = np.log(SHARES) + (np.log1p(-cash) if cash else 0.0)
        self._rate, self._invested, self._horizon = cash / setting.horizon, 0, setting.horizon
        self._past = [self._kept(setting.history)]
        self._open, self._fresh = {}, 0
        self._learn()

    @staticmethod
    def _kept(batch):
        return np.stack([batch["ok"], np.log(batch["latency_ms"]), np.log(batch["cost"]), -batch["quality"]])

    def _learn(self):
        self._past = [np.concatenate(self._past, axis=1)]
        (past,) = self._past
        self._error = (0.5 + (past[0] == 0).sum()) / (past.shape[1] + 1.0)
        self._maps = [_knots(row) for row in past[1:]]

    def _ratios(self, rows):
        """log r of each expert for each row, shape (19, rows); rows as _kept makes them."""
        n, out = rows.shape[1], []
        p = np.minimum(self._error, 0.8 / RATIOS)[:, None]
        rho = RATIOS[:, None]
        out.append(np.where(rows[0] == 0, np.log(rho), np.log((1 - p * rho) / (1 - p))))
        z = [None if m is None else normal_scores(row, m) for m, row in zip(self._maps, rows[1:], strict=True)]
        for i, shifts in ((0, BODY), (1, COST), (2, QUALITY)):
            if z[i] is None:
                out.append(np.zeros((len(shifts), n)))
            else:
                out.append(np.nan_to_num(shifts[:, None] * z[i] - shifts[:, None] ** 2 / 2))
            if i == 0:
                share, d = TAIL[:, :1], TAIL[:, 1:]
                far = np.zeros((2, n)) if z[0] is None else np.exp(d * z[0] - d**2 / 2)
                out.append(np.zeros((2, n)) if z[0] is None else np.log1p(share * (far - 1)))
        return np.concatenate(out)

    def update(self, batch):
        """The action after these rows."""
        closed = batch["end"]
        rows, variant, weight = self._kept(batch), batch["variant"], batch["weight"]
        if closed.all() and not self._open:
            self._bet(self._ratios(rows), variant, weight)
            self._remember(rows[:, variant == 0])
        else:
            self._talk(rows, batch)
        return TAKE_BACK if self.log_capital() >= self._needed else GO_ON

    def _talk(self, rows, batch):
        """Turns of sessions: kept until the last one."""
        for i, session in enumerate(batch["session"].tolist()):
            self._open.setdefault(session, []).append(rows[:, i])
            if not batch["end"][i]:
                continue
            turns = np.stack(self._open.pop(session), axis=1)
            ratios = self._ratios(turns).sum(axis=1, keepdims=True) / np.sqrt(turns.shape[1])
            self._bet(ratios, batch["variant"][i : i + 1], batch["weight"][i : i + 1])
            if batch["variant"][i] == 0:
                self._remember(turns)

    def _bet(self, ratios, variant, weight):
        usable = (weight > 0) & (weight < 1)
        ratios, variant, weight = ratios[:, usable], variant[usable], weight[usable]
        steps = np.where(variant == 1, ratios, 0.0) - np.log(weight * np.exp(ratios) + 1 - weight)
        if self._cash:
            self._invest(steps)
        self._logs += steps.sum(axis=1)
        if self._cash:
            self._logs = np.logaddexp(self._logs, self._new)
        self._fresh += len(variant)
        if self._fresh >= REFRESH:
            self._fresh = 0
            self._learn()

    def _invest(self, steps):
        """Cash that flows in before each unit, grown by the units from there on."""
        n = min(steps.shape[1], self._horizon - self._invested)
        self._invested += n
        self._new = np.full(len(SHARES), -np.inf)
        if n:
            after = np.cumsum(steps[:, ::-1], axis=1)[:, ::-1][:, :n]
            grown = np.exp(after - after.max(axis=1, keepdims=True)).sum(axis=1)
            self._new = np.log(self._rate * SHARES * grown) + after.max(axis=1)

    def _remember(self, rows):
        self._past.append(rows)

    def log_capital(self):
        """Natural logarithm of the capital of all experts and the cash together."""
        peak = self._logs.max()
        spread = float(peak + np.log(np.exp(self._logs - peak).sum()))
        return float(np.logaddexp(spread, log(max(1e-300, self._cash - self._rate * self._invested))))
