"""A gateway without sockets: the real rules of admission and the real router under a fake clock.

It keeps one policy per agent, pins sessions, drains, moves and owes debt as the embedded gateway does, because it asks
the same pure code; it is held to `TrafficContract` like every other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from headgate.errors import NotFound, PortError, RefusedError, Rejected, StaleTermError
from headgate.gateway.book import Conflict, Kept, admit
from headgate.gateway.policy import BadPolicy, Forced, data_of, parse
from headgate.gateway.router import Moved, Routed, Router
from headgate.ports import Clock, TrafficPolicy, TrafficState


@dataclass(slots=True)
class _Served:
    kept: Kept
    router: Router


class FakeTraffic:
    """Implements ports.Traffic. `trouble`, while set, is raised by every call instead of an answer.

    `history` lists what was in force, as (time, rollout, weight), a line for each change.
    """

    def __init__(self, clock: Clock) -> None:
        self.trouble: PortError | None = None
        self.history: list[tuple[float, str, float]] = []
        self._clock = clock
        self._served: dict[str, _Served] = {}
        self._moves: list[Moved] = []

    # --- the port

    def apply(self, policy: TrafficPolicy) -> None:
        """Put the policy in force; the same one again changes nothing."""
        self._answer()
        try:
            parse(data_of(policy))
            known = self._served.get(policy.agent)
            kept = admit(policy, known.kept if known else None)
        except BadPolicy as error:
            raise Rejected(f"the gateway said 400: {error}") from error
        except Conflict as error:
            raise _REFUSALS[error.kind](f"the gateway said 409: {error}") from error
        if known is None:
            known = self._served[policy.agent] = _Served(kept, Router(kept.policy, kept.forced))
        known.kept = kept
        self._moves += known.router.apply(kept.policy, kept.forced, self._clock.now())
        self._note(known)

    def read(self, agent: str) -> TrafficState:
        """What is served now."""
        self._answer()
        known, now = self._known(agent), self._clock.now()
        policy, forced = known.kept.policy, known.kept.forced
        return TrafficState(
            rollout=policy.rollout,
            term=policy.term,
            epoch=policy.epoch,
            weight=known.router.weight,
            baseline=policy.baseline.number,
            candidate=policy.candidate.number if policy.candidate else "",
            forced_by=forced.by if forced else "",
            forced_reason=forced.reason if forced else "",
            debt=known.router.debt(now),
        )

    def force_down(self, agent: str, by: str, reason: str) -> TrafficState:
        """Weight 0 at once, until another rollout's policy arrives."""
        self._answer()
        known, now = self._known(agent), self._clock.now()
        known.kept = replace(known.kept, forced=Forced(by, reason, now))
        self._moves += known.router.apply(known.kept.policy, known.kept.forced, now)
        self._note(known)
        return self.read(agent)

    # --- the data path, and faults

    def route(self, agent: str, session: str, now: float) -> Routed:
        """The version of one turn, at `now`, by the policy in force."""
        routed = self._known(agent).router.route(session, now)
        if routed.moved:
            self._moves.append(routed.moved)
        return routed

    def policy(self, agent: str) -> TrafficPolicy | None:
        """The policy in force, for looking at."""
        return self._served[agent].kept.policy if agent in self._served else None

    def end(self, agent: str, session: str) -> None:
        """The client ended the session: it is owed no longer."""
        if agent in self._served:
            self._served[agent].router.forget(session)

    def moved(self) -> list[Moved]:
        """Sessions that a rollback policy moved since the last time this was asked."""
        now = self._clock.now()
        for known in self._served.values():
            self._moves += known.router.settle(now)
        moves, self._moves = self._moves, []
        return moves

    def lose(self, agent: str) -> None:
        """Forget the agent, as a gateway does that comes back with an empty disk."""
        del self._served[agent]

    def _answer(self) -> None:
        if self.trouble:
            raise self.trouble

    def _known(self, agent: str) -> _Served:
        if agent not in self._served:
            raise NotFound(f"the gateway said 404: it serves no agent {agent}")
        return self._served[agent]

    def _note(self, known: _Served) -> None:
        now = (known.kept.policy.rollout, known.router.weight)
        if not self.history or self.history[-1][1:] != now:
            self.history.append((self._clock.now(), *now))


_REFUSALS: dict[str, type[RefusedError | Rejected]] = {
    "stale_term": StaleTermError,
    "stale_epoch": Rejected,
    "forced": RefusedError,
}
