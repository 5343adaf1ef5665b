"""`headgate notify ...`: what people were told, what did not reach them, and one attempt more by hand."""

from __future__ import annotations

import click

from headgate.cli import common

_STATES = ("waiting", "sending", "sent", "failed", "uncertain", "muted")


@click.group()
def notify() -> None:
    """Show the messages to people, and send one again that did not arrive."""


@notify.command(name="list")
@click.argument("rollout_id", metavar="[ROLLOUT]", required=False)
@click.option("--state", type=click.Choice(_STATES), multiple=True, help="Only those in this state; may be repeated.")
@common.json_option
@click.pass_context
def list_(ctx: click.Context, rollout_id: str | None, state: tuple[str, ...], as_json: bool) -> None:
    """All messages, or a rollout's, the newest last: each with its key and how it ended."""
    from headgate.controller import notices

    with common.opened(ctx) as store:
        about = store.load(rollout_id).id if rollout_id else None
        found = [d for d in store.deliveries(about) if not state or d.state in state]
    if as_json:
        common.print_json([notices.data(d) for d in found])
        return
    if not found:
        click.echo("no messages")
    for d in map(notices.data, found):
        click.echo(f"{d['state']:9} {common.when(d['at'])}  {d['event']:10} to {d['receiver']}: {d['key']}")
        if d["error"]:
            click.echo(f"          after {d['attempts']} tries: {d['error']}")


@notify.command()
@click.argument("key", metavar="KEY")
@click.option("--may-repeat", is_flag=True, help="Also where it may have arrived: it may come twice.")
@common.by_option
@common.reason_option
@common.json_option
@click.pass_context
def retry(ctx: click.Context, key: str, may_repeat: bool, by: str | None, reason: str, as_json: bool) -> None:
    """Send one message again that failed, was muted, or may not have arrived."""
    from headgate.controller import notices

    with common.opened(ctx) as store:
        found = notices.retry(store, key, common.who(ctx, by, reason), may_repeat=may_repeat)
    if as_json:
        common.print_json(notices.data(found))
    else:
        click.echo(f"{found.message.key} waits to be sent: the controller does that")
