"""`headgate assess PLAN`: what the platform can do for the agent, measured, as a table and on the ledger."""

from __future__ import annotations

from pathlib import Path

import click

from headgate.cli import common

_HOLDS = {True: "holds", False: "does not hold", None: "not measured"}


@click.command()
@click.argument("plan", type=click.Path(path_type=Path))
@common.json_option
@click.pass_context
def assess(ctx: click.Context, plan: Path, as_json: bool) -> None:
    """Measure what this platform can and cannot do for this agent."""
    from headgate import bootstrap
    from headgate.config.clock import SystemClock
    from headgate.config.plan_file import load_plan
    from headgate.controller import assess as assessing

    loaded, here = load_plan(plan), common.settings(ctx)
    with common.opened(ctx) as store:
        body = assessing.assess(loaded.plan, bootstrap.platform_for(here, loaded.plan), bootstrap.traffic(here), store)
        record = store.append([assessing.entry(body)], SystemClock().now())[0]
    if as_json:
        common.print_json({"record": record.id, **body})
        return
    click.echo(
        f"{body['agent']} on {body['platform']}: versions {', '.join(body['versions']) or 'none'}; endpoints "
        + (", ".join(f"{name} -> {live}" for name, live in body["endpoints"].items()) or "none")
    )
    for claim in body["claims"]:
        click.echo(f"  {claim['claim']:32} {_HOLDS[claim['holds']]:14} {claim['because']}")
    for each in body["strategies"]:
        click.echo(f"  {each['kind']:32} {'open' if each['open'] else 'closed':14} {each['missing']}")
    for note in body["notes"]:
        click.echo(f"  note: {note}")
    click.echo(f"recommended: {body['recommended']}   (ledger record {record.id})")
