"""Records fold into what happened, whatever is missing, in whatever order they come."""

import random
from dataclasses import replace

import pytest
from report_histories import ID, SCENARIOS, START, Book, plan

from headgate.core.codec import to_data
from headgate.core.decide import decide
from headgate.core.effects import PinEndpoint, RunGate, SetTraffic, WriteHandoff
from headgate.core.facts import (
    AbortAsked,
    CandidateReady,
    CandidateRetired,
    DebtMeasured,
    EndpointVerified,
    GateFinished,
    HandoffWritten,
    Judged,
    Started,
    TrafficVerified,
    WindowChecked,
)
from headgate.core.model import Answer, Phase, Rollout, Verdict, Version
from headgate.errors import UsageError
from headgate.ports import Record
from headgate.reports.history import History


def history_of(scenario):
    return History.of(SCENARIOS[scenario]().records)


def test_a_promoted_canary():
    """Phases in order, each weight asked and read back, gates, looks, checks, promotion and handoff."""
    history = history_of("canary-promoted")
    assert [p.phase.value for p in history.phases] == [
        "gating",
        "deploying",
        "stepping",
        "validating",
        "handing_over",
        "completed",
    ]
    assert [w.weight for w in history.weights] == [0, 10, 50, 100, 100]
    assert [round(w.verified.at - w.at, 2) for w in history.weights] == [0.31, 0.42, 0.42, 0.42, 1.8]
    assert [(g.gate, g.passed) for g in history.gates] == [("smoke", True), ("load", True)]
    assert len(history.looks) == 18
    assert len(history.checks) == 9
    assert (history.promoted.version, history.promoted.previous) == ("2", "1")
    assert history.rollback is None
    assert history.phase is Phase.COMPLETED


def test_latencies_are_seconds():
    """The analysis looks in milliseconds; the read model has one unit."""
    metric = history_of("canary-promoted").last_look().metric("latency_p95")
    assert (metric.baseline, metric.candidate) == (pytest.approx(1.3), pytest.approx(1.34))


def test_the_times_of_a_rollback_are_the_controllers():
    """`incident.times` is what the controller measured, so it goes first."""
    back = history_of("canary-rolled-back").rollback
    assert back.by == "headgate"
    assert {n.evidence for n in (back.fault, back.detected, back.decided, back.cut_over, back.drained)} == {"L30"}
    assert back.detected.at - back.fault.at == 180
    assert back.cut_over.at - back.decided.at == pytest.approx(0.18)


def test_the_times_of_a_rollback_without_the_controllers():
    """Without it they come from the FAIL, the decision, the gateway and the last debt; the fault is not measured."""
    book = SCENARIOS["canary-rolled-back"]()
    back = History.of([r for r in book.records if r.kind != "incident.times"]).rollback
    kinds = {r.id: r.kind for r in book.records}
    assert back.fault is None
    assert kinds[back.detected.evidence] == "evidence.look"
    assert kinds[back.decided.evidence] == "decision"
    assert kinds[back.cut_over.evidence] == kinds[back.endpoint.evidence] == "effect.verified"
    assert kinds[back.drained.evidence] == "exposure.debt"


def test_a_persons_abort_is_the_persons():
    """Who asked, and when; nothing is left to guess of what is not over."""
    back = history_of("aborted").rollback
    assert back.by == "ines"
    assert back.decided.at > back.asked.at - 1
    assert back.drained is None


def test_a_weight_that_was_not_read_back_is_not_served():
    """Asked is not done."""
    book = SCENARIOS["running"]()
    last = max(r.seq for r in book.records if r.kind == "effect.verified")
    history = History.of([r for r in book.records if r.seq != last])
    assert history.weights[-1].verified is None
    assert history.weight.weight == 10


def test_a_decision_can_be_what_reads_a_weight_back():
    """Where the effect's own record is missing, the core was told by a fact."""
    book = SCENARIOS["gate-failed"]()
    asked = book.traffic(10.0)
    book.decide(("Ticked", {}), "stepping", "x", asked, step=0, weight=10.0)
    book.decide(("TrafficVerified", {"weight": 10.0, "epoch": asked["epoch"]}), "stepping", "10 % verified", wait=2)
    weight = History.of(book.records).weights[-1]
    assert weight.verified.at - weight.at == 2


def test_order_and_strangers_do_not_matter():
    """Records come in any order, with those of other rollouts, other agents and unknown kinds among them."""
    book = SCENARIOS["canary-rolled-back"]()
    n = len(book.records)
    strange = [
        Record(n + 1, START, "another-1", "evidence.gate", {"gate": "x", "passed": True, "detail": ""}, "", "x"),
        Record(n + 2, START, "", "agent.registered", {"agent": "another", "arn": "arn:x", "version": "9"}, "", "x"),
        Record(n + 3, START, ID, "moon.phase", {"full": True}, "", "x"),
    ]
    shuffled = [*book.records, *strange]
    random.Random(7).shuffle(shuffled)
    told, plain = History.of(shuffled), History.of(book.records)
    assert replace(told, records=plain.records) == plain
    assert told.registered.arn != "arn:x"


