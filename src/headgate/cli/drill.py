"""`headgate drill list | run NAME`: rehearse a failure with the agent's own code, and measure the recovery.

A drill runs in a throwaway Headgate of its own; its result goes on the ledger of this one.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from headgate.cli import common, drill_agentcore
from headgate.config.clock import SystemClock
from headgate.errors import RunFailed, UsageError

if TYPE_CHECKING:
    from headgate.cli.drill_stack import Stack
    from headgate.ports import Agent, Store

Measured = tuple[float, float, str]  # (when it failed, seconds until it was well again, in words)


@click.group()
def drill() -> None:
    """Rehearse a failure, and measure the recovery."""


@drill.command(name="list")
@common.json_option
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """The drills there are, and the last result of each."""
    here = common.settings(ctx)
    last: dict[str, Any] = {}
    if here.store.exists():
        with common.opened(ctx) as store:
            last = {r.body["drill"]: {**r.body, "at": r.at, "record": r.id} for r in store.read(kinds=("drill",))}
    known = {name: what for name, (what, _) in DRILLS.items()} | {drill_agentcore.NAME: drill_agentcore.WHAT}
    rows: list[dict[str, Any]] = [{"drill": name, "what": what, "last": last.get(name)} for name, what in known.items()]
    if as_json:
        common.print_json(rows)
        return
    for row in rows:
        found = row["last"]
        told = f"{found['detail']} ({common.when(found['at'])}, {found['record']})" if found else "never run"
        click.echo(f"{row['drill']:18} {row['what']}\n{'':18} {told}")


@drill.command()
@click.argument("name", metavar="NAME")
@click.option("--agent", metavar="AGENT", help="Whose code to drill with (default: the only one that is served).")
@click.option("--plan", type=click.Path(path_type=Path), help="agentcore-repoint: of an agent that is not served yet.")
@click.option("--yes", is_flag=True, help="agentcore-repoint: do it in a real AWS account, without asking.")
@common.by_option
@common.json_option
@click.pass_context
def run(
    ctx: click.Context, name: str, agent: str | None, plan: Path | None, yes: bool, by: str | None, as_json: bool
) -> None:
    """Run a drill, or all that end here; exit 1 where one does not recover within the plan's targets.

    They take about half a minute, in a Headgate of their own with the agent's code, and kill only what they started.
    agentcore-repoint makes a runtime of its own on AgentCore, moves an endpoint of it and removes it all again.
    """
    from headgate.cli.drill_stack import running

    if name == drill_agentcore.NAME:
        drill_agentcore.run(ctx, agent, plan, yes=yes, by=by, as_json=as_json)
        return
    if name != "all" and name not in DRILLS:
        raise UsageError(f"there is no drill {name!r}", f"one of {', '.join(DRILLS)}, {drill_agentcore.NAME}, or all")
    names = list(DRILLS) if name == "all" else [name]
    results = []
    with common.opened(ctx) as store:
        served = _served(store, agent)
        assert served.plan is not None
        click.echo(f"starting a Headgate for the drill, with the code of {served.name} ...", err=True)
        with running(served.plan) as stack:
            for each in names:
                click.echo(f"drill {each} ...", err=True)
                body = _measure(each, stack, served, by or common.settings(ctx).actor(), last=each == names[-1])
                results.append({**body, "record": drill_agentcore.note(store, body)})
                if not as_json:
                    click.echo(f"{each}: {'passed' if body['passed'] else 'FAILED'}: {body['detail']}")
    if as_json:
        common.print_json(results)
    failed = [body["drill"] for body in results if not body["passed"]]
    if failed:
        raise RunFailed(f"not within the targets: {', '.join(failed)}", "see `headgate drill list`")


def _served(store: Store, name: str | None) -> Agent:
    agent = drill_agentcore.served(store, name)
    if agent.plan is None or agent.plan.platform.kind != "local":
        mend = f"these drills need `platform: {{kind: local, ...}}`; on AgentCore there is {drill_agentcore.NAME}"
        raise UsageError(f"{agent.name} does not run on this machine", mend)
    return agent


def _measure(name: str, stack: Stack, agent: Agent, by: str, *, last: bool) -> dict[str, Any]:
    plan = agent.plan
    assert plan is not None
    rollout, candidate = stack.at_half()
    began, recovery, words = DRILLS[name][1](stack, rollout, candidate)
    failed, turns = stack.sessions.failed(began)
    checked = stack.store.verify()
    lost = 0 if checked.ok else len(checked.problems)
    if not last:  # after the last one the whole stack goes
        _leave(stack, rollout)
    detail = (
        f"{words} in {recovery:.2f} s (target {plan.rto_s:g} s), {failed} of {turns} turns failed, {lost} records lost"
    )
    return {
        "agent": agent.name,
        "drill": name,
        "by": by,
        "passed": recovery <= plan.rto_s and not lost,
        "recovery_s": round(recovery, 3),
        "turns": turns,
        "turns_failed": failed,
        "records_lost": lost,
        "rto_s": plan.rto_s,
        "rpo_s": plan.rpo_s,
        "detail": detail,
    }


def _leave(stack: Stack, rollout: str) -> None:
    """No rollout is left for the next drill."""
    if stack.store.load(rollout).phase not in {"rolled_back", "failed"}:
        if stack.store.load(rollout).phase != "rolling_back":
            stack.call("rollout", "abort", rollout, "--reason", "end of the drill")
        stack.until(lambda: stack.store.load(rollout).phase in {"rolled_back", "failed"}, "the drill's rollout goes on")


def _rollback(stack: Stack, rollout: str, candidate: str) -> Measured:
    """From the command to the last new session on the candidate, and the cut-over read back."""
    began = SystemClock().now()
    stack.call("rollback", stack.agent, "--reason", "drill")
    over = stack.until(lambda: stack.store.load(rollout).phase == "rolled_back", "it is not rolled back")
    back = stack.store.load(rollout).rollback
    last = stack.sessions.last_on(candidate, began) or began
    cut = max(last, back.cut_over_at if back and back.cut_over_at else over)
    return (
        began,
        cut - began,
        f"weight 0 verified and no new session on the candidate, all restored after {over - began:.2f} s,",
    )


def _controller_killed(stack: Stack, rollout: str, _candidate: str) -> Measured:
    """From kill -9 to the next controller's lease: then decisions are made again."""
    before = len(stack.store.read(rollout, kinds=("lease.taken",)))
    began = SystemClock().now()
    stack.signal("controller", signal.SIGKILL)

    def again() -> bool:
        return len(stack.store.read(rollout, kinds=("lease.taken",))) > before

    return began, stack.until(again, "no controller drives again") - began, "another controller drives"


