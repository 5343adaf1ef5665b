"""`headgate plan check | explain | schema`: what is wrong with a plan, and what it will do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headgate.cli import common
from headgate.cli.foreseen import foreseen, say, say_step

if TYPE_CHECKING:
    from rich.console import Console

    from headgate.config.forecast import StepForecast
    from headgate.config.plan_file import LoadedPlan
    from headgate.core.metrics import OwnMetric
    from headgate.core.plan import AlarmSpec, CompositeSpec, Plan, Step


class _Rate(click.ParamType[float]):
    """Traffic as a scenario has it: 120/min, or the number alone."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        from headgate.config.units import parse_rate

        try:
            return parse_rate(value)
        except ValueError as error:
            self.fail(str(error).replace("|", ": "), param, ctx)


_PLAN = click.argument("path", metavar="PLAN", type=click.Path(path_type=Path))
_WINDOW_OF_TRAFFIC_S = 3600.0


@click.group()
def plan() -> None:
    """Check or explain a plan; print its schema."""


@plan.command()
@_PLAN
@common.json_option
def check(path: Path, as_json: bool) -> None:
    """Say all that is wrong with PLAN, each with file, line, column and the mend. Exit 2 if anything is."""
    from headgate.config.plan_file import load_plan

    loaded = load_plan(path)
    if as_json:
        common.print_json({"ok": True, "plan": str(path), "agent": loaded.plan.agent, "digest": loaded.digest})
    else:
        steps = " -> ".join(f"{step.weight:g}" for step in loaded.plan.steps)
        click.echo(f"{path}: good. {loaded.plan.agent}, {loaded.plan.strategy} {steps} %, digest {loaded.digest[:12]}")


@plan.command()
def schema() -> None:
    """Print the JSON Schema of a plan, for editors."""
    from headgate.config.plan_file import schema as plan_schema

    common.print_json(plan_schema())


@plan.command()
@_PLAN
@click.option("--rate", type=_Rate(), metavar="RATE", help="New sessions, e.g. 120/min, 2/s; a number: per minute.")
@common.json_option
@click.pass_context
def explain(ctx: click.Context, path: Path, rate: float | None, as_json: bool) -> None:
    """Say what PLAN does: steps, expected sessions, time to a decision, defaults, warnings.

    The traffic is --rate, or else what was measured here in the last hour. Where it is known, a few rollouts are
    simulated.
    """
    from headgate.config.plan_file import load_plan

    loaded = load_plan(path)
    measured = rate is None
    if rate is None:
        rate = _measured_rate(ctx, loaded.plan.agent)
    data = _explained(loaded, rate, "measured in the last hour" if measured else "given")
    data["changes"] = _changes(ctx, loaded.plan)
    if as_json:
        common.print_json(data)
    else:
        _show(loaded.plan, data)


def _measured_rate(ctx: click.Context, agent: str) -> float | None:
    """New sessions per minute of the last hour, from the store of this home; None: no store, or no traffic."""
    if not common.settings(ctx).store.exists():
        return None
    from headgate.config.clock import SystemClock

    now = SystemClock().now()
    with common.opened(ctx) as store:
        seconds = store.seconds(agent, since=now - _WINDOW_OF_TRAFFIC_S)
    if not seconds:
        return None
    span = max(now - min(second.t for second in seconds), 60.0)
    return sum(second.sessions for second in seconds) * 60 / span or None


def _changes(ctx: click.Context, plan: Plan) -> dict[str, Any]:
    """What a release of the plan's files would change, against the version that is live here; or why nobody can say."""
    from headgate.config.parts_file import parts_of_source
    from headgate.controller.queries import changes_from_live

    if not common.settings(ctx).store.exists():
        return {"not_known_because": "no agent is served from this home"}
    built = parts_of_source(plan.platform)
    if not built:
        return {"not_known_because": "the candidate's parts are known when it is built"}
    with common.opened(ctx) as store:
        return changes_from_live(store, plan.agent, built)


def _explained(loaded: LoadedPlan, rate: float | None, source: str) -> dict[str, Any]:
    """Everything that `explain` says, as data."""
    from headgate.config import forecast

    plan = loaded.plan
    expected, simulated = forecast.forecast(plan, rate), foreseen(plan, rate)
    return {
        "plan": str(loaded.path),
        "digest": loaded.digest,
        "agent": plan.agent,
        "strategy": str(plan.strategy),
        "traffic": {"sessions_per_minute": rate, "source": source if rate else "unknown"},
        "gates": [{"name": gate.name, "suite": gate.suite, "require": _required(gate)} for gate in plan.gates],
        "steps": [
            _step(step, each, plan.analysis.metrics, simulated["steps"][number] if simulated else None)
            for number, (step, each) in enumerate(zip(plan.steps, expected, strict=True))
        ],
        "simulated": simulated,
        "on_rollback": {"sessions": str(plan.rollback.sessions), "deadline_s": plan.rollback.deadline_s},
        "hard": {limit.metric: limit.limit for limit in plan.analysis.hard},
        "validation": {
            "window": [{"until_s": part.until_s, "every_s": part.every_s} for part in plan.validation.window],
            "speed": plan.validation.speed,
            "criteria": [{"tier": str(c.tier), "name": c.name, "text": c.text} for c in plan.validation.criteria],
        },
        "alarms": [*(_alarm(alarm) for alarm in plan.alarms), *(_composite(each) for each in plan.composites)],
        "cloudwatch": _on_cloudwatch(plan),
        "quality": _quality(plan),
        "defaults": {default.where: default.value for default in loaded.defaults},
        "warnings": list(forecast.warnings(plan, rate)),
        "estimate": f"an estimate for a candidate that is no worse, assuming: {forecast.ASSUMED}",
    }


