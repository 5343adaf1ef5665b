"""`headgate traffic`: hold many conversations with an agent, and see how they went."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from headgate.cli import common
from headgate.cli.driver import TrafficOptions, drive, is_good
from headgate.errors import UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from headgate.gates.load import LoadReport


def _turn_range(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[int, int]:
    least, _, most = value.partition("-")
    if not (least.isdecimal() and (most or least).isdecimal()) or not 1 <= int(least) <= int(most or least):
        raise click.BadParameter(f"{value!r} is no number of turns; write 4, or 3-6")
    return int(least), int(most or least)


@click.command()
@click.option("--url", required=True, metavar="URL", help="The gateway, or a local runtime.")
@click.option("--agent", metavar="ARN", help="ARN of the agent, or its name; left out: the only one in the store.")
@click.option("--sessions", type=click.IntRange(min=1), help="So many conversations.  [default: 100, or --duration]")
@click.option(
    "--rate", type=click.FloatRange(min=0, min_open=True), default=10.0, show_default=True, help="Begun per second."
)
@click.option("--turns", default="3-6", show_default=True, callback=_turn_range, help="Turns in each.")
@click.option("--think", type=click.FloatRange(min=0), default=0.2, show_default=True, help="Seconds between turns.")
@click.option(
    "--stream", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="Share of turns asked for as SSE."
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed asks the same questions.")
@click.option(
    "--workers", type=click.IntRange(1, 20_000), default=1000, show_default=True, help="Sessions at once, at most."
)
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), help="Begin sessions for so many seconds.")
@click.option("--consent", is_flag=True, help="Agree to being recorded, as a client's header says.")
@click.option("--qualifier", default="", help="Endpoint, where URL is a local runtime.")
@common.json_option
@click.pass_context
def traffic(
    ctx: click.Context,
    /,
    url: str,
    agent: str | None,
    sessions: int | None,
    duration: float | None,
    think: float,
    stream: float,
    as_json: bool,
    **rest: Any,
) -> None:
    """Hold many conversations with an agent. Exit 1 if a session changed its version, or nothing was answered."""
    if not url.startswith(("http://", "https://")):
        raise click.BadParameter(f"{url!r} is no URL, e.g. http://127.0.0.1:8700", param_hint="--url")
    options = TrafficOptions(
        url=url,
        agent_arn=_arn(ctx, agent),
        sessions=sessions if sessions or duration else 100,
        duration_s=duration,
        think_s=think,
        stream_share=stream,
        **rest,
    )
    report = _drive_with_line(options, quiet=as_json)
    if as_json:
        common.print_json({**asdict(report), "good": is_good(report)})
    else:
        for line in lines_of(report):
            click.echo(line)
    ctx.exit(0 if is_good(report) else 1)


def _arn(ctx: click.Context, agent: str | None) -> str:
    if agent and agent.startswith("arn:"):
        return agent
    with common.opened(ctx) as store:
        agents = {known.name: known.arn for known in store.agents()}
    if agent is None and len(agents) == 1:
        return next(iter(agents.values()))
    if agent in agents:
        return agents[agent]
    which = f"no agent {agent!r} is served" if agent else "which agent?"
    raise UsageError(f"{which} (served: {', '.join(sorted(agents)) or 'none'})", "name one with --agent")


def _drive_with_line(options: TrafficOptions, quiet: bool) -> LoadReport:
    """Drive with a live line; Ctrl-C ends the sessions after their turn, and the report is still made."""
    import signal

    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda *_: stop.set())
    try:
        with ExitStack() as stack:
            show = None if quiet else _line(stack, options)
            return drive(options, show, stop)
    finally:
        signal.signal(signal.SIGINT, before)


def _line(stack: ExitStack, options: TrafficOptions) -> Callable[[LoadReport], None]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(20),
        TextColumn("{task.completed} sessions"),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    bar: Progress = stack.enter_context(Progress(*columns, console=Console(stderr=True), transient=True))
    task = bar.add_task("", total=options.sessions)

    def show(report: LoadReport) -> None:
        rate = report.turns / report.seconds if report.seconds else 0.0
        text = f"{report.turns} turns, {rate:.0f}/s, {report.failed} failed, versions {_shown(report.versions)}"
        bar.update(task, completed=report.sessions, description=text)

    return show


def lines_of(report: LoadReport) -> list[str]:
    """The report for people."""
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(report.failures.items()))
    lines = [
        f"sessions  {report.sessions} in {report.seconds:.1f} s, {report.turns} turns",
        f"failed    {report.failed}" + (f" ({kinds})" if kinds else ""),
        f"latency   {_times(report.latency)}",
        f"ttfb      {_times(report.ttfb)}",
        f"versions  {_shown(report.versions)}",
        f"flipped   {report.flips}" + (f": {', '.join(report.flipped)}" if report.flips else ""),
    ]
    if report.late_s > 1:
        lines.append(
            f"note      the driver fell {report.late_s:.1f} s behind its rate: give more --workers, or a lower --rate"
        )
    return lines


def _times(quantiles: dict[str, float | None]) -> str:
    return ", ".join(f"{name} {'not measured' if s is None else f'{s * 1000:.0f} ms'}" for name, s in quantiles.items())


def _shown(versions: dict[str, int]) -> str:
    return ", ".join(f"{version}: {count}" for version, count in versions.items()) or "not told"
