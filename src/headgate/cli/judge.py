"""`headgate judge --plan PLAN [FILE]`: turns as JSON lines in, verdicts as JSON lines out: the statistics alone.

For any pipeline, without a gateway, a controller or a store. A line is one turn:
{"t": s, "session": "...", "variant": "baseline" | "candidate", "ok": true, "weight": percent, "latency_ms", "ttft_ms",
"cost_usd", "tokens", "quality", "end"}; members from latency_ms on may be absent: not measured. A metric of the plan's
own is a member of its name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headgate.cli import common
from headgate.core.metrics import most
from headgate.errors import UsageError

if TYPE_CHECKING:
    from headgate.analysis.look import Look
    from headgate.analysis.rollout_judge import RolloutJudge
    from headgate.core.metrics import OwnMetric
    from headgate.core.plan import Plan
    from headgate.stats.closing import Closing

_NUMBERS = {"latency_ms": "latency", "ttft_ms": "ttft", "cost_usd": "cost", "tokens": "tokens", "quality": "quality"}
_EXAMPLE = '{"t": 0.2, "session": "a1", "variant": "candidate", "ok": true, "latency_ms": 812.0, "weight": 10}'


@click.command()
@click.option(
    "--plan", "path", required=True, metavar="PLAN", type=click.Path(path_type=Path), help="Steps and margins."
)
@click.option(
    "--every",
    "every_s",
    default="10s",
    show_default=True,
    metavar="TIME",
    callback=common.duration_above_0,
    help="Time between looks, by the turns' t.",
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
def judge(path: Path, every_s: float, file: Path | None) -> None:
    """Judge the turns in FILE (left out: standard input) by PLAN: a line per look, and a final one.

    Turns come in the order of their time. Baseline turns at weight 0 are its past. Exit 1 if the last verdict is FAIL.
    """
    from headgate.config.plan_file import load_plan

    plan = load_plan(path, files=False).plan
    answer = ""
    for line in _verdicts(plan, _turns(file, plan.analysis.metrics), every_s):
        click.echo(json.dumps(line))
        answer = line["answer"]
    if not answer:
        raise UsageError(f"{file or 'standard input'} holds no turn", f"give one per line, e.g. {_EXAMPLE}")
    if answer == "FAIL":
        sys.exit(1)


def _turns(file: Path | None, own: tuple[OwnMetric, ...]) -> Iterator[dict[str, Any]]:
    """Checked turns; an error names the line."""
    name = str(file) if file else "standard input"
    try:
        with click.open_file(str(file or "-"), encoding="utf-8") as lines:
            for number, text in enumerate(lines, 1):
                if text.strip():
                    yield _turn(text, f"{name}:{number}", own)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {name}: {error}", "give a file of JSON lines") from None


def _turn(text: str, where: str, own: tuple[OwnMetric, ...]) -> dict[str, Any]:
    try:
        turn = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{where}:{error.colno}: this is no JSON: {error.msg}", f"one turn per line: {_EXAMPLE}"
        ) from None
    except RecursionError:
        raise UsageError(f"{where}: this is nested too deep for a turn", f"one turn per line: {_EXAMPLE}") from None
    if not isinstance(turn, dict):
        raise UsageError(f"{where}: a turn is an object, not {text.strip()[:40]}", f"e.g. {_EXAMPLE}")
    for member in ("t", "session", "variant", "ok", "weight"):
        if member not in turn:
            raise UsageError(f"{where}: {member} is missing", _MENDS[member])
    if turn["variant"] not in {"baseline", "candidate"}:
        raise UsageError(f"{where}: variant {turn['variant']!r} is neither baseline nor candidate", _MENDS["variant"])
    if not isinstance(turn["ok"], bool) or not isinstance(turn.get("end", False), bool):
        raise UsageError(f"{where}: ok and end are true or false", _MENDS["ok"])
    _check_numbers(turn, where, own)
    return turn


def _check_numbers(turn: dict[str, Any], where: str, own: tuple[OwnMetric, ...]) -> None:
    _check_number("t", turn["t"], where, -inf)
    _check_number("weight", turn["weight"], where)
    for member in (*_NUMBERS, *(metric.name for metric in own)):
        if (value := turn.get(member)) is not None:
            kind = next((metric.kind for metric in own if metric.name == member), None)
            if isinstance(value, bool) and kind not in {None, "time"}:  # yes and no, as 1 and 0
                turn[member] = value = int(value)
            _check_number(member, value, where, most=_MOST.get(member, most(kind) if kind else inf))


def _check_number(member: str, value: Any, where: str, least: float = 0.0, most: float | None = None) -> None:
    most = _MOST.get(member, inf) if most is None else most
    # a whole number of a thousand digits is no float: compared, not converted
    number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if not number or not least <= value <= most:
        span = "that is finite" if least < 0 else f"from 0 to {most:g}" if most < inf else "of 0 or more"
        mend = _MENDS.get(member, "leave out what was not measured")
        raise UsageError(f"{where}: {member} is {json.dumps(value)}, not a number {span}", mend)


_MOST = {"weight": 100.0, "quality": 1.0}
_MENDS = {
    "t": "say when the turn was, in seconds",
    "session": "name the session: its turns are one unit",
    "variant": "say who answered: baseline or candidate",
    "ok": "say whether the turn went well: true or false",
    "weight": "give the percent of new sessions that went to the candidate when the session began",
}


def _verdicts(plan: Plan, turns: Iterable[dict[str, Any]], every_s: float) -> Iterator[dict[str, Any]]:
    from headgate.analysis.metrics import flipped, harms, kinds
    from headgate.analysis.rollout_judge import RolloutJudge
    from headgate.stats.closing import Closing

    known = harms(plan.analysis.metrics)
    made = RolloutJudge(plan.analysis, plan.steps)
    watched = kinds(["error", *made.names], known)
    closing = Closing(watched, max_turns=plan.session_turns, idle_s=plan.session_idle_s, flipped=flipped(known))
    members = _NUMBERS | {metric.name: metric.name for metric in plan.analysis.metrics}
    waiting: list[dict[str, Any]] = []
    looks, next_at = 0, None
    newest: dict[str, Any] = {}
    for turn in turns:
        next_at = turn["t"] + every_s if next_at is None else next_at
        if turn["t"] >= next_at:
            looks += 1
            _take(made, closing, waiting, members)
            yield _line(made.look(_step(plan, newest), newest["t"], newest["t"]), looks, plan, final=False)
            waiting, next_at = [], turn["t"] + every_s
        waiting.append(turn)
        newest = turn
    if newest:
        if waiting:
            _take(made, closing, waiting, members)
        left = closing.rest()
        if len(left):
            made.add_units(left, newest["t"], newest["t"])
        yield _line(made.look(_step(plan, newest), newest["t"], newest["t"]), looks + 1, plan, final=True)


def _step(plan: Plan, turn: dict[str, Any]) -> int:
    """The step of the plan that a turn's weight belongs to."""
    return next((i for i, step in enumerate(plan.steps) if step.weight >= turn["weight"]), len(plan.steps) - 1)


