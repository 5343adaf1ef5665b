"""Both tests of one rollout on the same sessions: is the candidate worse, and is harm beyond the margins excluded?

State is of constant size. Sessions come in the order they closed (`add`), or summed up elsewhere (`summarise`,
`merged`, `absorb`): by several gateways, or for a second at a time. Sums are whole numbers, so any order of merging
gives the same state to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headgate.stats.experts import Kind
from headgate.stats.label_bet import LabelBet
from headgate.stats.non_inferiority import Harm, HarmSequence
from headgate.stats.reference import Law, Reference
from headgate.stats.units import Ints, Units

_MOST_WAITING = 512  # sessions that margins may be behind by, and an eighth of all: many at once are cheaper


@dataclass(frozen=True, slots=True)
class Setting:
    """What is compared, and how strictly.

    `kinds`: the metrics that are bet on; `weights`: their shares of alpha (0: watched, decides nothing); `margins`: by
    the name of what may not get worse, what that is and its (value, ratio) margins; `target`: odds that prove harm;
    `horizon`: planned sessions of both variants, None where nobody knows. `tolerant`: (ratio, difference) that the
    bets on the label overlook, by metric.
    """

    kinds: Mapping[str, Kind]
    weights: Mapping[str, float]
    margins: Mapping[str, tuple[Harm, Sequence[tuple[float, bool]]]]
    target: float
    horizon: float | None = None
    tolerant: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """Sessions of one weight, summed up with one law: whole numbers by name. Add them with `merged`."""

    weight: float  # 0..1, when they began
    law: int  # sessions that the law had seen, so that summaries of different laws are never mixed
    sums: Mapping[str, Mapping[str, Ints]]


class Comparison:
    """The state of both tests, and what is known of the baseline."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.reference = Reference()
        self.harms = {name: HarmSequence(harm, margins) for name, (harm, margins) in setting.margins.items()}
        self._bets: LabelBet | None = None
        self._waiting: list[Units] = []
        self._behind = 0

    @property
    def bets(self) -> LabelBet:
        """The bets on the label; they begin with what is known of the baseline at that moment."""
        if self._bets is None:
            s, law = self.setting, self.reference.law
            self._bets = LabelBet(s.kinds, s.weights, s.target, horizon=s.horizon, law=law, tolerant=s.tolerant)
        return self._bets

    def remember(self, units: Units) -> None:
        """Sessions of the baseline that nothing was compared with: they teach what is normal, from now on.

        What was added before is judged by what was known before, whenever the next look is.
        """
        self.settle()
        self._learn(units, bet=False)

    def add(self, units: Units, seen: Callable[[Units, Law], None] | None = None) -> None:
        """Sessions of both variants, once each, in the order they closed.

        `seen` is told them in parts, with the law that each was bet on with.
        """
        self._learn(units, bet=True, seen=seen)
        if self._behind >= min(_MOST_WAITING, self.bets.sessions // 8 + 1):
            self.settle()

    def _learn(self, units: Units, *, bet: bool, seen: Callable[[Units, Law], None] | None = None) -> None:
        """Cut where the law is renewed, so that it never depends on how sessions came in batches."""
        baseline = ~units.candidate
        at = 0
        while at < len(units):
            known = np.cumsum(baseline[at:])
            room = self.reference.room
            end = at + int(np.searchsorted(known, room)) + 1
            end = min(end, len(units))
            part = units.part(at, end)
            if bet:
                self.bets.update(part, self.reference.law)
                self._waiting.append(part)
                self._behind += len(part)
                if seen is not None:
                    seen(part, self.reference.law)
                if known[end - at - 1] >= room:
                    self.settle()
            self.reference.learn(part.of(~part.candidate))
            at = end

    def settle(self) -> None:
        """Let the margins catch up with the bets; before a look that must be exact."""
        if self._waiting:
            units = Units.joined(self._waiting)
            self._waiting, self._behind = [], 0
            for harm in self.harms.values():
                harm.update(units, self.reference.law)

    def summarise(self, units: Units) -> list[Summary]:
        """Sessions that were counted elsewhere with the law that this comparison has now, one summary per weight."""
        law, made = self.reference.law, []
        for weight in np.unique(units.weight):
            part = units.of(units.weight == weight)
            sums = {"bets": self.bets.summarise(part, law)}
            sums.update({f"harm {name}": harm.summarise(part, law) for name, harm in self.harms.items()})
            sums["reference"] = self.reference.summarise(part.of(~part.candidate))
            made.append(Summary(float(weight), self.reference.sessions, sums))
        return made

    def absorb(self, summaries: Sequence[Summary]) -> None:
        """Take in summaries, in any order and however they were cut; the same sessions give the same state.

        Raises ValueError where they were made with another law than the present one.
        """
        self.settle()
        if strange := [s.law for s in summaries if s.law != self.reference.sessions]:
            raise ValueError(f"a summary was made with the law of {strange[0]} sessions, not {self.reference.sessions}")
        whole = merged(summaries)
        for summary in whole:
            self.bets.absorb(summary.sums["bets"], summary.weight)
            for name, harm in self.harms.items():
                harm.absorb(summary.sums[f"harm {name}"], summary.weight, self.reference.law)
        for summary in whole:
            self.reference.absorb(summary.sums["reference"])

    def to_data(self) -> dict[str, Any]:
        """The exact state as JSON data."""
        self.settle()
        return {
            "bets": self.bets.to_data(),
            "harms": {name: harm.to_data() for name, harm in self.harms.items()},
            "reference": self.reference.to_data(),
        }

    @classmethod
    def from_data(cls, setting: Setting, data: Mapping[str, Any]) -> Comparison:
        """The inverse of `to_data`, for the same setting."""
        made = cls(setting)
        made._bets = LabelBet.from_data(data["bets"])
        made.harms = {name: HarmSequence.from_data(h.harm, data["harms"][name]) for name, h in made.harms.items()}
        made.reference = Reference.from_data(data["reference"])
        return made


def merged(summaries: Sequence[Summary]) -> list[Summary]:
    """One summary per weight, ordered by weight. Raises ValueError where laws differ."""
    if len({summary.law for summary in summaries}) > 1:
        raise ValueError("summaries of different laws cannot be merged")
    made: dict[float, dict[str, dict[str, Ints]]] = {}
    for summary in summaries:
        into = made.setdefault(summary.weight, {})
        for part, sums in summary.sums.items():
            mine = into.setdefault(part, {})
            for name, counts in sums.items():
                mine[name] = mine[name] + counts if name in mine else counts
    law = summaries[0].law if summaries else 0
    return [Summary(weight, law, made[weight]) for weight in sorted(made)]
