"""Online quality in whole simulated releases: scores are stored by variant, and no step outruns them."""

from dataclasses import replace

import pytest
from sims import assert_sound, quick_plan

from headgate.analysis.scored import wait_for_scores
from headgate.controller.controller import Controller
from headgate.core.model import FINISHED, Answer, Phase, Verdict
from headgate.core.plan import Gate, Margin
from headgate.core.recorded import Quality
from headgate.core.recorded import Recording as Recorded
from headgate.errors import Unavailable
from headgate.ports import GateOutcome, Scored
from headgate.stats.observations import Recording, Session
from headgate.testing.simulation import AGENT, Simulation

QUALITY = Quality("q.yaml", "", "digest-1", 0.9, 100_000)


class Gateway:
    """Sessions as they are simulated, each of them recorded; and a scorer that says 0.8, or what `says` makes of it."""

    def __init__(self, sim):
        self.sim, self.kept, self.says, self.asked, self.cost = sim, [], lambda _: 0.8, [], {}

    def poll(self, agent, cursor):
        rows, after = self.sim.sessions.poll(agent, cursor)
        rows = [replace(row, recorded=True) if isinstance(row, Session) else row for row in rows]
        for row in rows:
            if isinstance(row, Session):
                labels = row.session, row.variant, row.version, row.weight, row.epoch, row.started, row.t
                self.kept.append(Recording(len(self.kept) + 1, *labels, ({"payload": "x"},)))
        return rows, after

    def after(self, agent, seq, limit):
        return self.kept[seq : seq + limit]

    def latest(self, agent, version, limit):
        return self.kept[-limit:][::-1]

    def failing(self, agent):
        return []

    def score(self, quality, recording):
        self.asked.append(recording.session)
        return Scored(self.says(recording), self.cost)

    def replay(self, gate, agent, baseline, candidate):
        return GateOutcome(False, "not decided: 31 sessions alike would show the margin", decided=False)


def released(plan, says=None, cost=None):
    """A release of the plan whose sessions are all recorded; `cost`: of judging each."""
    sim = Simulation(sessions_per_minute=120.0)
    gateway = Gateway(sim)
    gateway.says, gateway.cost = says or gateway.says, cost or {}
    sim.world = replace(sim.world, telemetry=gateway, recordings=gateway, scorer=gateway, replays=gateway)
    sim.controller = Controller(sim.world)
    sim.serve(quick_plan("./v1"))
    sim.run_turns(30)
    sim.release(plan)
    return sim, gateway


def with_quality(**members):
    """The quick plan, scored."""
    return replace(quick_plan(), recording=Recorded(1.0), quality=replace(QUALITY, **members))


def test_scores_carry_the_labels_of_their_sessions():
    """Every scored session has one score, with the variant, version, weight and epoch that it began with."""
    sim, gateway = released(with_quality())
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    scores = [score for _, score in sim.store.scores(AGENT)]
    rows = {row.session: row for _, row in sim.store.sessions(AGENT)}
    assert {score.variant for score in scores} == {"baseline", "candidate"}
    assert len(scores) == len({score.session for score in scores}) == len(gateway.asked)
    for score in scores:
        row = rows[score.session]
        assert (score.variant, score.version, score.weight, score.epoch) == (
            row.variant,
            row.version,
            row.weight,
            row.epoch,
        )
        assert (score.quality, score.digest) == (0.8, "digest-1")
    assert_sound(sim)
    sim.controller.close()


def test_no_step_is_left_before_its_sessions_are_scored():
    """A judge that is silent holds the step, and says why; when it speaks again, the release goes on."""
    silent = [True]

    def says(_recording):
        if silent[0]:
            raise Unavailable("the judge is busy")
        return 0.8

    sim, _ = released(with_quality(), says)
    sim.run_until(lambda r: r.verdict is not None and "recorded sessions of this step are scored" in r.verdict.reason)
    for _ in range(30):
        sim.turn()
    assert (sim.rollout.phase, sim.rollout.step, sim.rollout.verdict.answer) == (
        Phase.STEPPING,
        0,
        Answer.INCONCLUSIVE,
    )
    silent[0] = False
    assert sim.run_until(lambda r: r.phase in FINISHED or r.step > 0).step == 1
    sim.controller.close()


