"""A rollout's wish for traffic -> the whole snapshot that a gateway needs."""

from __future__ import annotations

from dataclasses import replace

from headgate.core.effects import SetTraffic
from headgate.core.model import Rollout, Version
from headgate.core.plan import Plan
from headgate.core.recorded import Recording
from headgate.ports import Agent, TrafficPolicy


def serving(agent: Agent, plan: Plan, term: int, now: float) -> TrafficPolicy:
    """No rollout: every new session goes to the baseline; the version before it serves who is still on it.

    The epoch is the second of asking: a later snapshot is a newer one also where no rollout counts them.
    """
    recording = plan.recording or Recording(0.0)
    return TrafficPolicy(
        agent=agent.name,
        arn=agent.arn,
        rollout="",
        term=term,
        epoch=int(now),
        salt="",
        baseline=agent.baseline,
        retired=_kept(agent, agent.baseline),
        session_idle_s=plan.session_idle_s,
        session_turns=plan.session_turns,
        usd_per_million_input=plan.usd_per_million_input,
        usd_per_million_output=plan.usd_per_million_output,
        record_share=recording.share,
        record_consent=recording.consent,
        record_keep_s=recording.keep_s,
        record_redact=recording.redact,
        record_failing=recording.failing_share,
        metrics=tuple((each.name, each.kind.value) for each in plan.analysis.metrics),
    )


def during(rollout: Rollout, agent: Agent, effect: SetTraffic, term: int) -> TrafficPolicy:
    """What `effect` asks for. A promoted candidate is the baseline of the snapshot, the old baseline is retired."""
    candidate = rollout.candidate
    policy = replace(
        serving(agent, rollout.plan, term, 0.0),
        rollout=rollout.id,
        epoch=effect.epoch,
        salt=rollout.salt,
        baseline=rollout.baseline,
        retired=_kept(agent, rollout.baseline),
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
