"""What every rule is: fed with batches of columns, it answers CONTINUE, PROMOTE or ROLLBACK after each.

The oracle knows both laws and is the floor. Peers are in `peers_polled` and `peers_sequential`, the bets of the study
in `label_bet`, Headgate's own judge in `ours`.
"""

from dataclasses import dataclass
from math import log
from typing import Protocol

import numpy as np

from benchmarks.decisions.likelihood import rollout_log_ratios

CONTINUE, PROMOTE, ROLLBACK = "CONTINUE", "PROMOTE", "ROLLBACK"
METRICS = ("error", "latency", "cost", "quality")
MARGINS = {
    "error_abs": 0.01,
    "latency_p95_ratio": 1.25,
    "latency_p99_ratio": 1.5,
    "cost_ratio": 1.10,
    "quality_abs": 0.03,
}


@dataclass(frozen=True)
class Answer:
    """What a rule says after a batch."""

    action: str


GO_ON, TAKE_BACK, KEEP = Answer(CONTINUE), Answer(ROLLBACK), Answer(PROMOTE)


@dataclass(frozen=True)
class Setting:
    """What a rule is made with. `history`: a batch of the baseline's requests from before; `horizon`: planned
    requests.
    """

    history: dict
    horizon: int
    alpha: float = 0.05
    metrics: tuple[str, ...] = METRICS


class Rule(Protocol):
    """A rule in one rollout."""

    def update(self, batch: dict) -> Answer: ...


class Oracle:
    """Bets with the true density ratio of each unit: it knows both laws and pays for nothing but overshoot.

    e = r^v / (w r + 1 - w); rolls back when the product reaches 1/alpha. Its growth per unit is J_w of `bounds`. On a
    null it does not bet.
    """

    def __init__(self, rollout, alpha=0.05):
        columns, null = rollout.columns, rollout.scenario.kind == "null"
        ratios = np.zeros(len(rollout)) if null else rollout_log_ratios(rollout)
        w = columns["weight"]
        with np.errstate(divide="ignore"):
            mixed = np.logaddexp(np.log(w) + ratios, np.log1p(-w))
        steps = np.where(columns["variant"] == 1, ratios, 0.0) - mixed
        self._capital = np.cumsum(np.where(ratios == 0.0, 0.0, steps))
        self._seen, self._needed = 0, log(1 / alpha)

    def update(self, batch):
        """The action after these rows."""
        self._seen += len(batch["variant"])
        # a batch may be empty, and a rule may look only at the end of one
        return TAKE_BACK if self._seen and self._capital[self._seen - 1] >= self._needed else GO_ON
