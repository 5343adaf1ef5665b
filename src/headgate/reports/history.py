"""Fold ledger records into the read model. An absent kind leaves its member empty; an unknown kind is left alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from headgate.core.codec import from_data
from headgate.core.model import FINISHED, Phase, Rollout, Version
from headgate.core.plan import Plan
from headgate.errors import UsageError
from headgate.ports import Record
from headgate.reports import model as m
from headgate.reports.reading import check, drift, drill, identified, look, real, stray, trial, whole
from headgate.reports.rollback_times import taken


@dataclass(frozen=True, slots=True)
class History:
    """One rollout, folded: what all reports, the CLI and the dashboard read.

    `rollout` is as created; what changed since is in the other members.
    """

    rollout: Rollout
    created: m.Noted
    arn: str  # "" where no record says it
    plan_path: str
    records: Mapping[str, Record] = field(repr=False)
    phases: tuple[m.Entered, ...] = ()
    weights: tuple[m.Weight, ...] = ()
    deployed: m.Deployed | None = None
    gates: tuple[m.GateRun, ...] = ()
    looks: tuple[m.Look, ...] = ()
    checks: tuple[m.Check, ...] = ()
    incidents: tuple[m.Incident, ...] = ()
    times: tuple[m.Times, ...] = ()
    words: tuple[m.Word, ...] = ()
    forced: tuple[m.Word, ...] = ()
    moves: tuple[m.Moved, ...] = ()
    debts: tuple[m.Debt, ...] = ()
    exposure: m.Exposure | None = None
    alarms: tuple[m.AlarmChange, ...] = ()
    crossed: tuple[m.Crossed, ...] = ()
    operations: tuple[m.Operations, ...] = ()
    health: tuple[m.HealthChange, ...] = ()
    failing: tuple[m.Failing, ...] = ()
    outages: tuple[m.Outage, ...] = ()
    before: m.Before | None = None
    assessment: m.Assessment | None = None
    trial: m.Trial | None = None
    stray: m.Stray | None = None
    handoff: m.Handoff | None = None
    accepted: m.Word | None = None
    drills: tuple[m.Drill, ...] = ()
    identities: tuple[m.Identified, ...] = ()  # the last of a version counts
    drifts: tuple[m.Drift, ...] = ()
    registered: m.Registered | None = None
    promoted: m.Promoted | None = None
    rollback: m.Taken | None = None
    verified: tuple[m.Verified, ...] = ()

    @staticmethod
    def of(records: Sequence[Record]) -> History:
        """The history of one rollout from its records and the agent's own (rollout ""), in any order.

        Raises UsageError where no `rollout.created` is among them, or a record cannot be read.
        """
        ordered = sorted(records, key=lambda r: r.seq)
        created = next((r for r in ordered if r.kind == "rollout.created"), None)
        if created is None:
            raise UsageError(
                f"no rollout among {len(ordered)} ledger records: there is no `rollout.created`",
                "ask for a rollout that `headgate rollout list` shows",
            )
        fold = _Fold(_rollout(created), created)
        for record in ordered:
            if _belongs(record, fold.rollout):
                fold.records[record.id] = record
                _read(fold, record)
        return fold.finish()

    @property
    def plan(self) -> Plan:
        return self.rollout.plan

    @property
    def agent(self) -> str:
        return self.rollout.agent

    @property
    def phase(self) -> Phase:
        """Where the rollout stands."""
        return self.phases[-1].phase if self.phases else self.rollout.phase

    @property
    def standing(self) -> m.Noted:
        """The record that says where the rollout stands."""
        return self.phases[-1] if self.phases else self.created

    @property
    def weight(self) -> m.Weight | None:
        """The last weight that was read back from the gateway."""
        return next((w for w in reversed(self.weights) if w.verified), None)

    @property
    def ending(self) -> bool:
        """Nothing more will be started: it has ended, or is being taken back."""
        return self.phase in FINISHED or self.phase is Phase.ROLLING_BACK

    def entered(self, *phases: Phase) -> m.Entered | None:
        """The first time one of these phases was entered."""
        return next((p for p in self.phases if p.phase in phases), None)

    def ended(self, *phases: Phase) -> m.Entered | None:
        """The last time one of these phases was entered."""
        return next((p for p in reversed(self.phases) if p.phase in phases), None)

    def exposed(self) -> m.Weight | None:
        """The first weight above zero: from then on sessions may have met the candidate."""
        return next((w for w in self.weights if w.weight > 0), None)

    def last_look(self, step: int | None = None) -> m.Look | None:
        """The last look; of a step, if one is named: those of the window, which go on at the last step, are not its."""
        if step is None:
            return self.looks[-1] if self.looks else None
        left = self.entered(Phase.VALIDATING, Phase.HANDING_OVER)
        mine = (k for k in reversed(self.looks) if k.verdict.step == step and (left is None or k.at <= left.at))
        return next(mine, None)


def _read(fold: _Fold, record: Record) -> None:
    try:
        _READERS.get(record.kind, _leave)(fold, record, record.body)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(
            f"ledger record {record.id} ({record.kind}) cannot be read: {type(error).__name__}: {error}",
            "check the ledger with `headgate verify`, or read it with the version of headgate that wrote it",
        ) from error


def _rollout(created: Record) -> Rollout:
    try:
        rollout = from_data(Rollout, created.body.get("rollout"))
    except ValueError as error:
        raise UsageError(
            f"ledger record {created.id} holds a rollout that this version of headgate cannot read: {error}",
            "read it with the version of headgate that wrote it",
        ) from error
    assert isinstance(rollout, Rollout)
    return rollout


def _belongs(record: Record, rollout: Rollout) -> bool:
    if record.rollout:
        return record.rollout == rollout.id
    return bool(record.body.get("agent", rollout.agent) == rollout.agent)


@dataclass(slots=True)
class _Fold:
    """What was read so far."""

    rollout: Rollout
    created: Record
    records: dict[str, Record] = field(default_factory=dict)
    lists: dict[str, list[Any]] = field(default_factory=dict)
    ones: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, m.Weight] = field(default_factory=dict)
    step: int = -1

    def add(self, name: str, value: object) -> None:
        self.lists.setdefault(name, []).append(value)

    def finish(self) -> History:
        found: dict[str, Any] = {name: tuple(values) for name, values in self.lists.items()} | self.ones
        history = History(
            rollout=self.rollout,
            created=m.Noted(self.created.at, self.created.id),
            arn=str(self.created.body.get("arn") or ""),
            plan_path=str(self.created.body.get("plan_path", "")),
            records=self.records,
            weights=tuple(self.weights.values()),
            **found,
        )
        return replace(history, rollback=taken(history), promoted=history.promoted or _promotion(history))


def _leave(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    """A kind that no report shows."""


def _decision(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    was, now = Phase(body["from"]), Phase(body["to"])
    reason, step = str(body.get("reason", "")), int(body.get("step", fold.step))
    fold.step = step
    if was is not now:
        fold.add("phases", m.Entered(record.at, record.id, now, was, reason, step))
    for effect in body.get("effects", ()):
        if effect.get("is") == "SetTraffic":
            _asked(fold, record, effect, step, reason)
    fact = body.get("fact") or {}
    if fact.get("is") == "CandidateReady":
        fold.ones["deployed"] = m.Deployed(record.at, record.id, from_data(Version, fact["version"]))
    if fact.get("is") == "TrafficVerified":
        _read_back(fold, record, epoch=int(fact["epoch"]))


def _asked(fold: _Fold, record: Record, effect: Mapping[str, Any], step: int, reason: str) -> None:
    """The first asking counts; a repeated one has the same key."""
    key = str(effect["key"])
    weight = m.Weight(
        record.at,
        record.id,
        float(effect["weight"]),
        int(effect["epoch"]),
        key,
        step,
        reason,
        bool(effect.get("withdraw")),
        bool(effect.get("promote")),
    )
    fold.weights.setdefault(key, weight)


def _read_back(fold: _Fold, record: Record, *, key: str = "", epoch: int = -1, at: float | None = None) -> None:
    for weight in fold.weights.values():
        if (weight.key == key or weight.epoch == epoch) and weight.verified is None:
            known = m.Noted(record.at if at is None else at, record.id)
            fold.weights[weight.key] = replace(weight, verified=known)


def _verified(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    key, at = str(body["key"]), float(body.get("verified_at", record.at))
    value = m.Verified(at, record.id, key, str(body.get("is", "")))
    fold.add("verified", value)
    if value.effect == "SetTraffic":
        _read_back(fold, record, key=key, at=at)


def _gate(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    cases = tuple(body.get("cases", ()))
    run = m.GateRun(
        record.at, record.id, body["gate"], bool(body["passed"]), str(body["detail"]), cases, real(body, "seconds")
    )
    fold.add("gates", run)


def _before(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    known = (
        body.get("metrics") or {},
        body.get("totals") or {},
        body.get("alarms") or {},
        str(body.get("status") or ""),
    )
    fold.ones["before"] = m.Before(record.at, record.id, *known)


def _operations(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    fold.add("operations", m.Operations(record.at, record.id, str(body.get("status") or ""), body.get("alarms") or {}))


def _crossed(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    fold.add("crossed", m.Crossed(record.at, record.id, str(body["name"]), str(body.get("detail", ""))))


def _assessment(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    claims, strategies = tuple(body.get("claims", ())), tuple(body.get("strategies", ()))
    platform, best = str(body.get("platform", "")), str(body.get("recommended") or "")
    fold.ones["assessment"] = m.Assessment(record.at, record.id, platform, claims, strategies, best)


def _command(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    fold.add("words", m.Word(record.at, record.id, str(body["verb"]), str(body["by"]), str(body.get("reason", ""))))


def _forced(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    fold.add("forced", m.Word(record.at, record.id, "force-down", str(body["by"]), str(body.get("reason", ""))))


def _moved(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    source, target = str(body.get("from", "")), str(body.get("to", ""))
    fold.add("moves", m.Moved(record.at, record.id, int(body["count"]), str(body["policy"]), source, target))


def _debt(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    fold.add("debts", m.Debt(record.at, record.id, int(body["sessions"]), float(body.get("oldest_s") or 0.0)))


def _exposure(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    numbers = (whole(body, "sessions"), whole(body, "turns"), whole(body, "failed_sessions"))
    fold.ones["exposure"] = m.Exposure(record.at, record.id, *numbers)


def _incident(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    words = (str(body["incident"]), str(body.get("severity", "")), str(body.get("title", "")))
    fold.add("incidents", m.Incident(record.at, record.id, *words, fold.step))


def _times(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    names = ("fault_at", "detected_at", "decided_at", "cut_over_at", "drained_at")
    fold.add("times", m.Times(record.at, record.id, *(real(body, name) for name in names)))


def _alarm(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    words = (str(body["name"]), str(body.get("variant", "")), str(body.get("from", "")), str(body["to"]))
    fold.add("alarms", m.AlarmChange(record.at, record.id, *words))


def _health(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    change = m.HealthChange(
        record.at, record.id, str(body["variant"]), bool(body["healthy"]), str(body.get("detail", ""))
    )
    fold.add("health", change)


def _failing(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    fold.add("failing", m.Failing(record.at, record.id, str(body["key"]), str(body.get("error", ""))))


def _outage(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    words = (str(body["port"]), str(body["kind"]))
    fold.add("outages", m.Outage(record.at, record.id, *words, real(body, "away_s")))


def _handoff(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    files = tuple(str(each) for each in body.get("files", ()))
    fold.ones["handoff"] = m.Handoff(record.at, record.id, str(body["path"]), str(body.get("digest", "")), files)


def _accepted(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    word = m.Word(record.at, record.id, "accept", str(body["by"]), str(body.get("reason", "")))
    fold.ones.setdefault("accepted", word)


def _drift(fold: _Fold, record: Record, _: Mapping[str, Any]) -> None:
    if record.rollout:  # one between two releases is no part of this one
        fold.add("drifts", drift(record))


def _registered(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    words = (str(body.get("arn", "")), str(body.get("version", "")), str(body.get("digest", "")))
    fold.ones["registered"] = m.Registered(record.at, record.id, *words)


def _promoted(fold: _Fold, record: Record, body: Mapping[str, Any]) -> None:
    """Agent-level: only the promotion that this rollout made is its own."""
    candidate = fold.ones["deployed"].version.number if "deployed" in fold.ones else None
    if record.rollout or str(body.get("version")) == candidate:
        words = (str(body.get("version", "")), str(body.get("digest", "")), str(body.get("previous") or ""))
        fold.ones["promoted"] = m.Promoted(record.at, record.id, *words)


def _promotion(history: History) -> m.Promoted | None:
    """The handoff is written before the promotion is on record: then the gateway's word for it is what there is."""
    served = next((w.verified for w in history.weights if w.promote and w.verified), None)
    if served is None or history.deployed is None:
        return None
    made, before = history.deployed.version, history.rollout.baseline
    return m.Promoted(served.at, served.evidence, made.number, made.digest, before.number)


