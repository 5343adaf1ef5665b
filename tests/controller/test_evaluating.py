"""AgentCore's online evaluation in simulated releases: late scores with their sessions' labels, nothing left behind."""

from dataclasses import dataclass, field, replace

import pytest
from sims import assert_sound, in_phase, quick_plan

from headgate.controller import queries
from headgate.controller.controller import Controller
from headgate.core.model import FINISHED, Answer, Phase
from headgate.core.plan import Margin, Platform
from headgate.core.recorded import Evaluation, Quality
from headgate.errors import TimedOut, Unavailable
from headgate.ports import Judgement
from headgate.reports.history import History
from headgate.reports.render import to_markdown
from headgate.reports.status import status_report
from headgate.stats.observations import hashed
from headgate.testing.simulation import AGENT, Simulation

BOTH = ("Builtin.Helpfulness", "Builtin.GoalSuccessRate")
QUALITY = Quality("", "", "digest-1", 0.5, 600, Evaluation(BOTH, "arn:aws:iam::123456789012:role/e"))
NAMES = {hashed(name): name for name in (f"session-{n:08d}" for n in range(9000))}
TRIAL = {"test": "t", "name": "coach_ab", "status": "ACTIVE", "running": "RUNNING", "at": 1.0, "results": [], "why": ""}
WON = {
    "evaluator": "Builtin.Helpfulness",
    **{"control_n": 40, "control_mean": 0.8, "variant": "T1", "n": 38, "mean": 0.6},
    **{"change": -0.2, "p": 0.001, "lower": -0.3, "upper": -0.1, "significant": True},
}


@dataclass
class Cloud:
    """Implements ports.Evaluations: each session without a failure is scored, `late_s` after it closed."""

    sim: Simulation
    late_s: float = 60.0
    trouble: Exception | None = None
    lost: Exception | None = None
    score: float = 0.8
    evaluators: tuple = BOTH
    begun: dict = field(default_factory=dict)
    begins: int = 0
    said: dict = field(default_factory=lambda: dict(TRIAL))

    def begin(self, wanted):
        self._answering()
        self.begins += 1
        for each in wanted:
            self.begun[each.name] = each
        if self.lost:
            lost, self.lost = self.lost, None
            raise lost
        return {each.name: f"id-{each.name}" for each in wanted}

    def results(self, ids, since):
        self._answering()
        assert len(ids) == len(self.begun) == 2
        now, found = self.sim.clock.now(), []
        for _, row in self.sim.store.sessions(AGENT, since=0.0):
            at = row.t + self.late_s
            if row.failures or not since <= at <= now:
                continue
            for evaluator in self.evaluators:
                id = f"{row.session}/{evaluator}"
                found.append(Judgement(id, NAMES[row.session], evaluator, at, self.score))
        return found

    def end(self, names):
        self._answering()
        return [self.begun.pop(name).name for name in sorted(names) if name in self.begun]

    def trial(self, _id):
        self._answering()
        return dict(self.said)

    def _answering(self):
        if self.trouble:
            raise self.trouble


def released(plan=None, **more):
    """A release whose sessions AgentCore evaluates."""
    sim = Simulation(sessions_per_minute=20.0, turn_s=5.0)
    cloud = Cloud(sim, **more)
    sim.world = replace(sim.world, evaluations=lambda _plan: cloud)
    sim.controller = Controller(sim.world)
    sim.serve(quick_plan("./v1"))
    sim.run_turns(30)
    sim.release(plan or scored())
    return sim, cloud


def scored(**more):
    steps = tuple(replace(step, within_s=7200.0) for step in quick_plan().steps)
    return quick_plan(quality=QUALITY, **{"steps": steps, **more})


def test_scores_come_late_with_the_labels_of_their_sessions():
    """No step is left before enough sessions are scored; each has one score, of both evaluators, with its labels."""
    sim, cloud = released()
    wait = "sessions without a failure of this step are scored"
    sim.run_until(lambda r: r.verdict is not None and wait in r.verdict.reason)
    assert sim.rollout.verdict.answer is Answer.INCONCLUSIVE
    assert sim.run_to_the_end().phase is Phase.COMPLETED
    rows = {row.session: row for _, row in sim.store.sessions(AGENT)}
    scores = [score for _, score in sim.store.scores(AGENT)]
    assert len(scores) == len({score.session for score in scores}) > 5
    assert {score.variant for score in scores} == {"baseline", "candidate"}
    for score in scores:
        row = rows[score.session]
        labels = (row.variant, row.version, row.weight, row.epoch)
        assert (score.variant, score.version, score.weight, score.epoch) == labels
        assert (score.quality, score.digest) == (0.8, "digest-1")
        assert score.t >= row.t + cloud.late_s + 300
    sim.run_turns(5)
    assert cloud.begun == {}
    (ended,) = sim.records("evaluation.ended")
    assert len(ended.body["removed"]) == 2
    assert_sound(sim)
    sim.controller.close()


