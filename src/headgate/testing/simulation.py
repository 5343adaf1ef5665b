"""A whole release without a machine: real controller, core and analysis under a fake clock, with fakes at the ports.

    sim = Simulation()
    sim.serve()
    sim.laws["2"] = Law(error=0.3)
    sim.release()
    assert sim.run_until(lambda r: r.phase in FINISHED).phase is Phase.ROLLED_BACK

One seed drives everything, so the same simulation is the same to the last record. Faults are made by setting `trouble`
on a fake, by `platform.fail`, `traffic.lose`, `traffic.force_down`, `sessions.blind`, or by changing `laws` on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from headgate.controller import commands
from headgate.controller.controller import Controller
from headgate.controller.courier import Courier
from headgate.controller.jobs import Jobs
from headgate.controller.world import World
from headgate.core.codec import digest, to_data
from headgate.core.model import FINISHED, Rollout, Version
from headgate.core.plan import (
    Analysis,
    Criterion,
    Gate,
    Limit,
    Margin,
    Plan,
    Platform,
    Receiver,
    RollbackPolicy,
    Step,
    Strategy,
    Tier,
    Validation,
    WindowPhase,
)
from headgate.errors import NotFound, PortError, Unavailable
from headgate.ports import GateOutcome, Link, Message, Record, Store
from headgate.testing.clock import FakeClock
from headgate.testing.fake_alarms import FakeAlarms
from headgate.testing.fake_platform import FakePlatform
from headgate.testing.fake_sessions import FakeSessions, Law, Recording
from headgate.testing.fake_traffic import FakeTraffic
from headgate.testing.memory_store import MemoryStore

AGENT = "coach-companion"
T = TypeVar("T")

_EARLY = (Margin("error", 0.05, ratio=False), Margin("latency_p95", 2.0, ratio=True))
_LATE = (Margin("error", 0.03, ratio=False), Margin("latency_p95", 1.5, ratio=True))
EVENTS = ("started", "advanced", "approval", "hold", "rollback", "incident", "completed")


def simulation_plan(source: str = "./v2", agent: str = AGENT) -> Plan:
    """10 -> 50 -> 100 %, two gates, a window of ten minutes: what a simulation releases unless it is told otherwise."""
    steps = (
        Step(10.0, 60.0, 50, 3600.0, _EARLY),
        Step(50.0, 60.0, 100, 3600.0, _LATE),
        Step(100.0, 60.0, 50, 3600.0, _LATE),
    )
    window = Validation((WindowPhase(600.0, 60.0),), (Criterion(Tier.MUST, "error_rate", "<", 0.05, "< 5%"),))
    return Plan(
        agent=agent,
        platform=Platform("local", (("source", source),)),
        traffic="gateway",
        gates=(Gate("smoke", "smoke.yaml", "", ""), Gate("load", "load.yaml", "", "")),
        strategy=Strategy.CANARY,
        steps=steps,
        rollback=RollbackPolicy(deadline_s=120.0),
        analysis=Analysis(0.05, _LATE, hard=(Limit("error", 0.25),)),
        validation=window,
        session_idle_s=60.0,
        notify=(Receiver("webhook", "https://example.invalid/hook", EVENTS),),
    )


class InlineJobs(Jobs):
    """Does the work where it is asked for: no threads, so that a simulation is the same each time."""

    def __init__(self) -> None:
        """Nothing to start."""

    def result(self, _key: str, work: Callable[[], T]) -> T | None:
        return work()

    def close(self) -> None:
        """Nothing runs."""


@dataclass
class FakeGates:
    """Implements ports.GateRunner. A gate passes unless it is in `failing`; `runs` lists (gate, url).

    What is asked of a url in `away` cannot be reached; `trouble`, while set, is raised of any; `usage` is what the
    agent tells of its tokens.
    """

    failing: set[str] = field(default_factory=set)
    away: set[str] = field(default_factory=set)
    trouble: PortError | None = None
    runs: list[tuple[str, str]] = field(default_factory=list)
    usage: dict[str, int] | None = None

    def run(self, gate: Gate, url: str) -> GateOutcome:
        if self.trouble:
            raise self.trouble
        if url in self.away:
            raise Unavailable(f"gate {gate.name}: {url} cannot be reached")
        self.runs.append((gate.name, url))
        passed = gate.name not in self.failing
        case = {"name": "hello", "passed": passed, "detail": "answered" if passed else "said nothing", "seconds": 0.1}
        measures = {"usage": self.usage} if self.usage else {}
        return GateOutcome(passed, f"{int(passed)}/1 passed", (case,), 0.1, measures)


@dataclass
class FakeChannel:
    """Implements ports.Channel. `sent` lists (key, event, text), `offered` the links of each. `again`: repeatable."""

    trouble: PortError | None = None
    again: bool = True
    sent: list[tuple[str, str, str]] = field(default_factory=list)
    offered: list[tuple[Link, ...]] = field(default_factory=list)

    def repeatable(self, _address: str) -> bool:
        return self.again

    def send(self, message: Message, address: str, links: Sequence[Link]) -> None:  # noqa: ARG002 - the port has it
        if self.trouble:
            raise self.trouble
        self.sent.append((message.key, message.event, message.text))
        self.offered.append(tuple(links))


@dataclass
class MemoryShelf:
    """Implements ports.Shelf. `documents` by (rollout, name); `trouble`, while set, is raised."""

    trouble: PortError | None = None
    documents: dict[tuple[str, str], str] = field(default_factory=dict)

    def put(self, rollout: str, name: str, text: str) -> str:
        if self.trouble:
            raise self.trouble
        self.documents[rollout, name] = text
        return f"memory:{rollout}/{name}"

    def read(self, place: str) -> str:
        """The document at a place that `put` answered."""
        rollout, _, name = place.removeprefix("memory:").partition("/")
        return self.documents[rollout, name]


@dataclass
class FakeTeller:
    """Implements ports.Teller. `parts` by version number; `trouble`, while set, is raised, and of versions `away`."""

    parts: dict[str, dict[str, str]] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    trouble: PortError | None = None

    def told(self, version: Version, *, ask: bool) -> dict[str, str]:  # noqa: ARG002 - the port has it
        if self.trouble:
            raise self.trouble
        if version.number in self.away:
            raise Unavailable(f"version {version.number} does not answer")
        return self.parts.get(version.number, {})


def _courier(world: World) -> Courier:
    return Courier(world, lambda work: work())


class Simulation:
    """One agent, its traffic, a controller, and the clock in your hand.

    `sessions_per_minute`: a number, or a function of Unix time. `turn_s`: time between two turns of the controller.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        seed: int = 0,
        laws: dict[str, Law | Recording] | None = None,
        sessions_per_minute: float | Callable[[float], float] = 300.0,
        turn_s: float = 1.0,
        crash_point: Callable[[str], None] = lambda _where: None,
    ) -> None:
        rate = sessions_per_minute
        self.clock = FakeClock()
        self.store: Store = store or MemoryStore()
        self.platform = FakePlatform()
        self.traffic = FakeTraffic(self.clock)
        self.laws: dict[str, Law | Recording] = laws if laws is not None else {}
        arrivals = rate if callable(rate) else lambda _now: rate
        self.sessions = FakeSessions(AGENT, self.traffic, self.laws, arrivals, seed)
        self.gates, self.channel, self.shelf = FakeGates(), FakeChannel(), MemoryShelf()
        self.alarms = FakeAlarms()
        self.teller = FakeTeller()
        self.turn_s = turn_s
        self.seed = seed
        self.world = World(
            store=self.store,
            clock=self.clock,
            platform=self.platform,
            traffic=self.traffic,
            telemetry=self.sessions,
            gates=self.gates,
            channels={"webhook": self.channel},
            shelf=self.shelf,
            holder="controller-1",
            crash_point=crash_point,
            turn_s=turn_s,
            jobs=InlineJobs,
            alarms=lambda _plan: self.alarms,
            teller=self.teller,
        )
        self.controller = Controller(self.world)
        self.courier = _courier(self.world)
        self.rollout_id = ""

    # --- what people do

    def serve(self, plan: Plan | None = None) -> None:
        """Take the agent on: its baseline is built, pinned and served."""
        self.register(plan or simulation_plan("./v1"))
        for _ in range(20):
            self.turn()
            if self.store.agents():
                return
        raise TimeoutError(f"the agent is not served: {self.controller.trouble}")

    def register(self, plan: Plan) -> None:
        """Ask the controller to serve the plan's agent."""
        commands.register(self.store, plan, commands.Who("alice", "", self.clock.now()))

    def release(self, plan: Plan | None = None, reason: str = "faster answers") -> Rollout:
        """Start a rollout of the plan's candidate."""
        asked = plan or simulation_plan()
        file = commands.PlanFile(asked, digest(to_data(asked)), "headgate.yaml", "")
        who = commands.Who("alice", reason, self.clock.now(), salt=f"salt-{self.seed}")
        made = commands.start(self.store, file, who)
        self.rollout_id = made.id
        return made

    def take_back(self, reason: str) -> Rollout:
        """Go back to the version before, although no rollout runs."""
        agent = commands.served(self.store, AGENT)
        if agent.previous is None:
            raise NotFound(f"{AGENT} has no previous version")
        made = commands.take_back(self.store, agent, agent.previous, commands.Who("alice", reason, self.clock.now()))
        self.rollout_id = made.id
        return made

    def say(self, verb: str, by: str = "alice", reason: str = "because", **more: Any) -> None:
        """A person's word about the rollout, `more` as in `commands.say`. Raises RefusedError as the command would."""
        commands.say(self.store, self.rollout_id, verb, commands.Who(by, reason, self.clock.now()), **more)

    # --- time

    def turn(self) -> None:
        """Time passes, sessions go on, the controller takes one turn."""
        self.pass_time()
        self.controller.turn()
        self.courier.turn()

    def pass_time(self, seconds: float | None = None) -> None:
        """Sessions go on while no controller turns."""
        self.clock.advance(self.turn_s if seconds is None else seconds)
        self.sessions.advance(self.clock.now())

    def run_turns(self, turns: int) -> None:
        """So many turns."""
        for _ in range(turns):
            self.turn()

    def run_until(self, condition: Callable[[Rollout], bool], limit_s: float = 7200.0) -> Rollout:
        """Turns until it holds of the rollout. Raises TimeoutError, saying where it stands, after `limit_s`."""
        end = self.clock.now() + limit_s
        while not condition(self.rollout):
            if self.clock.now() >= end:
                last = self.reasons()[-1:] or ["nothing was decided"]
                raise TimeoutError(f"after {limit_s:g} s: {self.rollout.phase}, {last[0]} {self.controller.trouble}")
            self.turn()
        return self.rollout

    def run_to_the_end(self, limit_s: float = 7200.0) -> Rollout:
        """Until the rollout has ended and all its effects are done."""
        self.run_until(lambda r: r.phase in FINISHED, limit_s)
        return self.run_until(lambda r: not self.store.pending(r.id), limit_s)

    def restart(self, holder: str | None = None) -> Controller:
        """Another controller takes the place of this one, which is not asked: it may have died."""
        self.controller = self.another(holder or self.world.holder)
        self.courier = _courier(self.world)
        return self.controller

    def another(self, holder: str) -> Controller:
        """A second controller of the same store, platform and gateway."""
        return Controller(replace(self.world, holder=holder))

    # --- looking

    @property
    def rollout(self) -> Rollout:
        """The rollout as the store has it."""
        return self.store.load(self.rollout_id)

    def records(self, *kinds: str) -> Sequence[Record]:
        """The rollout's ledger records."""
        return self.store.read(self.rollout_id, kinds=kinds)

    def reasons(self) -> list[str]:
        """Why everything was decided, oldest first."""
        return [r.body["reason"] for r in self.records("decision")]

    def weights(self) -> list[float]:
        """The weights that were verified at the gateway, in order."""
        facts = [r.body["fact"] for r in self.records("decision")]
        return [float(fact["weight"]) for fact in facts if fact["is"] == "TrafficVerified"]
