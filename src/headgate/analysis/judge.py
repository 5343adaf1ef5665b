"""The judge: sessions in, one at a time and in the order they ended; at any look a verdict with its reason.

FAIL needs proof that the candidate is worse (label bets, 0.9 alpha of the rollout) or beyond a hard limit that the
baseline keeps (0.1 alpha). PASS needs proof that harm beyond each of the step's margins is excluded. All else is
INCONCLUSIVE and says why. Any number of looks, at any time, leaves the chance of failing a candidate that is no worse
at alpha at most. See docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from headgate.analysis.hard import HardLimit
from headgate.analysis.look import Look, Scene, render
from headgate.analysis.totals import Totals
from headgate.core.plan import Analysis, Margin, Step
from headgate.stats.label_bet import LabelBet
from headgate.stats.non_inferiority import METRICS as MARGIN_METRICS
from headgate.stats.non_inferiority import HarmSequence
from headgate.stats.observations import Second, Session
from headgate.stats.ratio_check import RatioCheck
from headgate.stats.reference import Reference

COMPARISON_SHARE, HARD_SHARE = 0.9, 0.1  # of alpha

_BET_OF = {"error": "error", "latency_p95": "latency", "latency_p99": "latency", "cost": "cost"}
_BET_SHARES = {"error": 0.4, "latency": 0.4, "cost": 0.2}


class Judge:
    """The state of one rollout's analysis; of constant size.

    `history`: sessions of the baseline from before, oldest first.
    """

    def __init__(self, analysis: Analysis, steps: Sequence[Step], history: Sequence[Session] = ()) -> None:
        self.analysis, self.steps = analysis, tuple(steps)
        margins = list(dict.fromkeys(m for step in steps for m in step.margins))
        watched = {m.metric for m in (*margins, *analysis.guardrails)}
        # a plan with no guardrail that can be measured never passes, but failures still count
        bets = {name for metric, name in _BET_OF.items() if metric in watched} or {"error"}
        self.bets = LabelBet({name: share if name in bets else 0.0 for name, share in _BET_SHARES.items()})
        self.harms = {name: _harm(name, margins) for name in MARGIN_METRICS if name in watched}
        share = HARD_SHARE * analysis.alpha / max(1, len(analysis.hard))
        self.hard = [HardLimit(limit, share) for limit in analysis.hard]
        self.ratio = RatioCheck()
        self.reference = Reference()
        self.totals = Totals()
        for session in history:
            self._past(session)

    def add(self, session: Session) -> None:
        """One finished session of either variant, once, in the order of arrival.

        Raises ValueError for one that cannot be.
        """
        _refuse_nonsense(session)
        candidate = session.variant == "candidate"
        if not candidate and not 0.0 < session.weight < 100.0:
            self._past(session)
            return
        self.totals.add(session)
        for limit in self.hard:
            limit.update(session, candidate)
        self.bets.update(session, self.reference)
        for harm in self.harms.values():
            harm.update(session, self.reference)
        if not candidate:
            self.reference.learn(session)

    def add_second(self, second: Second) -> None:
        """One row of assigned sessions, for the sample-ratio check; add both variants' rows of a moment before the
        next look.
        """
        self.ratio.add(second.weight, second.variant == "candidate", second.sessions)

    def _past(self, session: Session) -> None:
        """A session of the baseline that nothing was compared with: it teaches what is normal."""
        for limit in self.hard:
            limit.update(session, False)
        self.totals.add_past(session)
        self.reference.learn(session)

    def look(self, step: int, now: float, last_data_at: float | None, *, stale_after_s: float = 60.0) -> Look:
        """The verdict at `now` (Unix s) for a step (index into the plan's).

        `last_data_at`: when the newest row was measured; None: never.
        """
        scene = Scene(
            analysis=self.analysis,
            steps=self.steps,
            step=step,
            now=now,
            last_data_at=last_data_at,
            stale_after_s=stale_after_s,
            bets=self.bets,
            harms=self.harms,
            hard=self.hard,
            mismatch=self.ratio.worst() if self.ratio.look() else "",
            totals=self.totals,
            fail_at=1.0 / (COMPARISON_SHARE * self.analysis.alpha),
        )
        return render(scene)

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        return {
            "bets": self.bets.to_data(),
            "harms": {name: harm.to_data() for name, harm in self.harms.items()},
            "hard": [limit.to_data() for limit in self.hard],
            "ratio": self.ratio.to_data(),
            "reference": self.reference.to_data(),
            "totals": self.totals.to_data(),
        }

    @classmethod
    def from_data(cls, analysis: Analysis, steps: Sequence[Step], data: Mapping[str, Any]) -> Judge:
        """The judge as it was when `to_data` was called, for the same plan."""
        made = cls(analysis, steps)
        made.bets = LabelBet.from_data(data["bets"])
        made.harms = {name: HarmSequence.from_data(harm) for name, harm in data["harms"].items()}
        for limit, state in zip(made.hard, data["hard"], strict=True):
            limit.restore(state)
        made.ratio = RatioCheck.from_data(data["ratio"])
        made.reference = Reference.from_data(data["reference"])
        made.totals = Totals.from_data(data["totals"])
        return made


def _harm(metric: str, margins: Sequence[Margin]) -> HarmSequence:
    return HarmSequence(metric, [(m.value, m.ratio) for m in margins if m.metric == metric])


def _refuse_nonsense(session: Session) -> None:
    numbers = (session.t, session.weight, session.cost_usd)
    counts = (session.turns, session.failures, *session.latency.values())
    what = ""
    if session.variant not in {"baseline", "candidate"}:
        what = f"variant {session.variant!r} is neither baseline nor candidate"
    elif not all(isfinite(number) for number in numbers):
        what = "time, weight or cost is not a finite number"
    elif not 0.0 <= session.weight <= 100.0:
        what = f"a weight of {session.weight:g} % is not within 0 and 100"
    elif (
        session.cost_usd < 0.0 or any(n < 0 for n in counts) or (session.latency and not any(session.latency.values()))
    ):
        what = "a count or the cost is negative, or the histogram is empty"
    if what:
        raise ValueError(f"session {session.session} (row {session.seq}): {what}")