def test_a_worse_candidate_is_taken_back_by_its_scores():
    """As with scores of one's own: the guardrail is quality, the evidence AgentCore's."""
    margins = (Margin("error", 0.2, ratio=False), Margin("quality", 0.05, ratio=False))
    plan = scored()
    steps = tuple(replace(step, margins=margins, min_sessions=50) for step in plan.steps)
    analysis = replace(plan.analysis, guardrails=margins)
    sim, cloud = released(replace(plan, steps=steps, analysis=analysis))

    def by_variant(ids, since):
        rows = {row.session: row for _, row in sim.store.sessions(AGENT)}
        told = Cloud.results(cloud, ids, since)
        hashes = {name: hash for hash, name in NAMES.items()}
        worse = {t.session for t in told if rows[hashes[t.session]].variant == "candidate"}
        return [replace(t, value=0.3 if t.session in worse else 0.8) for t in told]

    cloud.results = by_variant
    assert sim.run_to_the_end(limit_s=14_400.0).phase is Phase.ROLLED_BACK
    assert "quality" in sim.rollout.verdict.reason
    sim.controller.close()


@pytest.mark.parametrize("when", ["its answer is lost", "between doing and noting"])
def test_a_controller_that_is_killed_begins_nothing_twice_and_leaves_nothing(when):
    """Configurations have the same names whenever they are asked for."""
    sim, cloud = released()
    cloud.lost = TimedOut("no answer") if when == "its answer is lost" else SystemExit("killed")
    if when == "its answer is lost":
        sim.run_until(lambda _r: bool(sim.records("evaluation.failing")))
    else:
        with pytest.raises(SystemExit):
            sim.run_until(in_phase(Phase.VALIDATING))
    names = set(cloud.begun)
    sim.restart("controller-2")
    sim.run_until(lambda _r: bool(sim.records("evaluation.begun")))
    assert (len(names), set(cloud.begun), cloud.begins) == (2, names, 2)
    sim.say("abort")
    sim.run_to_the_end()
    sim.run_turns(5)
    assert cloud.begun == {}
    sim.controller.close()


def test_what_is_not_scored_holds_and_says_why():
    """AWS away: the step waits, nobody is blamed, the failure is told once; afterwards it goes on."""
    sim, cloud = released()
    sim.run_until(lambda _r: bool(cloud.begun))
    cloud.trouble = Unavailable("nobody answers")
    sim.run_turns(100)
    assert (sim.rollout.phase, sim.rollout.step) == (Phase.STEPPING, 0)
    assert "0 of" in sim.rollout.verdict.reason
    assert len(sim.records("evaluation.failing")) == 1
    cloud.trouble = None
    assert sim.run_until(lambda r: r.phase in FINISHED or r.step > 0).step == 1
    sim.controller.close()


def test_an_evaluator_that_is_silent_is_waited_for_and_not_for_ever():
    """One of two has spoken: after a quarter of an hour the session has what there is."""
    sim, cloud = released(evaluators=BOTH[:1])
    sim.run_until(lambda _r: bool(sim.store.scores(AGENT)))
    first = sim.store.scores(AGENT)[0][1]
    row = next(row for _, row in sim.store.sessions(AGENT) if row.session == first.session)
    assert first.t >= row.t + cloud.late_s + 900
    sim.controller.close()


def test_no_score_is_read_twice_after_a_restart():
    """What has a score is known from the store, what had not is read again."""
    sim, _ = released()
    sim.run_until(lambda _r: len(sim.store.scores(AGENT)) > 5)
    sim.restart("controller-2")
    sim.run_to_the_end()
    found = [score.session for _, score in sim.store.scores(AGENT)]
    assert len(found) == len(set(found))
    sim.controller.close()


def test_an_ab_test_is_evidence_and_decides_nothing():
    """What it says is on the ledger when it changes, and in the status report with its source; a loss is no FAIL."""
    place = Platform("agentcore", (("ab_test", "coach-0123456789"), ("source", "./v2")))
    sim, cloud = released(quick_plan(platform=place))
    sim.run_until(lambda _r: bool(sim.records("evidence.ab_test")))
    cloud.said = {**TRIAL, "at": 2.0}
    sim.run_turns(65)
    assert len(sim.records("evidence.ab_test")) == 1
    sim2, cloud2 = released(quick_plan(platform=place))
    cloud2.said = {**TRIAL, "results": [WON]}
    assert sim2.run_to_the_end().phase is Phase.COMPLETED
    (record,) = sim2.records("evidence.ab_test")
    history = History.of(queries.records(sim2.store, sim2.rollout))
    text = to_markdown(status_report(history, sim2.store.head(), sim2.clock.now()))
    part = text.partition("A/B test of AgentCore")[2]
    assert "Builtin.Helpfulness" in part
    assert "significant by AgentCore" in part
    assert f"#{record.id}" in part or record.id in part
    assert "decides nothing" in part
    sim.controller.close()
    sim2.controller.close()
