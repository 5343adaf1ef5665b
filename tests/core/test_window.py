"""The validation window: people's words about it, the clock that was set, and budgets that were crossed."""

from dataclasses import replace

import pytest
from test_phase_table import (
    NOW,
    PLAN,
    deploying,
    ending,
    going_back,
    held,
    lonely,
    stepping,
    validating,
    verdict,
    window,
)

from headgate.core import facts as f
from headgate.core.decide import decide
from headgate.core.model import Answer, Phase
from headgate.core.plan import Criterion, Crossing, Tier, Validation
from headgate.core.window import elapsed_s, end_s

MUSTS = (Criterion(Tier.MUST, "p95", "<", 1.0, "< 1s"), Criterion(Tier.MUST, "error_rate", "<", 0.05, "< 5%"))
WITH_MUSTS = replace(PLAN, validation=Validation(PLAN.validation.window, MUSTS))


def test_a_longer_window_has_another_end():
    """A check that would have been the last no longer is; the one at the new end is."""
    longer = decide(ending, f.ExtendAsked("bob", "weekend", 7200.0), NOW).rollout
    assert end_s(longer) == 3600 + 7200
    assert decide(longer, window(True), NOW + 60).rollout.phase is Phase.VALIDATING
    assert decide(longer, window(True), NOW + 7200).rollout.phase is Phase.HANDING_OVER
    twice = decide(longer, f.ExtendAsked("ann", "more", 60.0), NOW).rollout
    assert end_s(twice) == 3600 + 7260


def test_a_window_cut_short_is_judged_by_what_was_measured():
    """The next check is due at once and is the last: met is promoted, not measured is held."""
    short = decide(validating, f.CutShortAsked("bob", "release train"), NOW).rollout
    assert (short.phase, short.window.next_at, end_s(short)) == (Phase.VALIDATING, NOW, 1800.0)
    assert decide(short, window(True), NOW + 1).rollout.phase is Phase.HANDING_OVER
    assert decide(short, window(None), NOW + 1).rollout.phase is Phase.PAUSED


def test_a_must_that_a_person_accepted_decides_nothing():
    """Neither its breach nor its absence moves the rollout; any other must still does."""
    rollout = replace(ending, plan=WITH_MUSTS)
    accepted = decide(rollout, f.OverrideAsked("bob", "known bug in the probe", "p95"), NOW).rollout
    assert [a.by for a in accepted.window.accepted] == ["bob"]
    assert decide(accepted, window(False, breached=True), NOW).rollout.phase is Phase.HANDING_OVER
    other = f.WindowChecked(tuple(replace(r, name="error_rate") for r in window(False, breached=True).results))
    assert decide(accepted, other, NOW).rollout.phase is Phase.ROLLING_BACK


@pytest.mark.parametrize(
    ("before", "fact", "why"),
    [
        (validating, f.ExtendAsked("headgate", "x", 60.0), "a person's name"),
        (validating, f.ExtendAsked("bob", " ", 60.0), "needs a reason"),
        (validating, f.CutShortAsked("", "x"), "a person's name"),
        (validating, f.OverrideAsked("bob", "", "p95"), "needs a reason"),
        (replace(validating, plan=WITH_MUSTS), f.OverrideAsked("bob", "x", "joy"), "there are p95, error_rate"),
        (stepping, f.ExtendAsked("bob", "x", 60.0), "not in its validation window"),
        (going_back, f.CutShortAsked("bob", "x"), "only be watched"),
    ],
)
def test_words_about_the_window_need_a_name_a_reason_and_a_window(before, fact, why):
    """What cannot be taken changes nothing and says why."""
    made = decide(before, fact, NOW)
    assert (made.rollout, made.effects) == (before, ())
    assert why in made.reason


@pytest.mark.parametrize("by", [-7200.0, 7200.0])
def test_a_clock_that_was_set_neither_ends_nor_lengthens_a_window(by):
    """The time that passed stays what it was, in either direction; the next check is due when it would have been."""
    moved = decide(validating, f.ClockMoved(by), NOW + by).rollout
    assert elapsed_s(moved, NOW + by) == elapsed_s(validating, NOW) == 1800.0
    assert moved.window.next_at - (NOW + by) == validating.window.next_at - NOW
    assert decide(moved, window(True), NOW + by + 1799).rollout.phase is Phase.VALIDATING
    assert decide(moved, window(True), NOW + by + 1800).rollout.phase is Phase.HANDING_OVER


@pytest.mark.parametrize("by", [-7200.0, 7200.0])
def test_a_clock_that_was_set_bakes_no_step(by):
    """A step has baked as long as before, and no verdict from before the change counts."""
    fresh = replace(stepping, weight_at=NOW - 10)
    passed = decide(fresh, verdict(Answer.PASS), NOW).rollout
    moved = decide(passed, f.ClockMoved(by), NOW + by).rollout
    assert (moved.weight_at, moved.verdict) == (NOW + by - 10, None)
    assert decide(moved, f.Ticked(), NOW + by + 60).rollout.step == 0
    again = decide(moved, f.Judged(replace(verdict(Answer.PASS).verdict, at=NOW + by + 49)), NOW + by + 50).rollout
    assert again.step == 1


def crossing(follows, name="day/2026-11-25/USD/spent"):
    """A budget that was crossed."""
    return f.BudgetCrossed(name, "11 USD of 10 USD a day", follows)


@pytest.mark.parametrize(
    ("before", "follows", "phase", "asked"),
    [
        (stepping, Crossing.WARN, Phase.STEPPING, "Notify"),
        (stepping, Crossing.HOLD, Phase.PAUSED, "Notify Notify"),
        (stepping, Crossing.ROLLBACK, Phase.ROLLING_BACK, "SetTraffic PinEndpoint OpenIncident Notify Notify"),
        (lonely, Crossing.ROLLBACK, Phase.PAUSED, "Notify OpenIncident Notify"),
        (deploying, Crossing.ROLLBACK, Phase.FAILED, "Notify SetTraffic RetireCandidate Notify"),
        (held(stepping), Crossing.HOLD, Phase.PAUSED, "Notify"),
        (held(stepping), Crossing.ROLLBACK, Phase.ROLLING_BACK, "SetTraffic PinEndpoint OpenIncident Notify Notify"),
        (going_back, Crossing.ROLLBACK, Phase.ROLLING_BACK, "Notify"),
    ],
)
def test_a_crossed_budget_leads_to_what_the_plan_says_once(before, follows, phase, asked):
    """Warn, hold or rollback; the same budget again is known."""
    made = decide(before, crossing(follows), NOW)
    assert (made.rollout.phase, " ".join(type(e).__name__ for e in made.effects)) == (phase, asked)
    again = decide(made.rollout, crossing(follows), NOW + 1)
    assert (again.rollout, again.effects) == (made.rollout, ())


def test_a_person_who_resumes_has_seen_the_budget():
    """The hold of a budget does not come back; tomorrow's budget is another."""
    made = decide(stepping, crossing(Crossing.HOLD), NOW).rollout
    on = decide(made, f.ResumeAsked("alice", "worth it"), NOW + 1).rollout
    assert decide(on, crossing(Crossing.HOLD), NOW + 2).rollout.phase is Phase.STEPPING
    assert decide(on, crossing(Crossing.HOLD, "day/2026-11-26/USD/spent"), NOW + 2).rollout.phase is Phase.PAUSED
