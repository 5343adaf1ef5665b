"""`headgate rollback AGENT`: the word to go back, which must work when little else does.

While a rollout runs: the gateway is told first, directly (weight 0 at once, no controller, no store needed), then the
rollout is aborted. Otherwise the version before, or --to VERSION, becomes the baseline again.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from headgate.cli import common
from headgate.errors import HeadgateError, NotFound, Rejected, TimedOut, UsageError

if TYPE_CHECKING:
    from headgate.config.settings import Settings
    from headgate.controller.commands import Who
    from headgate.core.model import Rollout, Version
    from headgate.ports import Agent, Store, Traffic, VersionState

START_S = 60.0


@click.command()
@click.argument("agent")
@click.option("--to", "version", metavar="VERSION", help="The version to go back to (default: the one before).")
@common.by_option
@common.reason_option
@common.json_option
@click.pass_context
def rollback(ctx: click.Context, agent: str, version: str | None, by: str | None, reason: str, as_json: bool) -> None:
    """Take an agent back to an earlier version."""
    from headgate.controller import queries

    if not reason.strip():
        raise UsageError("a rollback needs a reason: it goes on the ledger", "say why with --reason TEXT")
    here, who = common.settings(ctx), common.who(ctx, by, reason)
    forced = _force_down(here, agent, who)
    try:
        with common.opened(ctx) as store:
            made = _go_back(store, here, agent, version, who)
    except HeadgateError:
        if forced:
            click.echo(f"{forced}; the rest could not be done:", err=True)
        raise
    if as_json:
        common.print_json({**queries.summary(made), "forced_down": bool(forced)})
        return
    if forced:
        click.echo(forced)
    click.echo(f"{made.id}: going back to version {made.baseline.number}; see `headgate rollout watch {made.id}`")


def _force_down(here: Settings, agent: str, who: Who) -> str:
    """Weight 0 at the gateway; "" where there is nothing to take down or nobody to tell."""

    try:
        with contextlib.ExitStack() as stack:
            traffic = _traffic(here, agent, stack)
            before = traffic.read(agent)
            if not before.weight:
                return ""
            traffic.force_down(agent, who.by, who.reason)
    except HeadgateError as error:
        click.echo(f"the gateway was not told: {error.message}", err=True)
        return ""
    return f"weight of {agent} taken from {before.weight:g} % to 0 at the gateway"


def _traffic(here: Settings, agent: str, stack: contextlib.ExitStack) -> Traffic:
    """Who splits the agent's sessions: by its plan, or, where the store cannot tell, the gateway."""
    from headgate import bootstrap
    from headgate.controller.by_plan import plan_of

    try:
        if here.store.exists():
            store = stack.enter_context(contextlib.closing(bootstrap.store(here)))
            if plan_of(store, agent):
                return bootstrap.traffic(here, store)
    except HeadgateError:
        pass  # a rollback needs no store
    return bootstrap.traffic(here)


def _go_back(store: Store, here: Settings, agent: str, version: str | None, who: Who) -> Rollout:
    from headgate.controller import commands

    running = store.all(active=True, agent=agent)
    if running:
        if version and version != running[0].baseline.number:
            raise UsageError(
                f"{running[0].id} is running: its rollback goes to version {running[0].baseline.number}",
                f"leave --to out, then go on to version {version} when it has ended",
            )
        commands.say(store, running[0].id, "abort", who)
        return running[0]
    served = commands.served(store, agent)
    return commands.take_back(store, served, _target(store, here, served, version), who)


def _target(store: Store, here: Settings, agent: Agent, number: str | None) -> Version:
    """The version to go back to, running and answering."""
    from headgate import bootstrap
    from headgate.core.effects import PREVIOUS

    number = number or (agent.previous.number if agent.previous else None)
    if number is None:
        raise NotFound(f"{agent.name} has no version before {agent.baseline.number}", "name one with --to VERSION")
    platform = bootstrap.platform(here, store)
    platform.pin(agent.name, PREVIOUS, number)
    seen: list[VersionState] = []

    def settled() -> bool:
        seen.append(platform.version(agent.name, number))
        return seen[-1].status == "FAILED" or bool(seen[-1].status == "READY" and seen[-1].version.url)

    if not common.wait_until(settled, START_S, every=0.2):
        raise TimedOut(f"version {number} of {agent.name} is not ready within {START_S:g} s")
    if seen[-1].status == "FAILED":
        raise Rejected(f"version {number} of {agent.name} does not start: {seen[-1].reason}")
    return seen[-1].version
