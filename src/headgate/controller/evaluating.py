"""Quality by a platform's own evaluation: configured for both variants while a rollout runs, its late scores taken in.

A score is stored once per session, with the labels of the session's own row, when all evaluators have spoken or are not
waited for any longer: what the first of them said is not what the session was worth. Another's A/B test is read as it
goes, and put on the ledger; nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from statistics import fmean

from headgate.controller.jobs import Attempt
from headgate.controller.world import World
from headgate.core import policy
from headgate.core.model import FINISHED, Phase, Rollout
from headgate.core.recorded import Quality
from headgate.ports import Entry, Evaluated, Evaluations, Judgement
from headgate.stats.observations import Score, Session, hashed

POLL_S = 60.0
SETTLED_S = 300.0  # results come in batches about five minutes apart
GIVEN_UP_S = 900.0  # an evaluator that has not spoken by then is not waited for
TRIAL_EVERY_S = 300.0

_OVERLAP_S = 1800.0  # of two readings: a result's time is that of its writing, and it may be seen late
_RUNNING = frozenset({Phase.GATING, Phase.DEPLOYING, Phase.STEPPING, Phase.VALIDATING})


@dataclass(slots=True)
class _Work:
    """One rollout's evaluation; rebuilt from the store and from what AWS keeps."""

    begin: Attempt
    read: Attempt
    trial: Attempt
    known: set[str]  # sessions that have their score
    ids: tuple[str, ...] = ()
    said: str = ""  # of the trial, what the ledger has last
    since: float = 0.0
    sessions: dict[str, Session] = field(default_factory=dict)
    after: int = 0
    results: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)  # session, evaluator, id -> value
    newest: dict[str, float] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)  # failures of evaluators, each once


