"""`headgate mute ...`: planned maintenance, during which an agent's alarms lead to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from headgate.cli import common

if TYPE_CHECKING:
    from headgate.controller.mutes import Mute


@click.group()
def mute() -> None:
    """Mute alarms for a planned maintenance; show and end mutes."""


@mute.command(name="set")
@click.argument("name", metavar="NAME")
@click.option("--agent", required=True, metavar="AGENT", help="Whose alarms.")
@click.option("--alarm", "alarms", multiple=True, metavar="ALARM", help="Only this one; may be repeated.")
@click.option(
    "--for", "lasts", required=True, metavar="TIME", callback=common.duration, help="How long, up to 15d: 2h, 1h30m."
)
@click.option(
    "--in", "begins", default="0s", metavar="TIME", callback=common.duration, help="How long until it begins."
)
@common.by_option
@common.reason_option
@common.json_option
@click.pass_context
def set_(
    ctx: click.Context,
    name: str,
    agent: str,
    alarms: tuple[str, ...],
    lasts: float,
    begins: float,
    by: str | None,
    reason: str,
    as_json: bool,
) -> None:
    """Mute an agent's alarms, and messages about incidents and budgets where no alarm is named."""
    from headgate.controller import mutes

    who = common.who(ctx, by, reason)
    since = who.at + begins
    asked = mutes.Mute(name, agent, alarms, since, since + lasts, who.by, who.reason, "")
    with common.opened(ctx) as store:
        _tell(mutes.put(store, asked, who), as_json)


@mute.command(name="list")
@common.json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """All mutes, the newest last."""
    from headgate.controller import mutes

    with common.opened(ctx) as store:
        found = mutes.all_of(store)
    if as_json:
        common.print_json([_data(each) for each in found])
        return
    if not found:
        click.echo("no mutes")
    for each in found:
        _tell(each, as_json=False)


@mute.command()
@click.argument("name", metavar="NAME")
@common.by_option
@common.reason_option
@common.json_option
@click.pass_context
def end(ctx: click.Context, name: str, by: str | None, reason: str, as_json: bool) -> None:
    """End a mute before its time: alarms that still ring act."""
    from headgate.controller import mutes

    with common.opened(ctx) as store:
        _tell(mutes.end(store, name, common.who(ctx, by, reason)), as_json)


def _tell(found: Mute, as_json: bool) -> None:
    if as_json:
        common.print_json(_data(found))
        return
    what = ", ".join(found.alarms) or "all alarms, and messages about incidents and budgets"
    click.echo(f"{found.name} ({_data(found)['state']}): {found.agent}, {what}")
    click.echo(f"  {common.when(found.since)} to {common.when(found.until)}, by {found.by}: {found.reason}")


def _data(found: Mute) -> dict[str, Any]:
    from headgate.config.clock import SystemClock

    return {**found.data(), "state": found.state(SystemClock().now())}
