"""All that one look of a rollout's analysis looks at, and what of it is asked for more than once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headgate.analysis.doubts import Doubts
from headgate.analysis.hard import HardLimit
from headgate.analysis.totals import Totals
from headgate.core.metrics import Objective, margin_text
from headgate.core.plan import Analysis, Margin, Step
from headgate.stats.comparison import Comparison
from headgate.stats.non_inferiority import Harm, HarmSequence

_SCORES = "quality"


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a look looks at. `known`: what the plan can name, with its own metrics.

    `late`: the comparison of what arrives after sessions have closed, if any; `late_decides`: whether a guardrail asks
    for it.
    """

    analysis: Analysis
    steps: Sequence[Step]
    step: int
    now: float
    last_data_at: float | None
    stale_after_s: float
    comparison: Comparison
    late: Comparison | None
    late_decides: bool
    known: Mapping[str, Harm]
    observed: Sequence[str]
    hard: Sequence[HardLimit]
    doubts: Doubts
    totals: Totals

    @property
    def here(self) -> Step:
        return self.steps[self.step]

    @property
    def comparisons(self) -> list[Comparison]:
        """The comparisons that decide; each has its own share of alpha."""
        return [self.comparison, self.late] if self.late and self.late_decides else [self.comparison]

    @property
    def _all(self) -> list[Comparison]:
        return [self.comparison] if self.late is None else [self.comparison, self.late]

    @property
    def leading(self) -> Comparison:
        """The one whose evidence is nearest to its threshold."""
        return max(self.comparisons, key=lambda each: each.bets.peak / each.bets.target)

    def harm(self, name: str) -> HarmSequence | None:
        """The confidence sequence of what may not get worse; None where it is not compared."""
        return next((each.harms[name] for each in self._all if name in each.harms), None)

    def odds_of(self, name: str) -> float | None:
        """The evidence of harm on the metric of a guardrail; None where it is not bet on."""
        metric = self.metric_of(name)
        return next((each.bets.evidence[metric] for each in self._all if metric in each.bets.evidence), None)

    def metric_of(self, name: str) -> str:
        """The metric that a name of the plan is of."""
        return self.known[name].metric if name in self.known else name

    def name_of(self, margin: Margin) -> str:
        """A margin as the plan writes it."""
        text = margin_text(margin.metric, margin.value, margin.ratio, self.analysis.metrics)
        return f"{margin.metric} {text}"

    @property
    def alone(self) -> bool:
        """Whether no session of this step goes to the baseline."""
        return self.here.weight >= 100.0

    @property
    def never_compared(self) -> bool:
        """Whether no step of the plan runs the variants side by side."""
        return all(step.weight >= 100.0 for step in self.steps)

    @property
    def last_compared(self) -> bool:
        """Whether no later step runs the variants side by side: what is not shown by its end never will be."""
        return all(step.weight >= 100.0 for step in self.steps[self.step + 1 :])

    def proven(self, margin: Margin) -> bool:
        """Whether harm beyond a margin is excluded."""
        harm = self.harm(margin.metric)
        return harm is not None and harm.proven(margin.value, margin.ratio, self.analysis.alpha)

    def improvement(self, objective: Objective) -> float:
        """The evidence that an objective's metric is better, as odds: against "no better"."""
        harm = self.harm(objective.metric)
        return 0.0 if harm is None else harm.evidence(*NONE_BETTER[harm.differences])

    def improved(self, objective: Objective) -> bool:
        """Whether it is shown that an objective's metric is better."""
        harm = self.harm(objective.metric)
        return harm is not None and harm.proven(*NONE_BETTER[harm.differences], self.analysis.alpha)

    def unmeasured(self, name: str) -> str:
        """Why nothing can be said of a metric, and the mend; empty when something can."""
        harm = self.known.get(name)
        if harm is None or self.harm(name) is None:
            return f"{name} is not measured by this gateway: take it out of the plan's guardrails and margins"
        metric = harm.metric
        if metric == "error" or self.totals.pair()[0].measured(metric):
            return ""
        if metric in {"cost", "tokens"}:
            mend = "let the agent answer with its usage and give the plan prices, or drop it from the plan"
            return f"{metric} is not measured: {mend}"
        if metric == _SCORES:
            return "quality is not measured: no session of the baseline has been scored yet; see `quality` in the plan"
        if harm.sampled:
            mend = f'let the agent answer with `"metrics": {{"{metric}": NUMBER}}`, or drop it from the plan'
            return f"{metric} is not measured: no session of the baseline has told it; {mend}"
        return ""


# a margin of nothing: by a difference, by a ratio
NONE_BETTER: Mapping[bool, tuple[float, bool]] = {True: (0.0, False), False: (1.0, True)}
