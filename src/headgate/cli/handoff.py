"""`headgate handoff accept ID --by NAME`: operations takes an agent over."""

from __future__ import annotations

import click

from headgate.cli import common


@click.group()
def handoff() -> None:
    """Take an agent over from those who released it."""


@handoff.command()
@click.argument("rollout_id", metavar="ID")
@click.option("--by", required=True, metavar="NAME", help="Who takes it over.")
@common.reason_option
@common.json_option
@click.pass_context
def accept(ctx: click.Context, rollout_id: str, by: str, reason: str, as_json: bool) -> None:
    """Accept the handoff of a completed rollout, by name; the reports show it."""
    from headgate.controller import handoff as package

    with common.opened(ctx) as store:
        body = package.accept(store, rollout_id, common.who(ctx, by, reason))
    if as_json:
        common.print_json(body)
    else:
        click.echo(f"{body['rollout']}: accepted by {body['by']} for {body['to']} ({body['record']})")
