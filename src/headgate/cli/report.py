"""`headgate report status ID`: documents written anew from the ledger."""

from __future__ import annotations

from pathlib import Path

import click

from headgate.cli import common
from headgate.errors import UsageError


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
        text = render(document, form)
        if output is None:
            click.echo(text)
            return
        try:
            output.write_text(text, encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{output} cannot be written: {error.strerror}", "choose another file with -o") from error
        click.echo(f"wrote {output}")

    return command


report.add_command(_command("status", "The status document of a rollout."))
report.add_command(_command("monitoring-plan", "What will be watched, when, and what each breach leads to."))
report.add_command(_command("monitoring", "What was watched: hours 1 to 4, 8 and 24, against the baseline."))
report.add_command(_command("handoff", "The handoff of a rollout to operations."))
