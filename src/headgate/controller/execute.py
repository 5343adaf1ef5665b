"""Effect -> port call -> the fact that verifies it. Every call is idempotent by the effect's key; asked is not done.

An executor answers `Done` when it has read back what was asked for, `None` while it is on its way, and raises a
PortError when the outside says no or says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from headgate.controller import incidents, messages, policies, queries
from headgate.controller.places import Places
from headgate.controller.world import World
from headgate.core.codec import digest
from headgate.core.effects import (
    CANDIDATE,
    DeployCandidate,
    Effect,
    Notify,
    OpenIncident,
    PinEndpoint,
    RetireCandidate,
    RunGate,
    SetTraffic,
    WriteHandoff,
)
from headgate.core.facts import (
    CandidateReady,
    CandidateRetired,
    EndpointVerified,
    Fact,
    GateFinished,
    HandoffWritten,
    IncidentOpened,
    Ticked,
    TrafficVerified,
)
from headgate.core.model import Rollout, Version
from headgate.core.plan import Gate
from headgate.errors import NotFound, RefusedError, Rejected
from headgate.ports import Agent, Data, Entry, GateOutcome, Message
from headgate.reports.handoff import handoff_package
from headgate.reports.history import History
from headgate.reports.render import to_markdown


@dataclass(frozen=True, slots=True)
class Done:
    """`fact` is what the core is told, `entries` go on the ledger with it."""

    fact: Fact
    detail: Data = field(default_factory=dict)
    entries: tuple[Entry, ...] = ()
    messages: tuple[Message, ...] = ()


class Executor:
    """Does effects for any rollout. Keeps only what need not be asked twice: versions built, jobs running."""

    def __init__(self, world: World, places: Places) -> None:
        self._world = world
        self._places = places
        self._jobs = world.jobs()
        self._built: dict[str, Version] = {}
        self._pinned: set[str] = set()

    def close(self) -> None:
        self._jobs.close()

    def run(self, effect: Effect, rollout: Rollout, agent: Agent, term: int, now: float) -> Done | None:
        match effect:
            case DeployCandidate():
                return self._deploy(effect, rollout)
            case RunGate():
                return self._gate(effect, rollout)
            case SetTraffic():
                return self._traffic(effect, rollout, agent, term)
            case PinEndpoint():
                return self._pin(effect, rollout)
            case RetireCandidate():
                self._world.platform.unpin(rollout.agent, CANDIDATE)
                return Done(CandidateRetired())
            case OpenIncident():
                return self._incident(effect, rollout, agent, now)
            case Notify():
                # only those that an earlier version asked for: messages go into the outbox with their decision
                return Done(Ticked(), messages=messages.of_decision(rollout, (effect,), now))
            case WriteHandoff():
                return self._handoff(rollout, now)

    def _deploy(self, effect: DeployCandidate, rollout: Rollout) -> Done | None:
        platform = self._world.platform
        version = self._built.get(effect.key)
        if version is None:
            # one token for all attempts: what a person asks to try again is not built again
            version = self._built[effect.key] = platform.build(rollout.agent, rollout.plan, f"{rollout.id}/deploy")
        if version.digest == rollout.baseline.digest or version.number == rollout.baseline.number:
            return Done(CandidateReady(version))  # nothing to run: the core refuses it
        if effect.key not in self._pinned:  # once: asking again would begin a failed start anew
            platform.pin(rollout.agent, CANDIDATE, version.number)
            self._pinned.add(effect.key)
        state = platform.version(rollout.agent, version.number)
        if state.status == "FAILED":
            raise Rejected(f"version {version.number} of {rollout.agent} does not start: {state.reason}")
        if state.status != "READY":
            return None
        return Done(CandidateReady(state.version), {"version": version.number, "digest": version.digest})

    def _gate(self, effect: RunGate, rollout: Rollout) -> Done | None:
        gate = next(g for g in rollout.plan.gates if g.name == effect.gate)
        candidate = rollout.candidate
        if candidate is None:
            raise Rejected(f"gate {gate.name} has no candidate to run against")
        version = self._places.of(rollout.agent, candidate)
        outcome = self._jobs.result(effect.key, lambda: self._outcome(gate, rollout, version))
        if outcome is None:
            return None
        body: Data = {
            "gate": gate.name,
            "passed": outcome.passed,
            "detail": outcome.detail,
            "cases": list(outcome.cases),
            "seconds": outcome.seconds,
            "suite_digest": gate.suite_digest,
            "version": candidate.number,
            "usage": outcome.measures.get("usage"),
            "measures": outcome.measures,
        }
        if not outcome.decided:  # evidence, and no result: a person is called
            self._world.store.append([Entry("evidence.undecided", body, rollout.id)], self._world.clock.now())
            raise Rejected(outcome.detail, "record more sessions and resume, widen the margin, or abort")
        record = self._world.store.append([Entry("evidence.gate", body, rollout.id)], self._world.clock.now())[0]
        return Done(GateFinished(gate.name, outcome.passed, outcome.detail, (record.id,)), {"evidence": record.id})

    def _outcome(self, gate: Gate, rollout: Rollout, candidate: Version) -> GateOutcome:
        if gate.replay is None:
            return self._world.gates.run(gate, candidate.url)
        if self._world.replays is None:
            raise Rejected(f"gate {gate.name}: nothing here records sessions", "replay needs `traffic: gateway`")
        baseline = self._places.of(rollout.agent, rollout.baseline)
        return self._world.replays.replay(gate, rollout.agent, baseline, candidate)

    def _traffic(self, effect: SetTraffic, rollout: Rollout, agent: Agent, term: int) -> Done | None:
        wanted = self._places.on(policies.during(rollout, agent, effect, term))
        if effect.promote:
            self._refuse_forced(rollout)
        self._world.traffic.apply(wanted)
        state = self._world.traffic.read(rollout.agent)
        live = (state.rollout, state.epoch, state.weight, state.baseline)
        if live != (rollout.id, effect.epoch, wanted.weight, wanted.baseline.number):
            return None
        return Done(TrafficVerified(effect.weight, effect.epoch), {"weight": state.weight, "baseline": state.baseline})

    def _refuse_forced(self, rollout: Rollout) -> None:
        """A promotion has weight 0 in the gateway's eyes, so a person's stop is not refused there: look first."""
        try:
            state = self._world.traffic.read(rollout.agent)
        except NotFound:
            return
        if state.rollout == rollout.id and state.forced_by:
            raise RefusedError(f"{state.forced_by} forced the weight down to 0: {state.forced_reason}")

    def _pin(self, effect: PinEndpoint, rollout: Rollout) -> Done | None:
        platform = self._world.platform
        wanted = (effect.version, effect.version, "READY")
        if (found := platform.find(rollout.agent)) and found.endpoints.get(effect.endpoint) == wanted:
            return Done(EndpointVerified(effect.endpoint, effect.version), {"endpoint": effect.endpoint})
        platform.pin(rollout.agent, effect.endpoint, effect.version)
        found = platform.find(rollout.agent)
        if found is None:
            raise NotFound(f"the platform has no agent {rollout.agent} any more")
        if found.endpoints.get(effect.endpoint) != wanted:
            return None
        return Done(EndpointVerified(effect.endpoint, effect.version), {"endpoint": effect.endpoint})

    def _incident(self, effect: OpenIncident, rollout: Rollout, agent: Agent, now: float) -> Done:
        store = self._world.store
        if known := incidents.joins(store, rollout):
            body: Data = {"incident": known.id, "severity": effect.severity, "title": effect.title}
            return Done(IncidentOpened(known.id), body, (Entry("incident.joined", body, rollout.id),))
        name = incidents.next_id(store, rollout)
        body = {"incident": name, "severity": effect.severity, "title": effect.title, "at": now, "agent": rollout.agent}
        entries, told = incidents.opening(store, self._world.recordings, body, rollout, agent)
        return Done(IncidentOpened(name), {"incident": name}, entries, told)

    def _handoff(self, rollout: Rollout, now: float) -> Done:
        store, shelf = self._world.store, self._world.shelf
        package = handoff_package(History.of(queries.records(store, rollout)), store.head(), now)
        texts = {f"{name}.md": to_markdown(document) for name, document in sorted(package.items())}
        paths = {name: shelf.put(rollout.id, f"handoff/{name}", text) for name, text in texts.items()}
        body: Data = {"path": paths["overview.md"], "digest": digest(texts), "files": sorted(paths.values())}
        fact = HandoffWritten(body["path"], body["digest"])
        return Done(fact, {"files": len(paths)}, (Entry("handoff.written", body, rollout.id),))
