"""One look: from the state of the tests to a verdict in words, and to the data that ledger, dashboard and reports
draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headgate.analysis.doubts import Doubts
from headgate.analysis.hard import HardLimit
from headgate.analysis.metrics import HARMS, of_metric
from headgate.analysis.totals import Totals
from headgate.analysis.wording import odds, rounded, shown
from headgate.core.model import Answer, Verdict
from headgate.core.plan import Analysis, Margin, Step
from headgate.stats.comparison import Comparison
from headgate.stats.non_inferiority import HarmSequence

_SUSPICION = 1.0 + 1e-6  # odds that the candidate is worse above which nothing passes
_SUSPICION_ALONE = 4.0  # the same at 100 %, where no new comparison could calm it
_UNITS = {"error": "share", "cost": "USD", "tokens": "tokens", "quality": "score"}


@dataclass(frozen=True, slots=True)
class Look:
    """A verdict and its data (JSON-able: numbers are finite)."""

    verdict: Verdict
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a look looks at. `late`: the comparison of what arrives after sessions have closed, if any."""

    analysis: Analysis
    steps: Sequence[Step]
    step: int
    now: float
    last_data_at: float | None
    stale_after_s: float
    comparison: Comparison
    late: Comparison | None
    hard: Sequence[HardLimit]
    doubts: Doubts
    totals: Totals

    @property
    def here(self) -> Step:
        return self.steps[self.step]

    @property
    def comparisons(self) -> list[Comparison]:
        """The comparisons there are; each has its own share of alpha."""
        return [self.comparison] if self.late is None else [self.comparison, self.late]

    @property
    def leading(self) -> Comparison:
        """The one whose evidence is nearest to its threshold."""
        return max(self.comparisons, key=lambda each: each.bets.peak / each.bets.target)

    def harm(self, name: str) -> HarmSequence | None:
        """The confidence sequence of what may not get worse; None where it is not compared."""
        return next((each.harms[name] for each in self.comparisons if name in each.harms), None)

    def odds_of(self, name: str) -> float | None:
        """The evidence of harm on the metric of a guardrail; None where it is not bet on."""
        metric = HARMS[name].metric if name in HARMS else name
        return next((each.bets.evidence[metric] for each in self.comparisons if metric in each.bets.evidence), None)

    @property
    def alone(self) -> bool:
        """Whether no session of this step goes to the baseline."""
        return self.here.weight >= 100.0

    @property
    def never_compared(self) -> bool:
        """Whether no step of the plan runs the variants side by side."""
        return all(step.weight >= 100.0 for step in self.steps)


def render(scene: Scene) -> Look:
    """The verdict, and all numbers behind it."""
    answer, reason, common = _decide(scene)
    baseline, candidate = scene.totals.sessions
    verdict = Verdict(answer, reason, scene.step, scene.now, baseline, candidate, common)
    return Look(verdict, _data(scene, verdict))


def _decide(scene: Scene) -> tuple[Answer, str, bool]:
    """(answer, reason, common cause)."""
    doubted = _doubted(scene)
    failed = "" if doubted else _harm_proven(scene)
    failed = failed or _limit_broken(scene)
    if failed:
        return Answer.FAIL, failed, False
    for limit in scene.hard:
        if limit.common_cause:
            return Answer.INCONCLUSIVE, _common(limit), True
    doubt = _no_data(scene) or doubted or _unproven(scene) or scene.doubts.silence
    if doubt:
        return Answer.INCONCLUSIVE, doubt, False
    if scene.doubts.common_cause and not scene.alone:
        return Answer.INCONCLUSIVE, scene.doubts.common_cause, True
    return Answer.PASS, _passed(scene), False


def _doubted(scene: Scene) -> str:
    """Why the comparison itself cannot be believed, so that nobody is convicted by it; empty when it can."""
    return scene.doubts.mismatch or scene.doubts.late(scene.leading.bets.blamed)


def _harm_proven(scene: Scene) -> str:
    """Why the candidate fails by comparison; empty when it does not."""
    bets = scene.leading.bets
    baseline, candidate = scene.totals.pair()
    # sessions of the baseline alone speak against nobody: where the candidate's are missing, that is what is wrong
    if not bets.proven or not candidate.sessions:
        return ""
    metric = bets.blamed
    what = f"{metric}: "
    if metric == "error":
        what += f"{candidate.failed} of {candidate.sessions} candidate sessions failed, "
        before = " before the rollout" if baseline is scene.totals.past else ""
        what += f"{baseline.failed} of {baseline.sessions} baseline sessions{before}"
    else:
        name = of_metric(metric, [m.metric for m in (*scene.here.margins, *scene.analysis.guardrails)])
        what += f"{name} {shown(name, candidate.estimate(name))} against {shown(name, baseline.estimate(name))}"
    return f"{what}; evidence of harm {odds(bets.peak)}, {odds(bets.target)} needed"


