"""A person's word -> a new rollout, or a command that the controller picks up. What cannot be taken is refused at once.

Nothing here decides: `core.policy.refusal` says early, for people's sake, what `decide` would say anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from headgate.core import facts as f
from headgate.core import policy
from headgate.core.codec import digest, to_data
from headgate.core.model import FINISHED, Phase, Rollback, Rollout, Version
from headgate.core.plan import Plan, Strategy
from headgate.errors import NotFound, RefusedError, UsageError
from headgate.ports import Agent, Command, Entry, Store


@dataclass(frozen=True, slots=True)
class Who:
    """A named person, why, when, and a fresh random salt for what needs one."""

    by: str
    reason: str
    at: float
    salt: str = ""


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan as it was read: `digest` names its content."""

    plan: Plan
    digest: str
    path: str
    text: str


_FACTS: dict[str, Callable[..., f.PersonFact]] = {
    "pause": f.PauseAsked,
    "resume": f.ResumeAsked,
    "advance": f.AdvanceAsked,
    "extend": f.ExtendAsked,
    "cut-short": f.CutShortAsked,
    "override": f.OverrideAsked,
    "abort": f.AbortAsked,
    "approve": f.Approved,
    "reject": f.Disapproved,
}
_NEED_REASON = policy.NEED_NAME | {"abort", "reject"}


def register(store: Store, plan: Plan, who: Who) -> int:
    """Ask the controller to serve the plan's agent."""
    return store.post(Command(0, "", "register", who.by, who.at, plan=plan))


def at_speed(file: PlanFile, speed: float) -> PlanFile:
    """The same plan with its validation window at another speed: a rehearsal, under a digest of its own."""
    plan = replace(file.plan, validation=replace(file.plan.validation, speed=speed))
    return replace(file, plan=plan, digest=digest([file.digest, {"speed": speed}]))


def start(store: Store, file: PlanFile, who: Who) -> Rollout:
    """A new rollout of the plan. RefusedError: another one of the agent runs; NotFound: the agent is not served."""
    plan = file.plan
    if plan.strategy is Strategy.ALL_AT_ONCE and not who.reason:
        raise RefusedError(
            "all-at-once exposes every new session without a comparison: that needs a named person's reason",
            "say why with --reason, or use `strategy: {kind: canary}`",
        )
    agent = served(store, plan.agent)
    return _create(store, agent, file, who)


def retry(store: Store, rollout: str, who: Who) -> Rollout:
    """The same plan once more, after a rollout that failed or was rolled back."""
    old = store.load(rollout)
    if old.phase not in {Phase.FAILED, Phase.ROLLED_BACK}:
        raise RefusedError(
            f"rollout {old.id} is {old.phase}: only one that failed or was rolled back is tried again",
            "watch it with `headgate rollout watch`" if old.phase not in FINISHED else "start a new one from its plan",
        )
    created = store.read(old.id, kinds=("rollout.created",))[0].body
    file = PlanFile(old.plan, old.plan_digest, created["plan_path"], created["plan_text"])
    return _create(store, served(store, old.agent), file, who, retry_of=old.id)


def take_back(store: Store, agent: Agent, target: Version, who: Who) -> Rollout:
    """Go back to `target` although no rollout runs: a rollout that begins with its rollback."""
    if target.number == agent.baseline.number:
        raise RefusedError(f"{agent.name} is on version {target.number} already")
    if agent.plan is None:
        raise NotFound(f"{agent.name} was never served with a plan", "take it on with `headgate up PLAN`")
    file = PlanFile(agent.plan, "", "", "")
    began = Rollback(asked_at=who.at, by=who.by, reason=who.reason)
    return _create(store, agent, file, who, baseline=target, candidate=agent.baseline, rollback=began)


def say(store: Store, rollout: str, verb: str, who: Who, *, link: str = "", **more: Any) -> Command:
    """Post a person's word about a rollout; `more` are the other members of its fact, `link` the number of the signed
    link by which it came.

    Raises RefusedError where it cannot be taken now.
    """
    found = store.load(rollout)
    if verb in _NEED_REASON and not who.reason:
        raise UsageError(f"{verb} needs a reason: it goes on the ledger", "say why with --reason TEXT")
    if why := policy.refusal(found, verb, who.by):
        raise RefusedError(why)
    fact = _FACTS[verb](who.by, who.reason, **more)
    if isinstance(fact, f.OverrideAsked) and (why := policy.override_refusal(found, fact.criterion)):
        raise RefusedError(why)
    command = Command(0, found.id, verb, who.by, who.at, fact)
    return Command(store.post(command, link), found.id, verb, who.by, who.at, fact)


def served(store: Store, name: str) -> Agent:
    for agent in store.agents():
        if agent.name == name:
            return agent
    raise NotFound(
        f"no baseline of {name} is served here, so there is nothing to compare a candidate with",
        "take the agent on first: `headgate up PLAN`",
    )


def _create(store: Store, agent: Agent, file: PlanFile, who: Who, **more: object) -> Rollout:
    day = datetime.fromtimestamp(who.at, UTC).strftime("%Y%m%d")
    taken = {r.id for r in store.all(agent=agent.name)}
    number = next(n for n in range(1, len(taken) + 2) if f"{agent.name}-{day}-{n}" not in taken)
    members: dict[str, object] = {
        "id": f"{agent.name}-{day}-{number}",
        "agent": agent.name,
        "plan": file.plan,
        "plan_digest": file.digest,
        "salt": who.salt,
        "started_by": who.by,
        "reason": who.reason,
        "created_at": who.at,
        "baseline": agent.baseline,
        **more,
    }
    rollout = Rollout(**members)  # type: ignore[arg-type]
    body = {"rollout": to_data(rollout), "plan_path": file.path, "plan_text": file.text, "arn": agent.arn}
    store.create(rollout, [Entry("rollout.created", body, rollout.id)], who.at)
    return rollout
