"""Online quality: recorded sessions of a rollout's two versions are scored in the background, and the scores stored.

What is known is rebuilt from the store, so a controller that is killed scores no session twice and forgets none. What a
judge costs is bounded: `per_hour` of the plan, of both variants together, oldest sessions first; and on the ledger.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import partial

from headgate.controller.world import World
from headgate.core.model import Rollout
from headgate.core.recorded import Quality
from headgate.errors import HeadgateError
from headgate.ports import Data, Entry, Scored, Scorer
from headgate.stats.observations import Recording, Score

_BATCH = 200  # recordings of one poll
_AT_ONCE = 32  # handed to the pool, whose threads are few: a turn is too long to wait for each
_AGAIN_S = 15.0  # before a session that got no score is tried once more
_POLL_S = 1.0
_TRIES = 5
_TELL_S = 30.0  # what a killed controller may leave untold


@dataclass(slots=True)
class _Work:
    """One rollout: how far its recordings were read, what waits, runs, and was tried in vain."""

    seq: int = 0
    polled_at: float = 0.0
    known: set[str] = field(default_factory=set)
    waiting: deque[Recording] = field(default_factory=deque)
    running: dict[str, Recording] = field(default_factory=dict)
    later: list[tuple[float, Recording]] = field(default_factory=list)
    tries: dict[str, int] = field(default_factory=dict)
    begun: deque[float] = field(default_factory=deque)  # when scores of the last hour were begun
    cost: Data = field(default_factory=dict)  # of judging, not on the ledger yet
    told_at: float = 0.0


class Scoring:
    """Called once a turn for each watched rollout; never waits for a judge."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._jobs = world.jobs()
        self._work: dict[str, _Work] = {}
        self.trouble = ""

    def turn(self, rollout: Rollout, now: float) -> None:
        """Take in new recordings, store finished scores, begin further ones."""
        world, quality = self._world, rollout.plan.quality
        if quality is None or quality.evaluation or world.scorer is None or world.recordings is None:
            return
        work = self._work.get(rollout.id)
        if work is None:
            work = self._work[rollout.id] = self._begun(rollout)
        if now - work.polled_at >= _POLL_S:
            work.polled_at = now
            self._poll(rollout, work)
        while work.begun and work.begun[0] <= now - 3600.0:
            work.begun.popleft()
        while work.waiting and len(work.running) < _AT_ONCE and len(work.begun) < quality.per_hour:
            recording = work.waiting.popleft()
            work.begun.append(now)
            work.running[recording.session] = recording
        self._collect(rollout, work, world.scorer, now)

    def close(self) -> None:
        """Scores that run are given up: they are begun again by whoever comes next."""
        self._jobs.close()

    def _tell(self, rollout: Rollout, work: _Work, now: float) -> None:
        """What judging cost, now and then: budgets read it from the ledger."""
        if not work.cost or 0.0 <= now - work.told_at < _TELL_S:
            return
        work.told_at, cost, work.cost = now, work.cost, {}
        cost["usd"] = round(cost["usd"], 6)
        self._world.store.append([Entry("evaluation.judged", cost, rollout.id)], now)

    def _begun(self, rollout: Rollout) -> _Work:
        quality = rollout.plan.quality
        scores = (score for _, score in self._world.store.scores(rollout.agent))
        return _Work(known={score.session for score in scores if quality and score.digest == quality.suite_digest})

    def _poll(self, rollout: Rollout, work: _Work) -> None:
        recordings = self._world.recordings
        assert recordings is not None
        versions = {rollout.baseline.number, rollout.candidate.number if rollout.candidate else ""}
        try:
            found = recordings.after(rollout.agent, work.seq, _BATCH)
        except HeadgateError as error:
            self.trouble = error.message
            return
        for recording in found:
            work.seq = max(work.seq, recording.seq)
            mine = recording.started >= rollout.created_at and recording.version in versions
            if mine and recording.session not in work.known:
                work.known.add(recording.session)
                work.waiting.append(recording)

    def _collect(self, rollout: Rollout, work: _Work, scorer: Scorer, now: float) -> None:
        quality, scores = rollout.plan.quality, list[Score]()
        done: tuple[Scored] | None
        assert quality is not None
        for session, recording in list(work.running.items()):
            try:
                done = self._jobs.result(session, partial(_ask, scorer, quality, recording))
            except HeadgateError as error:
                self.trouble, done = error.message, (Scored(None),)
            if done is None:  # it is being asked
                continue
            del work.running[session]
            _add(work.cost, done[0])
            if (found := done[0].score) is None:
                work.tries[session] = work.tries.get(session, 0) + 1
                if work.tries[session] < _TRIES:
                    work.later.append((now + _AGAIN_S, recording))
                continue
            scores.append(_scored(recording, found, quality.suite_digest, now))
        if scores:
            self._world.store.keep_scores(rollout.agent, scores)
        self._tell(rollout, work, now)
        due = [recording for at, recording in work.later if at <= now]
        work.later = [(at, recording) for at, recording in work.later if at > now]
        work.waiting.extend(due)


def _add(cost: Data, scored: Scored) -> None:
    """One more session that was judged; one whose evaluators ask no judge costs nothing."""
    if scored.judging:
        cost["sessions"] = cost.get("sessions", 0) + 1
        for name, value in scored.judging.items():
            cost[name] = cost.get(name, 0) + value


def _scored(recording: Recording, quality: float, digest: str, now: float) -> Score:
    labels = recording.variant, recording.version, recording.weight, recording.epoch
    return Score(now, *labels, recording.session, quality, digest)


def _ask(scorer: Scorer, quality: Quality, recording: Recording) -> tuple[Scored]:
    """In a tuple: a job that answers None is one that has not ended."""
    return (scorer.score(quality, recording),)
