"""Rollouts of a plan played on simulated sessions, and what came of them in numbers: for `simulate`, `plan explain`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from headgate.config.scenario_file import BaselineLaw
    from headgate.core.metrics import OwnMetric
    from headgate.core.plan import Plan
    from headgate.testing.rollouts import Law, Outcome

Data = dict[str, Any]
# of a plan's own metrics where nobody says, by kind
_USUAL: Mapping[str, float] = {"time": 400.0, "amount": 1.0, "count": 3.0, "score": 0.8}


def law_of(baseline: BaselineLaw, own: tuple[OwnMetric, ...]) -> Law:
    """How the baseline's sessions go; a candidate that is like it goes the same."""
    from headgate.testing.rollouts import Law, OwnLaw

    told = tuple(OwnLaw(each, baseline.metrics.get(each.name, _USUAL[each.kind])) for each in own)
    b = baseline
    return Law(b.error, b.p50 * 1000.0, b.p95 * 1000.0, b.cost, b.quality, b.turns, own=told)


def played(plan: Plan, law: Law, per_minute: float, count: int, seed: int, what: str, **quick: int) -> list[Outcome]:
    """So many rollouts, each of its own random numbers; `quick`: as `rollouts.play` takes it. Shows its progress."""
    import numpy as np

    from headgate.testing.rollouts import play

    outcomes = []
    with click.progressbar(length=count, label=what, file=sys.stderr, hidden=not sys.stderr.isatty()) as progress:
        for number in range(count):
            outcomes.append(play(plan, law, per_minute, np.random.default_rng([seed, number]), **quick))
            progress.update(1)
    return outcomes


def summed(plan: Plan, outcomes: list[Outcome]) -> Data:
    """How often each end was met, within which exact bounds, and after how long at what exposure."""
    from headgate.stats.rates import exact_lower, exact_upper
    from headgate.testing.rollouts import ENDS

    n = len(outcomes)
    made: Data = {"rollouts": n}
    for end in ENDS:
        mine = [each for each in outcomes if each.end == end]
        k = len(mine)
        one: Data = {"count": k, "share": k / n, "lower": exact_lower(k, n), "upper": exact_upper(k, n)}
        if mine:
            at = Counter(each.step for each in mine)
            one |= {
                "exposed": middle([each.exposed for each in mine]),
                "sessions": middle([each.sessions for each in mine]),
                "seconds": middle([each.seconds for each in mine]),
                "at": [{"weight": plan.steps[step].weight, "count": count} for step, count in sorted(at.items())],
                "because": Counter(each.reason.split(":")[0] for each in mine).most_common(1)[0][0],
            }
        made[end.replace(" ", "_")] = one
    return made


def middle(values: list[float] | list[int]) -> dict[str, float]:
    """The median and the 90 % quantile: the least value that at least so many of them do not exceed."""
    ordered = sorted(values)
    return {"median": ordered[(len(ordered) - 1) // 2], "p90": ordered[-(-9 * len(ordered) // 10) - 1]}


def told(found: Data, end: str) -> str:
    """One end in words: 95% (95 % bounds 86% and 100%)  50 sessions exposed (90 %: 124)  16m  19 at 10 %."""
    from headgate.config.units import about

    one = found[end.replace(" ", "_")]
    said = f"{one['share']:4.0%}  (95 % bounds {one['lower']:.0%} and {one['upper']:.0%})"
    if one["count"]:
        exposed = f"{one['exposed']['median']} sessions exposed (90 %: {one['exposed']['p90']})"
        at = ", ".join(f"{each['count']} at {each['weight']:g} %" for each in one["at"])
        said += f"  {exposed}  {about(one['seconds']['median'])}  {at}  {one['because']}"
    return said
