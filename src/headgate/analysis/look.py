"""One look: from the state of the tests to a verdict in words; its data are made in `figures`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headgate.analysis.figures import figures
from headgate.analysis.hard import HardLimit
from headgate.analysis.metrics import of_metric
from headgate.analysis.scene import Scene
from headgate.analysis.wording import odds, rounded, shown
from headgate.core.model import Answer, Verdict
from headgate.core.plan import Margin

# odds that the candidate is worse above which nothing passes. At 1:1 a candidate whose values are nearly its baseline's
# could wait for ever: what neither speaks for nor against it moves nothing
_SUSPICION = 2.0
_SUSPICION_ALONE = 4.0  # the same at 100 %, where no new comparison could calm it


@dataclass(frozen=True, slots=True)
class Look:
    """A verdict and its data (JSON-able: numbers are finite)."""

    verdict: Verdict
    data: dict[str, Any]


def judged(scene: Scene) -> Verdict:
    """The verdict alone."""
    answer, reason, common = _decide(scene)
    baseline, candidate = scene.totals.sessions
    return Verdict(answer, reason, scene.step, scene.now, baseline, candidate, common)


def render(scene: Scene) -> Look:
    """The verdict, and all numbers behind it."""
    verdict = judged(scene)
    return Look(verdict, figures(scene, verdict))


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
    before = " before the rollout" if baseline is scene.totals.past else ""
    what = f"{metric}: "
    if metric == "error":
        what += f"{candidate.failed} of {candidate.sessions} candidate sessions failed, "
        what += f"{baseline.failed} of {baseline.sessions} baseline sessions{before}"
    else:
        wanted = [m.metric for m in (*scene.here.margins, *scene.analysis.guardrails)]
        name = of_metric(metric, wanted, scene.known)
        harm = scene.known.get(name)
        what += "" if name == metric else f"{name} "
        what += f"{shown(harm, candidate.estimate(harm))} over {candidate.compared(metric)} candidate sessions, "
        what += f"{shown(harm, baseline.estimate(harm))} over {baseline.compared(metric)} baseline sessions{before}"
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
        if why := scene.unmeasured(margin.metric) or scene.doubts.missing(scene.metric_of(margin.metric)):
            return why
    most = _SUSPICION_ALONE if scene.alone else _SUSPICION
    for bets in (each.bets for each in scene.comparisons):
        if bets.combined > most:
            return (
                f"{bets.blamed}: evidence of harm {odds(bets.combined)}; nothing passes until it is below {odds(most)}"
            )
    missing = [margin for margin in scene.here.margins if not scene.proven(margin)]
    if missing and scene.alone:
        what = ", ".join(scene.name_of(m) for m in missing)
        return f"{what}: not proven before 100 %, and without a baseline beside it, it cannot be any more"
    if missing:
        return "; ".join(f"{scene.name_of(m)}: {_needs(scene, m)}" for m in missing)
    return _too_few(scene) or _not_improved(scene) or (_not_held(scene) if scene.alone else "")


def _not_improved(scene: Scene) -> str:
    """Which objective that the plan requires is not shown to be better; asked where it must be shown at the latest."""
    if not scene.last_compared:
        return ""
    for objective in scene.analysis.objectives:
        if objective.required and not scene.improved(objective):
            why = scene.unmeasured(objective.metric)
            needed = odds(1.0 / scene.analysis.alpha)
            told = f"{objective.metric}: evidence that it is better {odds(scene.improvement(objective))}"
            return why or f"{told}, {needed} needed, and the plan requires it"
    return ""


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
        f"{scene.name_of(m)} ({odds(harm.evidence(m.value, m.ratio))})"
        for m in scene.here.margins
        if (harm := scene.harm(m.metric))
    )
    return (
        f"harm beyond {parts} is excluded, {odds(1.0 / scene.analysis.alpha)} needed; {n_candidate} "
        f"sessions of the candidate, {n_baseline} of the baseline"
    )
