"""The analysis of one running rollout: feeds sessions to the judge, and says when a look is worth a fact.

Everything here is rebuilt from the store after a restart: the same sessions in the same order give the same judge.
"""

from __future__ import annotations

import re
from dataclasses import replace

from headgate.analysis.look import Look
from headgate.analysis.rollout_judge import RolloutJudge
from headgate.analysis.scored import wait_for_scores
from headgate.core.codec import to_data
from headgate.core.facts import Judged
from headgate.core.model import Rollout, Verdict
from headgate.core.plan import Plan
from headgate.ports import Entry, Store
from headgate.stats.observations import Score, Second, Session

HISTORY_S = 24 * 3600.0  # sessions of the baseline before the release that inform bets; they never decide
# at the latest, a verdict that did not change is told again: a PASS must be fresh, and a chart needs points
SAY_AGAIN_S = 20.0
STALE_S = 60.0  # data that is older, or as much older than it may come late, decides nothing


class Watch:
    """State of the analysis of one rollout, in memory."""

    def __init__(self, rollout: Rollout, store: Store) -> None:
        self._store = store
        self._rollout = rollout
        self._after = 0
        self._same_since = _same_since(rollout, store)
        before, self._waiting = self._split(self._fetch(rollout.created_at - HISTORY_S))
        left = dict(rollout.rebased.left) if rollout.rebased else None
        self._judge = RolloutJudge(rollout.plan.analysis, rollout.plan.steps, before, left)
        self._counted_to = int(rollout.created_at)
        self._said: tuple[str, ...] = ()
        self._said_at = 0.0
        if looks := store.read(rollout.id, kinds=("evidence.look",)):  # a controller before this one may have said it
            verdict = looks[-1].body["verdict"]
            self._said = _saying(verdict["step"], verdict["answer"], verdict["reason"])
            self._said_at = looks[-1].at
        self._recorded: dict[int, set[str]] = {}  # by epoch of their beginning: sessions that are to be scored
        self._scores: dict[str, Score] = {}  # by session
        self._scores_after = 0

    def outdated(self, rollout: Rollout) -> bool:
        """Whether another one must take its place: the evidence began anew."""
        return rollout.rebased != self._rollout.rebased

    def left(self) -> tuple[tuple[str, float], ...]:
        """What the tests of a judge that begins anew may spend, by name."""
        return tuple(sorted(self._judge.left().items()))

    def look(self, rollout: Rollout, now: float) -> Judged | None:
        """The verdict of now, if it says something new; its evidence is on the ledger before it is told."""
        _, fresh = self._split(self._fetch(rollout.created_at))
        for session in [*self._waiting, *fresh]:
            self._judge.add(session)
            if self._to_be_scored(session):
                self._recorded.setdefault(session.epoch, set()).add(session.session)
        self._waiting = []
        self._hear_scores(rollout)
        for second in self._new_seconds(rollout):
            self._judge.add_second(second)
        fresh_s = STALE_S + rollout.plan.late_s
        look = self._judge.look(rollout.step, now, self._last_data_at(rollout, now), stale_after_s=fresh_s)
        look = replace(look, verdict=self._scored(look.verdict, rollout))
        verdict = look.verdict
        saying = _saying(rollout.step, verdict.answer.value, verdict.reason)
        if saying == self._said and now - self._said_at < self._say_again(rollout):
            return None
        self._said, self._said_at = saying, now
        record = self._store.append([Entry("evidence.look", _body(look), rollout.id)], now)[0]
        return Judged(replace(verdict, evidence=(record.id,)))

    def _hear_scores(self, rollout: Rollout) -> None:
        """Late scores: of this rollout's sessions, and of the baseline's before it."""
        if (quality := rollout.plan.quality) is None:
            return
        for position, score in self._store.scores(rollout.agent, after=self._scores_after):
            self._scores_after = position
            if score.digest != quality.suite_digest or score.version not in self._versions(rollout):
                continue
            if score.t >= rollout.created_at and score.epoch >= self._epoch:
                self._scores[score.session] = score
                self._judge.add_score(score)
            elif score.version == rollout.baseline.number and score.t >= self._same_since:
                # whatever it was called then, it teaches what is normal
                self._judge.add_score(replace(score, variant="baseline", weight=0.0))

    def _scored(self, verdict: Verdict, rollout: Rollout) -> Verdict:
        if (quality := rollout.plan.quality) is None or _only_observed(rollout.plan):
            return verdict
        recorded = self._recorded.get(rollout.epoch, set())
        scored = sum(1 for session in recorded if session in self._scores)
        if (evaluation := quality.evaluation) is None:
            return wait_for_scores(verdict, len(recorded), scored, quality.scored)
        share = quality.scored * evaluation.share
        return wait_for_scores(verdict, len(recorded), scored, share, "sessions without a failure")

    def _to_be_scored(self, session: Session) -> bool:
        """Recorded ones; where the platform scores, those without a failure: it has no score for the others."""
        quality = self._rollout.plan.quality
        return session.failures == 0 if quality and quality.evaluation else session.recorded

    def _say_again(self, rollout: Rollout) -> float:
        """About twenty looks in the least time that a step takes."""
        return min(SAY_AGAIN_S, max(1.0, rollout.plan.steps[rollout.step].bake_s / 20))

    def _fetch(self, since: float) -> list[Session]:
        """Sessions that closed since the last fetch, of this rollout's two versions."""
        found = self._store.sessions(self._rollout.agent, after=self._after, since=since)
        if found:
            self._after = found[-1][0]
        return [session for _, session in found if session.version in self._versions(self._rollout)]

    def _split(self, sessions: list[Session]) -> tuple[list[Session], list[Session]]:
        """The baseline's sessions from before, and both versions' that are compared: those that began in the rollout,
        and since its evidence began anew.

        One that spans both tells nothing, and an earlier try of the candidate is not what the baseline was like.
        """
        rollout = self._rollout
        created, baseline = rollout.created_at, rollout.baseline.number
        begins = max(created, rollout.rebased.at) if rollout.rebased else created
        now = [s for s in sessions if s.started >= begins and s.epoch >= self._epoch]
        past = [s for s in sessions if s.version == baseline and s.started >= self._same_since]
        # of sessions of this rollout, those that began before its evidence began anew
        older = [s for s in past if s.t < created or (s.started >= created and s.epoch < self._epoch)]
        return older, now

    @property
    def _epoch(self) -> int:
        """The first whose sessions are compared."""
        return self._rollout.rebased.epoch if self._rollout.rebased else 0

    def _new_seconds(self, rollout: Rollout) -> list[Second]:
        """Rows of seconds that are whole: a later one of the same gateway is there."""
        rows = self._store.seconds(rollout.agent, since=self._counted_to + 1)
        whole = [row for row in rows if row.t < rows[-1].t]
        if whole:
            self._counted_to = whole[-1].t
        return [row for row in whole if row.version in self._versions(rollout)]

    def _versions(self, rollout: Rollout) -> tuple[str, ...]:
        return rollout.baseline.number, rollout.candidate.number if rollout.candidate else ""

    def _last_data_at(self, rollout: Rollout, now: float) -> float | None:
        seconds = self._store.seconds(rollout.agent, since=now - 300.0 - rollout.plan.late_s)
        return float(seconds[-1].t) if seconds else None


def _same_since(rollout: Rollout, store: Store) -> float:
    """Since when the baseline is what it is now: an earlier one teaches nothing of it."""
    changed = [
        record.at
        for record in store.read(kinds=("identity.drift",))
        if record.body["agent"] == rollout.agent and rollout.baseline.number in record.body["versions"]
    ]
    return changed[-1] if changed else 0.0


def _only_observed(plan: Plan) -> bool:
    """Whether quality is to decide nothing: then no step waits for scores."""
    guarded = {margin.metric for step in plan.steps for margin in step.margins}
    return "quality" in plan.analysis.observe and "quality" not in guarded


def _saying(step: int, answer: str, reason: str) -> tuple[str, ...]:
    """What a verdict says, its numbers aside."""
    return str(step), answer, re.sub(r"[\d.,]+", "#", reason)


def _body(look: Look) -> dict[str, object]:
    return {"step": look.verdict.step, "verdict": to_data(look.verdict), "data": look.data}
