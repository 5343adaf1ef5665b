"""Headgate's own judge behind the benchmark's protocol."""

from importlib import import_module

from benchmarks.decisions.rules import CONTINUE, MARGINS, PROMOTE, ROLLBACK, Answer

ACTIONS = {name: Answer(name) for name in (CONTINUE, PROMOTE, ROLLBACK)}


def there():
    """Whether the installed headgate has a judge of turns."""
    return hasattr(import_module("headgate.analysis"), "Judge")


class Ours:
    """`headgate.analysis.Judge`, made as its documentation says."""

    def __init__(self, setting):
        # so that peers and bounds can be measured without it
        from headgate.analysis import Judge

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
