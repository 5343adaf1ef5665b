"""Decide a rollout again from its ledger, and say what would come out differently today. Pure.

The state is carried from `rollout.created` through every recorded fact, as the controller did. Digests vouch for the
whole state; after the first difference they differ for ever, so from there on only what people can read is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.core.codec import digest, from_data, to_data
from headgate.core.decide import decide
from headgate.core.facts import Fact
from headgate.core.model import Rollout
from headgate.errors import UsageError
from headgate.ports import Data, Record


@dataclass(frozen=True, slots=True)
class Difference:
    """The decision of record `seq` would differ: `what` says in which members, recorded and now."""

    seq: int
    what: str

    def __str__(self) -> str:
        return f"L{self.seq}: {self.what}"


@dataclass(frozen=True, slots=True)
class Replayed:
    """`decisions` were made again; none of them differs where `differing` is empty."""

    decisions: int
    differing: tuple[Difference, ...] = ()


def replay(records: Sequence[Record]) -> Replayed:
    """Make every decision of one rollout again. `records` are its ledger records in order, from `rollout.created` on.

    Raises UsageError where there is no `rollout.created`, or a record is of a form that this version cannot read.
    """
    created = next((r for r in records if r.kind == "rollout.created"), None)
    if created is None:
        raise UsageError(
            f"no rollout among {len(records)} ledger records: there is no `rollout.created` to begin from",
            "ask for a rollout that `headgate rollout list` shows",
        )
    rollout: Rollout = _read(created, Rollout, created.body.get("rollout"))
    decisions = [r for r in records if r.kind == "decision"]
    differing: list[Difference] = []
    for record in decisions:
        rollout, found = _again(rollout, record, digests=not differing)
        differing += (Difference(record.seq, what) for what in found)
    return Replayed(len(decisions), tuple(differing))


def _again(rollout: Rollout, record: Record, *, digests: bool) -> tuple[Rollout, list[str]]:
    """The state after one decision, and in what it differs from the recorded one."""
    body = record.body
    fact: Fact = _read(record, Fact, body.get("fact"))
    made = decide(rollout, fact, float(body["now"]))
    now: Data = {
        "before": digest(to_data(rollout)),
        "to": made.rollout.phase.value,
        "step": made.rollout.step,
        "weight": to_data(made.rollout.weight),
        "reason": made.reason,
        "effects": [to_data(effect) for effect in made.effects],
        "after": digest(to_data(made.rollout)),
    }
    found = list(_differences(body, now, ("to", "step", "weight", "reason", "effects")))
    if not found and digests:
        found = list(_differences(body, now, ("before", "after")))
    return made.rollout, found


def _differences(recorded: Data, now: Data, names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        if recorded.get(name) != now[name]:
            yield f"{name} was {recorded.get(name)!r}, and would be {now[name]!r}"


def _read(record: Record, kind: Any, data: Any) -> Any:
    try:
        return from_data(kind, data)
    except ValueError as error:
        raise UsageError(
            f"ledger record {record.id} ({record.kind}) cannot be read by this version of headgate: {error}",
            "replay it with the version that wrote it",
        ) from error
