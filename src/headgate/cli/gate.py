"""`headgate gate run SUITE --against URL`: one suite, now, against any agent that answers POST /invocations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headgate.cli import common
from headgate.errors import UsageError

if TYPE_CHECKING:
    from headgate.config.suite_schema import Suite
    from headgate.core.plan import Gate


@click.group()
def gate() -> None:
    """Run one suite now."""


@gate.command()
def schema() -> None:
    """The JSON Schema of a suite, for editors."""
    from headgate.config.suite_schema import suite_json_schema

    common.print_json(suite_json_schema())


@gate.command(name="import")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Suite to write; left out: stdout.")
def import_(dataset: Path, output: Path | None) -> None:
    """A dataset of pydantic-evals (YAML or JSON) as a suite."""
    from headgate.config.yaml_source import read_text
    from headgate.gates.datasets import suite_of

    text, left_out = suite_of(read_text(dataset), str(dataset))
    for line in left_out:
        click.echo(line, err=True)
    if output is None:
        click.echo(text, nl=False)
    else:
        common.write(output, text)
        click.echo(f"wrote {output}")


def _share(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    from headgate.config.units import parse_percent

    return None if value is None else common.parsed(parse_percent, value)


def _url(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    from headgate.gates.conversation import Target
    from headgate.gates.wire import Broken

    try:
        if value is not None:
            Target.of(value)
    except Broken:
        raise click.BadParameter(f"{value!r} is no URL, e.g. http://127.0.0.1:8080") from None
    return value


@gate.command()
@click.argument("suite", type=click.Path(path_type=Path))
@click.option("--against", required=True, metavar="URL", callback=_url, help="Where the agent answers /invocations.")
@click.option("--baseline", metavar="URL", callback=_url, help="Hold each case on this version too, and compare.")
@click.option("--repeat", type=click.IntRange(1, 1000), default=1, show_default=True, help="Run it so many times.")
@click.option("--failed", is_flag=True, help="Only the cases that failed in the last run.")
@click.option("--tag", "tags", multiple=True, metavar="WORD", help="Only cases with this tag.")
@click.option("--case", "names", multiple=True, metavar="NAME", help="Only this case.")
@click.option("--at-once", type=click.IntRange(1, 1000), default=1, show_default=True, help="Cases held at once.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="Write JUnit XML for CI.")
@click.option("--pass-rate", callback=_share, metavar="SHARE", help="Least share of cases that pass, e.g. 90%.")
@click.option("--pass-rate-bound", callback=_share, metavar="SHARE", help="Least 95 % bound of that share.")
@click.option("--sessions", type=click.IntRange(min=1), help="Load: hold so many sessions.")
@click.option("--users", type=click.IntRange(1, 20_000), help="Load: so many at once.")
@click.option(
    "--ramp",
    "ramp_s",
    callback=common.duration_if_given,
    metavar="TIME",
    help="Load: over how long they arrive, e.g. 10s.",
)
@click.option("--soak", "soak_s", callback=common.duration_if_given, metavar="TIME", help="Load: go on for so long.")
@click.option("--until-it-breaks", is_flag=True, help="Load: more and more users, until the suite's limits are broken.")
@click.option("--most", type=click.IntRange(1, 20_000), default=2000, show_default=True, help="Most users of that.")
@common.json_option
@click.pass_context
def run(ctx: click.Context, /, suite: Path, against: str, as_json: bool, **rest: Any) -> None:
    """Hold every conversation of SUITE with the agent at URL. Exit 1 if one fails, 3 if the agent cannot be reached."""
    from headgate.cli.gate_run import GateRun, Options
    from headgate.config.suite_schema import parse_suite
    from headgate.config.yaml_source import read_text

    text = read_text(suite)
    options = Options(against=against, as_json=as_json, **rest)
    whole = parse_suite(text, str(suite))
    running = GateRun(common.settings(ctx), suite, options)
    chosen = _chosen(whole, running, options.tags, options.names)
    if not chosen.cases:
        click.echo("no case failed in the last run", err=True)
        ctx.exit(0)
    ctx.exit(0 if running.go(_as_gate(suite, text, options), chosen) else 1)


def _chosen(suite: Suite, running: Any, tags: tuple[str, ...], names: tuple[str, ...]) -> Suite:
    """The cases that were asked for. Raises UsageError where there are none of that tag or name."""
    cases = suite.cases
    if names:
        known = [case.name for case in cases]
        if unknown := [name for name in names if name not in known]:
            raise UsageError(f"{running.path} has no case {unknown[0]!r}", f"it has: {', '.join(known)}")
        cases = [case for case in cases if case.name in names]
    if tags:
        known = sorted({tag for case in cases for tag in case.tags})
        cases = [case for case in cases if set(tags) & set(case.tags)]
        if not cases:
            raise UsageError(f"no case has the tag {' or '.join(tags)}", f"there are: {', '.join(known) or 'none'}")
    if running.options.failed:
        failed = running.failed_before()
        cases = [case for case in cases if case.name in failed]
    return suite.model_copy(update={"cases": cases})


def _as_gate(suite: Path, text: str, options: Any) -> Gate:
    from hashlib import sha256

    from headgate.core.plan import Gate

    return Gate(
        suite.stem,
        str(suite),
        text,
        sha256(text.encode()).hexdigest(),
        sessions=options.sessions,
        pass_rate=options.pass_rate,
        pass_rate_bound=options.pass_rate_bound,
        users=options.users,
        ramp_s=options.ramp_s,
        soak_s=options.soak_s,
    )
