"""design.md's invariants on `decide`: one step from any valid state, and whole histories played against a world."""

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from invariants import PERSON, clashes, unsound, violations
from strategies import (
    BASELINE,
    CANDIDATE_VERSION,
    ROLLOUT,
    T0,
    every_fact,
    facts,
    plans,
    rollouts,
    situations,
    times,
    verdicts,
    words,
)

from headgate.core import facts as f
from headgate.core import policy
from headgate.core.codec import from_data, to_data
from headgate.core.decide import decide
from headgate.core.effects import (
    DeployCandidate,
    OpenIncident,
    PinEndpoint,
    RetireCandidate,
    RunGate,
    SetTraffic,
    WriteHandoff,
)
from headgate.core.model import FINISHED, Answer, CriterionResult, Phase, Rollout, Variant, Verdict
from headgate.core.plan import problems


@given(plans())
def test_plans_have_no_problems(plan):
    """The strategy draws only plans that may start, so no property holds for want of examples."""
    assert not list(problems(plan))


@given(rollouts())
def test_states_are_sound(rollout):
    """The strategy draws only valid states, so no property fails for an impossible one."""
    assert not unsound(rollout)


@settings(max_examples=400)
@given(rollouts(), times())
def test_every_fact_in_any_valid_state(rollout, now):
    """Whatever the state and the fact, one step breaks no invariant and never raises."""
    for fact in every_fact(rollout, now):
        made = decide(rollout, fact, now)
        assert not violations(rollout, fact, now, made), fact
        assert decide(rollout, fact, now) == made, "the same question had two answers"


@settings(max_examples=300)
@given(situations())
def test_what_is_decided_survives_the_ledger(situation):
    """The state after any decision is read back from JSON as it was, so that it can be replayed."""
    after = decide(*situation).rollout
    assert from_data(Rollout, json.loads(json.dumps(to_data(after)))) == after


@settings(max_examples=300)
@given(situations(), st.integers(2, 4))
def test_a_repeated_fact_raises_nothing(situation, times):
    """Told the same thing again at the same moment, a rollout goes no further than the first time."""
    rollout, fact, now = situation
    first = rollout = decide(rollout, fact, now).rollout
    for _ in range(times):
        rollout = decide(rollout, fact, now).rollout
        if not isinstance(fact, f.AdvanceAsked | f.Approved):  # a person may well say it twice
            assert rollout.step == first.step


_APPROVERS = st.sampled_from(["release-managers", "alice"])


