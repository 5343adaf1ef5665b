"""The data of one look: what ledger, dashboard and reports draw, and cite."""

from __future__ import annotations

from typing import Any

from headgate.analysis.scene import Scene
from headgate.analysis.wording import unit
from headgate.core.metrics import Objective
from headgate.core.model import Verdict
from headgate.core.plan import Margin


def figures(scene: Scene, verdict: Verdict) -> dict[str, Any]:
    """All numbers behind a verdict; JSON-able, numbers are finite."""
    alpha, totals, bets = scene.analysis.alpha, scene.totals, scene.leading.bets
    spent = {"comparison": 1.0 / scene.comparison.bets.target}
    if scene.late is not None and scene.late_decides:
        spent["late"] = 1.0 / scene.late.bets.target
    kept = alpha - sum(spent.values())  # for hard limits, also where the plan has none
    spent["hard"] = sum(1.0 / limit.threshold for limit in scene.hard) if scene.hard else kept
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
        "alpha_spent": spent,
        "evidence": bets.combined,
        "evidence_peak": bets.peak,
        "threshold": bets.target,
        "p_value": min(1.0, 1.0 / bets.peak),
        "sample_ratio_mismatch": scene.doubts.mismatch,
        "sessions_needed": _sessions_needed(scene),
        "metrics": [_metric(scene, margin) for margin in scene.here.margins],
        "hard": [limit.to_row(alpha) for limit in scene.hard],
        "objectives": [_objective(scene, objective) for objective in scene.analysis.objectives],
        "observed": [_seen(scene, name) for name in scene.observed],
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
    harm, alpha = scene.harm(margin.metric), scene.analysis.alpha
    return {
        **_seen(scene, margin.metric),
        "threshold": scene.leading.bets.target,
        "margin": margin.value,
        "margin_ratio": margin.ratio,
        "margin_text": scene.name_of(margin),
        "margin_evidence": harm.evidence(margin.value, margin.ratio) if harm else None,
        "margin_threshold": 1.0 / alpha,
        "margin_proven": scene.proven(margin),
        "sessions_needed": harm.needed(margin.value, margin.ratio, alpha) if harm else None,
    }


def _objective(scene: Scene, objective: Objective) -> dict[str, Any]:
    """What the release is to improve; the bounds of the harm say by how much: below 0 (or x1) it is better."""
    return {
        **_seen(scene, objective.metric),
        "required": objective.required,
        "improved": scene.improved(objective),
        "improvement_evidence": scene.improvement(objective),
        "improvement_threshold": 1.0 / scene.analysis.alpha,
    }


def _seen(scene: Scene, name: str) -> dict[str, Any]:
    """What was observed of a metric of both variants, and between which bounds the harm lies."""
    baseline, candidate = scene.totals.pair()
    known, harm = scene.known.get(name), scene.harm(name)
    lower, upper = harm.bounds(scene.analysis.alpha) if harm else (None, None)
    metric = scene.metric_of(name)
    return {
        "metric": name,
        "measured": not scene.unmeasured(name),
        "unit": unit(known),
        "better": "higher" if known is not None and known.higher else "lower",
        "baseline": baseline.estimate(known),
        "candidate": candidate.estimate(known),
        "n_baseline": baseline.compared(metric),
        "n_candidate": candidate.compared(metric),
        "evidence": scene.odds_of(name),
        "harm": harm.estimate if harm else None,
        "harm_is_ratio": harm is not None and not harm.differences,
        "harm_lower": lower,
        "harm_upper": upper,
    }
