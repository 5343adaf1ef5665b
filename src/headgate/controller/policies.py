"""A rollout's wish for traffic -> the whole snapshot that a gateway needs."""

from __future__ import annotations

from dataclasses import replace

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
        retired=_kept(agent, baseline),
        session_idle_s=plan.session_idle_s,
        session_turns=plan.session_turns,
        usd_per_million_input=plan.usd_per_million_input,
        usd_per_million_output=plan.usd_per_million_output,
    )


def during(rollout: Rollout, agent: Agent, effect: SetTraffic, term: int) -> TrafficPolicy:
    """What `effect` asks for. A promoted candidate is the baseline of the snapshot, the old baseline is retired."""
    candidate = rollout.candidate
    policy = replace(
        serving(agent, rollout.plan, rollout.baseline, term),
        rollout=rollout.id,
        epoch=effect.epoch,
        salt=rollout.salt,
    )
    if effect.promote and candidate:
        return replace(policy, baseline=candidate, retired=(rollout.baseline,))
    return replace(
        policy,
        candidate=candidate,
        weight=effect.weight,
        retired=tuple(v for v in policy.retired if candidate is None or v.number != candidate.number),
        withdrawn=candidate.number if effect.withdraw and candidate else "",
        sessions=rollout.plan.rollback.sessions.value,
        deadline=effect.deadline,
    )


def _kept(agent: Agent, baseline: Version) -> tuple[Version, ...]:
    previous = agent.previous
    return (previous,) if previous and previous.url and previous.number != baseline.number else ()
