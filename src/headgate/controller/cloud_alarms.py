"""Alarms that are kept on AWS: made when the candidate is there, read while it runs, removed or left at the end.

Level-triggered and beside the decisions: names are the same whenever they are asked for, so a controller that is killed
anywhere makes nothing twice and forgets nothing. A cloud that does not answer keeps no rollout from being taken back:
what cannot be read is said, and counts as neither good nor bad.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from headgate.analysis.board import AGENT
from headgate.analysis.composite import parse_rule, parts_of
from headgate.analysis.criteria import AlarmsSeen
from headgate.controller.jobs import Attempt
from headgate.controller.world import World
from headgate.core import policy
from headgate.core.address import endpoint_of
from headgate.core.clouds import HEAD, AlarmTold, cloud_name, cloud_prefix
from headgate.core.model import FINISHED, Phase, Rollout, Version
from headgate.core.plan import AlarmSpec, CompositeSpec
from headgate.ports import CloudAlarm, CloudAlarms, Data, Entry

BASELINE, CANDIDATE = "baseline", "candidate"
READ_EVERY_S = 15.0  # CloudWatch itself evaluates an alarm once a minute
PATIENCE_S = 300.0  # for so long the last state counts where AWS is busy or away
UNREADABLE = "UNREADABLE"  # in the place of a state

_MADE_IN = frozenset({Phase.GATING, Phase.DEPLOYING, Phase.STEPPING, Phase.VALIDATING})
Key = tuple[str, str]  # alarm, variant
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One alarm that is read: as the plan names it, whose it is ("": its endpoint says so), and its name there."""

    name: str
    variant: str
    there: str
    critical: bool
    counts: bool = True  # False: a part of a composite


@dataclass(slots=True)
class _Kept:
    """What is known of one rollout's alarms; rebuilt from the ledger."""

    asked: tuple[_Asked, ...]
    made: bool
    ended: bool
    states: dict[Key, str]
    why: dict[Key, str]  # why it cannot be read, as the ledger has it
    held: set[Key]  # whose last word led to nothing, because it was suppressed there
    told: dict[str, AlarmTold] = field(default_factory=dict)  # by name there
    heard_at: dict[str, float] = field(default_factory=dict)
    read_at: float = 0.0
    making: Attempt = field(default_factory=lambda: Attempt("make"))
    ending: Attempt = field(default_factory=lambda: Attempt("end"))


