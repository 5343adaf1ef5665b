"""What is watched of one rollout: its alarms, and the candidate's telemetry since the validation window began.

Everything is rebuilt from the store after a restart: rows of telemetry, and the alarms' states on the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence

from headgate.analysis.board import AGENT, Board, Change
from headgate.analysis.criteria import AlarmsSeen
from headgate.controller.feed import Feed
from headgate.core import policy
from headgate.core.model import Phase, Rollout
from headgate.ports import Entry, Record, Store
from headgate.stats.observations import Second
from headgate.stats.series import Window, merge

BASELINE, CANDIDATE = "baseline", "candidate"

_NOTHING = merge(())


class Monitor:
    """The alarms and totals of one rollout, in memory. `totals` False: alarms alone, for after the window."""

    def __init__(self, rollout: Rollout, store: Store, now: float, *, totals: bool = True) -> None:
        self._store = store
        now -= rollout.plan.late_s
        self._speed = speed_of(rollout)
        said = store.read(rollout.id, kinds=("alarm",))
        self._board = _board(rollout, now, self._speed, said)
        plan = rollout.plan
        self._critical = {a.name for a in plan.alarms if a.critical} | {c.name for c in plan.composites if c.critical}
        self._since = _began(rollout) if totals else None
        self._total = _NOTHING
        self._versions = _variants(rollout)
        self._created_at = rollout.created_at
        self._checks: list[tuple[str | None, bool | None]] = []
        self._checks_read = 0
        reach = now - self._board.reach_s() - 60.0
        self._feed = Feed(store, rollout.agent, reach if self._since is None else min(reach, self._since))
        rows = self._feed.new()
        self._board.begin(self._attributed(rows))
        self._count(rows)

    def outdated(self, rollout: Rollout) -> bool:
        """Whether another one must take its place: the window began, or its clock was set."""
        known = (self._speed, self._since, self._versions)
        return known != (speed_of(rollout), _began(rollout), _variants(rollout))

    def changes(self, rollout: Rollout, now: float) -> list[Entry]:
        """Alarms that changed since the last call, as entries of the ledger."""
        now -= rollout.plan.late_s  # a period is judged when all of it can be there
        if not self._board.due(now):
            return []
        self._read()
        return [
            _entry(change, rollout.id, critical=change.name in self._critical) for change in self._board.evaluate(now)
        ]

    def total(self) -> Window:
        """The candidate's telemetry since the window began."""
        self._read()
        return self._total

    def checks(self, rollout: Rollout) -> tuple[list[str | None], list[bool]]:
        """Of the checks so far: the platform's word at each, and the test invocations that were answered or refused."""
        for record in self._store.read(rollout.id, after=self._checks_read, kinds=("evidence.window",)):
            self._checks_read = record.seq
            if record.at >= (self._since or 0.0):  # not of a window that began anew
                probe = record.body.get("probe") or {}
                self._checks.append((record.body["status"] or None, probe.get("passed")))
        return [status for status, _ in self._checks], [passed for _, passed in self._checks if passed is not None]

    def seen(self, rollout: Rollout) -> AlarmsSeen | None:
        """What a check of the window is told of the alarms; None where the plan has none."""
        if not rollout.plan.alarms and rollout.plan.cloudwatch is None:
            return None
        records = self._store.read(rollout.id, kinds=("alarm", "evidence.baseline"))
        return alarms_seen(rollout, self._board, records, self._since or rollout.created_at)

    def states(self) -> dict[str, str]:
        """The candidate's alarms, and those of the agent as a whole: name -> state."""
        return self._board.states(CANDIDATE)

    def _read(self) -> None:
        rows = self._feed.new()
        for variant, row in self._attributed(rows):
            self._board.add(variant, row)
        self._count(rows)

    def _count(self, rows: Sequence[Second]) -> None:
        if self._since is not None:
            number = next((n for n, variant in self._versions.items() if variant == CANDIDATE), "")
            self._total = merge((r for r in rows if r.version == number and r.t >= self._since), self._total)

    def _attributed(self, rows: Sequence[Second]) -> list[tuple[str, Second]]:
        """Each row with its variant. An earlier try of the candidate is nobody's: it counts for the agent only."""
        made = []
        for row in rows:
            variant = self._versions.get(row.version, "")
            before = variant == CANDIDATE and row.t < self._created_at
            made.append(("" if before else variant, row))
        return made


