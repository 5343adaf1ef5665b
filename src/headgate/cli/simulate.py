"""`headgate simulate PLAN --scenario FILE`: what a plan would do, before anything is released."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headgate.cli import common
from headgate.cli.played import law_of, played, summed, told

if TYPE_CHECKING:
    from headgate.config.scenario_file import Scenario
    from headgate.core.metrics import OwnMetric
    from headgate.testing.rollouts import Law


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

    plan = load_plan(path, files=False).plan
    own = plan.analysis.metrics
    scenario = load_scenario(scenario_path, own)
    good, other = _laws(scenario, own)
    found = {"good": played(plan, good, scenario.traffic, rollouts, seed, "a good candidate")}
    if other != good:
        found["scenario"] = played(plan, other, scenario.traffic, rollouts, seed, "the scenario's candidate")
    data = {name: summed(plan, outcomes) for name, outcomes in found.items()}
    if as_json:
        common.print_json({"plan": str(path), "scenario": str(scenario_path), "seed": seed, "candidates": data})
    else:
        _show(data)


def _laws(scenario: Scenario, own: tuple[OwnMetric, ...]) -> tuple[Law, Law]:
    """(like the baseline, as the scenario says)."""
    from dataclasses import replace

    good, c = law_of(scenario.baseline, own), scenario.candidate
    differing = {name: each._asdict() for name, each in c.metrics.items()}
    other = replace(
        good,
        more_error=c.error.value if c.error else 0.0,
        slower=c.latency.times if c.latency else 1.0,
        dearer=c.cost.times if c.cost else 1.0,
        poorer=-c.quality.more if c.quality else 0.0,
        own=tuple(replace(each, **differing.get(each.metric.name, {})) for each in good.own),
    )
    return good, other if other == good else replace(other, worse_after_s=c.after)


def _show(data: dict[str, dict[str, Any]]) -> None:
    from headgate.testing.rollouts import ENDS

    titles = {"good": "good candidate", "scenario": "the scenario's candidate"}
    for name, found in data.items():
        click.echo(f"{titles[name]}, {found['rollouts']} rollouts")
        for end in ENDS:
            click.echo(f"  {end:16}  {told(found, end)}")
    click.echo("sessions and times are medians until the end; gates and approvals were taken as passed")
