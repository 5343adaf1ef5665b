"""The analysis of one running rollout: feeds sessions to the judge, says when a look is worth a fact, keeps alarms.

Everything here is rebuilt from the store after a restart: the same sessions in the same order give the same judge.
"""

from __future__ import annotations

import re
from dataclasses import replace

from headgate.analysis.alarms import evaluate
from headgate.analysis.judge import Judge, Look
from headgate.core.codec import to_data
from headgate.core.facts import Judged
from headgate.core.model import Rollout
from headgate.ports import Entry, Store
from headgate.stats.observations import Session

HISTORY_S = 24 * 3600.0  # sessions of the baseline before the release that inform bets; they never decide
SAY_AGAIN_S = 20.0  # a verdict that did not change is told again, because a PASS must be fresh


class Watch:
    """State of the analysis of one rollout, in memory."""

    def __init__(self, rollout: Rollout, store: Store) -> None:
        self._store = store
        self._rollout = rollout
        self._after = 0
        before, self._waiting = self._split(self._fetch(rollout.created_at - HISTORY_S))
        self._judge = Judge(rollout.plan.analysis, rollout.plan.steps, before)
        self._said: tuple[str, ...] = ()
        self._said_at = 0.0
        self._alarms: dict[tuple[str, str], str] = {
            (r.body["name"], r.body["variant"]): r.body["to"] for r in store.read(rollout.id, kinds=("alarm",))
        }

    def look(self, rollout: Rollout, now: float) -> Judged | None:
        """The verdict of now, if it says something new; its evidence is on the ledger before it is told."""
        for session in [*self._waiting, *self._fetch(rollout.created_at)]:
            self._judge.add(session)
        self._waiting = []
        look = self._judge.look(rollout.step, now, self._last_data_at(rollout, now))
        verdict = look.verdict
        saying = (str(rollout.step), verdict.answer.value, re.sub(r"[\d.,]+", "#", verdict.reason))
        if saying == self._said and now - self._said_at < SAY_AGAIN_S:
            return None
        self._said, self._said_at = saying, now
        record = self._store.append([Entry("evidence.look", _body(look), rollout.id)], now)[0]
        return Judged(replace(verdict, evidence=(record.id,)))

    def alarms(self, now: float) -> list[Entry]:
        """Evaluate the plan's alarms for both variants; the changes, as entries."""
        rollout, changes = self._rollout, list[Entry]()
        longest = max((a.period_s * a.evaluation_periods for a in rollout.plan.alarms), default=0.0)
        seconds = self._store.seconds(rollout.agent, since=now - longest - 60.0) if longest else []
        for spec in rollout.plan.alarms:
            for variant in ("baseline", "candidate"):
                key, mine = (spec.name, variant), [s for s in seconds if s.variant == variant]
                was = self._alarms.get(key, "INSUFFICIENT_DATA")
                state = evaluate(spec, mine, now, was)
                if state != was:
                    self._alarms[key] = state
                    body = {"name": spec.name, "variant": variant, "from": was, "to": state}
                    changes.append(Entry("alarm", body, rollout.id))
        return changes

    def alarm_states(self) -> dict[str, str]:
        """The candidate's alarms: name -> state."""
        return {
            spec.name: self._alarms.get((spec.name, "candidate"), "INSUFFICIENT_DATA")
            for spec in self._rollout.plan.alarms
        }

    def _fetch(self, since: float) -> list[Session]:
        found = self._store.sessions(self._rollout.agent, after=self._after, since=since)
        if found:
            self._after = found[-1][0]
        return [session for _, session in found]

    def _split(self, sessions: list[Session]) -> tuple[list[Session], list[Session]]:
        """Sessions that ended before the rollout, and those after."""
        created = self._rollout.created_at
        return [s for s in sessions if s.t < created], [s for s in sessions if s.t >= created]

    def _last_data_at(self, rollout: Rollout, now: float) -> float | None:
        seconds = self._store.seconds(rollout.agent, since=now - 300.0)
        return float(seconds[-1].t) if seconds else None


def _body(look: Look) -> dict[str, object]:
    return {"step": look.verdict.step, "verdict": to_data(look.verdict), "data": look.data}