class Evaluating:
    """Called once a turn for each rollout; it never waits for AWS."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._jobs = world.jobs()
        self._work: dict[str, _Work] = {}
        self._ending: dict[str, Attempt] = {}
        self._ended: set[str] = set()

    def close(self) -> None:
        self._jobs.close()

    def forget(self, rollout: str) -> None:
        """Rebuild from the store what is known of this rollout."""
        self._work.pop(rollout, None)

    def turn(self, rollout: Rollout, now: float) -> None:
        """Begin what is to be scored, take in scores, note what an A/B test says."""
        quality, test = rollout.plan.quality, rollout.plan.platform.get("ab_test")
        evaluated = quality is not None and quality.evaluation is not None
        if not (evaluated or test) or policy.working_phase(rollout) not in _RUNNING:
            return
        if (evaluations := self._world.evaluations(rollout.plan)) is None:
            return
        work = self._of(rollout)
        if quality and evaluated and rollout.candidate:
            if not work.ids:
                self._begin(rollout, quality, work, evaluations, now)
            elif now >= work.read.next_at:
                self._read(rollout, quality, work, evaluations, now)
        if test:
            self._trial(rollout, test, work, evaluations, now)

    def end(self, rollouts: Sequence[Rollout], now: float) -> None:
        """All rollouts of an agent have ended: nothing of theirs is evaluated any more."""
        last = rollouts[-1] if rollouts else None
        if last is None or last.id in self._ended or not (last.plan.quality and last.plan.quality.evaluation):
            return
        evaluations, ending = self._world.evaluations(last.plan), self._ending.setdefault(last.id, Attempt("end"))
        if evaluations is None or now < ending.next_at:
            return
        if self._world.store.read(last.id, kinds=("evaluation.ended",)):
            self._ended.add(last.id)
            return
        work = self._work.get(last.id)
        if work and work.begin.busy:  # what it makes would else be left behind
            self._begin(last, last.plan.quality, work, evaluations, now)
            return
        names = {name for each in rollouts if each.phase in FINISHED for name in _names(each).values()}
        gone = ending.run(self._jobs, f"{last.id}/evaluation/end", partial(evaluations.end, names), now)
        self._failed(ending, last, now)
        if gone is not None:
            self._ended.add(last.id)
            self.forget(last.id)
            self._note(Entry("evaluation.ended", {"removed": gone}, last.id), now)

    # --- helpers

    def _of(self, rollout: Rollout) -> _Work:
        if rollout.id not in self._work:
            quality, store = rollout.plan.quality, self._world.store
            digest = quality.suite_digest if quality else ""
            scores = (score for _, score in store.scores(rollout.agent))
            trials = store.read(rollout.id, kinds=("evidence.ab_test",))
            self._work[rollout.id] = _Work(
                begin=Attempt("begin"),
                read=Attempt("read"),
                trial=Attempt("ab_test"),
                known={score.session for score in scores if score.digest == digest},
                said=_saying(trials[-1].body) if trials else "",
                since=rollout.created_at,
            )
        return self._work[rollout.id]

    def _begin(self, rollout: Rollout, quality: Quality, work: _Work, evaluations: Evaluations, now: float) -> None:
        if now < work.begin.next_at:
            return
        wanted = list(_wanted(rollout, quality))
        ids = work.begin.run(self._jobs, f"{rollout.id}/evaluation/begin", partial(evaluations.begin, wanted), now)
        self._failed(work.begin, rollout, now)
        if ids is None:
            return
        work.ids = tuple(ids.values())
        if not self._world.store.read(rollout.id, kinds=("evaluation.begun",)):
            named = {variant: ids[name] for variant, name in _names(rollout).items()}
            self._note(Entry("evaluation.begun", {"configurations": named}, rollout.id), now)

    def _read(self, rollout: Rollout, quality: Quality, work: _Work, evaluations: Evaluations, now: float) -> None:
        ask = partial(evaluations.results, work.ids, work.since)
        found = work.read.run(self._jobs, f"{rollout.id}/evaluation/read", ask, now)
        self._failed(work.read, rollout, now)
        if found is None:
            return
        work.read.next_at = now + POLL_S
        for result in found:
            self._hear(result, rollout, work, now)
        work.since = max(work.since, now - _OVERLAP_S)
        for position, session in self._world.store.sessions(rollout.agent, after=work.after, since=rollout.created_at):
            work.after = position
            work.sessions[session.session] = session
        scores = list(_scores(quality, work, now))
        if scores:
            self._world.store.keep_scores(rollout.agent, scores)
            work.known |= {score.session for score in scores}

    def _hear(self, result: Judgement, rollout: Rollout, work: _Work, now: float) -> None:
        session = hashed(result.session)
        if session in work.known:
            return
        if result.value is None:
            told = f"evaluator {result.evaluator}: {result.error}"
            if told not in work.told:
                work.told.add(told)
                self._note(Entry("evaluation.failing", {"what": "score", "error": told}, rollout.id), now)
            return
        work.results.setdefault(session, {}).setdefault(result.evaluator, {})[result.id] = result.value
        work.newest[session] = max(result.at, work.newest.get(session, 0.0))

    def _trial(self, rollout: Rollout, test: str, work: _Work, evaluations: Evaluations, now: float) -> None:
        if now < work.trial.next_at:
            return
        body = work.trial.run(self._jobs, f"{rollout.id}/ab_test", partial(evaluations.trial, test), now)
        self._failed(work.trial, rollout, now)
        if body is None:
            return
        work.trial.next_at = now + TRIAL_EVERY_S
        if (saying := _saying(body)) != work.said:
            work.said = saying
            self._note(Entry("evidence.ab_test", body, rollout.id), now)

    def _failed(self, attempt: Attempt, rollout: Rollout, now: float) -> None:
        if attempt.fresh:
            self._note(Entry("evaluation.failing", {"what": attempt.what, "error": attempt.fresh}, rollout.id), now)

    def _note(self, entry: Entry, now: float) -> None:
        self._world.store.append([entry], now)


def _names(rollout: Rollout) -> dict[str, str]:
    """Variant -> the name of its configuration: AWS has 48 letters for it, so it is a digest."""
    return {
        variant: f"headgate_{sha256(f'{rollout.id}/{variant}'.encode()).hexdigest()[:24]}"
        for variant in ("baseline", "candidate")
    }


def _wanted(rollout: Rollout, quality: Quality) -> Iterator[Evaluated]:
    assert quality.evaluation is not None
    assert rollout.candidate is not None
    of = {"baseline": rollout.baseline, "candidate": rollout.candidate}
    for variant, name in _names(rollout).items():
        said = f"{rollout.agent} {of[variant].number}, {variant} of {rollout.id}"
        yield Evaluated(name, of[variant], quality.evaluation, said)


def _scores(quality: Quality, work: _Work, now: float) -> Iterator[Score]:
    """Sessions whose results are complete, or not waited for any longer: the mean of the evaluators' means."""
    assert quality.evaluation is not None
    for session, by_evaluator in list(work.results.items()):
        age = now - work.newest[session]
        whole = len(by_evaluator) >= len(quality.evaluation.evaluators)
        row = work.sessions.get(session)
        if row is None or age < (SETTLED_S if whole else GIVEN_UP_S):
            continue
        value = fmean(fmean(values.values()) for values in by_evaluator.values())
        del work.results[session]
        labels = row.variant, row.version, row.weight, row.epoch
        yield Score(now, *labels, session, value, quality.suite_digest)


def _saying(body: object) -> str:
    """What a trial says, when it was analysed aside: the same again is not noted."""
    assert isinstance(body, dict)
    return str({key: value for key, value in body.items() if key != "at"})
