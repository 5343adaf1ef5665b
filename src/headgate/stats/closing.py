"""Turns in, closed sessions out: a session is bet on once, when a rule that does not look at its variant closes it.

The rules: its first failure, its last turn, its N-th turn, or a time without a turn. What comes after the first of them
is not counted. Open sessions are held; nothing else is.

While every session ends with its first turn and times do not run backwards, sessions close in the order in which they
began, and say so: `Units.in_order`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headgate.stats.experts import Kind
from headgate.stats.units import Bools, Column, Floats, Units, log_place, score_place

_LEAST = 1e-9  # what a value of 0 counts as on a logarithmic scale
_SWEEP_S = 30.0


@dataclass(frozen=True, slots=True)
class Turns:
    """n turns as columns, in the order of time. `values`: by metric; NaN: not measured."""

    t: Floats
    session: np.ndarray[Any, Any]
    candidate: Bools
    weight: Floats  # 0..1, when the session began
    ok: Bools
    end: Bools
    values: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.t)


@dataclass(slots=True)
class _Open:
    candidate: bool
    weight: float
    last: float
    turns: int = 0
    failures: int = 0
    values: dict[str, list[float]] = field(default_factory=dict)
    closed: bool = False  # counted already; held so that later turns of it are known
    in_order: bool = False


class Closing:
    """The sessions that are open. `kinds`: the metrics measured; `flipped`: those that are worse the other way round
    (less time, money, tokens or counts; a higher score).
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        *,
        max_turns: int = 20,
        idle_s: float = 900.0,
        flipped: frozenset[str] = frozenset(),
    ) -> None:
        self._kinds = {name: kind for name, kind in kinds.items() if kind is not Kind.FAILURE}
        self._max_turns, self._idle_s, self._flipped = max_turns, idle_s, flipped
        self._open: dict[Hashable, _Open] = {}
        self._swept = -np.inf
        self._latest = -np.inf
        self._in_order = True
        self.began = self._units([])  # the sessions that began in the last turns taken

    def take(self, turns: Turns) -> Units:
        """The sessions that these turns close, in order."""
        if turns.end.all() and not self._open and len(set(turns.session.tolist())) == len(turns):
            self.began = self._at_once(turns)
            return self.began
        began: list[_Open] = []
        closed: list[_Open] = []
        columns = {name: turns.values[name].tolist() for name in self._kinds if name in turns.values}
        rows = zip(
            turns.t.tolist(),
            turns.session.tolist(),
            turns.candidate.tolist(),
            turns.weight.tolist(),
            turns.ok.tolist(),
            turns.end.tolist(),
            strict=True,
        )
        for i, (t, session, candidate, weight, ok, end) in enumerate(rows):
            mine = self._open.get(session)
            if mine is None:
                mine = self._open[session] = _Open(candidate, weight, t)
                began.append(mine)
            mine.last = t
            self._in_order = self._in_order and t >= self._latest and (end or not ok)
            self._latest = max(self._latest, t)
            if not mine.closed:
                mine.turns += 1
                mine.failures += not ok
                for name, values in columns.items():
                    if values[i] == values[i]:  # not NaN
                        mine.values.setdefault(name, []).append(values[i])
                if end or not ok or mine.turns >= self._max_turns:
                    mine.closed, mine.in_order = True, self._in_order
                    closed.append(mine)
            if end:
                del self._open[session]
        if len(turns):
            closed += self._idle(float(turns.t[-1]))
        self.began = self._units(began)
        return self._units(closed)

    def rest(self) -> Units:
        """All that is still open, closed now: the data have ended."""
        left = [each for each in self._open.values() if not each.closed]
        self._open = {}
        return self._units(left)

    def _idle(self, now: float) -> list[_Open]:
        if now - self._swept < _SWEEP_S:
            return []
        self._swept = now
        gone = [name for name, each in self._open.items() if now - each.last >= self._idle_s]
        left = [self._open.pop(name) for name in gone]
        return [each for each in left if not each.closed]

    def _at_once(self, turns: Turns) -> Units:
        """Sessions of one turn each, which need no memory."""
        columns = {}
        for name, kind in self._kinds.items():
            if name in turns.values:
                measured = np.flatnonzero(~np.isnan(turns.values[name]))
                place = self._place(name, kind, turns.values[name][measured])
                columns[name] = Column(measured, place, np.ones(len(measured)))
        failures = (~turns.ok).astype(np.float64)
        latest = np.maximum.accumulate(np.append(self._latest, turns.t))
        in_order = np.logical_and.accumulate(np.append(self._in_order, turns.t >= latest[:-1]))
        self._latest, self._in_order = float(latest[-1]), bool(in_order[-1])
        return Units(turns.candidate, turns.weight, np.ones(len(turns)), failures, columns, in_order[1:])

    def _units(self, closed: list[_Open]) -> Units:
        columns = {}
        for name, kind in self._kinds.items():
            unit: list[int] = []
            values: list[float] = []
            for i, each in enumerate(closed):
                mine = each.values.get(name)
                if mine:
                    mine = mine if kind is Kind.TIME else [sum(mine) / (len(mine) if kind is Kind.SCORE else 1)]
                    unit += [i] * len(mine)
                    values += mine
            place = self._place(name, kind, np.array(values, np.float64))
            columns[name] = Column(np.array(unit, np.int64), place, np.ones(len(unit)))
        return Units(
            np.array([each.candidate for each in closed], bool),
            np.array([each.weight for each in closed], np.float64),
            np.array([each.turns for each in closed], np.float64),
            np.array([each.failures for each in closed], np.float64),
            columns,
            np.array([each.in_order for each in closed], bool),
        )

    def _place(self, name: str, kind: Kind, values: Floats) -> Floats:
        return placed(values, kind, flipped=name in self._flipped)


def placed(values: Floats, kind: Kind, *, flipped: bool = False) -> Floats:
    """Values of 0 or more as places on the scale of their kind, on which higher is worse.

    `flipped`: less is worse of times, amounts and counts, more of scores.
    """
    if kind is Kind.SCORE:
        return score_place(1.0 - values if flipped else values)
    place = log_place(values + 1.0 if kind is Kind.COUNT else np.maximum(values, _LEAST))
    return -place if flipped else place