def _limit_broken(scene: Scene) -> str:
    """Which hard limit the candidate is proven to break; empty when none."""
    for limit in scene.hard:
        if limit.broken:
            n, rate = limit.candidate.n, limit.candidate.total / limit.candidate.n
            return (
                f"{limit.metric}: {rate:.1%} of {n} candidate sessions, proven above the hard limit of "
                f"{limit.limit:.0%} ({odds(limit.threshold)} needed), which the baseline keeps"
            )
    return ""


def _common(limit: HardLimit) -> str:
    return (
        f"common cause: both variants are beyond the hard limit of {limit.limit:.0%} on {limit.metric}; "
        "the candidate is not blamed"
    )


def _no_data(scene: Scene) -> str:
    """Why the data cannot be judged; empty when it can."""
    if scene.last_data_at is None or not scene.totals.sessions[1]:
        return "no data yet: no session of the candidate has ended"
    age = scene.now - scene.last_data_at
    if age > scene.stale_after_s:
        return f"data is stale: the last was measured {age:.0f} s ago"
    return ""


def _unproven(scene: Scene) -> str:
    """What is still missing for a PASS; empty when nothing is."""
    if scene.never_compared:
        return _unproven_alone(scene)
    for margin in scene.here.margins:
        if why := _unmeasured(scene, margin):
            return why
    for bets in (each.bets for each in scene.comparisons):
        if bets.combined > (_SUSPICION_ALONE if scene.alone else _SUSPICION):
            return f"{bets.blamed}: evidence of harm {odds(bets.combined)}; nothing passes until it is below 1:1"
    missing = [margin for margin in scene.here.margins if not _proven(scene, margin)]
    if missing and scene.alone:
        what = ", ".join(_name(m) for m in missing)
        return f"{what}: not proven before 100 %, and without a baseline beside it, it cannot be any more"
    if missing:
        return "; ".join(f"{_name(m)}: {_needs(scene, m)}" for m in missing)
    return _too_few(scene) or (_not_held(scene) if scene.alone else "")


def _unproven_alone(scene: Scene) -> str:
    if not scene.hard:
        mend = "give the plan `analysis: {hard: {error: 50%}}`"
        return f"no concurrent baseline and no hard limit: nothing can be judged; {mend}"
    return _too_few(scene) or _not_held(scene)


def _too_few(scene: Scene) -> str:
    have, need = scene.totals.at(scene.here.weight), scene.here.min_sessions
    return f"{have} of at least {need} candidate sessions at {scene.here.weight:g} %" if have < need else ""


def _not_held(scene: Scene) -> str:
    for limit in scene.hard:
        if not limit.held(scene.analysis.alpha):
            have = f"{limit.candidate.n} sessions"
            return f"{limit.metric}: not proven below the hard limit of {limit.limit:.0%} ({have})"
    return ""


def _unmeasured(scene: Scene, margin: Margin) -> str:
    if scene.harm(margin.metric) is None:
        return f"{margin.metric} is not measured by this gateway: take it out of the plan's guardrails and margins"
    metric = HARMS[margin.metric].metric
    if metric == "error" or scene.totals.pair()[0].measured(metric):
        return ""
    if metric in {"cost", "tokens"}:
        mend = "let the agent answer with its usage and give the plan prices, or drop it from the plan"
        return f"{metric} is not measured: {mend}"
    if metric == "quality":
        return "quality is not measured: no session of the baseline has been scored yet; see `quality` in the plan"
    return ""


def _proven(scene: Scene, margin: Margin) -> bool:
    harm = scene.harm(margin.metric)
    return harm is not None and harm.proven(margin.value, margin.ratio, scene.analysis.alpha)


def _needs(scene: Scene, margin: Margin) -> str:
    harm = scene.harm(margin.metric)
    needed = None if harm is None else harm.needed(margin.value, margin.ratio, scene.analysis.alpha)
    if needed is None:
        return "too little is known of the baseline to say how many sessions it needs"
    return f"needs about {rounded(needed)} more sessions"


