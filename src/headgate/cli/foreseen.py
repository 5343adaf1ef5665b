"""What `plan explain` expects of a plan at some traffic: a few rollouts of the engine that `headgate simulate` plays.

Bounded: few rollouts, few looks, the same random numbers each time. Where the traffic is not known, or more than a
simulation draws, nothing is foreseen, and the formulas of `config.forecast` are all there is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headgate.cli.played import law_of, middle, played, summed

if TYPE_CHECKING:
    from headgate.core.plan import Plan
    from headgate.testing.rollouts import Law, Outcome

SEED = 1
_MOST, _LEAST, _WORK = 12, 5, 60  # rollouts; where many metrics are compared, each of them costs more
_LOOKS, _SESSIONS = 60, 3000  # of a step: with these a rollout takes a fifth of a second
LIKE = "like the baseline"

Data = dict[str, Any]


def foreseen(plan: Plan, rate: float | None) -> Data | None:
    """What comes of a candidate like the baseline, and of two that are worse; by step, how long its PASS takes."""
    from headgate.config.scenario_file import BaselineLaw
    from headgate.config.units import MOST_A_MINUTE

    if not rate or rate > MOST_A_MINUTE:
        return None
    good = law_of(BaselineLaw(), plan.analysis.metrics)
    compared = {margin.metric for step in plan.steps for margin in step.margins}
    compared |= {each.name for each in plan.analysis.metrics}
    count = min(_MOST, max(_LEAST, _WORK // max(1, len(compared))))
    found = {
        name: played(plan, law, rate, count, SEED, f"a candidate {name}", looks=_LOOKS, most=_SESSIONS)
        for name, law in _candidates(plan, good).items()
    }
    return {
        "rollouts": count,
        "seed": SEED,
        "assumed": ASSUMED,
        "candidates": [{"candidate": name, **summed(plan, outcomes)} for name, outcomes in found.items()],
        "steps": [_step(found[LIKE], number) for number in range(len(plan.steps))],
    }


ASSUMED = "1% of the baseline's sessions fail, turns take 400ms (95 %: 1.5s), a session has 4 turns"


def _candidates(plan: Plan, good: Law) -> dict[str, Law]:
    """Like the baseline, and worse in what the plan guards."""
    from dataclasses import replace

    guarded = {margin.metric.partition("_")[0] for step in plan.steps for margin in step.margins}
    worse = {
        "error": ("with error +10pp", replace(good, more_error=0.1)),
        "latency": ("with latency x2", replace(good, slower=2.0)),
    }
    return {LIKE: good, **dict(worse[metric] for metric in worse if metric in guarded)}


def _step(outcomes: list[Outcome], number: int) -> Data:
    """How long a step took in the rollouts that passed it."""
    took = [each.passed[number] for each in outcomes if len(each.passed) > number]
    came = sum(1 for each in outcomes if len(each.passed) >= number)
    return {"reached": came, "passed": len(took), "seconds": middle(took) if took else None}


def say_step(step: Data, line: Callable[[str], None]) -> None:
    """One step in words."""
    from headgate.config.units import about

    if not step["reached"]:
        line("  no simulated rollout came so far")
    elif took := step["seconds"]:
        of = f"in {step['passed']} of {step['reached']} simulated rollouts"
        line(f"  passed after {about(took['median'])} (90 %: {about(took['p90'])}) {of}")
    else:
        line(f"  not passed in any of {step['reached']} simulated rollouts: a person would have to decide")


def say(data: Data, line: Callable[[str], None]) -> None:
    """All ends of all candidates in words, those that were met."""
    from headgate.config.units import about
    from headgate.testing.rollouts import ENDS

    line(f"simulated, {data['rollouts']} rollouts each, assuming: {data['assumed']}")
    line("(in brackets the 95 % bounds of such a share; times and sessions exposed are medians)")
    for found in data["candidates"]:
        line(f"  a candidate {found['candidate']}:")
        for end in ENDS:
            one = found[end.replace(" ", "_")]
            if one["count"]:
                why = "" if end == "promoted" else f", {one['because']}"
                line(
                    f"    {end}: {one['count']} of {found['rollouts']} ({one['lower']:.0%} to {one['upper']:.0%}), "
                    f"{about(one['seconds']['median'])}, {one['exposed']['median']} exposed{why}"
                )