def test_no_rollout_among_the_records():
    """The message says what was looked for, and where to find an id."""
    with pytest.raises(UsageError, match=r"rollout\.created") as caught:
        History.of(SCENARIOS["running"]().records[:2])
    assert "rollout list" in str(caught.value)


@pytest.mark.parametrize("kind", ["decision", "evidence.look", "evidence.window", "evidence.gate", "incident.opened"])
def test_a_record_that_cannot_be_read_is_named(kind):
    """A damaged body is not skipped: a report without it would tell another story."""
    book = SCENARIOS["canary-promoted"]()
    broken = Record(99, START, ID, kind, {"from": "nowhere", "verdict": 3}, "", "x")
    with pytest.raises(UsageError, match=rf"L99 \({kind}\)"):
        History.of([*book.records, broken])


def test_a_rollout_of_another_version_of_headgate_is_named():
    """A plan with members that we do not know is refused, not guessed."""
    book = SCENARIOS["running"]()
    created = next(r for r in book.records if r.kind == "rollout.created")
    body = created.body | {"rollout": created.body["rollout"] | {"moon": "full"}}
    with pytest.raises(UsageError, match="moon"):
        History.of([replace(created, body=body)])


class Driver:
    """The real core, its decisions written down as the controller writes them."""

    def __init__(self):
        made = Rollout(ID, "coach-companion", plan(), "ee" * 32, "s", "maria", "why", START, Version("1", "a" * 64))
        self.rollout, self.book, self.asked = made, Book(made.plan), []
        self.book.add("rollout.created", {"rollout": to_data(made), "plan_path": "p", "plan_text": "", "arn": "arn:a"})

    def tell(self, fact, wait=1.0):
        self.book.at += wait
        before, made = self.rollout, decide(self.rollout, fact, self.book.at)
        self.rollout, self.asked = made.rollout, list(made.effects)
        body = {
            "fact": to_data(fact),
            "now": self.book.at,
            "from": before.phase.value,
            "to": made.rollout.phase.value,
            "step": made.rollout.step,
            "weight": made.rollout.weight,
            "reason": made.reason,
            "effects": [to_data(effect) for effect in made.effects],
        }
        self.book.add("decision", body)
        for effect in made.effects:
            match effect:
                case RunGate():
                    self.tell(GateFinished(effect.gate, True, "all passed"))
                case SetTraffic():
                    self.tell(TrafficVerified(effect.weight, effect.epoch))
                case PinEndpoint():
                    self.tell(EndpointVerified(effect.endpoint, effect.version))
                case WriteHandoff():
                    self.tell(HandoffWritten("handoff/overview.md", "d" * 64))
                case _:
                    pass

    def judge(self, answer):
        for _ in range(3):
            verdict = Verdict(answer, "by the numbers", self.rollout.step, self.book.at + 700, 900, 900)
            self.tell(Judged(verdict), wait=700)


def begun():
    driver = Driver()
    driver.tell(Started())
    driver.tell(CandidateReady(Version("2", "b" * 64)))
    return driver


def test_the_real_core_promoted():
    """What `decide` writes today folds to a promoted rollout, also before the promotion is on record."""
    driver = begun()
    for _ in range(3):
        driver.judge(Answer.PASS)
    for _ in range(10):
        driver.tell(WindowChecked(()), wait=20_000)
    history = History.of(driver.book.records)
    assert history.phase is Phase.COMPLETED is driver.rollout.phase
    assert [w.weight for w in history.weights if w.verified] == [0, 10, 50, 100, 100]
    assert (history.promoted.version, history.promoted.previous) == ("2", "1")


def test_the_real_core_rolled_back():
    """What `decide` writes today folds to a rollback with its times, by a person and by the analysis."""
    for fact, by in (
        (Judged(Verdict(Answer.FAIL, "worse", 0, START + 900, 90, 30)), "headgate"),
        (AbortAsked("ines", "a complaint"), "ines"),
    ):
        driver = begun()
        if by == "ines":
            driver.book.add("command", {"verb": "abort", "by": "ines", "reason": "a complaint"})
        driver.tell(fact)
        driver.tell(DebtMeasured(0, 0.0))
        driver.tell(CandidateRetired())
        history = History.of(driver.book.records)
        assert history.phase is Phase.ROLLED_BACK is driver.rollout.phase
        assert history.rollback.by == by
        assert history.rollback.cut_over.at >= history.rollback.decided.at
        assert history.weight.weight == 0