def _on_cloudwatch(plan: Plan) -> dict[str, Any] | None:
    """What is made there and what it costs, what stays here and why, what is watched; None: the plan says nothing."""
    cloud = plan.cloudwatch
    if cloud is None:
        return None
    from headgate.telemetry.cloudwatch.alarm_prices import estimate

    watched = [{"alarm": each.alarm, "of": each.of or "auto", "critical": each.critical} for each in cloud.watch]
    made = {"on_end": cloud.on_end, "actions": list(cloud.actions), **estimate(plan)} if cloud.create else {}
    return {"watch": watched, **made}


def _quality(plan: Plan) -> dict[str, Any] | None:
    """Who scores sessions; None: nobody."""
    if plan.quality is None:
        return None
    if (asked := plan.quality.evaluation) is None:
        found = plan.quality
        return {"by": found.suite, "scored": found.scored, "per_hour": found.per_hour}
    more = {"evaluators": list(asked.evaluators), "share": asked.share, "role": asked.role}
    return {"by": "agentcore", "scored": plan.quality.scored, **more}


def _required(gate: Any) -> str:
    if gate.replay is not None:
        margin = 0.1 if gate.margin is None else gate.margin
        return f"{gate.replay} recorded sessions said again to both versions, net harm of {margin:.0%} excluded"
    if gate.sessions is None:
        return f"{gate.require_passed}/{gate.require_total}" if gate.require_total else "all"
    p95 = "" if gate.p95_s is None else f", p95 <= {gate.p95_s:g} s"
    return f"{gate.sessions} sessions, {1.0 if gate.success_rate is None else gate.success_rate:.0%} good{p95}"


def _alarm(alarm: AlarmSpec) -> str:
    from headgate.config.units import duration_text, limit_text

    limit = f"what is usual by {alarm.band:g} spreads" if alarm.band else limit_text(alarm.metric, alarm.threshold)
    periods = f"{alarm.datapoints} of {alarm.evaluation_periods} periods of {duration_text(alarm.period_s)}"
    last = alarm.queries[-1] if alarm.queries else None
    measured = alarm.metric or (last and (last.expression or f"{last.metric} {last.statistic}"))
    return f"{alarm.name}: {measured} {alarm.op} {limit}, {periods}, no data: {alarm.missing}"


def _composite(alarm: CompositeSpec) -> str:
    return f"{alarm.name}: {alarm.rule}" + (f", suppressed by {alarm.suppressor}" if alarm.suppressor else "")


def _step(
    step: Step, expected: StepForecast, own: tuple[OwnMetric, ...], simulated: dict[str, Any] | None
) -> dict[str, Any]:
    from headgate.core.metrics import margin_text

    approval = step.approval
    return {
        "weight": step.weight,
        "bake_s": step.bake_s,
        "min_sessions": step.min_sessions,
        "within_s": step.within_s,
        "margins": {m.metric: margin_text(m.metric, m.value, m.ratio, own) for m in step.margins},
        "approval": approval
        and {
            "by": list(approval.by),
            "people": list(approval.approvers),
            "count": approval.count,
            "within_s": approval.within_s,
            "else": str(approval.otherwise) if approval.within_s is not None else None,
        },
        "sessions_per_minute": expected.per_minute
        and {"baseline": round(expected.per_minute[0], 2), "candidate": round(expected.per_minute[1], 2)},
        "sessions_needed": {"min_sessions": expected.for_minimum, **expected.for_margins},
        "decision_s": _decision_s(expected, simulated),
        "simulated": simulated,
    }


def _decision_s(expected: StepForecast, simulated: dict[str, Any] | None) -> float | None:
    """The simulated median, or else the formula's; None: the traffic is not known, or no rollout passed the step."""
    if simulated is not None:
        return round(float(simulated["seconds"]["median"]), 1) if simulated["seconds"] else None
    return expected.decision_s and round(expected.decision_s, 1)


