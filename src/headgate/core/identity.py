"""What a version is made of, part by part, so that two versions, or one version at two times, can be compared.

A version is more than its code: the prompt, the model behind an alias, tools, guardrail and the form of its memory
decide how it behaves, and some of them may change while no deployment is made. A part that nobody names is not known,
and what is not known is never "the same".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PARTS = ("code", "environment", "prompt", "model", "tools", "guardrail", "memory")
LONGEST = 200  # characters of a part's value
MOST = 32  # parts

Values = tuple[tuple[str, str], ...]  # (part, digest or name), sorted


@dataclass(frozen=True, slots=True)
class Identity:
    """The value of each part: a digest, or a name such as a model id.

    `built`: as the platform knows the version that it built; `told`: as the version says itself. The two name a part in
    different ways, so only values from the same side are ever compared.
    """

    built: Values = ()
    told: Values = ()


@dataclass(frozen=True, slots=True)
class Watched:
    """How a plan wants versions to be watched for drift: every so many seconds.

    `ask`: also by a request to the agent itself, where it has no /ping that we can reach. `hold`: a person decides when
    the candidate alone became another. `variables`: (part, name of the agent's environment variable that holds it).
    """

    every_s: float = 30.0
    ask: bool = False
    hold: bool = True
    variables: Values = ()


class Sameness(StrEnum):
    SAME = "same"
    CHANGED = "changed"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Compared:
    """One part of two identities; "" where a value is not known."""

    part: str
    answer: Sameness
    before: str = ""
    after: str = ""


def values(parts: Mapping[str, str]) -> Values:
    """Parts in the one order that they are kept in."""
    return tuple(sorted(parts.items()))


def of_record(body: Mapping[str, Any]) -> Identity:
    """The identity in the body of a ledger record `version.identity`."""
    return Identity(values(body["built"]), values(body["told"]))


def compare(one: Identity, other: Identity) -> tuple[Compared, ...]:
    """All parts, the usual ones first. What versions say themselves counts before what they were built of."""
    sides = ((dict(one.told), dict(other.told)), (dict(one.built), dict(other.built)))
    named = {part for side in sides for each in side for part in each}
    found = []
    for part in [*PARTS, *sorted(named - set(PARTS))]:
        pair = next(((a[part], b[part]) for a, b in sides if part in a and part in b), None)
        if pair is None:
            found.append(Compared(part, Sameness.UNKNOWN))
        else:
            found.append(Compared(part, Sameness.SAME if pair[0] == pair[1] else Sameness.CHANGED, *pair))
    return tuple(found)


def moved(before: Identity, after: Identity) -> tuple[Compared, ...]:
    """The parts of one version that are not what they were. One that is not told any more is no change."""
    found = []
    for old, new in ((before.built, after.built), (before.told, after.told)):
        now = dict(new)
        found += [Compared(part, Sameness.CHANGED, was, now[part]) for part, was in old if now.get(part, was) != was]
    return tuple(found)


def merged(before: Identity, after: Identity) -> Identity:
    """What is known now: a part that is not told any more is as it was told last."""
    return Identity(
        values({**dict(before.built), **dict(after.built)}), values({**dict(before.told), **dict(after.told)})
    )


def words(found: tuple[Compared, ...]) -> str:
    """Which parts changed, in a sentence: "prompt (ab12... -> cd34...), model (a -> b)"."""
    return ", ".join(f"{each.part} ({short(each.before)} -> {short(each.after)})" for each in found)


def short(value: str) -> str:
    """A digest as people read it; any other value as it is."""
    digits = value.removeprefix("sha256:")
    return digits[:12] if len(digits) == 64 and not set(digits) - set("0123456789abcdef") else value
