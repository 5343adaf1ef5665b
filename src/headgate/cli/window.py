"""`headgate rollout extend | cut-short | override`: what people may change about a validation window that runs."""

from __future__ import annotations

import click

from headgate.cli import common


@click.command()
@click.argument("rollout_id", metavar="ID")
@click.option(
    "--for",
    "seconds",
    required=True,
    metavar="TIME",
    callback=common.duration_above_0,
    help="How much longer, e.g. 4h.",
)
@common.by_option
@common.reason_option
@common.json_option
@click.pass_context
def extend(ctx: click.Context, rollout_id: str, seconds: float, by: str | None, reason: str, as_json: bool) -> None:
    """Make the validation window of a rollout longer (in window time)."""
    common.steer(ctx, rollout_id, "extend", by, reason, as_json=as_json, seconds=seconds)


@click.command(name="cut-short")
@click.argument("rollout_id", metavar="ID")
@common.by_option
@common.reason_option
@common.json_option
@click.pass_context
def cut_short(ctx: click.Context, rollout_id: str, by: str | None, reason: str, as_json: bool) -> None:
    """End the validation window now: promoted if every must is met by now, else held."""
    common.steer(ctx, rollout_id, "cut-short", by, reason, as_json=as_json)


@click.command()
@click.argument("rollout_id", metavar="ID")
@click.option("--criterion", required=True, metavar="NAME", help="The must, as the plan names it, e.g. cost_per_day.")
@common.by_option
@common.reason_option
@common.json_option
@click.pass_context
def override(ctx: click.Context, rollout_id: str, criterion: str, by: str | None, reason: str, as_json: bool) -> None:
    """Take a must of the window upon yourself: it decides nothing any more, and stays in every report."""
    common.steer(ctx, rollout_id, "override", by, reason, as_json=as_json, criterion=criterion)