def baseline_alarms(rollout: Rollout, store: Store, now: float) -> dict[str, str]:
    """The plan's alarms as the baseline's telemetry has them before the release: name -> state."""
    if not rollout.plan.alarms:
        return {}
    plan = rollout.plan
    # the baseline was there before: no alarm of it has to warm up
    board = Board(plan.alarms, plan.composites, variants=(BASELINE,), now=now, began_at=0.0)
    rows = store.seconds(rollout.agent, since=now - board.reach_s() - 60.0)
    versions = _variants(rollout)
    board.begin((versions.get(row.version, ""), row) for row in rows)
    board.evaluate(now)
    return board.states(BASELINE)


def alarms_seen(rollout: Rollout, board: Board, records: Sequence[Record], since: float) -> AlarmsSeen:
    """The alarms with their history on the ledger: what was red before, and what rang since the window began."""
    agents = {spec.name for spec in rollout.plan.alarms if spec.scope == "agent"}
    before = next((r.body.get("alarms") or {} for r in records if r.kind == "evidence.baseline"), {})
    mine = [r for r in records if r.kind == "alarm" and r.body["variant"] != BASELINE]
    been_ok = {r.body["name"] for r in mine if r.body["to"] == "OK"}
    ringing = board.ringing(CANDIDATE)
    rang = [r.body["name"] for r in mine if r.at >= since and _rang(r)]
    return AlarmsSeen(
        states=board.states(CANDIDATE),
        ringing=tuple(name for name in ringing if name not in agents),
        general=tuple(name for name in ringing if name in agents),
        rang=tuple(dict.fromkeys(name for name in rang if name not in ringing and name not in agents)),
        excused=tuple(name for name, state in before.items() if state == "ALARM" and name not in been_ok),
        silent=board.silent(CANDIDATE),
    )


def _rang(record: Record) -> bool:
    body = record.body
    return body["to"] == "ALARM" and body["variant"] != AGENT and bool(body.get("acts", True))


def speed_of(rollout: Rollout) -> float:
    """How fast alarms run: as the window does, and before it in real time."""
    return rollout.plan.validation.speed if policy.working_phase(rollout) is Phase.VALIDATING else 1.0


def _began(rollout: Rollout) -> float | None:
    """From which second on telemetry belongs to the window; earlier than its start where the clock was set back."""
    window = rollout.window
    return None if window is None else window.started_at + min(0.0, window.skew_s)


def _variants(rollout: Rollout) -> dict[str, str]:
    versions = {rollout.baseline.number: BASELINE}
    if rollout.candidate is not None:
        versions[rollout.candidate.number] = CANDIDATE
    return versions


def _board(rollout: Rollout, now: float, speed: float, said: Sequence[Record]) -> Board:
    states = {(r.body["name"], r.body["variant"]): r.body["to"] for r in said}
    acted = {(r.body["name"], r.body["variant"]): r.body["to"] for r in said if r.body.get("acts", True)}
    plan = rollout.plan
    return Board(
        plan.alarms,
        plan.composites,
        variants=(BASELINE, CANDIDATE),
        now=now,
        began_at=rollout.created_at,
        speed=speed,
        states=states,
        acted=acted,
    )


def _entry(change: Change, rollout: str, *, critical: bool) -> Entry:
    value = None if change.value is None else round(change.value, 6)
    body = {
        "name": change.name,
        "variant": change.variant,
        "from": change.was,
        "to": change.to,
        "until": change.at,
        "value": value,
        "acts": change.acts,
        "critical": critical,
    }
    return Entry("alarm", body, rollout)
