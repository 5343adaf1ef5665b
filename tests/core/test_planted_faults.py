"""A test of the tests: faults are planted in `decide`, and the properties must find each of them."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from invariants import violations
from strategies import every_fact, rollouts, times

from headgate.core import budgets, decision, drift, policy, promotion, rollback, stepping
from headgate.core import decide as decide_module
from headgate.core import window as window_module
from headgate.core.decide import decide
from headgate.core.model import Answer
from headgate.core.model import Phase as Stage


def stale_pass(patch):
    """A PASS proves something for ever."""
    patch(policy, "passed", lambda r, _now: r.verdict is not None and r.verdict.answer is Answer.PASS)


def silence_is_good_news(patch):
    """What is not a FAIL is read as a PASS."""
    patch(policy, "passed", lambda r, _now: r.verdict is None or r.verdict.answer is not Answer.FAIL)


def no_bake(patch):
    """A step ends at its first PASS."""
    patch(policy, "baked", lambda _r, _now: True)


def blind_rollback(patch):
    """Automation goes back to a baseline whatever its health."""

    def blame(rollout, reason, now):
        return rollback.take_back(rollout, policy.AUTOMATION, reason, now)

    for module in (decide_module, stepping, window_module, budgets):
        patch(module, "blame", blame)


def no_approvals(patch):
    """Approvals are asked for by nobody."""
    patch(policy, "next_approval", lambda _r: None)


def one_is_enough(patch):
    """The first of two people decides."""
    patch(policy, "missing_approvals", lambda approval, given: int(not set(given) & set(approval.approvers)))


def twice_is_two(patch):
    """One person who says it twice counts as two."""
    patch(policy, "missing_approvals", lambda approval, given: max(0, approval.count - len(given)))
    patch(policy, "_twice", lambda _by: "")


def impatient(patch):
    """Time ends a hold."""

    def step_on(rollout, reason, now):
        if rollout.phase is Stage.PAUSED:
            rollout = replace(rollout, phase=policy.working_phase(rollout), hold=None)
        return original(rollout, reason, now)

    original = stepping.step_on
    patch(decide_module, "step_on", step_on)


def half_a_rollback(patch):
    """The phase changes and the weight stays."""

    def take_back(rollout, by, reason, now):
        made = original(rollout, by, reason, now)
        return replace(made, rollout=replace(made.rollout, weight=rollout.weight))

    original = rollback.take_back
    patch(rollback, "take_back", take_back)
    patch(decide_module, "take_back", take_back)


def life_after_death(patch):
    """A finished rollout goes on listening."""
    patch(decide_module, "FINISHED", frozenset())
    patch(policy, "FINISHED", frozenset())


def scapegoat(patch):
    """A common cause is blamed on the candidate."""

    def judged(rollout, verdict, now):
        answer = Answer.FAIL if verdict.common_cause else verdict.answer
        return original(rollout, replace(verdict, answer=answer, common_cause=False), now)

    original = stepping.judged
    patch(decide_module, "judged", judged)


def all_at_once(patch):
    """The gateway is asked for everything."""

    def traffic(rollout):
        return replace(original(rollout), weight=100.0)

    original = decision.traffic
    for module in (decide_module, stepping, promotion, rollback):
        patch(module, "traffic", traffic)


def anybody(patch):
    """Any word is taken from anybody, without a reason."""
    patch(policy, "refusal", lambda _r, _verb, _by: "")
    patch(decide_module, "_nameless", lambda _verb, _fact: "")


def asked_is_done(patch):
    """A rollback ends before anything was read back."""
    patch(rollback, "_restored", lambda _back: True)


def approve_keeps_the_hold(patch):
    """An approval raises the weight and leaves the hold behind."""

    def next_step(rollout, reason, now):
        made = original(rollout, reason, now)
        stuck = decision.Hold("headgate", "forgotten", now, Stage.STEPPING)
        return replace(made, rollout=replace(made.rollout, hold=stuck))

    original = stepping.next_step
    patch(decide_module, "next_step", next_step)


def old_proof_counts(patch):
    """What was shown of a candidate that has become another goes on counting."""

    def drifted(rollout, fact, now):
        made = original(rollout, fact, now)
        return replace(made, rollout=replace(made.rollout, verdict=rollout.verdict, weight_at=rollout.weight_at))

    original = drift.drifted
    patch(decide_module, "drifted", drifted)


FAULTS = [
    stale_pass,
    silence_is_good_news,
    no_bake,
    blind_rollback,
    no_approvals,
    one_is_enough,
    twice_is_two,
    impatient,
    half_a_rollback,
    life_after_death,
    scapegoat,
    all_at_once,
    anybody,
    asked_is_done,
    approve_keeps_the_hold,
    old_proof_counts,
]


@settings(
    max_examples=200,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(rollouts(), times())
def sweep(rollout, now):
    """The one-step property: every fact in any valid state."""
    for fact in every_fact(rollout, now):
        found = violations(rollout, fact, now, decide(rollout, fact, now))
        assert not found, (found, fact)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_the_properties_find(fault, monkeypatch):
    """Each planted fault is found by the one-step property."""
    fault(monkeypatch.setattr)
    with pytest.raises(AssertionError):
        sweep()
