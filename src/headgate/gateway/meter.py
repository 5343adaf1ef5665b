"""What one agent's traffic measured: aggregates per second and per variant, and one summary per session.

A session is closed by a rule that does not look at its variant: first failure, N-th turn, idle, stop. It is summarised
once; later turns of a closed session count in the seconds only. Everything here is in memory; `take` hands over what
is to be committed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from headgate.gateway.router import Moved, Pin
from headgate.gateway.sse import Usage
from headgate.gateway.told import NOTHING, Own, Told
from headgate.ports import TrafficPolicy
from headgate.stats.histogram import bucket_of
from headgate.stats.observations import CLIENT_FAULT, hashed

_SWEEP = 1000  # open sessions looked at in one sweep

Label = tuple[str, str, float, int]  # variant, version, weight, epoch


class Tokens(NamedTuple):
    """Of a stream: time to its first token, and the longest wait after one, in ms. None: there was none."""

    first: float | None
    gap: float | None


class Turn(NamedTuple):
    """One finished request. `error`: its kind, or "". Times in ms; `ttfb` None: no byte of the answer's body came.

    `latency` is until the last byte; `tokens` None: the answer was no stream. `told`: of the plan's own metrics.
    """

    label: Label
    error: str
    latency: float
    ttfb: float | None
    usage: Usage | None
    tokens: Tokens | None = None
    told: Told = NOTHING


class _Sums:
    """Counts that a second and a session have in common."""

    __slots__ = ("cost", "latency", "tokens_in", "tokens_out", "ttfb")

    def __init__(self) -> None:
        self.latency: dict[int, int] = {}
        self.ttfb: dict[int, int] = {}
        self.tokens_in = 0
        self.tokens_out = 0
        self.cost = 0.0

    def add(self, latency: int, ttfb: int | None, usage: Usage | None, cost: float) -> None:
        self.latency[latency] = self.latency.get(latency, 0) + 1
        if ttfb is not None:
            self.ttfb[ttfb] = self.ttfb.get(ttfb, 0) + 1
        if usage is not None:
            self.tokens_in += usage.tokens_in
            self.tokens_out += usage.tokens_out
            self.cost += cost

    def data(self) -> dict[str, Any]:
        return {
            "latency": dict(self.latency),
            "ttfb": dict(self.ttfb),
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "cost_usd": self.cost,
        }


class _Second(_Sums):
    __slots__ = ("errors", "first_token", "refused", "requests", "sessions", "streams", "token_gap")

    def __init__(self) -> None:
        super().__init__()
        self.requests = 0
        self.sessions = 0
        self.streams = 0
        self.refused = 0
        self.errors: dict[str, int] = {}
        self.first_token: dict[int, int] = {}
        self.token_gap: dict[int, int] = {}

    def stream(self, tokens: Tokens) -> None:
        """One more answer that came as a stream."""
        self.streams += 1
        for times, ms in ((self.first_token, tokens.first), (self.token_gap, tokens.gap)):
            if ms is not None:
                bucket = bucket_of(ms)
                times[bucket] = times.get(bucket, 0) + 1

    def rare_data(self) -> dict[str, Any]:
        """What a row says of streams and of refused values; nothing where there was none."""
        refused = {"refused": self.refused} if self.refused else {}
        if not self.streams:
            return refused
        return {"streams": self.streams, "first_token": self.first_token, "token_gap": self.token_gap, **refused}


class _Open(_Sums):
    """A session whose summary is not written yet. Its labels are those of its beginning."""

    __slots__ = ("failures", "label", "own", "pin", "started", "turns")

    def __init__(self, pin: Pin, label: Label) -> None:
        super().__init__()
        self.pin = pin
        self.label = label
        self.started = pin.started
        self.turns = 0
        self.failures = 0
        self.own = Own()

    def data(self) -> dict[str, Any]:
        variant, version, weight, epoch = self.label
        return {
            "variant": variant,
            "version": version,
            "weight": weight,
            "epoch": epoch,
            "started": self.started,
            "turns": self.turns,
            "failures": self.failures,
            **super().data(),
            **self.own.data(),
        }


@dataclass(slots=True)
class Batch:
    """What one commit of the journal holds. `sessions`: open ones with their data, None for one that was closed."""

    rows: list[tuple[str, float, dict[str, Any]]] = field(default_factory=list)
    sessions: list[tuple[str, str, dict[str, Any] | None]] = field(default_factory=list)
    forgotten: list[tuple[str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.rows or self.sessions or self.forgotten)


@dataclass(slots=True)
class Total:
    """Since the process began; for Prometheus."""

    requests: int = 0
    sessions: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    latency_ms: float = 0.0
    refused: int = 0


OnClose = Callable[[str, dict[str, Any]], bool]


def _unrecorded(_session: str, _row: dict[str, Any]) -> bool:
    return False


class Meter:
    """The counters of one agent. `on_close` is told of each summary, and answers whether the session was recorded."""

    def __init__(self, agent: str, on_close: OnClose = _unrecorded) -> None:
        self.agent = agent
        self._on_close = on_close
        self.totals: dict[tuple[str, str], Total] = {}
        self._seconds: dict[tuple[int, Label], _Second] = {}
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._changed: set[str] = set()
        self._batch = Batch()

    def began(self, pin: Pin, now: float) -> None:
        """A session began in this second."""
        label = label_of(pin)
        self._second(label, now).sessions += 1
        self._total(label).sessions += 1

    def turn(self, session: str, pin: Pin, turn: Turn, policy: TrafficPolicy, now: float) -> None:
        """A request finished: counted in its second, and in its session where that is still open.

        The turn has its own label: the session may have been moved since it began.
        """
        latency, label = bucket_of(_waited(turn)), turn.label
        ttfb = None if turn.ttfb is None else bucket_of(turn.ttfb)
        cost = 0.0 if turn.usage is None else _cost(turn.usage, policy)
        second, total = self._second(label, now), self._total(label)
        second.requests += 1
        total.requests += 1
        total.latency_ms += turn.latency
        if turn.error:
            second.errors[turn.error] = second.errors.get(turn.error, 0) + 1
            total.errors[turn.error] = total.errors.get(turn.error, 0) + 1
        second.add(latency, ttfb, turn.usage, cost)
        second.refused += turn.told.refused
        total.refused += turn.told.refused
        if turn.tokens is not None:
            second.stream(turn.tokens)
        if pin.closed:
            return
        opened = self._open.get(session)
        if opened is None:
            opened = self._open[session] = _Open(pin, label)
        opened.turns += 1
        opened.add(latency, ttfb, turn.usage, cost)
        opened.own.add(turn.told, dict(policy.metrics))
        if turn.error and turn.error != CLIENT_FAULT:
            opened.failures += 1
            self._close(session, now, "failure")
        elif opened.turns >= policy.session_turns:
            self._close(session, now, "turns")
        else:
            self._changed.add(session)
            self._open.move_to_end(session)

    def moved(self, moves: Iterable[Moved], now: float) -> None:
        """Sessions were moved: each a row; what they did so far is summarised, for from now on another version serves
        them.
        """
        for move in moves:
            if move.session in self._open:
                self._close(move.session, now, "stop")
            elif not move.pin.closed:
                move.pin.closed = True
                self._batch.sessions.append((self.agent, move.session, None))
            row = {
                "kind": "move",
                "t": now,
                "session": hashed(move.session),
                "from_version": move.from_version,
                "to_version": move.pin.version,
                "policy": move.policy,
            }
            self._batch.rows.append((self.agent, now, row))

    def forget(self, sessions: Iterable[str], now: float, by: str) -> None:
        """Their pins are gone: summarised where that was not done, and then nothing needs to be remembered of them."""
        for session in sessions:
            if session in self._open:
                self._close(session, now, by)
            self._batch.forgotten.append((self.agent, session))

    def close_idle(self, now: float, idle_s: float) -> None:
        """Closes sessions whose last turn is longer ago than `idle_s`; a turn in flight keeps its pin young."""
        for _ in range(min(_SWEEP, len(self._open))):
            session, opened = next(iter(self._open.items()))
            if now - opened.pin.seen > idle_s:
                self._close(session, now, "idle")
            elif now - opened.started > idle_s:  # old, but with a turn in flight: the ones behind it may still be idle
                self._open.move_to_end(session)
            else:
                return

    def _close(self, session: str, now: float, by: str) -> None:
        opened = self._open.pop(session)
        self._changed.discard(session)
        opened.pin.closed = True
        row = {"kind": "session", "t": now, "session": hashed(session), **opened.data(), "closed_by": by}
        if self._on_close(session, row):
            row["recorded"] = True
        self._batch.rows.append((self.agent, now, row))
        self._batch.sessions.append((self.agent, session, None))

    def take(self, now: float, *, everything: bool = False) -> Batch:
        """What is to be committed now: finished seconds (or all), closed sessions, and how far the open ones are."""
        batch, self._batch = self._batch, Batch()
        # a session id that was stopped and used again within this batch is not forgotten
        batch.forgotten = [(agent, session) for agent, session in batch.forgotten if session not in self._open]
        this = int(now)
        for key in [key for key in self._seconds if everything or key[0] != this]:
            batch.rows.append((self.agent, float(key[0]), _second_row(key, self._seconds.pop(key))))
        batch.sessions.extend((self.agent, session, self._open[session].data()) for session in self._changed)
        self._changed.clear()
        return batch

    def restore(self, session: str, pin: Pin, data: dict[str, Any] | None) -> None:
        """Takes over a session from the journal: how far it was, or None for a closed one."""
        if data is None:
            pin.closed = True
            return
        opened = _Open(pin, (data["variant"], data["version"], data["weight"], data["epoch"]))
        opened.started, opened.turns, opened.failures = data["started"], data["turns"], data["failures"]
        opened.latency = {int(k): v for k, v in data["latency"].items()}
        opened.ttfb = {int(k): v for k, v in data["ttfb"].items()}
        opened.tokens_in, opened.tokens_out, opened.cost = data["tokens_in"], data["tokens_out"], data["cost_usd"]
        opened.own = Own.from_data(data)
        self._open[session] = opened

    def _second(self, label: Label, now: float) -> _Second:
        key = (int(now), label)
        second = self._seconds.get(key)
        if second is None:
            second = self._seconds[key] = _Second()
        return second

    def _total(self, label: Label) -> Total:
        key = label[:2]
        total = self.totals.get(key)
        if total is None:
            total = self.totals[key] = Total()
        return total


def _waited(turn: Turn) -> float:
    """How long the caller waited (ms): for the answer, or of a stream the longest wait for its next token."""
    if turn.tokens is None or turn.tokens.first is None:
        return turn.latency
    return max(turn.tokens.first, turn.tokens.gap or 0.0)


def label_of(pin: Pin) -> Label:
    """What the rows of a session say of its variant."""
    return pin.variant, pin.version, pin.weight, pin.epoch


def _second_row(key: tuple[int, Label], second: _Second) -> dict[str, Any]:
    t, (variant, version, weight, epoch) = key
    return {
        "kind": "second",
        "t": t,
        "variant": variant,
        "version": version,
        "weight": weight,
        "epoch": epoch,
        "requests": second.requests,
        "errors": second.errors,
        **second.data(),
        "sessions": second.sessions,
        **second.rare_data(),
    }


def _cost(usage: Usage, policy: TrafficPolicy) -> float:
    if usage.cost_usd is not None:
        return usage.cost_usd
    spent = usage.tokens_in * policy.usd_per_million_input + usage.tokens_out * policy.usd_per_million_output
    return spent / 1e6
