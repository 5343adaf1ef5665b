"""`headgate report status ID`: documents written anew from the ledger."""

from __future__ import annotations

from pathlib import Path

import click

from headgate.cli import common


@click.group()
def report() -> None:
    """Write a report from the ledger."""


def _command(name: str, text: str) -> click.Command:
    @click.command(name=name, help=text)
    @click.argument("rollout_id", metavar="ID")
    @click.option("--format", "form", type=click.Choice(["md", "html", "json"]), default="md", show_default=True)
    @click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file.")
    @click.pass_context
    def command(ctx: click.Context, rollout_id: str, form: str, output: Path | None) -> None:
        from headgate.config.clock import SystemClock
        from headgate.controller import queries
        from headgate.reports.write import render, write

        with common.opened(ctx) as store:
            found = store.load(rollout_id)
            document = write(name, queries.records(store, found), store.head(), SystemClock().now())
        _put(render(document, form), output)

    return command


def _put(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text)
        return
    common.write(output, text)
    click.echo(f"wrote {output}")


@report.command()
@click.argument("incident_id", metavar="ID")
@click.option("--format", "form", type=click.Choice(["md", "html", "json"]), default="md", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file.")
@click.pass_context
def incident(ctx: click.Context, incident_id: str, form: str, output: Path | None) -> None:
    """The post-mortem draft of an incident."""
    from headgate.config.clock import SystemClock
    from headgate.controller import incidents
    from headgate.reports.incident import incident_report
    from headgate.reports.write import render

    with common.opened(ctx) as store:
        found = incidents.find(store, incident_id)
        document = incident_report(incidents.records(store, found), found.id, store.head(), SystemClock().now())
    _put(render(document, form), output)


report.add_command(_command("status", "The status document of a rollout."))
report.add_command(_command("monitoring-plan", "What will be watched, when, and what each breach leads to."))
report.add_command(_command("monitoring", "What was watched: hours 1 to 4, 8 and 24, against the baseline."))
report.add_command(_command("handoff", "The handoff of a rollout to operations."))
report.add_command(_command("runbook", "The runbooks, with the commands of a rollout's agent."))
report.add_command(_command("dr-plan", "The plan for disasters, from the drills that were run."))