class CloudKeeper:
    """Called once a turn for each rollout; it never waits for AWS."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._jobs = world.jobs()
        self._kept: dict[str, _Kept] = {}

    def close(self) -> None:
        self._jobs.close()

    def forget(self, rollout: str) -> None:
        """Rebuild from the ledger what is known of this rollout."""
        self._kept.pop(rollout, None)

    def local(self, rollout: Rollout) -> Rollout:
        """The rollout with the alarms of its plan that Headgate evaluates itself."""
        there = self._there(rollout)
        if not there:
            return rollout
        plan = rollout.plan
        alarms = tuple(spec for spec in plan.alarms if spec.name not in there)
        composites = tuple(spec for spec in plan.composites if spec.name not in there)
        return replace(rollout, plan=replace(plan, alarms=alarms, composites=composites))

    def turn(self, rollout: Rollout, now: float) -> None:
        """Make what is to be made, read what is to be read; what is new goes on the ledger."""
        alarms = self._alarms(rollout)
        if alarms is None:
            return
        kept = self._of(rollout)
        if not kept.made and rollout.candidate and policy.working_phase(rollout) in _MADE_IN and self._there(rollout):
            self._make(rollout, kept, alarms, now)
        self._read(rollout, kept, alarms, now)

    def end(self, rollouts: Sequence[Rollout], now: float) -> None:
        """All rollouts of an agent have ended: remove their alarms, or leave those of the version that is trusted now.

        The last one's plan says which. Alarms of rollouts that are not known here are left alone.
        """
        if not rollouts:
            return
        last, alarms = rollouts[-1], self._alarms(rollouts[-1])
        cloud = last.plan.cloudwatch
        if alarms is None or cloud is None or not cloud.create or last.candidate is None:
            return
        kept = self._of(last)
        if kept.ended or now < kept.ending.next_at:
            return
        if kept.making.busy and not self._settled(last, kept, alarms):
            return
        finished = [each for each in rollouts if each.phase in FINISHED]
        done = self._run(kept.ending, last, partial(_end, alarms, last, finished), now)
        if done is not None:
            removed, left = done
            body = {"removed": len(removed), "left": left, "on_end": cloud.on_end}
            self._note(Entry("alarms.ended", body, last.id), now)
            self.forget(last.id)

    def _settled(self, rollout: Rollout, kept: _Kept, alarms: CloudAlarms) -> bool:
        """Whether the making of its alarms, begun before it ended, is over: what it makes would else be left behind."""
        wanted = list(_wanted(rollout, self._there(rollout)))
        self._run(kept.making, rollout, partial(_put, alarms, wanted, self._earlier(rollout)), rollout.created_at)
        return not kept.making.busy

    def seen(self, rollout: Rollout, seen: AlarmsSeen | None) -> AlarmsSeen | None:
        """What a check of the window is told, with the alarms on AWS put in."""
        if self._alarms(rollout) is None:
            return seen
        kept, base = self._of(rollout), seen or AlarmsSeen({})
        mine = [(each, self._variant(each, kept, rollout)) for each in kept.asked]
        mine = [(each, variant) for each, variant in mine if variant != BASELINE]
        red = [(each, v) for each, v in mine if _state(kept, each, v) == "ALARM" and _acts(each, kept)]
        before = [each.name for each, _ in red if _red_before(each, kept, rollout)]
        return replace(
            base,
            states={**base.states, **{e.name: _state(kept, e, v) for e, v in mine}},
            ringing=(*base.ringing, *(e.name for e, v in red if v != AGENT)),
            general=(*base.general, *(e.name for e, v in red if v == AGENT)),
            excused=tuple(dict.fromkeys((*base.excused, *before))),
            unread={**base.unread, **{e.name: why for e, v in mine if (why := _why(kept, e, v))}},
        )

    def states(self, rollout: Rollout) -> dict[str, str]:
        """The candidate's alarms there, and the agent's: name -> state."""
        found = self.seen(rollout, AlarmsSeen({}))
        return dict(found.states) if found else {}

    # --- helpers

    def _alarms(self, rollout: Rollout) -> CloudAlarms | None:
        return self._world.alarms(rollout.plan) if rollout.plan.cloudwatch else None

    def _there(self, rollout: Rollout) -> frozenset[str]:
        """Names of the plan's alarms that are made on AWS, and not removed again."""
        cloud, alarms = rollout.plan.cloudwatch, self._alarms(rollout)
        if cloud is None or alarms is None or not cloud.create:
            return frozenset()
        if rollout.phase in FINISHED and cloud.on_end == "remove":
            return frozenset()
        own = frozenset(spec.name for spec in rollout.plan.every_alarm)
        return own - alarms.here(rollout.plan).keys()

    def _of(self, rollout: Rollout) -> _Kept:
        if rollout.id not in self._kept:
            records = self._world.store.read(
                rollout.id, kinds=("alarm", "alarm.reading", "alarms.made", "alarms.ended")
            )
            states = {(r.body["name"], r.body["variant"]): r.body["to"] for r in records if r.kind == "alarm"}
            held = {(r.body["name"], r.body["variant"]): bool(r.body.get("held")) for r in records if r.kind == "alarm"}
            readings = [r.body for r in records if r.kind == "alarm.reading"]
            why = {(body["name"], body["variant"]): body["why"] for body in readings}
            self._kept[rollout.id] = _Kept(
                asked=tuple(self._asked(rollout)),
                made=any(r.kind == "alarms.made" for r in records),
                ended=any(r.kind == "alarms.ended" for r in records),
                states=states,
                why={key: text for key, text in why.items() if text},
                held={key for key, quiet in held.items() if quiet},
            )
        return self._kept[rollout.id]

    def _asked(self, rollout: Rollout) -> Iterator[_Asked]:
        there, plan = self._there(rollout), rollout.plan
        parts = parts_of(spec for spec in plan.composites if spec.name in there)
        for spec in plan.every_alarm:
            if spec.name not in there:
                continue
            for variant in _variants(spec, BASELINE if rollout.phase in FINISHED else ""):
                name = cloud_name(rollout.agent, rollout.id, variant, spec.name)
                yield _Asked(spec.name, variant, name, spec.critical, spec.name not in parts)
        for watched in plan.cloudwatch.watch if plan.cloudwatch else ():
            yield _Asked(watched.name, watched.of, watched.alarm, watched.critical)

    def _earlier(self, rollout: Rollout) -> list[Rollout]:
        return [each for each in self._world.store.all(agent=rollout.agent) if each.id != rollout.id]

    def _make(self, rollout: Rollout, kept: _Kept, alarms: CloudAlarms, now: float) -> None:
        if now < kept.making.next_at:
            return
        there = self._there(rollout)
        wanted = list(_wanted(rollout, there))
        done = self._run(kept.making, rollout, partial(_put, alarms, wanted, self._earlier(rollout)), now)
        if done:
            kept.made = True
            body = {"alarms": [each.name for each in wanted], "here": dict(alarms.here(rollout.plan))}
            self._note(Entry("alarms.made", body, rollout.id), now)

    def _run(self, attempt: Attempt, rollout: Rollout, work: Callable[[], T], now: float) -> T | None:
        """What the work answers; None while it runs, or where it failed and is tried again later. Said once."""
        done = attempt.run(self._jobs, f"{rollout.id}/alarms/{attempt.what}", work, now)
        if attempt.fresh:
            self._note(Entry("alarms.failing", {"what": attempt.what, "error": attempt.fresh}, rollout.id), now)
        return done

    def _read(self, rollout: Rollout, kept: _Kept, alarms: CloudAlarms, now: float) -> None:
        wanted = [each for each in kept.asked if kept.made or not _ours(each)]
        if not wanted or now - kept.read_at < READ_EVERY_S:
            return
        found = self._jobs.result(f"{rollout.id}/alarms/read", partial(alarms.read, [each.there for each in wanted]))
        if found is None:
            return
        kept.read_at = now
        for told in found:
            self._hear(told, kept, now)
        entries = [entry for each in wanted for entry in self._news(each, rollout, kept, now)]
        if entries:
            self._world.store.append(entries, now)

    def _hear(self, told: AlarmTold, kept: _Kept, now: float) -> None:
        known = kept.told.get(told.alarm)
        if told.state or not told.retry:
            kept.told[told.alarm], kept.heard_at[told.alarm] = told, now
        elif known is None or now - kept.heard_at[told.alarm] >= PATIENCE_S:
            kept.told[told.alarm] = told
            kept.heard_at.setdefault(told.alarm, now)

    def _news(self, each: _Asked, rollout: Rollout, kept: _Kept, now: float) -> Iterator[Entry]:
        told, variant = kept.told[each.there], self._variant(each, kept, rollout)
        key = (each.name, variant)
        if not told.state:
            if key not in kept.why:
                kept.why[key] = told.why
                yield _reading(key, told.why, rollout.id)
            return
        if kept.why.pop(key, ""):
            yield _reading(key, "", rollout.id)
        was = kept.states.get(key, "INSUFFICIENT_DATA")
        if was == told.state and (key in kept.held) == told.held and (key in kept.states or _ours(each)):
            return  # nothing new; one that was just made is as all new ones are
        kept.states[key] = told.state
        (kept.held.add if told.held else kept.held.discard)(key)
        red_before = _red_before(each, kept, rollout)
        body: Data = {
            "name": each.name,
            "variant": variant,
            "from": was,
            "to": told.state,
            "until": told.since or now,
            "value": None,
            "acts": each.counts and not told.held and not red_before,
            "critical": each.critical and not red_before and not told.held,
            "held": told.held,
            "source": "cloudwatch",
            "alarm": each.there,
            "reason": told.why,
        }
        yield Entry("alarm", body, rollout.id)

    def _variant(self, each: _Asked, kept: _Kept, rollout: Rollout) -> str:
        if each.variant:
            return each.variant
        told = kept.told.get(each.there)
        endpoint = told.endpoint if told else ""
        both = ((BASELINE, rollout.baseline), (CANDIDATE, rollout.candidate))
        mine = [name for name, version in both if version and endpoint and endpoint_of(version.url) == endpoint]
        return mine[0] if len(mine) == 1 else AGENT

    def _note(self, entry: Entry, now: float) -> None:
        self._world.store.append([entry], now)