def test_where_quality_is_only_observed_no_step_waits_for_it():
    """The judge is silent to the end, and the release goes through."""

    def silent(_recording):
        raise Unavailable("the judge is busy")

    plan = with_quality()
    sim, _ = released(replace(plan, analysis=replace(plan.analysis, observe=("quality",))), silent)
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    assert sim.records("evidence.look")[-1].body["data"]["observed"][0]["metric"] == "quality"
    sim.controller.close()


def test_a_restarted_controller_scores_no_session_twice():
    """What has a score is known from the store."""
    sim, gateway = released(with_quality())
    sim.run_until(lambda _: len(sim.store.scores(AGENT)) > 20)
    done = {score.session for _, score in sim.store.scores(AGENT)}
    sim.controller.close()
    gateway.asked.clear()
    sim.restart("controller-2")
    sim.run_until(lambda _: len(sim.store.scores(AGENT)) > len(done) + 5)
    assert not done & set(gateway.asked)
    sim.controller.close()


def test_no_more_than_the_hours_budget():
    """At most so many are begun in an hour; the step waits for the rest rather than be left."""
    sim, gateway = released(with_quality(per_hour=7))
    sim.run_until(lambda r: r.phase is Phase.STEPPING and r.weight_at is not None)
    for _ in range(120):
        sim.turn()
    assert len(gateway.asked) == 7
    assert sim.rollout.step == 0
    sim.controller.close()


def test_a_replay_that_decides_nothing_calls_a_person():
    """Neither passed nor failed: the evidence is kept, the rollout held before anybody sees the candidate."""
    plan = replace(quick_plan(), gates=(Gate("replay", "q.yaml", "", "", replay=30),))
    sim, _ = released(plan)
    held = sim.run_until(lambda r: r.phase is Phase.PAUSED)
    assert "not decided: 31 sessions alike would show the margin" in held.hold.reason
    assert [r.body["gate"] for r in sim.records("evidence.undecided")] == ["replay"]
    assert sim.records("evidence.gate") == []
    assert held.weight == 0
    sim.controller.close()


@pytest.mark.parametrize(
    ("answer", "recorded", "scored", "after"),
    [
        (Answer.PASS, 10, 9, Answer.PASS),
        (Answer.PASS, 10, 8, Answer.INCONCLUSIVE),
        (Answer.PASS, 0, 0, Answer.INCONCLUSIVE),
        (Answer.FAIL, 10, 0, Answer.FAIL),
        (Answer.INCONCLUSIVE, 10, 0, Answer.INCONCLUSIVE),
    ],
)
def test_only_a_pass_waits(answer, recorded, scored, after):
    """A FAIL needs no score; nothing recorded is nothing scored."""
    assert wait_for_scores(Verdict(answer, "why", 0, 1.0), recorded, scored, 0.9).answer is after


def test_a_poor_candidate_is_taken_back_by_its_scores():
    """Nothing else is wrong with it: scores as Coach Companion's `lower-quality` gets, beside those of v1, convict it
    after some forty of its sessions; docs/coach-companion.md says so.
    """
    plan = with_quality()
    margins = (*plan.analysis.guardrails, Margin("quality", -0.15, ratio=False))
    steps = tuple(replace(step, margins=margins) for step in plan.steps)
    plan = replace(plan, steps=steps, analysis=replace(plan.analysis, guardrails=margins))
    sim, _ = released(plan, lambda recording: 0.5 if recording.version == "2" else 0.9)
    ended = sim.run_to_the_end()
    assert ended.phase is Phase.ROLLED_BACK, sim.reasons()[-1]
    assert ended.rollback.reason.startswith("quality: ")
    (exposed,) = sim.records("exposure.total")
    assert 5 <= exposed.body["sessions"] <= 60
    assert_sound(sim)
    sim.controller.close()
