"""What `headgate gate run` shows: a line per conversation as it ends, tables at the end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from headgate.gates.holding import CaseResult
    from headgate.gates.limits import Rung
    from headgate.gates.load import LoadReport, OnProgress
    from headgate.gates.sides import Compared
    from headgate.ports import GateOutcome


class View:
    """Where it is shown. `quiet`: nowhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = Console(quiet=quiet)
        self._errors = Console(stderr=True, quiet=quiet)
        self.results: list[CaseResult] = []  # of all runs, as they ended

    def heading(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def case(self, result: CaseResult) -> None:
        """One conversation ended."""
        self.results.append(result)
        mark = _mark(result.passed) if result.measured else Text("not measured", "yellow")
        line = Text.assemble("  ", mark, f"  {result.name}  {result.seconds:.2f} s  {result.detail}")
        self._console.print(line, soft_wrap=True)
        if result.excerpt:
            self._console.print(Text(f"        it said: {result.excerpt}", "dim"), soft_wrap=True)

    def verdict(self, outcome: GateOutcome) -> None:
        said = f": {outcome.detail} in {outcome.seconds:.1f} s"
        self._console.print(Text.assemble(_word(outcome.passed), said), soft_wrap=True)

    def load(self, stack: ExitStack, total: int | None) -> OnProgress:
        """A live line on stderr."""
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (BarColumn(20), TextColumn("{task.description}"), TimeElapsedColumn())
        bar: Progress = stack.enter_context(Progress(*columns, console=self._errors, transient=True))
        task = bar.add_task("", total=total)

        def show(report: LoadReport) -> None:
            said = (
                f"{report.sessions} sessions, {report.turns} turns, {report.turns_per_s:.0f}/s, {report.failed} failed"
            )
            bar.update(task, completed=report.sessions, description=said)

        return show

    def load_table(self, measures: dict[str, Any]) -> None:
        """The times of a load run."""
        table = Table("", "p50", "p95", "p99", box=None, pad_edge=False, header_style="dim")
        for title, name in (("whole turn", "latency_s"), ("first token", "first_token_s")):
            table.add_row(title, *(_seconds(measures[name][q]) for q in ("p50", "p95", "p99")))
        self._console.print(table)

    def times(self, results: Sequence[CaseResult]) -> None:
        """One line: how long turns took."""
        from array import array

        from headgate.gates.load import quantiles

        turns = quantiles(array("d", [t for r in results for t in r.turns_s]))
        first = quantiles(array("d", [t for r in results for t in r.first_s]))
        said = f"turns p50 {_seconds(turns['p50'])}, p95 {_seconds(turns['p95'])}"
        self._console.print(Text(f"{said}; first token p95 {_seconds(first['p95'])}", "dim"), soft_wrap=True)

    def flakiness(self, rows: Sequence[dict[str, Any]]) -> None:
        """How often each case passed; those that passed only sometimes stand out."""
        table = Table("case", "passed", "", box=None, pad_edge=False, header_style="dim")
        for row in rows:
            word = Text("flaky", "yellow") if row["flaky"] else _word(row["passed"] == row["of"])
            table.add_row(row["name"], f"{row['passed']} of {row['of']}", word)
        self._console.print(table)

    def sides(self, compared: Compared) -> None:
        """Both versions, case by case."""
        table = Table("case", "baseline", "candidate", "", box=None, pad_edge=False, header_style="dim")
        for pair in compared.pairs:
            side = {"baseline": "worse", "candidate": "better"}.get(pair.side.value, "")
            why = pair.candidate.detail if side == "worse" else ""
            table.add_row(
                pair.candidate.name,
                _mark(pair.baseline.passed),
                _mark(pair.candidate.passed),
                Text(f"{side}  {why}".strip(), "red" if side == "worse" else "green"),
            )
        self._console.print(table)
        self._console.print(Text(compared.line()), soft_wrap=True)

    def rung(self, rung: Rung) -> None:
        """One number of users."""
        line = Text.assemble("  ", _mark(rung.held), f"  {rung.users} users: {rung.detail}")
        self._console.print(line, soft_wrap=True)

    def say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)


def _mark(passed: bool) -> Text:
    return Text("PASS" if passed else "FAIL", "green" if passed else "bold red")


def _word(passed: bool) -> Text:
    return Text("passed" if passed else "failed", "green" if passed else "bold red")


def _seconds(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f} s"