def _ours(each: _Asked) -> bool:
    return each.there.startswith(f"{HEAD}/")


def _acts(each: _Asked, kept: _Kept) -> bool:
    told = kept.told.get(each.there)
    return each.counts and not (told and told.held)


def _red_before(each: _Asked, kept: _Kept, rollout: Rollout) -> bool:
    """It is in ALARM since before the rollout: nothing of that is the candidate's doing."""
    told = kept.told.get(each.there)
    return bool(told and told.state == "ALARM" and 0.0 < told.since < rollout.created_at)


def _why(kept: _Kept, each: _Asked, variant: str) -> str:
    """Why an alarm has no state that counts; "" where it has one."""
    if _ours(each) and not kept.made:
        return kept.making.failing or "it is not made yet"
    unread = "" if each.there in kept.told else "it has not been read yet"
    return kept.why.get((each.name, variant), unread)


def _state(kept: _Kept, each: _Asked, variant: str) -> str:
    if _why(kept, each, variant):
        return UNREADABLE
    return kept.states.get((each.name, variant), "INSUFFICIENT_DATA")


def _reading(key: Key, why: str, rollout: str) -> Entry:
    """Whether an alarm can be read, where that changed."""
    return Entry("alarm.reading", {"name": key[0], "variant": key[1], "why": why}, rollout)


