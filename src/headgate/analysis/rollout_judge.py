"""The judge of a rollout: sessions in, in the order they ended; at any look a verdict on a step, with its reason.

FAIL needs proof that the candidate is worse (bets on the label) or beyond a hard limit that the baseline keeps. PASS
needs proof that harm beyond each of the step's margins is excluded. All else is INCONCLUSIVE and says why. Of alpha,
0.1 goes to hard limits, 0.1 to scores that arrive late where the plan asks for any, the rest to what is known when a
session ends: any number of looks, at any time, leaves the chance of failing a candidate that is no worse at alpha at
most. See docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.analysis.doubts import Doubts
from headgate.analysis.hard import HardLimit
from headgate.analysis.look import Look, judged, render
from headgate.analysis.metrics import flipped, harms, kinds, observed, weights
from headgate.analysis.scene import Scene
from headgate.analysis.sessions import refuse_nonsense, scored, units_of
from headgate.analysis.totals import Totals
from headgate.core.model import Verdict
from headgate.core.plan import Analysis, Margin, Step
from headgate.stats.comparison import Comparison, Setting
from headgate.stats.experts import Kind
from headgate.stats.non_inferiority import Harm
from headgate.stats.observations import Score, Second, Session
from headgate.stats.units import Units

HARD_SHARE, LATE_SHARE = 0.1, 0.1  # of alpha
_NEVER = 1e270  # odds that no capital reaches
LATE = "quality"
_TOGETHER, _LATE = "comparison", "late"  # tests, by name
_LEAST = 1e-6  # of a level: so little is nothing, and a float yet
# differences that are not harm, as (ratio, difference): the resolution of the histograms, and what no person notices
_OVERLOOKED = {Kind.TIME: (1.05, 5.0), Kind.AMOUNT: (1.02, 0.0)}


class RolloutJudge:
    """The state of one rollout's analysis; of constant size.

    `history`: sessions of the baseline from before, oldest first. `left`: of the level of each test, what it may still
    spend, where another judge of this rollout came before; a test that is not named has all of it.
    """

    def __init__(
        self,
        analysis: Analysis,
        steps: Sequence[Step],
        history: Sequence[Session] = (),
        left: Mapping[str, float] | None = None,
    ) -> None:
        self.analysis, self.steps = analysis, tuple(steps)
        self._given = dict(left or {})
        self._known = harms(analysis.metrics)
        self._observed = observed(analysis, steps, self._known)
        margins = [m for step in steps for m in step.margins] + list(analysis.guardrails)
        decisive = kinds((m.metric for m in margins), self._known)
        # a plan with no guardrail that can be measured never passes, but failures still count
        prompt = {name: kind for name, kind in decisive.items() if name != LATE} or {"error": Kind.FAILURE}
        shown = [*(each.metric for each in analysis.objectives), *self._observed]
        also = {n: k for n, k in kinds(shown, self._known).items() if n not in prompt}
        watched = prompt | {name: kind for name, kind in also.items() if name != LATE}
        self._late_decides = LATE in decisive
        late_share = LATE_SHARE if self._late_decides else 0.0
        compared = {
            name: (self._known[name], _of(name, margins))
            for name in dict.fromkeys([*(m.metric for m in margins), *shown])
            if name in self._known
        }
        self._setting = Setting(
            kinds=watched,
            weights=weights(watched, prompt),
            margins={name: each for name, each in compared.items() if each[0].metric != LATE},
            target=1.0 / ((1.0 - HARD_SHARE - late_share) * analysis.alpha * self._has(_TOGETHER)),
            tolerant={name: _OVERLOOKED[kind] for name, kind in watched.items() if kind in _OVERLOOKED},
        )
        self.comparison = Comparison(self._setting)
        late = {name: each for name, each in compared.items() if each[0].metric == LATE}
        late_alpha = late_share * analysis.alpha * self._has(_LATE)
        self.late = Comparison(_late_setting(late, late_alpha)) if late else None
        share = HARD_SHARE * analysis.alpha / max(1, len(analysis.hard))
        self.hard = [HardLimit(limit, share * self._has(_hard(i))) for i, limit in enumerate(analysis.hard)]
        sampled = tuple(each.name for each in analysis.metrics if each.name in decisive)
        self.doubts = Doubts(sampled=sampled, late=(LATE,) if self.late else ())
        self.totals = Totals(flipped(self._known))
        self._waiting: list[Session] = []
        if history:
            self._past(history)

    @property
    def names(self) -> list[str]:
        """All that the plan asks about: guardrails, objectives, what it observes."""
        margins = [m.metric for step in self.steps for m in step.margins] + [m.metric for m in self.analysis.guardrails]
        return [*margins, *(each.metric for each in self.analysis.objectives), *self._observed]

    def add(self, session: Session) -> None:
        """One finished session of either variant, once, in the order of arrival; it is bet on at the next look.

        Raises ValueError for one that cannot be.
        """
        refuse_nonsense(session)
        self._waiting.append(session)

    def add_units(self, units: Units, first: float, last: float) -> None:
        """Closed sessions as units, and when the first and the last of them ended; scores among them count as late.

        Of the baseline alone (at weight 0 or 100) only where all are: they teach what is normal.
        """
        past = ~units.candidate & ((units.weight <= 0.0) | (units.weight >= 1.0))
        for mine, is_past in ((past, True), (~past, False)):
            part = units.of(mine)
            if len(part):
                self._take_units(part, first, last, past=is_past)
        column = units.columns.get(LATE)
        if column is not None and len(column.unit):
            self._take_scores(units.of(column.total(len(units)) > 0.0))

    def add_score(self, score: Score) -> None:
        """One late score of a session; ignored where no guardrail asks for it. Raises ValueError for nonsense."""
        self._take_scores(scored([score]))

    def _take_scores(self, units: Units) -> None:
        if self.late is None:
            return
        only = Units(units.candidate, units.weight, units.turns, units.failures, {LATE: units.columns[LATE]})
        past = ~only.candidate & ((only.weight <= 0.0) | (only.weight >= 1.0))
        self.late.remember(only.of(past))
        live = only.of(~past)
        self.late.add(live)
        self.doubts.scored(LATE, live)
        self.totals.add_scores(live)

    def add_second(self, second: Second) -> None:
        """One row of assigned sessions, for the sample-ratio check; add both variants' rows of a moment before the
        next look.
        """
        self.doubts.ratio.add(second.weight, second.variant == "candidate", second.sessions)

    def _past(self, sessions: Sequence[Session]) -> None:
        """Sessions of the baseline that nothing was compared with: they teach what is normal."""
        times = [session.t for session in sessions]
        self._take_units(units_of(sessions, self.analysis.metrics), min(times), max(times), past=True)

    def settle(self) -> None:
        """Bet on all that was added."""
        run: list[Session] = []
        alone = False
        for session in self._waiting:
            is_past = session.variant == "baseline" and not 0.0 < session.weight < 100.0
            if run and is_past is not alone:
                self._take(run, alone)
                run = []
            alone = is_past
            run.append(session)
        if run:
            self._take(run, alone)
        self._waiting = []
        for comparison in (self.comparison, self.late):
            if comparison is not None:
                comparison.settle()

    def _take(self, sessions: list[Session], past: bool) -> None:
        times = [session.t for session in sessions]
        self._take_units(units_of(sessions, self.analysis.metrics), min(times), max(times), past=past)

    def _take_units(self, units: Units, first: float, last: float, *, past: bool) -> None:
        prompt = {name: column for name, column in units.columns.items() if name != LATE}
        units = Units(units.candidate, units.weight, units.turns, units.failures, prompt)
        for limit in self.hard:
            for failed, candidate in zip(units.failed.tolist(), units.candidate.tolist(), strict=True):
                limit.update(failed > 0.0, candidate)
        if past:
            self.totals.past.add(units)
            self.comparison.remember(units)
            return
        self.totals.add(units, first, last)
        self.comparison.add(units, self.doubts.closed)

    def _has(self, test: str) -> float:
        return min(1.0, max(_LEAST, self._given.get(test, 1.0)))

    def left(self) -> dict[str, float]:
        """What a judge that begins anew may spend of each test's level (0..1): what was lost is not given back, and
        what was won is not taken over.
        """
        self.settle()
        capitals = {_TOGETHER: self.comparison.bets.combined}
        if self.late is not None:
            capitals[_LATE] = self.late.bets.combined
        capitals |= {_hard(i): limit.candidate.over for i, limit in enumerate(self.hard)}
        return {test: max(_LEAST, self._has(test) * min(1.0, capital)) for test, capital in capitals.items()}

    def look(self, step: int, now: float, last_data_at: float | None, *, stale_after_s: float = 60.0) -> Look:
        """The verdict at `now` (Unix s) for a step (index into the plan's).

        `last_data_at`: when the newest row was measured; None: never.
        """
        return render(self._scene(step, now, last_data_at, stale_after_s))

    def verdict(self, step: int, now: float, last_data_at: float | None, *, stale_after_s: float = 60.0) -> Verdict:
        """The verdict of `look` without its data, which cost more than it does."""
        return judged(self._scene(step, now, last_data_at, stale_after_s))

    def _scene(self, step: int, now: float, last_data_at: float | None, stale_after_s: float) -> Scene:
        self.settle()
        return Scene(
            analysis=self.analysis,
            steps=self.steps,
            step=step,
            now=now,
            last_data_at=last_data_at,
            stale_after_s=stale_after_s,
            comparison=self.comparison,
            late=self.late,
            late_decides=self._late_decides,
            known=self._known,
            observed=self._observed,
            hard=self.hard,
            doubts=self.doubts,
            totals=self.totals,
        )

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        self.settle()
        return {
            "comparison": self.comparison.to_data(),
            "late": self.late.to_data() if self.late else None,
            "hard": [limit.to_data() for limit in self.hard],
            "doubts": self.doubts.to_data(),
            "totals": self.totals.to_data(),
            "left": self._given,
        }

    @classmethod
    def from_data(cls, analysis: Analysis, steps: Sequence[Step], data: Mapping[str, Any]) -> RolloutJudge:
        """The judge as it was when `to_data` was called, for the same plan."""
        made = cls(analysis, steps, left=data["left"])
        made.comparison = Comparison.from_data(made._setting, data["comparison"])
        if made.late is not None:
            made.late = Comparison.from_data(made.late.setting, data["late"])
        for limit, state in zip(made.hard, data["hard"], strict=True):
            limit.restore(state)
        made.doubts = Doubts.from_data(data["doubts"])
        made.totals = Totals.from_data(data["totals"], flipped(made._known))
        return made


def _hard(number: int) -> str:
    return f"hard {number}"


def _of(name: str, margins: Sequence[Margin]) -> list[tuple[float, bool]]:
    return list(dict.fromkeys((m.value, m.ratio) for m in margins if m.metric == name))


def _late_setting(margins: Mapping[str, tuple[Harm, list[tuple[float, bool]]]], alpha: float) -> Setting:
    """`alpha` 0: it is only shown, and proves nothing however sure it is."""
    kinds = {LATE: Kind.SCORE}
    return Setting(kinds=kinds, weights={LATE: 1.0}, margins=margins, target=1.0 / alpha if alpha else _NEVER)
