"""Headgate's own judge behind the benchmark's protocol."""

from benchmarks.decisions.rules import CONTINUE, MARGINS, PROMOTE, ROLLBACK, Answer
from headgate.analysis import Judge

ACTIONS = {name: Answer(name) for name in (CONTINUE, PROMOTE, ROLLBACK)}


class Ours:
    """`headgate.analysis.Judge`, made as its documentation says."""

    def __init__(self, setting):
        self._judge = Judge(
            alpha=setting.alpha,
            metrics=setting.metrics,
            margins=dict(MARGINS),
            horizon=setting.horizon,
            history=setting.history,
        )

    def update(self, batch):
        """The action after these rows."""
        action = self._judge.update(batch).action
        return ACTIONS[getattr(action, "value", action)]