def _passed(scene: Scene) -> str:
    n_baseline, n_candidate = scene.totals.sessions
    if scene.never_compared:
        held = ", ".join(f"{limit.metric} below {limit.limit:.0%}" for limit in scene.hard)
        how = "no concurrent baseline: judged on hard limits and the validation window"
        return f"{how}; {held} over {n_candidate} sessions"
    parts = ", ".join(
        f"{_name(m)} ({odds(harm.evidence(m.value, m.ratio))})"
        for m in scene.here.margins
        if (harm := scene.harm(m.metric))
    )
    return (
        f"harm beyond {parts} is excluded, {odds(1.0 / scene.analysis.alpha)} needed; {n_candidate} "
        f"sessions of the candidate, {n_baseline} of the baseline"
    )


def _name(margin: Margin) -> str:
    if margin.ratio:
        return f"{margin.metric} x{margin.value:g}"
    if margin.metric == "error":
        return f"error +{margin.value * 100:g}pp"
    return f"{margin.metric} -{abs(margin.value):g}"


def _data(scene: Scene, verdict: Verdict) -> dict[str, Any]:
    alpha, totals, bets = scene.analysis.alpha, scene.totals, scene.leading.bets
    spent = {"comparison": 1.0 / scene.comparison.bets.target}
    if scene.late is not None:
        spent["late"] = 1.0 / scene.late.bets.target
    return {
        "step": scene.step,
        "weight": scene.here.weight,
        "at": scene.now,
        "answer": verdict.answer.value,
        "reason": verdict.reason,
        "common_cause": verdict.common_cause,
        "sessions": {"baseline": verdict.sessions_baseline, "candidate": verdict.sessions_candidate},
        "strata": [{"weight": w, "baseline": b, "candidate": c} for w, (b, c) in sorted(totals.strata.items())],
        "window": {"from": totals.first, "to": totals.last},
        "last_data_at": scene.last_data_at,
        "alpha": alpha,
        "alpha_spent": {**spent, "hard": alpha - sum(spent.values())},
        "evidence": bets.combined,
        "evidence_peak": bets.peak,
        "threshold": bets.target,
        "p_value": min(1.0, 1.0 / bets.peak),
        "sample_ratio_mismatch": scene.doubts.mismatch,
        "sessions_needed": _sessions_needed(scene),
        "metrics": [_metric(scene, margin) for margin in scene.here.margins],
        "hard": [limit.to_row(alpha) for limit in scene.hard],
        "observed": [_observed(scene, name) for name in scene.analysis.observe],
    }


def _sessions_needed(scene: Scene) -> int | None:
    """About how many more sessions of both variants until this step can pass; None: no telling."""
    wait = (scene.here.min_sessions - scene.totals.at(scene.here.weight)) * 100.0 / scene.here.weight
    needs = [max(0, round(wait))]
    if not scene.never_compared:
        for margin in scene.here.margins:
            harm = scene.harm(margin.metric)
            need = None if harm is None else harm.needed(margin.value, margin.ratio, scene.analysis.alpha)
            if need is None or (need and scene.alone):
                return None
            needs.append(need)
    return max(needs)


def _metric(scene: Scene, margin: Margin) -> dict[str, Any]:
    """One guardrail of this step."""
    baseline, candidate = scene.totals.pair()
    harm = scene.harm(margin.metric)
    alpha = scene.analysis.alpha
    lower, upper = harm.bounds(alpha) if harm else (None, None)
    return {
        "metric": margin.metric,
        "measured": not _unmeasured(scene, margin),
        "unit": _UNITS.get(margin.metric, "ms"),
        "baseline": baseline.estimate(margin.metric),
        "candidate": candidate.estimate(margin.metric),
        "n_baseline": baseline.sessions,
        "n_candidate": candidate.sessions,
        "evidence": scene.odds_of(margin.metric),
        "threshold": scene.leading.bets.target,
        "margin": margin.value,
        "margin_ratio": margin.ratio,
        "margin_text": _name(margin),
        "margin_evidence": harm.evidence(margin.value, margin.ratio) if harm else None,
        "margin_threshold": 1.0 / alpha,
        "margin_proven": _proven(scene, margin),
        "harm": harm.estimate if harm else None,
        "harm_is_ratio": harm is not None and not harm.harm.differences,
        "harm_lower": lower,
        "harm_upper": upper,
        "sessions_needed": harm.needed(margin.value, margin.ratio, alpha) if harm else None,
    }


def _observed(scene: Scene, name: str) -> dict[str, Any]:
    """A metric that decides nothing."""
    baseline, candidate = scene.totals.pair()
    return {
        "metric": name,
        "measured": candidate.estimate(name) is not None,
        "baseline": baseline.estimate(name),
        "candidate": candidate.estimate(name),
        "evidence": scene.odds_of(name),
    }
