"""`headgate drill run agentcore-repoint`: asks before it touches a real account, shows each step, keeps the result."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from headgate.cli import common
from headgate.config.clock import SystemClock
from headgate.errors import HeadgateError, NotFound, RefusedError, RunFailed, UsageError

if TYPE_CHECKING:
    from headgate.core.plan import Plan
    from headgate.platforms.agentcore.repoint import Repoint, Step
    from headgate.ports import Agent, Store

NAME = "agentcore-repoint"
WHAT = "move an AgentCore endpoint forth and back under sessions: what AWS does not document, measured"
_WARNING = (
    "This makes a runtime headgate_drill_... in {where}, with the role {role}: three versions and an endpoint, its "
    "code in bucket {bucket}, about 20 sessions on machines with an idle time of 60 s (well below 0.10 USD). All of "
    "it is removed at the end. Your own runtime is not touched."
)


def run(ctx: click.Context, agent: str | None, path: Path | None, *, yes: bool, by: str | None, as_json: bool) -> None:
    """Measure, tell, and note it on the ledger; exit 1 where a step did what it must not."""
    from headgate import bootstrap

    here = common.settings(ctx)
    store = bootstrap.store(here)
    try:
        plan = _plan(store, agent, path)

        def told(step: Step) -> None:
            if not as_json:
                click.echo(f"  {_seconds(step.seconds):>9}  {step.what}: {step.found}")

        drill, real = bootstrap.repoint(here, plan, uuid4().hex[:10], told)
        if real:
            _ask(plan, drill, yes)
        body = _measured(plan, drill, by or here.actor())
        body["record"] = note(store, body)
    finally:
        store.close()
    if as_json:
        common.print_json(body)
    else:
        click.echo(
            f"{NAME}: {'passed' if body['passed'] else 'FAILED'}: {body['detail']} (ledger record {body['record']})"
        )
    if not body["passed"]:
        raise RunFailed(body["detail"], f"see `headgate evidence {body['record']}`")


def served(store: Store, name: str | None) -> Agent:
    """The agent that is meant: the named one, or the only one."""
    agents = [a for a in store.agents() if name in {None, a.name}]
    if not agents:
        raise NotFound("no such agent is served here", "take it on with `headgate up PLAN`")
    if len(agents) > 1:
        raise UsageError(f"several agents are served: {', '.join(a.name for a in agents)}", "name one with --agent")
    return agents[0]


def note(store: Store, body: dict[str, Any]) -> str:
    """The result on the ledger; its record."""
    from headgate.ports import Entry

    return store.append([Entry("drill", body)], SystemClock().now())[0].id


def _plan(store: Store, agent: str | None, path: Path | None) -> Plan:
    from headgate.config.plan_file import load_plan

    plan = load_plan(path).plan if path else served(store, agent).plan
    if plan is None or plan.platform.kind not in {"agentcore", "local"}:
        raise UsageError(
            "the drill needs an agent on AgentCore or on the local runtime", "name its plan with --plan PLAN"
        )
    return plan


def _ask(plan: Plan, drill: Repoint, yes: bool) -> None:
    said = _WARNING.format(where=plan.platform.get("region"), role=drill.where.role, bucket=drill.where.bucket)
    click.echo(said, err=True)
    if yes:
        return
    if not sys.stdin.isatty() or not click.confirm("Go on?", err=True):
        raise RefusedError("nothing was done: this is a real AWS account", "say --yes if you mean it")


def _measured(plan: Plan, drill: Repoint, by: str) -> dict[str, Any]:
    wrong = ""
    try:
        drill.run()
    except HeadgateError as error:  # what was measured until then is kept, and all is removed
        wrong = error.message
    took = drill.recovery_s
    if not wrong and drill.left:
        wrong = f"not removed: {', '.join(drill.left)}"
    if not wrong and took is not None and took > plan.rto_s:
        wrong = f"the way back took {took:.1f} s, and the target is {plan.rto_s:g} s"
    back = "the endpoint was not moved back" if took is None else f"endpoint back on its old version in {took:.2f} s"
    return {
        "agent": plan.agent,
        "drill": NAME,
        "by": by,
        "passed": not wrong,
        "recovery_s": None if took is None else round(took, 3),
        "turns": drill.turns.asked,
        "turns_failed": drill.turns.failed,
        "records_lost": None,
        "rto_s": plan.rto_s,
        "rpo_s": plan.rpo_s,
        "detail": f"{wrong}; {back}"
        if wrong
        else f"{back} (target {plan.rto_s:g} s), {drill.turns.failed} of {drill.turns.asked} turns failed",
        "steps": [step.data() for step in drill.steps],
    }


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f} s"