def _show(plan: Plan, data: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    rate = data["traffic"]["sessions_per_minute"]
    traffic = f"{rate:g} sessions a minute ({data['traffic']['source']})" if rate else "unknown; give --rate"
    console.print(f"[bold]{plan.agent}[/bold]: {plan.strategy}, traffic {traffic}")
    console.print(_changes_text(data["changes"]), markup=False)
    for gate in data["gates"]:
        console.print(f"gate {gate['name']}: {gate['suite']}, needs {gate['require']}", markup=False)
    for number, step in enumerate(data["steps"], 1):
        _show_step(console, number, step, rate)
    console.print(data["estimate"], style="dim")
    if data["simulated"]:
        say(data["simulated"], lambda text: console.print(text, markup=False))
    _show_rest(console, plan, data)


def _changes_text(changes: dict[str, Any]) -> str:
    from headgate.controller.queries import changes_in_words

    if why := changes.get("not_known_because"):
        return f"what changes: not known; {why}"
    return f"{changes_in_words(changes)} (against version {changes['version']}, {changes['records'][0]})"


def _show_step(console: Console, number: int, step: dict[str, Any], rate: float | None) -> None:
    from rich.table import Table

    from headgate.config.units import about, duration_text

    watched = f"at least {duration_text(step['bake_s'])}, at most {duration_text(step['within_s'])}"
    console.print(f"[bold]step {number}: {step['weight']:g} %[/bold] of new sessions, {watched}")
    if approval := step["approval"]:
        console.print(f"  {_approval_text(approval)}", markup=False)
    if split := step["sessions_per_minute"]:
        console.print(f"  a minute: {split['baseline']:g} sessions baseline, {split['candidate']:g} candidate")
        if step["simulated"]:
            say_step(step["simulated"], lambda text: console.print(text, markup=False))
        else:
            console.print(f"  decision after about {about(step['decision_s'])}")
    table = Table("to show", "sessions needed", "at this traffic", box=None, pad_edge=False, padding=(0, 2))
    for what, sessions in step["sessions_needed"].items():
        name = f"{step['min_sessions']} sessions of the candidate" if what == "min_sessions" else f"{what} is excluded"
        table.add_row(f"  {name}", f"{sessions}", about(60 * sessions / rate) if rate else "?")
    console.print(table)
    if step["weight"] == 100:
        proven = ", ".join(f"{metric} {text}" for metric, text in step["margins"].items())
        console.print(f"  no baseline runs beside it: what the steps before showed must exclude {proven}", markup=False)


def _approval_text(approval: dict[str, Any]) -> str:
    from headgate.config.units import duration_text

    people = ", ".join(approval["people"])
    who = f"{approval['count']} of {people} approve" if approval["count"] > 1 else f"{people} approves"
    if approval["within_s"] is None:
        return f"begins when {who}; waits for as long as it takes"
    return f"begins when {who}; if not within {duration_text(approval['within_s'])}: {approval['else']}"


def _cloud_lines(cloud: dict[str, Any] | None) -> Iterator[str]:
    if cloud is None:
        return
    if "made" in cloud:
        many = f"{cloud['alarms']} alarms on {cloud['metrics']} metrics, {cloud['composites']} composites"
        cost = f"{cloud['usd_per_day']:g} USD a day, {cloud['usd_per_month']:g} a month while they exist"
        yield f"on CloudWatch, for both variants: {', '.join(cloud['made']) or 'nothing'}"
        yield f"  {many}: about {cost} (prices of {cloud['prices_of']}; an account's first ten metrics are free)"
        yield f"  at the end: {cloud['on_end']}" + (
            f"; tells {', '.join(cloud['actions'])}" if cloud["actions"] else ""
        )
        for name, why in cloud["here"].items():
            yield f"  {name} is evaluated by Headgate: {why}"
    for each in cloud["watch"]:
        yield f"watched on CloudWatch: {each['alarm']} (of {each['of']}{', critical' if each['critical'] else ''})"


def _show_rest(console: Console, plan: Plan, data: dict[str, Any]) -> None:
    from headgate.config.units import duration_text

    def line(text: str, style: str = "") -> None:
        console.print(text, style=style, markup=False)

    hard = ", ".join(f"{metric} {limit:.0%}" for metric, limit in data["hard"].items())
    line(f"at once back: a candidate above {hard}, where the baseline is below")
    line(f"rollback: sessions {plan.rollback.sessions}, within {duration_text(plan.rollback.deadline_s)}")
    parts = [f"every {duration_text(p.every_s)} until {duration_text(p.until_s)}" for p in plan.validation.window]
    line(f"validation: {', '.join(parts) or 'none'}")
    for criterion in plan.validation.criteria:
        line(f"  {criterion.tier}: {criterion.name} {criterion.text}")
    for alarm in data["alarms"]:
        line(f"alarm {alarm}")
    if (quality := data["quality"]) and quality["by"] == "agentcore":
        many = f"{quality['share']:.0%} of the live sessions of both variants, billed by AgentCore"
        line(f"quality: AgentCore evaluates {many}: {', '.join(quality['evaluators'])}")
    elif quality and plan.recording:
        many = f"{plan.recording.share:.0%} of the sessions are recorded, and scored by {quality['by']}"
        waits = f"a step waits for {quality['scored']:.0%} of them"
        line(f"quality: {many}, at most {quality['per_hour']:g} an hour; {waits}")
    for text in _cloud_lines(data["cloudwatch"]):
        line(text)
    line("left out, so:" if data["defaults"] else "nothing was left out")
    for where, value in data["defaults"].items():
        line(f"  {where}: {value}")
    for warning in data["warnings"]:
        line(f"warning: {warning}", "yellow")
