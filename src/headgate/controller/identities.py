"""What each version is made of: noted when it is first seen, and looked at again for as long as it is watched.

A version is asked in the background. A part that is another than it was is believed when it is seen twice in a row:
both versions are asked once more, so that a change of both, which no two questions meet at one instant, is seen as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from headgate.controller.world import World
from headgate.core import identity as parts
from headgate.core.facts import Drifted
from headgate.core.identity import Compared, Identity, Watched
from headgate.core.model import Rollout, Variant, Version
from headgate.errors import HeadgateError
from headgate.ports import Agent, Data, Entry, Teller, VersionState


@dataclass(frozen=True, slots=True)
class News:
    """`entries` for the ledger; `moved`: the parts that changed without a deployment, by version number."""

    entries: tuple[Entry, ...]
    moved: Mapping[str, tuple[Compared, ...]]

    def fact(self, rollout: Rollout, left: tuple[tuple[str, float], ...]) -> tuple[Drifted, tuple[Entry, ...]]:
        """What the core is told, and what goes on the ledger with it."""
        names = {rollout.baseline.number: Variant.BASELINE}
        if rollout.candidate:
            names[rollout.candidate.number] = Variant.CANDIDATE
        variants = tuple(variant for number, variant in names.items() if number in self.moved)
        body = {**_drift(rollout.agent, self.moved), "variants": [v.value for v in variants], "left": dict(left)}
        return Drifted(variants, body["detail"], left), (*self.entries, Entry("identity.drift", body, rollout.id))


@dataclass(slots=True)
class _Seen:
    """What is remembered of a rollout, or of an agent that has none; by version number."""

    known: dict[str, Identity]
    noted: set[str]  # on the ledger under this rollout
    asked: set[str] = field(default_factory=set)  # at least once
    round: dict[str, Identity | None] | None = None  # answers so far; None in it: it could not be asked
    suspects: bool = False  # the round before saw a change
    due_at: float = 0.0


class Identities:
    """Called once a turn; never waits for an answer."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._jobs = world.jobs()
        self._seen: dict[str, _Seen] = {}

    def close(self) -> None:
        """Questions that run are given up."""
        self._jobs.close()

    def forget(self, subject: str) -> None:
        """Read from the ledger again what is known of a rollout, or of an agent."""
        self._seen.pop(subject, None)

    def of_rollout(self, rollout: Rollout, now: float) -> News | None:
        """What is new of a rollout's versions; None: nothing."""
        versions = (rollout.baseline, *([rollout.candidate] if rollout.candidate else []))
        return self._turn(rollout.agent, rollout.id, versions, rollout.plan.watched, now)

    def of_agent(self, agent: Agent, now: float) -> None:
        """The same of an agent that no rollout drives: a change is noted, and there is no evidence to begin anew."""
        if agent.plan is None:
            return
        news = self._turn(agent.name, "", (agent.baseline,), agent.plan.watched, now)
        if news is None:
            return
        drift = [Entry("identity.drift", _drift(agent.name, news.moved))] if news.moved else []
        self._world.store.append([*news.entries, *drift], now)

    def _turn(self, agent: str, rollout: str, versions: tuple[Version, ...], plan: Watched, now: float) -> News | None:
        subject = rollout or agent
        seen = self._seen.get(subject)
        if seen is None:
            seen = self._seen[subject] = self._remembered(agent, rollout)
        if seen.round is None:
            if now < seen.due_at and seen.asked >= {version.number for version in versions}:
                return None
            seen.round = {}
        for version in versions:
            if version.number not in seen.round:
                self._ask(agent, subject, version, plan, seen.round)
        if not seen.round.keys() >= {version.number for version in versions}:
            return None
        return self._heard(agent, rollout, versions, seen, now + plan.every_s)

    def _ask(
        self, agent: str, subject: str, version: Version, plan: Watched, answers: dict[str, Identity | None]
    ) -> None:
        """Put the answer among the others when it is there."""
        try:
            state = self._world.platform.version(agent, version.number)
            work = partial(_told, self._world.teller, state, ask=plan.ask)
            told = self._jobs.result(f"{subject}/identity/{version.number}", work)
        except HeadgateError:
            answers[version.number] = None
            return
        if told is not None:
            answers[version.number] = Identity(_built(state, plan), parts.values(told))

    def _heard(
        self, agent: str, rollout: str, versions: tuple[Version, ...], seen: _Seen, due_at: float
    ) -> News | None:
        """All were asked. A change is told when this round and the one before saw one."""
        answers, seen.round = seen.round or {}, None
        seen.asked |= answers.keys()
        moved = {
            number: changed
            for number, found in answers.items()
            if found and (known := seen.known.get(number)) and (changed := parts.moved(known, found))
        }
        if moved and not seen.suspects:
            seen.suspects, seen.due_at = True, 0.0
            return None
        seen.suspects, seen.due_at = False, due_at
        entries = []
        for version in versions:
            found, known = answers.get(version.number), seen.known.get(version.number)
            if found is None:
                continue
            now = parts.merged(known, found) if known else found
            if now != known or version.number not in seen.noted:
                entries.append(Entry("version.identity", _body(agent, version, now), rollout))
            seen.known[version.number] = now
            seen.noted.add(version.number)
        return News(tuple(entries), moved) if entries else None

    def _remembered(self, agent: str, rollout: str) -> _Seen:
        known, noted = dict[str, Identity](), set[str]()
        for record in self._world.store.read(kinds=("version.identity",)):
            if record.body["agent"] == agent:
                known[record.body["version"]] = parts.of_record(record.body)
                if record.rollout == rollout:
                    noted.add(record.body["version"])
        return _Seen(known, noted)


def _body(agent: str, version: Version, identity: Identity) -> Data:
    sides = {"built": dict(identity.built), "told": dict(identity.told)}
    return {"agent": agent, "version": version.number, "digest": version.digest, **sides}


def _drift(agent: str, moved: Mapping[str, tuple[Compared, ...]]) -> Data:
    """The body of a record `identity.drift`. A change that both versions have is told once in `detail`."""
    changes = [
        {"version": number, "part": each.part, "before": each.before, "after": each.after}
        for number, found in moved.items()
        for each in found
    ]
    once = tuple(dict.fromkeys(each for found in moved.values() for each in found))
    return {"agent": agent, "versions": list(moved), "changes": changes, "detail": parts.words(once)}


def _built(state: VersionState, plan: Watched) -> parts.Values:
    named = {part: state.variables[name] for part, name in plan.variables if name in state.variables}
    return parts.values({**dict(state.built), **named})


def _told(teller: Teller | None, state: VersionState, *, ask: bool) -> Mapping[str, str]:
    return {} if teller is None or state.status != "READY" else teller.told(state.version, ask=ask)