def _take(made: RolloutJudge, closing: Closing, turns: list[dict[str, Any]], members: Mapping[str, str]) -> None:
    import numpy as np

    from headgate.stats.closing import Turns

    def column(member: str) -> Any:
        return np.array([np.nan if turn.get(member) is None else turn[member] for turn in turns], np.float64)

    units = closing.take(
        Turns(
            t=column("t"),
            session=np.array([str(turn["session"]) for turn in turns], dtype=object),
            candidate=np.array([turn["variant"] == "candidate" for turn in turns], bool),
            weight=column("weight") / 100.0,
            ok=np.array([turn["ok"] for turn in turns], bool),
            end=np.array([turn.get("end", False) for turn in turns], bool),
            values={metric: column(member) for member, metric in members.items()},
        )
    )
    made.doubts.began(closing.began)
    if len(units):
        made.add_units(units, turns[0]["t"], turns[-1]["t"])


def _line(look: Look, number: int, plan: Plan, *, final: bool) -> dict[str, Any]:
    from headgate.core.model import Answer

    verdict = look.verdict
    strict = plan.steps[verdict.step].margins == plan.analysis.guardrails
    action = {Answer.FAIL: "ROLLBACK", Answer.PASS: "PROMOTE" if strict else "CONTINUE"}.get(verdict.answer, "CONTINUE")
    return {
        "look": number,
        "final": final,
        "t": verdict.at,
        "step": verdict.step + 1,
        "answer": verdict.answer.value,
        "action": action,
        "reason": verdict.reason,
        "data": look.data,
    }
