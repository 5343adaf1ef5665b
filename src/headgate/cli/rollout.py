"""`headgate rollout ...`, `approve`, `reject`: start, look at and steer rollouts.

A word of a person is posted to the store and the controller acts on it; the command waits until it has, so that what it
prints has happened.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headgate.cli import common, window

if TYPE_CHECKING:
    from headgate.core.model import Rollout
    from headgate.ports import Store


@click.group()
def rollout() -> None:
    """Start, watch and steer rollouts."""


@rollout.command()
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--watch", is_flag=True, help="Stay, and show it live; exit 0 only if it completes.")
@click.option(
    "--speed",
    type=click.FloatRange(1, 100_000),
    metavar="N",
    help="A rehearsal: the validation window runs N times as fast; 3600 is a day in 24 s.",
)
@common.by_option
@common.reason_option
@common.json_option
@click.pass_context
def start(
    ctx: click.Context, plan: Path, watch: bool, speed: float | None, by: str | None, reason: str, as_json: bool
) -> None:
    """Start a rollout of PLAN."""
    from headgate.config.plan_file import load_plan
    from headgate.controller import commands, queries

    loaded = load_plan(plan)
    with common.opened(ctx) as store:
        file = commands.PlanFile(loaded.plan, loaded.digest, _in_project(ctx, loaded.path), loaded.text)
        file = file if speed is None else commands.at_speed(file, speed)
        made = commands.start(store, file, common.who(ctx, by, reason))
        if as_json:
            common.print_json(queries.summary(made))
        else:
            click.echo(f"started {made.id}: baseline version {made.baseline.number}, {made.plan.strategy}")
        if watch:
            ctx.exit(_follow(store, made.id, as_json))


@rollout.command(name="list")
@common.json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """All rollouts, the newest last."""
    from headgate.controller import queries

    with common.opened(ctx) as store:
        rows = [queries.summary(each) for each in store.all()]
    if as_json:
        common.print_json(rows)
        return
    if not rows:
        click.echo("no rollouts yet: `headgate rollout start PLAN`")
    for row in rows:
        versions = f"{row['baseline']} -> {row['candidate'] or '?'}"
        begun = common.when(row["created_at"])
        click.echo(
            f"{row['id']:36} {row['phase']:13} {row['weight']:>5g} %  {versions:10} {begun}  by {row['started_by']}"
        )


@rollout.command()
@click.argument("rollout_id", metavar="ID")
@common.json_option
@click.pass_context
def status(ctx: click.Context, rollout_id: str, as_json: bool) -> None:
    """Where a rollout stands: both variants' numbers, the verdict and why."""
    from headgate.cli.watch import shown
    from headgate.config.clock import SystemClock
    from headgate.controller import queries

    with common.opened(ctx) as store:
        found = store.load(rollout_id)
        data = queries.status(store, found, SystemClock().now())
        changed = _plan_changed(ctx, store, found)
    if as_json:
        common.print_json({**data, "plan_changed": changed})
        return
    from rich.console import Console

    console = Console()
    console.print(shown(data))
    for note in data["notes"]:
        console.print(f"note: {note}", markup=False)
    if changed:
        console.print(f"note: {changed} was changed since; this rollout goes on with the plan that it started with")


@rollout.command()
@click.argument("rollout_id", metavar="ID")
@common.json_option
@click.pass_context
def watch(ctx: click.Context, rollout_id: str, as_json: bool) -> None:
    """Show a rollout live until it ends; exit 0 only if it completes.

    --json: one line per change, and every few seconds.
    """
    with common.opened(ctx) as store:
        ctx.exit(_follow(store, store.load(rollout_id).id, as_json))


@rollout.command()
@click.argument("rollout_id", metavar="ID")
@common.by_option
@common.reason_option
@common.json_option
@click.pass_context
def retry(ctx: click.Context, rollout_id: str, by: str | None, reason: str, as_json: bool) -> None:
    """Try the same plan again, after a rollout that failed or was rolled back."""
    from headgate.controller import commands, queries

    with common.opened(ctx) as store:
        made = commands.retry(store, rollout_id, common.who(ctx, by, reason))
    if as_json:
        common.print_json(queries.summary(made))
    else:
        click.echo(f"started {made.id}, a retry of {made.retry_of}")


def _verb(name: str, text: str, *, short: str = "") -> click.Command:
    @click.command(name=name, help=text, short_help=short or text)
    @click.argument("rollout_id", metavar="ID")
    @common.by_option
    @common.reason_option
    @common.json_option
    @click.pass_context
    def command(ctx: click.Context, rollout_id: str, by: str | None, reason: str, as_json: bool) -> None:
        common.steer(ctx, rollout_id, name, by, reason, as_json=as_json)

    return command


rollout.add_command(_verb("pause", "Hold a rollout until a person resumes it."))
rollout.add_command(_verb("resume", "Go on with a held rollout."))
rollout.add_command(_verb("advance", "Go to the next step without a PASS, by your name and reason."))
rollout.add_command(window.extend)
rollout.add_command(window.cut_short)
rollout.add_command(window.override)
rollout.add_command(_verb("abort", "Take the candidate back now."))
approve = _verb("approve", "Approve the step that a rollout waits for.")
reject = _verb("reject", "Reject the step that a rollout waits for: the candidate is taken back.")


def _in_project(ctx: click.Context, plan: Path) -> str:
    """The plan's place for the ledger, as seen from beside the state directory: the two may move together."""
    return Path(os.path.relpath(plan.resolve(), _project(ctx))).as_posix()


def _project(ctx: click.Context) -> Path:
    return common.settings(ctx).home.resolve().parent


def _plan_changed(ctx: click.Context, store: Store, found: Rollout) -> str:
    """The plan's path, if the file is not what the rollout started with."""
    created = store.read(found.id, kinds=("rollout.created",))
    if not created or not created[0].body["plan_path"]:
        return ""
    path = Path(os.path.normpath(_project(ctx) / created[0].body["plan_path"]))  # of an older ledger it is absolute
    if not path.is_file():
        return ""
    return str(path) if path.read_text(encoding="utf-8", errors="replace") != created[0].body["plan_text"] else ""


def _follow(store: Store, rollout_id: str, as_json: bool) -> int:
    from headgate.cli.watch import follow

    return follow(store, rollout_id, as_json=as_json)
