"""A rollout's wish for traffic -> the whole snapshot that a gateway needs."""

from __future__ import annotations

from headgate.core.effects import SetTraffic
from headgate.core.model import Rollout, Version
from headgate.core.plan import Plan
from headgate.ports import Agent, TrafficPolicy


def serving(agent: Agent, plan: Plan, baseline: Version, term: int) -> TrafficPolicy:
    """No rollout: every new session goes to the baseline; the version before it serves who is still on it."""
    return TrafficPolicy(
        agent=agent.name,
        arn=agent.arn,
        rollout="",
        term=term,
        epoch=0,
        salt="",
        baseline=baseline,
        retired=(agent.previous,) if agent.previous and agent.previous.url else (),
        **_session_rules(plan),
    )


def during(rollout: Rollout, agent: Agent, effect: SetTraffic, term: int) -> TrafficPolicy:
    """What `effect` asks for. A promoted candidate is the baseline of the snapshot, the old baseline is retired."""
    candidate = rollout.candidate
    if effect.promote and candidate:
        baseline, trial, weight, retired = candidate, None, 0.0, (rollout.baseline,)
    else:
        kept = (agent.previous,) if agent.previous and agent.previous.url else ()
        known = {rollout.baseline.number, candidate.number if candidate else ""}
        retired = tuple(version for version in kept if version.number not in known)
        baseline, trial, weight = rollout.baseline, candidate, effect.weight
    return TrafficPolicy(
        agent=rollout.agent,
        arn=agent.arn,
        rollout=rollout.id,
        term=term,
        epoch=effect.epoch,
        salt=rollout.salt,
        baseline=baseline,
        candidate=trial,
        weight=weight,
        retired=retired,
        withdrawn=candidate.number if effect.withdraw and candidate else "",
        sessions=rollout.plan.rollback.sessions.value,
        deadline=effect.deadline,
        **_session_rules(rollout.plan),
    )


def _session_rules(plan: Plan) -> dict[str, float | int]:
    return {
        "session_idle_s": plan.session_idle_s,
        "session_turns": plan.session_turns,
        "usd_per_million_input": plan.usd_per_million_input,
        "usd_per_million_output": plan.usd_per_million_output,
    }