def _gateway_alone(stack: Stack, _rollout: str, candidate: str) -> Measured:
    """With a controller that does nothing: the gateway serves, and a person takes the weight down there."""
    stack.signal("controller", signal.SIGSTOP)
    try:
        SystemClock().sleep(2.0)
        began = SystemClock().now()
        stack.traffic.force_down(stack.agent, "drill", "no controller")
        told = SystemClock().now()
        SystemClock().sleep(1.0)
        last = stack.sessions.last_on(candidate, began) or told
    finally:
        stack.signal("controller", signal.SIGCONT)
    return began - 2.0, max(told, last) - began, "weight taken to 0 at the gateway itself"


def _gateway_killed(stack: Stack, _rollout: str, _candidate: str) -> Measured:
    """From kill -9 to the first turn that is answered again; sessions keep their version."""
    session = "drill".ljust(40, "0")
    before = stack.sessions.ask(session).version
    began = SystemClock().now()
    stack.signal("gateway", signal.SIGKILL)
    stack.until(lambda: any(not t.ok for t in stack.sessions.turns if t.at >= began), "the gateway did not die")
    over = stack.until(lambda: stack.sessions.ask(session).ok, "the gateway does not come back")
    kept = stack.sessions.ask(session).version == before
    if not kept:
        raise RunFailed("a session changed its version when the gateway was killed")
    return began, over - began, "turns are answered again, a pinned session on its version"


DRILLS: dict[str, tuple[str, Callable[[Stack, str, str], Measured]]] = {
    "rollback": ("take a candidate back that has half of the sessions", _rollback),
    "controller-killed": ("kill -9 of the controller in the middle of a rollout", _controller_killed),
    "gateway-alone": ("no controller: the gateway serves, and is taken down by hand", _gateway_alone),
    "gateway-killed": ("kill -9 of the gateway under sessions", _gateway_killed),
}
