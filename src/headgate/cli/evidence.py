"""`headgate evidence | verify | replay`: what is on the ledger, is it whole, does it decide the same again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from headgate.cli import common
from headgate.errors import LedgerBroken, RunFailed, UsageError

if TYPE_CHECKING:
    from headgate.ports import Record, Store


@click.command()
@click.argument("of", metavar="ID")
@click.option("--kind", "kinds", multiple=True, help="Only records of this kind (again for more).")
@common.json_option
@click.pass_context
def evidence(ctx: click.Context, of: str, kinds: tuple[str, ...], as_json: bool) -> None:
    """Show the ledger records of a rollout, or the one that a report cites (L12), with all that it says."""
    from headgate.reports.evidence import describe

    cited = re.fullmatch(r"L(\d{1,18})", of)
    with common.opened(ctx) as store:
        records = [_record(store, int(cited[1]))] if cited else store.read(store.load(of).id, kinds=kinds)
    if as_json:
        rows = [{"id": r.id, "at": r.at, "kind": r.kind, "body": r.body, "hash": r.hash} for r in records]
        common.print_json(rows)
        return
    for record in records:
        click.echo(f"{record.id:>6}  {common.when(record.at)}  {describe(record)}")
    if cited:
        common.print_json(records[0].body)


def _record(store: Store, seq: int) -> Record:
    """The record L`seq`. Raises UsageError."""
    count, _ = store.head()
    found = store.read(after=seq - 1) if 0 < seq <= count else []
    if not found:
        raise UsageError(f"there is no record L{seq}", f"the ledger has L1 to L{count}")
    return found[0]


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
