"""`headgate gate run SUITE --against URL`: one suite, now, against any agent that answers POST /invocations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headgate.cli import common

if TYPE_CHECKING:
    from headgate.core.plan import Gate
    from headgate.ports import GateOutcome


@click.group()
def gate() -> None:
    """Run one suite now."""


@gate.command()
@click.argument("suite", type=click.Path(path_type=Path))
@click.option("--against", "url", required=True, metavar="URL", help="Where the agent answers POST /invocations.")
@click.option("--repeat", type=click.IntRange(1, 1000), default=1, show_default=True, help="Run it so many times.")
@common.json_option
@click.pass_context
def run(ctx: click.Context, suite: Path, url: str, repeat: int, as_json: bool) -> None:
    """Hold every conversation of SUITE with the agent at URL. Exit 1 if one fails, 3 if the agent cannot be reached."""
    from headgate.config.suite_schema import parse_suite
    from headgate.config.yaml_source import read_text

    if not url.startswith(("http://", "https://")):
        raise click.BadParameter(f"{url!r} is no URL, e.g. http://127.0.0.1:8080", param_hint="--against")
    text = read_text(suite)
    parse_suite(text, str(suite))
    outcomes = [_once(_as_gate(suite, text), url, "" if as_json else _heading(n, repeat)) for n in range(repeat)]
    passed = all(outcome.passed for outcome in outcomes)
    if as_json:
        common.print_json({"suite": str(suite), "url": url, "passed": passed, "runs": [_data(o) for o in outcomes]})
    elif repeat > 1:
        click.echo(f"{sum(o.passed for o in outcomes)} of {repeat} runs passed")
    ctx.exit(0 if passed else 1)


def _as_gate(suite: Path, text: str) -> Gate:
    from hashlib import sha256

    from headgate.core.plan import Gate

    return Gate(suite.stem, str(suite), text, sha256(text.encode()).hexdigest())


def _heading(number: int, repeat: int) -> str:
    return f"run {number + 1} of {repeat}" if repeat > 1 else "run"


def _data(outcome: GateOutcome) -> dict[str, Any]:
    return {
        "passed": outcome.passed,
        "detail": outcome.detail,
        "seconds": outcome.seconds,
        "cases": list(outcome.cases),
    }


def _once(gate: Gate, url: str, heading: str) -> GateOutcome:
    """One run; with a heading each case is printed as it ends."""
    from headgate.gates.holding import CaseResult
    from headgate.gates.runner import HttpGateRunner, Progress

    if not heading:
        return HttpGateRunner().run(gate, url)
    from rich.console import Console
    from rich.text import Text

    console = Console()
    console.print(f"{heading}: {gate.suite} against {url}", highlight=False, markup=False, soft_wrap=True)

    def tell(result: CaseResult) -> None:
        mark = Text("PASS" if result.passed else "FAIL", "green" if result.passed else "bold red")
        line = Text.assemble("  ", mark, f"  {result.name}  {result.seconds:.2f} s  {result.detail}")
        console.print(line, soft_wrap=True)
        if result.excerpt:
            console.print(Text(f"        it said: {result.excerpt}", "dim"), soft_wrap=True)

    outcome = HttpGateRunner(progress=Progress(tell)).run(gate, url)
    verdict = Text("passed" if outcome.passed else "failed", "green" if outcome.passed else "bold red")
    console.print(Text.assemble(verdict, f": {outcome.detail} in {outcome.seconds:.1f} s"), soft_wrap=True)
    return outcome
