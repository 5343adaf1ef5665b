"""`headgate simulate PLAN --scenario FILE`: what a plan would do, before anything is released."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headgate.cli import common

if TYPE_CHECKING:
    from headgate.config.scenario_file import Scenario
    from headgate.core.plan import Plan
    from headgate.testing.rollouts import Law, Outcome

ENDS = ("promoted", "rolled back", "left to a person")


@click.command()
@click.argument("path", metavar="PLAN", type=click.Path(path_type=Path))
@click.option(
    "--scenario", "scenario_path", required=True, metavar="FILE", type=click.Path(path_type=Path), help="YAML."
)
@click.option("--rollouts", type=click.IntRange(min=1, max=10_000), default=50, show_default=True, help="How many.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Another number, other rollouts."
)
@common.json_option
def simulate(path: Path, scenario_path: Path, rollouts: int, seed: int, as_json: bool) -> None:
    """Play PLAN on simulated sessions: how often it rolls back a good candidate, how early it catches a bad one.

    The judge and the steps are the real ones; gates and approvals are taken as passed.
    """
    from headgate.config.plan_file import load_plan
    from headgate.config.scenario_file import load_scenario

    plan, scenario = load_plan(path, files=False).plan, load_scenario(scenario_path)
    good, bad = _laws(scenario)
    found = {"good": _played(plan, good, scenario.traffic, rollouts, seed, "a good candidate")}
    if bad != good:
        found["the scenario's"] = _played(plan, bad, scenario.traffic, rollouts, seed, "the scenario's candidate")
    data = {name: _summed(plan, outcomes) for name, outcomes in found.items()}
    if as_json:
        common.print_json({"plan": str(path), "scenario": str(scenario_path), "seed": seed, "candidates": data})
    else:
        _show(data)


def _laws(scenario: Scenario) -> tuple[Law, Law]:
    """(like the baseline, as the scenario says)."""
    from dataclasses import replace

    from headgate.testing.rollouts import Law

    b, c = scenario.baseline, scenario.candidate
    good = Law(b.error, b.p50 * 1000.0, b.p95 * 1000.0, b.cost, b.quality, b.turns)
    worse = replace(
        good,
        more_error=c.error.value if c.error else 0.0,
        slower=c.latency.value if c.latency else 1.0,
        dearer=c.cost.value if c.cost else 1.0,
        poorer=c.quality.value if c.quality else 0.0,
    )
    return good, worse if worse == good else replace(worse, worse_after_s=c.after)


def _played(plan: Plan, law: Law, per_minute: float, rollouts: int, seed: int, what: str) -> list[Outcome]:
    import numpy as np

    from headgate.testing.rollouts import play

    outcomes = []
    with click.progressbar(length=rollouts, label=what, file=sys.stderr) as progress:
        for number in range(rollouts):
            outcomes.append(play(plan, law, per_minute, np.random.default_rng([seed, number])))
            progress.update(1)
    return outcomes


def _summed(plan: Plan, outcomes: list[Outcome]) -> dict[str, Any]:
    from headgate.stats.rates import exact_lower, exact_upper

    n = len(outcomes)
    made: dict[str, Any] = {"rollouts": n}
    for end in ENDS:
        mine = [each for each in outcomes if each.end == end]
        k = len(mine)
        made[end] = {"count": k, "share": k / n, "lower": exact_lower(k, n), "upper": exact_upper(k, n)}
        if mine:
            made[end] |= {
                "exposed": _middle([each.exposed for each in mine]),
                "sessions": _middle([each.sessions for each in mine]),
                "seconds": _middle([each.seconds for each in mine]),
                "at": {
                    f"{plan.steps[step].weight:g} %": c for step, c in sorted(Counter(e.step for e in mine).items())
                },
                "because": Counter(each.reason.split(":")[0] for each in mine).most_common(1)[0][0],
            }
    return made


def _middle(values: list[float] | list[int]) -> dict[str, float]:
    """Median and 90 %."""
    ordered = sorted(values)
    return {"median": ordered[(len(ordered) - 1) // 2], "p90": ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]}


def _show(data: dict[str, dict[str, Any]]) -> None:
    from headgate.config.units import about

    for name, found in data.items():
        click.echo(f"{name} candidate, {found['rollouts']} rollouts")
        for end in ENDS:
            one = found[end]
            line = f"  {end:16}  {one['share']:4.0%}  (95 % bounds {one['lower']:.0%} and {one['upper']:.0%})"
            if one["count"]:
                exposed = f"{one['exposed']['median']} sessions exposed (90 %: {one['exposed']['p90']})"
                at = ", ".join(f"{count} at {weight}" for weight, count in one["at"].items())
                line += f"  {exposed}  {about(one['seconds']['median'])}  {at}  {one['because']}"
            click.echo(line)
    click.echo("sessions and times are medians until the end; gates and approvals were taken as passed")