_READERS: Mapping[str, Callable[[_Fold, Record, Mapping[str, Any]], None]] = {
    "decision": _decision,
    "effect.verified": _verified,
    "effect.failing": _failing,
    "port.away": _outage,
    "port.back": _outage,
    "evidence.look": lambda fold, record, _: fold.add("looks", look(record)),
    "evidence.gate": _gate,
    "evidence.window": lambda fold, record, _: fold.add("checks", check(record)),
    "evidence.baseline": _before,
    "version.identity": lambda fold, record, _: fold.add("identities", identified(record)),
    "identity.drift": _drift,
    "budget.crossed": _crossed,
    "operations.check": _operations,
    "assessment": _assessment,
    "evidence.ab_test": lambda fold, record, _: fold.ones.update(trial=trial(record)),
    "endpoint.stray": lambda fold, record, _: fold.ones.update(stray=stray(record)),
    "command": _command,
    "gateway.forced_down": _forced,
    "sessions.moved": _moved,
    "exposure.debt": _debt,
    "exposure.total": _exposure,
    "incident.opened": _incident,
    "incident.times": _times,
    "alarm": _alarm,
    "health": _health,
    "handoff.written": _handoff,
    "handoff.accepted": _accepted,
    "drill": lambda fold, record, _: fold.add("drills", drill(record)),
    "agent.registered": _registered,
    "agent.promoted": _promoted,
}
