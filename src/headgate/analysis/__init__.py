"""Estimates in, verdicts out, with reasons and numbers; passive: nothing here can touch production.

`Judge` is the statistics alone, for any pipeline: columns of turns in, CONTINUE, PROMOTE or ROLLBACK out. A rollout is
judged by `rollout_judge.RolloutJudge`, on the same tests.
"""

from headgate.analysis.turn_judge import Action, Finding, Judge, Verdict
from headgate.core.metrics import Measure, OwnMetric

__all__ = ["Action", "Finding", "Judge", "Measure", "OwnMetric", "Verdict"]
