"""Before any session sees the candidate: build, gates, put behind the gateway at 0 %. Part of `decide`."""

from __future__ import annotations

from dataclasses import replace

from headgate.core import facts as f
from headgate.core import policy
from headgate.core.decision import Decision, key, stay, traffic
from headgate.core.effects import DeployCandidate, Effect, Notify, RunGate
from headgate.core.model import GateResult, Phase, Rollout
from headgate.core.rollback import fail, take_back


def start(rollout: Rollout, now: float) -> Decision:
    if rollout.phase is not Phase.PLANNED:
        return stay(rollout, f"already {rollout.phase}")
    if rollout.rollback is not None:  # made to restore an earlier version: there is nothing to build
        return take_back(rollout, rollout.started_by, rollout.reason, now)
    note = Notify(key(rollout, "notify", "started"), "started", f"{rollout.id} started by {rollout.started_by}")
    gating = replace(rollout, phase=Phase.GATING)
    return Decision(gating, (note, *next_gating_effects(gating)), f"started by {rollout.started_by}")


def next_gating_effects(rollout: Rollout) -> tuple[Effect, ...]:
    if rollout.candidate is None:
        return (DeployCandidate(key(rollout, "deploy", rollout.attempt)),)
    gate = rollout.plan.gates[len(rollout.gates)]
    return (RunGate(key(rollout, "gate", gate.name, rollout.attempt), gate.name),)


def gates_open(rollout: Rollout) -> bool:
    return rollout.candidate is None or len(rollout.gates) < len(rollout.plan.gates)


def candidate_ready(rollout: Rollout, fact: f.CandidateReady, now: float) -> Decision:
    if policy.working_phase(rollout) is not Phase.GATING or rollout.candidate is not None:
        return stay(rollout, "the candidate was ready already")
    version = fact.version
    if version.digest == rollout.baseline.digest or version.number == rollout.baseline.number:
        return fail(rollout, f"the candidate is the same version as the baseline ({rollout.baseline.number})", now)
    known = replace(rollout, candidate=version)
    return _gating_on(known, f"candidate is version {version.number}")


def gate_finished(rollout: Rollout, fact: f.GateFinished, now: float) -> Decision:
    if policy.working_phase(rollout) is not Phase.GATING or not gates_open(rollout) or rollout.candidate is None:
        return stay(rollout, f"gate {fact.gate} was not awaited")
    if rollout.plan.gates[len(rollout.gates)].name != fact.gate:
        return stay(rollout, f"gate {fact.gate} was not the one awaited")
    result = GateResult(fact.gate, fact.passed, fact.detail, now, fact.evidence)
    known = replace(rollout, gates=(*rollout.gates, result))
    if not fact.passed:
        return fail(known, f"gate {fact.gate} failed: {fact.detail}", now)
    return _gating_on(known, f"gate {fact.gate} passed: {fact.detail}")


def _gating_on(rollout: Rollout, reason: str) -> Decision:
    if rollout.phase is Phase.PAUSED:
        return Decision(rollout, (), f"{reason}; held")
    if gates_open(rollout):
        return Decision(rollout, next_gating_effects(rollout), reason)
    return deploy(rollout, reason)


def deploy(rollout: Rollout, reason: str) -> Decision:
    """Put the candidate behind the gateway with weight 0."""
    deploying = replace(rollout, phase=Phase.DEPLOYING, weight=0.0, epoch=rollout.epoch + 1)
    return Decision(deploying, (traffic(deploying),), f"{reason}; put behind the gateway at 0 %")
