"""A store in memory, held to the same contract as the others: for simulations and tests."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from headgate.core.model import FINISHED, Rollout
from headgate.ports import (
    Agent,
    Change,
    Command,
    Delivery,
    Entry,
    Lease,
    Message,
    PendingEffect,
    Record,
    Spent,
    Store,
)
from headgate.stats.observations import Row, Score, Second, Session
from headgate.store import rules
from headgate.store.chain import GENESIS, Link, Verification, extend, record_of, verify_links


@dataclass(slots=True)
class _Asked:
    rollout: str
    pending: PendingEffect
    settled: bool = False


@dataclass(slots=True)
class _Seen:
    """An agent's observations; a row's position is its index + 1 over all agents."""

    sessions: list[tuple[int, Session]] = field(default_factory=list)
    seconds: list[tuple[float, int, Second]] = field(default_factory=list)  # (time, position, row), in that order
    places: set[tuple[str, int]] = field(default_factory=set)  # (log, seq)
    cursor: str = ""


class MemoryStore(Store):
    """Every port of the store. Threads may share it; it keeps values as they are and ledger bodies as JSON text."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._rollouts: dict[str, Rollout] = {}
        self._agents: dict[str, Agent] = {}
        self._effects: dict[str, _Asked] = {}
        self._leases: dict[str, Lease] = {}
        self._commands: list[Command] = []
        self._consumed: set[int] = set()
        self._ledger: list[Link] = []
        self._seen: dict[str, _Seen] = {}
        self._scores: dict[str, list[Score]] = {}
        self._positions = 0
        self._outbox: dict[str, Delivery] = {}
        self._links: set[str] = set()

    def close(self) -> None:
        """Nothing to let go of."""

    def create(self, rollout: Rollout, entries: Sequence[Entry], now: float) -> list[Record]:
        """Put a new rollout in. RefusedError: its agent has an active one, or its id is taken."""
        with self._lock:
            if rollout.id in self._rollouts:
                raise rules.same_id(rollout.id)
            self._check_only_active(rollout)
            links = extend(self.head(), entries, now)
            self._rollouts[rollout.id] = rollout
            return self._extend(links)

    def load(self, rollout: str) -> Rollout:
        """The rollout of this id, or of the only id that begins so. NotFound names the near ones."""
        with self._lock:
            return self._rollouts[rules.which_rollout(rollout, list(self._rollouts))]

    def all(self, *, active: bool = False, agent: str = "") -> list[Rollout]:
        """Rollouts in the order of their creation; only the unfinished, only an agent's."""
        with self._lock:
            return [
                r
                for r in self._rollouts.values()
                if not (active and r.phase in FINISHED) and (not agent or r.agent == agent)
            ]

    def agents(self) -> list[Agent]:
        """The agents that are served, by name."""
        with self._lock:
            return [self._agents[name] for name in sorted(self._agents)]

    def pending(self, rollout: str) -> list[PendingEffect]:
        """Effects asked and not settled, oldest first."""
        with self._lock:
            return [e.pending for e in self._effects.values() if e.rollout == rollout and not e.settled]

    def commit(self, change: Change, lease: Lease, now: float) -> list[Record]:
        """All of a decision or nothing. StaleTermError: the lease has passed on. Returns the entries' records."""
        with self._lock:
            rules.check_term(lease, self._leases.get(lease.name))
            self._check(change)
            links = extend(self.head(), change.entries, now)
            # nothing below can fail
            if change.rollout is not None:
                self._rollouts[change.rollout.id] = change.rollout
                for effect in change.asked:
                    asked = _Asked(change.rollout.id, PendingEffect(effect.key, effect, now))
                    self._effects.setdefault(effect.key, asked)
            if change.agent is not None:
                self._agents[change.agent.name] = change.agent
            for key in change.settled:
                if key in self._effects:
                    self._effects[key].settled = True
            self._consumed.update(change.consumed)
            self._put(change.messages)
            return self._extend(links)

    def _check(self, change: Change) -> None:
        rollout = change.rollout
        if rollout is not None:
            if rollout.id not in self._rollouts or self._rollouts[rollout.id].agent != rollout.agent:
                raise rules.never_created(rollout)
            self._check_only_active(rollout)
        for effect in change.asked:
            if rollout is None:
                raise rules.ownerless_effects()
            asked = self._effects.get(effect.key)
            if asked is not None and asked.rollout != rollout.id:
                raise rules.foreign_key(effect.key, asked.rollout)
        waiting = {c.id for c in self._commands} - self._consumed
        for command in change.consumed:
            if command not in waiting:
                raise rules.spent_command(command)
            waiting.remove(command)

    def _check_only_active(self, rollout: Rollout) -> None:
        if rollout.phase in FINISHED:
            return
        for other in self.all(active=True, agent=rollout.agent):
            if other.id != rollout.id:
                raise rules.second_rollout(other)

    def append(self, entries: Sequence[Entry], now: float, messages: Sequence[Message] = ()) -> list[Record]:
        """Put entries at the end of the ledger, and into the outbox what people are told of them."""
        with self._lock:
            links = extend(self.head(), entries, now)
            self._put(messages)
            return self._extend(links)

    def _extend(self, links: list[Link]) -> list[Record]:
        self._ledger += links
        return [record_of(link) for link in links]

    def read(self, rollout: str = "", *, after: int = 0, kinds: Sequence[str] = ()) -> list[Record]:
        """Records after `after` in order; only a rollout's, only of some kinds, where these are given."""
        with self._lock:
            return [
                record_of(link)
                for link in self._ledger[max(after, 0) :]
                if (not rollout or link.rollout == rollout) and (not kinds or link.kind in kinds)
            ]

    def head(self) -> tuple[int, str]:
        """How many records there are, and the hash of the last one."""
        with self._lock:
            return len(self._ledger), self._ledger[-1].hash if self._ledger else GENESIS

    def verify(self, expected_head: str = "") -> Verification:
        """Read the whole ledger and find what is not as it was written; see the SQLite store."""
        with self._lock:
            return verify_links(self._ledger, self.head(), expected_head)

    def acquire(self, name: str, holder: str, ttl: float, now: float) -> Lease | None:
        """Take or renew a lease for `ttl` seconds; None while another holds it."""
        with self._lock:
            lease = rules.next_lease(self._leases.get(name), name, holder, ttl, now)
            if lease is not None:
                self._leases[name] = lease
            return lease

    def release(self, lease: Lease) -> None:
        """Give a lease back. One that has passed to another stays with that one."""
        with self._lock:
            current = self._leases.get(lease.name)
            if current is not None and (current.term, current.holder) == (lease.term, lease.holder):
                self._leases[lease.name] = rules.released(current)

    def post(self, command: Command, link: str = "") -> int:
        """Leave a person's word; the id that it got is returned (the command's own is ignored)."""
        with self._lock:
            self._spend(link)
            self._commands.append(replace(command, id=len(self._commands) + 1))
            return len(self._commands)

    def spend(self, link: str, entries: Sequence[Entry], now: float) -> list[Record]:
        """What a signed link says that is no command: once, and on the ledger."""
        with self._lock:
            links = extend(self.head(), entries, now)
            self._spend(link)
            return self._extend(links)

    def _spend(self, link: str) -> None:
        if link in self._links:
            raise rules.spent_link()
        if link:
            self._links.add(link)

    def undelivered(self) -> list[Delivery]:
        """Messages that wait or are being sent, oldest first."""
        with self._lock:
            return [d for d in self._outbox.values() if d.state in {"waiting", "sending"}]

    def deliveries(self, rollout: str | None = None) -> list[Delivery]:
        """All messages of a rollout, or of all, oldest first."""
        with self._lock:
            return [d for d in self._outbox.values() if rollout in {None, d.message.rollout}]

    def claim(self, key: str, attempts: int, now: float) -> bool:
        """Whether the caller may send: false where another has begun the attempt after `attempts`, or it is settled."""
        with self._lock:
            known = self._outbox.get(key)
            if known is None or known.attempts != attempts or known.state not in {"waiting", "sending"}:
                return False
            self._outbox[key] = replace(known, state="sending", attempts=attempts + 1, next_at=now)
            return True

    def settle(self, done: Delivery, entries: Sequence[Entry], now: float) -> bool:
        """How attempt `done.attempts` ended. False, and nothing is written, where a later attempt has begun."""
        with self._lock:
            known = self._outbox.get(done.message.key)
            if known is None or (known.attempts, known.state) != (done.attempts, "sending"):
                return False
            links = extend(self.head(), entries, now)
            self._outbox[done.message.key] = replace(done, message=known.message)
            self._extend(links)
            return True

    def again(self, was: Delivery, entries: Sequence[Entry], now: float) -> bool:
        """An ended delivery waits once more. False, and nothing is written, where it is not as `was` says any more."""
        with self._lock:
            known = self._outbox.get(was.message.key)
            ended = known is not None and known.state not in {"waiting", "sending"}
            if known is None or not ended or (known.attempts, known.state) != (was.attempts, was.state):
                return False
            links = extend(self.head(), entries, now)
            self._outbox[was.message.key] = replace(known, state="waiting", next_at=0.0, error="")
            self._extend(links)
            return True

    def _put(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._outbox.setdefault(message.key, Delivery(message))

    def waiting(self, rollout: str | None = None) -> list[Command]:
        """Words that were not consumed, oldest first: a rollout's, or all."""
        with self._lock:
            return [c for c in self._commands if c.id not in self._consumed and rollout in {None, c.rollout}]

    def delay(self, key: str, next_at: float, error: str) -> None:
        """One attempt at an effect failed: do not try before `next_at`. A settled one stays settled."""
        with self._lock:
            if key not in self._effects:
                raise rules.unknown_effect(key)
            asked = self._effects[key]
            tried = asked.pending.attempts + 1
            asked.pending = replace(asked.pending, attempts=tried, next_at=next_at, error=error)

    def ingest(self, agent: str, rows: Sequence[Row], cursor: str) -> None:
        """Keep rows and the cursor after them. A row that is there already (agent, log, seq) is not kept twice."""
        log = rules.log_of(cursor)
        with self._lock:
            seen = self._seen.setdefault(agent, _Seen())
            for row in rows:
                if (log, row.seq) not in seen.places:
                    self._positions += 1
                    seen.places.add((log, row.seq))
                    if isinstance(row, Session):
                        seen.sessions.append((self._positions, row))
                    elif isinstance(row, Second):
                        insort(seen.seconds, (float(row.t), self._positions, row))
            seen.cursor = cursor

    def cursor(self, agent: str) -> str:
        """The cursor after the last ingested rows; "" before the first."""
        with self._lock:
            return self._seen.get(agent, _Seen()).cursor

    def sessions(self, agent: str, *, after: int = 0, since: float = 0.0) -> list[tuple[int, Session]]:
        """(position, session) in the order they came in: positions above `after`, closed at `since` or later."""
        with self._lock:
            rows = self._seen.get(agent, _Seen()).sessions
            first = bisect_left(rows, after + 1, key=lambda row: row[0])
            return [(i, row) for i, row in rows[first:] if row.t >= since]

    def keep_scores(self, agent: str, scores: Sequence[Score]) -> None:
        """Keep scores; the second one of a session by the same evaluators is not kept."""
        with self._lock:
            kept = self._scores.setdefault(agent, [])
            for score in scores:
                if all((each.session, each.digest) != (score.session, score.digest) for each in kept):
                    kept.append(score)

    def scores(self, agent: str, *, after: int = 0) -> list[tuple[int, Score]]:
        """(position, score) in the order they came in: positions above `after`."""
        with self._lock:
            return list(enumerate(self._scores.get(agent, []), 1))[after:]

    def seconds(self, agent: str, *, since: float = 0.0, until: float | None = None) -> list[Second]:
        """Per-second rows with since <= t < until (Unix s), by time; rows of the same second are not merged."""
        with self._lock:
            rows = self._seen.get(agent, _Seen()).seconds
            first = bisect_left(rows, since, key=lambda row: row[0])
            end = len(rows) if until is None else bisect_left(rows, until, key=lambda row: row[0])
            return [row for _, _, row in rows[first:end]]

    def spent(self, agent: str, *, since: float, until: float, version: str = "") -> Spent:
        """What was spent with since <= t < until (Unix s), by one version or by all."""
        rows = [r for r in self.seconds(agent, since=since, until=until) if not version or r.version == version]
        return Spent(
            sum(r.cost_usd for r in rows),
            sum(r.tokens_in + r.tokens_out for r in rows),
            sum(r.requests for r in rows),
            float(rows[0].t) if rows else None,
        )