def _variants(spec: AlarmSpec | CompositeSpec, without: str = "") -> tuple[str, ...]:
    if isinstance(spec, AlarmSpec) and spec.scope == AGENT:
        return (AGENT,)
    return tuple(variant for variant in (BASELINE, CANDIDATE) if variant != without)


def _wanted(rollout: Rollout, there: Collection[str]) -> Iterator[CloudAlarm]:
    """The plan's alarms as they are to be there; composites after what they are about, in the plan's order.

    The baseline's are not heard while a rollout runs: it loses its sessions on purpose, and its silence is no fault.
    """
    plan, candidate = rollout.plan, rollout.candidate
    assert candidate is not None
    assert plan.cloudwatch is not None
    of: dict[str, tuple[Version, ...]] = {
        BASELINE: (rollout.baseline,),
        CANDIDATE: (candidate,),
        AGENT: (rollout.baseline, candidate),
    }
    whole = {spec.name for spec in plan.alarms if spec.scope == AGENT}
    for spec in plan.every_alarm:
        if spec.name not in there:
            continue
        for variant in _variants(spec):
            parts: tuple[tuple[str, str], ...] = ()
            if isinstance(spec, CompositeSpec):
                names = (*parse_rule(spec.rule).names, *([spec.suppressor] if spec.suppressor else []))
                places = {name: AGENT if name in whole else variant for name in names}
                parts = tuple((n, cloud_name(plan.agent, rollout.id, where, n)) for n, where in places.items())
            tags = {"agent": plan.agent, "release": rollout.id, "variant": variant}
            if variant != AGENT:
                tags["version"] = of[variant][0].number
            marked = tuple((f"{HEAD}:{key}", value) for key, value in tags.items())
            name = cloud_name(plan.agent, rollout.id, variant, spec.name)
            yield CloudAlarm(name, spec, of[variant], parts, marked, plan.cloudwatch.actions, variant != BASELINE)


def _put(alarms: CloudAlarms, wanted: Sequence[CloudAlarm], earlier: Sequence[Rollout]) -> bool:
    """Make them; what earlier rollouts left of the baseline is not heard meanwhile."""
    alarms.put(wanted)
    if any(each.actions for each in wanted):
        alarms.hear(_of_rollouts(alarms, earlier), on=False)
    return True


def _of_rollouts(alarms: CloudAlarms, rollouts: Sequence[Rollout]) -> list[str]:
    """Names of all alarms that these rollouts have there."""
    prefixes = tuple(cloud_prefix(each.agent, each.id) for each in rollouts)
    names = alarms.names(cloud_prefix(rollouts[0].agent)) if rollouts else []
    return [name for name in names if name.startswith(prefixes)]


def _end(alarms: CloudAlarms, last: Rollout, finished: Sequence[Rollout]) -> tuple[list[str], list[str]]:
    """(removed, left) of the alarms of these rollouts, the last one's plan saying which. What is left is heard."""
    names = _of_rollouts(alarms, finished)
    left = _left(last, finished, names)
    removed = [name for name in names if name not in left]
    alarms.remove(removed)
    if last.plan.cloudwatch and last.plan.cloudwatch.actions:
        alarms.hear(left, on=True)
    return removed, left


def _left(last: Rollout, finished: Sequence[Rollout], names: Sequence[str]) -> list[str]:
    """Those of the version that is trusted now: as its own release made them, else as a baseline's."""
    cloud = last.plan.cloudwatch
    trusted = last.candidate if last.phase is Phase.COMPLETED and last.candidate else last.baseline
    for variant in (CANDIDATE, BASELINE) if cloud and cloud.on_end == "leave" else ():
        for rollout in reversed(finished):
            version = rollout.candidate if variant == CANDIDATE else rollout.baseline
            own = cloud_prefix(rollout.agent, rollout.id)
            mine = [name for name in names if name.startswith((f"{own}{variant}/", f"{own}{AGENT}/"))]
            if mine and version and version.number == trusted.number:
                return mine
    return []
