"""Composite alarms: their rules, and every way that suppression goes, as AWS's documents tell it."""

import pytest

from headgate.analysis.composite import Composite, parse_rule, parts_of
from headgate.core.plan import CompositeSpec

STATES = {"a": "ALARM", "b": "OK", "c": "INSUFFICIENT_DATA", "d-1": "ALARM"}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("ALARM(a)", True),
        ('ALARM("a") AND OK(b)', True),
        ("ALARM(a) AND NOT ALARM(b)", True),
        ("ALARM(b) OR ALARM(d-1)", True),
        ("NOT (ALARM(a) OR ALARM(b))", False),
        ("ALARM(b) AND ALARM(c) OR ALARM(a)", True),
        ("ALARM(b) AND (ALARM(c) OR ALARM(a))", False),
        ("INSUFFICIENT_DATA(c)", True),
        ("INSUFFICIENT_DATA(unheard)", True),
        ("TRUE AND NOT FALSE", True),
        ("NOT NOT OK(b)", True),
        ("AT_LEAST(2, ALARM, (a, b, d-1))", True),
        ("AT_LEAST(3, ALARM, (a, b, d-1))", False),
        ("AT_LEAST(50%, NOT ALARM, (a, b, c, d-1))", True),
        ("AT_LEAST(75%, NOT ALARM, (a, b, c, d-1))", False),
        ("alarm(a) and not ok(a)", True),
    ],
)
def test_a_rule(rule, holds):
    """AND binds closer than OR; an alarm that nobody knows has no data."""
    assert parse_rule(rule).holds(STATES) is holds


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("ALARM a", "'(' is missing"),
        ("ALARM()", "name of an alarm"),
        ("RED(a)", "no state"),
        ("ALARM(a) ALARM(b)", "not expected"),
        ("AT_LEAST(3, ALARM, (a, b))", "of 2 alarms"),
        ("", "ends too early"),
        ("ALARM(a) & OK(b)", "'&' means nothing"),
        ("(" * 60 + "TRUE" + ")" * 60, "levels"),
    ],
)
def test_a_wrong_rule(rule, why):
    """It is refused with what is wrong."""
    with pytest.raises(ValueError, match=r".") as refused:
        parse_rule(rule)
    assert why in str(refused.value)


def test_the_parts_of_composites():
    """What a rule names, and what suppresses."""
    assert parts_of([CompositeSpec("x", "ALARM(a) AND OK(b)", "s")]) == {"a", "b", "s"}


def play(*events, wait=60.0, extension=120.0):
    """(time, child, suppressor) in order -> the times at which something acted, with the state."""
    made = Composite(CompositeSpec("x", "ALARM(a)", "s", wait, extension), "OK")
    acted = []
    for at, child, suppressor in events:
        _, acts = made.step({"a": child, "s": suppressor}, at)
        if acts:
            acted.append((at, made.state))
    return acted


A, O = "ALARM", "OK"  # noqa: E741


@pytest.mark.parametrize(
    ("events", "acted"),
    [
        # nobody suppresses: it acts when the wait is over
        ([(0, A, O), (59, A, O), (60, A, O)], [(60, A)]),
        # the suppressor comes in time: the wait is discarded, nothing acts
        ([(0, A, O), (30, A, A), (60, A, A), (500, A, A)], []),
        # it is there already
        ([(0, O, A), (10, A, A), (500, A, A)], []),
        # it goes: the extension runs, then the present state acts
        ([(0, O, A), (10, A, A), (100, A, O), (219, A, O), (220, A, O)], [(220, A)]),
        # it comes back within the extension
        ([(0, O, A), (10, A, A), (100, A, O), (150, A, A), (400, A, A)], []),
        # a change within the extension discards it and begins a wait
        ([(0, O, A), (10, A, A), (100, A, O), (150, O, O), (210, O, O), (400, O, O)], []),
        ([(0, O, A), (10, A, A), (20, O, A), (100, O, O), (150, A, O), (209, A, O), (210, A, O)], [(210, A)]),
        # another change begins the wait anew, and the state at its end acts
        ([(0, A, O), (50, O, O), (60, O, O), (110, O, O)], []),
        ([(0, A, O), (60, A, O), (70, O, O), (90, A, O), (150, A, O)], [(60, A)]),
        ([(0, A, O), (60, A, O), (70, O, O), (130, O, O)], [(60, A), (130, O)]),
    ],
)
def test_suppression(events, acted):
    """Wait and extension as documented; what is as it was when it last acted does not act again."""
    assert play(*events) == acted


def test_without_a_suppressor_every_change_acts():
    """At once, and only on a change."""
    made = Composite(CompositeSpec("x", "ALARM(a)"), "OK")
    assert [made.step({"a": s}, t)[1] for t, s in enumerate([O, A, A, O])] == [False, True, False, True]


def test_what_was_held_back_is_held_back_after_a_restart():
    """A new controller knows from the ledger what had acted last: it waits out the extension, and does not ring."""
    made = Composite(CompositeSpec("x", "ALARM(a)", "s"), "ALARM", "OK")
    assert made.suppressed
    assert made.step({"a": A, "s": A}, 0.0) == (False, False)
    assert made.step({"a": A, "s": O}, 10.0) == (False, False)
    assert made.step({"a": A, "s": O}, 70.0) == (False, True)
