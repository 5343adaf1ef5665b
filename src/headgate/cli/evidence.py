"""`headgate evidence | verify | replay`: what is on the ledger, is it whole, does it decide the same again."""

from __future__ import annotations

import click

from headgate.cli import common
from headgate.errors import LedgerBroken, RunFailed


@click.command()
@click.argument("rollout_id", metavar="ID")
@click.option("--kind", "kinds", multiple=True, help="Only records of this kind (again for more).")
@common.json_option
@click.pass_context
def evidence(ctx: click.Context, rollout_id: str, kinds: tuple[str, ...], as_json: bool) -> None:
    """Show the ledger records of a rollout."""
    from headgate.reports.evidence import describe

    with common.opened(ctx) as store:
        records = store.read(store.load(rollout_id).id, kinds=kinds)
    if as_json:
        rows = [{"id": r.id, "at": r.at, "kind": r.kind, "body": r.body, "hash": r.hash} for r in records]
        common.print_json(rows)
        return
    for record in records:
        click.echo(f"{record.id:>6}  {common.when(record.at)}  {describe(record)}")


@click.command()
@click.argument("rollout_id", metavar="[ID]", required=False)
@click.option(
    "--head", default="", metavar="HASH", help="The head that a report printed: it must still be on the chain."
)
@common.json_option
@click.pass_context
def verify(ctx: click.Context, rollout_id: str | None, head: str, as_json: bool) -> None:
    """Find changed, dropped or reordered records. The whole chain is checked, also for one ID."""
    with common.opened(ctx) as store:
        mine = len(store.read(store.load(rollout_id).id)) if rollout_id else None
        found = store.verify(head)
    if as_json:
        common.print_json(
            {
                "ok": found.ok,
                "records": found.count,
                "records_of_rollout": mine,
                "head": found.head,
                "problems": list(found.problems),
            }
        )
    elif found.ok:
        of = f", {mine} of them of {rollout_id}" if mine is not None else ""
        click.echo(f"ledger is whole: {found.count} records{of}, head {found.head}")
    if not found.ok:
        raise LedgerBroken("; ".join(found.problems) or "the ledger is broken", "restore the store from a copy")


@click.command()
@click.argument("rollout_id", metavar="ID")
@common.json_option
@click.pass_context
def replay(ctx: click.Context, rollout_id: str, as_json: bool) -> None:
    """Decide a rollout again from its ledger; exit 1 if any decision differs."""
    from headgate.controller.replay import replay as again

    with common.opened(ctx) as store:
        result = again(store.read(store.load(rollout_id).id))
    differing = [str(each) for each in result.differing]
    if as_json:
        common.print_json({"decisions": result.decisions, "differing": differing})
    elif not differing:
        click.echo(f"{result.decisions} decisions, all the same again")
    if differing:
        raise RunFailed(f"{len(differing)} of {result.decisions} decisions differ:\n  " + "\n  ".join(differing))