class World(RuleBasedStateMachine):
    """Plays platform, gateway, analysis and people against `decide`: effects are done late, again, or not at all."""

    def __init__(self):
        super().__init__()
        self.now = T0
        self.rollout = None
        self.pending = {}
        self.asked = {}
        self.done = []
        self.down_since = None

    @precondition(lambda self: self.rollout is None)
    @rule(plan=plans())
    def create(self, plan):
        self.begin(plan)

    def begin(self, plan):
        self.rollout = Rollout(ROLLOUT, "coach", plan, "", "salt", "alice", "a fix", T0, BASELINE)
        self.tell(f.Started())

    def tell(self, fact):
        before = self.rollout
        made = decide(before, fact, self.now)
        assert not violations(before, fact, self.now, made)
        assert not clashes(self.asked, made.effects)
        self.rollout = made.rollout
        self.pending |= {e.key: e for e in made.effects}

    @precondition(lambda self: self.pending)
    @rule(data=st.data(), outcome=st.sampled_from(["done"] * 8 + ["again", "failed", "refused"]))
    def act(self, data, outcome):
        """One pending effect, in any order."""
        effect = self.pending[data.draw(st.sampled_from(sorted(self.pending)))]
        if policy.superseded(effect, self.rollout):
            del self.pending[effect.key]
            return
        if outcome in {"failed", "refused"}:
            if outcome == "refused" and self.rollout.phase is not Phase.ROLLING_BACK:
                del self.pending[effect.key]
            self.tell(f.EffectFailed(effect.key, "no", outcome == "refused"))
            return
        fact = self.fact_of(effect)
        if outcome == "done":
            del self.pending[effect.key]
        self.done.append(fact)
        self.tell(fact)

    def fact_of(self, effect):
        match effect:
            case DeployCandidate():
                return f.CandidateReady(CANDIDATE_VERSION)
            case RunGate():
                return f.GateFinished(effect.gate, True, "ok")
            case SetTraffic():
                return f.TrafficVerified(effect.weight, effect.epoch)
            case PinEndpoint():
                return f.EndpointVerified(effect.endpoint, effect.version)
            case RetireCandidate():
                return f.CandidateRetired()
            case OpenIncident():
                return f.IncidentOpened("INC-1")
            case WriteHandoff():
                return f.HandoffWritten("path", "digest")
            case _:
                return f.Ticked()

    @precondition(lambda self: self.done)
    @rule(data=st.data())
    def late(self, data):
        """A fact that was told before arrives once more."""
        self.tell(data.draw(st.sampled_from(self.done)))

    @precondition(lambda self: self.rollout)
    @rule(seconds=st.sampled_from([0.0, 0.3, 31.0, 700.0, 4000.0]))
    def time_passes(self, seconds):
        self.now += seconds
        self.tell(f.Ticked())

    @precondition(lambda self: self.rollout)
    @rule(answer=st.sampled_from([Answer.PASS, Answer.PASS, Answer.PASS, Answer.INCONCLUSIVE, Answer.FAIL]))
    def judge(self, answer):
        self.tell(f.Judged(Verdict(answer, "seen", max(0, self.rollout.step), self.now)))

    @precondition(lambda self: self.rollout)
    @rule(verdict=verdicts)
    def judge_oddly(self, verdict):
        self.tell(f.Judged(verdict))

    @precondition(lambda self: self.rollout and self.rollout.window)
    @rule(met=st.sampled_from([True, True, True, None, False]), breached=st.booleans())
    def check(self, met, breached):
        wrong = breached and met is False
        self.tell(f.WindowChecked((CriterionResult("must", "p95", "< 1s", met, "seen", breached=wrong),)))

    @precondition(lambda self: self.rollout)
    @rule(variant=st.sampled_from(Variant), healthy=st.booleans())
    def health(self, variant, healthy):
        self.tell(f.HealthChanged(variant, healthy, "seen"))

    @precondition(lambda self: self.rollout and self.rollout.phase is Phase.ROLLING_BACK)
    @rule(sessions=st.sampled_from([0, 3]))
    def debt(self, sessions):
        self.tell(f.DebtMeasured(sessions, 1.0))

    @precondition(lambda self: self.rollout)
    @rule(data=st.data())
    def anything(self, data):
        """A fact out of nowhere."""
        self.tell(data.draw(facts(self.rollout)))

    @precondition(lambda self: self.rollout)
    @rule(kind=st.sampled_from([f.ResumeAsked, f.AdvanceAsked, f.Approved]), by=_APPROVERS, reason=words)
    def say(self, kind, by, reason):
        self.tell(kind(by, reason))

    @invariant()
    def once_down_always_down(self):
        """No way leads up again from a rollback, however long the history."""
        if self.rollout is None:
            return
        if self.rollout.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.FAILED}:
            self.down_since = self.down_since or self.now
        assert self.down_since is None or self.rollout.weight == 0


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=100, stateful_step_count=40)


@settings(max_examples=150)
@given(rollouts(phases=(Phase.PAUSED,)), st.data())
def test_a_persons_hold_is_never_overridden(rollout, data):
    """Whatever automation is told after it, and however often: it stays held by that person, or goes down."""
    held = rollout = replace(rollout, hold=replace(rollout.hold, by="alice"))
    now = data.draw(times())
    for fact in data.draw(st.lists(facts(held), min_size=1, max_size=12)):
        if isinstance(fact, PERSON):
            continue
        now += 30.0
        rollout = decide(rollout, fact, now).rollout
        if rollout.phase is Phase.PAUSED:
            assert rollout.hold == held.hold
            assert (rollout.weight, rollout.step) == (held.weight, held.step)
        else:
            assert rollout.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK, Phase.FAILED}
            assert rollout.weight == 0


@given(plan=plans())
def test_a_good_candidate_always_gets_there(plan):
    """Liveness: where all goes well and people approve, every plan ends completed, and every key was asked once."""
    world = World()
    world.begin(plan)
    for _ in range(400):
        if world.rollout.phase in FINISHED:
            break
        world.now += 30.0
        for effect in list(world.pending.values()):
            del world.pending[effect.key]
            world.tell(world.fact_of(effect))
        for person in ("alice", "release-managers") if world.rollout.approval_asked_at is not None else ():
            world.tell(f.Approved(person, "go"))
        world.tell(f.Judged(Verdict(Answer.PASS, "fine", max(0, world.rollout.step), world.now)))
        if world.rollout.window:
            world.now += 3_600.0
            world.tell(f.WindowChecked((CriterionResult("must", "p95", "< 1s", True, "seen"),)))
        world.tell(f.Ticked())
    assert world.rollout.phase is Phase.COMPLETED
