"""The live terminal view of one rollout: steps, weights, both variants, verdict and why, time to a decision."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import click
from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from headgate.config.clock import SystemClock
from headgate.controller import queries
from headgate.core.model import FINISHED, Phase
from headgate.ports import Store
from headgate.reports.compared import compared, refused

LOOK_S = 0.5
SAY_AGAIN_S = 3.0  # --json: a line even when nothing changed, so that silence means trouble
_COLOURS = {"PASS": "green", "FAIL": "red", "INCONCLUSIVE": "yellow"}
_MARKS = {True: "[green]met[/]", False: "[red]not met[/]", None: "[yellow]not measured[/]"}


def follow(store: Store, rollout: str, *, as_json: bool) -> int:
    """Show until the rollout ends. Exit code: 0 completed, 1 rolled back or failed."""
    clock, console = SystemClock(), Console()
    if as_json:
        return _follow_json(store, rollout, clock)
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        while True:
            found = store.load(rollout)
            live.update(shown(queries.status(store, found, clock.now())))
            if found.phase in FINISHED:
                break
            time.sleep(LOOK_S)
    return 0 if found.phase is Phase.COMPLETED else 1


def _follow_json(store: Store, rollout: str, clock: SystemClock) -> int:
    last, said_at = "", 0.0
    while True:
        found = store.load(rollout)
        data = queries.status(store, found, clock.now())
        state = json.dumps({k: data[k] for k in ("phase", "weight", "verdict", "reason", "rollback", "window")})
        if state != last or clock.now() - said_at >= SAY_AGAIN_S:
            click.echo(json.dumps(data))
            last, said_at = state, clock.now()
        if found.phase in FINISHED:
            return 0 if found.phase is Phase.COMPLETED else 1
        time.sleep(LOOK_S)


def shown(data: Mapping[str, Any]) -> Panel:
    """One status as a panel."""
    parts: list[Any] = [_steps(data), *_changes(data), "", _variants(data)]
    if data["look"]:
        parts += ["", _metrics(data["look"])]
        if wrong := sum(n["refused_values"] for n in data["variants"].values()):
            parts.append(refused(wrong))
    parts += ["", _verdict(data)]
    if data["window"]:
        parts += ["", _window(data["window"])]
    if data["rollback"]:
        parts += ["", _rollback(data["rollback"])]
    title = f"{data['id']}  [bold]{data['phase']}[/]  {data['baseline']} -> {data['candidate'] or '?'}"
    return Panel(Group(*parts), title=title, title_align="left", width=108)


def _steps(data: Mapping[str, Any]) -> Text:
    text = Text()
    for gate in data["gates"]:
        text.append(f" {gate['gate']} {gate['detail']} ", style="green" if gate["passed"] else "red")
        text.append("> ")
    styles = {"done": "green", "now": "bold reverse", "to come": "dim"}
    for step in data["steps"]:
        text.append(f" {step['weight']:g} % ", style=styles[step["state"]])
        text.append("> ")
    text.append(f" window {'' if data['window'] else '-'}", style="bold reverse" if data["window"] else "dim")
    text.append(f"   in force: {data['weight']:g} %")
    return text


def _changes(data: Mapping[str, Any]) -> list[Text]:
    """What the candidate changes, and what changed by itself since."""
    lines = [Text(queries.changes_in_words(data["changes"]), style="dim")] if data["changes"] else []
    for drift in data["drifts"]:
        who = " and ".join(drift["variants"])
        lines.append(Text(f"{who} changed without a deployment: {drift['detail']} ({drift['record']})", style="yellow"))
    return lines


def _variants(data: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("", "version", "sessions", "turns", "errors", "p50", "p95", "cost"):
        table.add_column(name, justify="left" if not name else "right")
    for variant, n in data["variants"].items():
        errors = "not measured" if n["error_rate"] is None else f"{sum(n['errors'].values())} ({n['error_rate']:.1%})"
        table.add_row(
            variant,
            str(n["version"] or "-"),
            str(n["sessions"]),
            str(n["requests"]),
            errors,
            _ms(n["p50_ms"]),
            _ms(n["p95_ms"]),
            f"{n['cost_usd']:.4f} USD",
        )
    return table


def _metrics(look: Mapping[str, Any]) -> Table:
    """What the analysis sees of each metric: both variants, how much worse it may be, whether that is excluded."""
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for head in ("metric", "baseline (n)", "candidate (n)", "harm between", "odds of harm", "asked for", "answer"):
        words = head in {"metric", "answer"}
        table.add_column(head, justify="left" if words else "right", no_wrap=words)
    styles = {"excluded": "green", "improved": "green", "": "dim"}
    for each in compared(look):
        asked, answer = each.asked or each.role, Text(each.answer, style=styles.get(each.answer, ""))
        table.add_row(each.metric, each.baseline, each.candidate, each.harm, each.evidence, asked, answer)
    return table


def _verdict(data: Mapping[str, Any]) -> Text:
    verdict, text = data["verdict"], Text()
    if verdict:
        text.append(verdict["answer"], style=f"bold {_COLOURS[verdict['answer']]}")
        text.append(f"  {verdict['reason']}\n")
    text.append(f"why: {data['reason']}\n", style="dim")
    if data["waits_for"]:
        text.append(f"waits for {data['waits_for']}", style="bold")
    if rate := data["sessions_per_minute"]:
        text.append(f"   {rate:g} sessions a minute", style="dim")
    return text


def _window(window: Mapping[str, Any]) -> Group:
    speed = f", accelerated x{window['speed']:g}" if window["speed"] != 1 else ""
    head = f"window: hour {window['at_s'] / 3600:.1f} of {window['until_s'] / 3600:g}{speed}, {window['checks']} checks"
    table = Table(box=None, pad_edge=False, show_header=False)
    for each in window["criteria"]:
        table.add_row(each["tier"], each["text"], _MARKS[each["met"]], each["detail"])
    return Group(head, table)


def _rollback(back: Mapping[str, Any]) -> Text:
    cut = f"cut over in {back['cut_over_s']:g} s" if back["cut_over_s"] is not None else "not cut over yet"
    debt = "not measured yet" if back["debt"] is None else f"{back['debt']} sessions, oldest {back['oldest_s']:g} s"
    return Text(f"rolled back by {back['by']}: {back['reason']}\n{cut}; exposure debt: {debt}", style="red")


def _ms(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.0f} ms"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "-" if value is None else str(value)
