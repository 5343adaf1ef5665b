"""Turns become sessions by rules that do not look at the variant."""

import numpy as np
import pytest

from headgate.stats.closing import Closing, Turns
from headgate.stats.experts import Kind
from headgate.stats.units import log_place

KINDS = {"error": Kind.FAILURE, "latency": Kind.TIME, "cost": Kind.AMOUNT, "quality": Kind.SCORE}


def turns(rows):
    """Rows of (t, session, ok, end, latency, cost, quality); all of the candidate at 30 %."""
    t, session, ok, end, latency, cost, quality = zip(*rows, strict=True)
    n = len(rows)
    return Turns(
        np.array(t, float),
        np.array(session),
        np.ones(n, bool),
        np.full(n, 0.3),
        np.array(ok, bool),
        np.array(end, bool),
        {"latency": np.array(latency, float), "cost": np.array(cost, float), "quality": np.array(quality, float)},
    )


NAN = float("nan")


def test_a_session_is_summed_up_when_it_ends():
    """Times of each turn, costs added, the scored turns' mean; nothing before the end."""
    closing = Closing(KINDS)
    assert not len(closing.take(turns([(0, "a", 1, 0, 100, 0.1, NAN), (1, "a", 1, 0, 200, 0.2, 0.6)])))
    units = closing.take(turns([(2, "a", 1, 1, 300, 0.3, 0.8)]))
    assert len(units) == 1
    assert units.turns.tolist() == [3.0]
    np.testing.assert_allclose(units.columns["latency"].place, log_place(np.array([100.0, 200.0, 300.0])))
    np.testing.assert_allclose(units.columns["cost"].place, log_place(np.array([0.6])))
    np.testing.assert_allclose(units.columns["quality"].place, [60.0])  # 0.3 below 1, in steps of 1/200


def test_a_failure_closes_and_what_follows_is_not_counted():
    """The first failure decides; later turns of that session, also in later batches, change nothing."""
    closing = Closing(KINDS)
    units = closing.take(turns([(0, "a", 1, 0, 1, 1, NAN), (1, "a", 0, 0, 1, 1, NAN), (2, "a", 1, 0, 1, 1, NAN)]))
    assert (units.turns.tolist(), units.failures.tolist()) == ([2.0], [1.0])
    assert not len(closing.take(turns([(3, "a", 0, 1, 1, 1, NAN)])))
    assert not len(closing.rest())


def test_the_nth_turn_and_idle_time_close():
    """A session that goes on and on is bet on at its 3rd turn; one that falls silent after 60 s."""
    closing = Closing(KINDS, max_turns=3, idle_s=60.0)
    units = closing.take(turns([(i, "long", 1, 0, 1, 1, NAN) for i in range(5)] + [(5, "silent", 1, 0, 1, 1, NAN)]))
    assert units.turns.tolist() == [3.0]
    units = closing.take(turns([(100, "other", 1, 1, 1, 1, NAN)]))
    assert units.turns.tolist() == [1.0, 1.0]


def test_sessions_of_one_turn_go_the_short_way_to_the_same_units():
    """The quick way for batches of sessions of one turn gives what the long way gives."""
    rows = [(i, i, i % 7 > 0, 1, 100.0 + i, 0.1 + i, NAN if i % 3 else 0.5) for i in range(40)]
    quick, long = Closing(KINDS), Closing(KINDS)
    long.take(turns([(0, "open", 1, 0, 1, 1, NAN)]))  # an open session: no short way
    a, b = quick.take(turns(rows)), long.take(turns(rows))
    assert a.failures.tolist() == b.failures.tolist()
    for name in ("latency", "cost", "quality"):
        assert a.columns[name].unit.tolist() == b.columns[name].unit.tolist()
        np.testing.assert_allclose(a.columns[name].place, b.columns[name].place)


def test_began_counts_sessions_when_they_begin():
    """What began is told once per session, whether or not it has ended."""
    closing = Closing(KINDS)
    closing.take(turns([(0, "a", 1, 0, 1, 1, NAN), (1, "b", 1, 0, 1, 1, NAN), (2, "a", 1, 0, 1, 1, NAN)]))
    assert len(closing.began) == 2
    closing.take(turns([(3, "a", 1, 1, 1, 1, NAN)]))
    assert len(closing.began) == 0


def test_what_is_worse_the_other_way_round_is_turned():
    """A metric of which less is worse: the smaller value is the worse place."""
    closing = Closing({"cost": Kind.AMOUNT}, flipped=frozenset({"cost"}))
    place = closing.take(turns([(0, "a", 1, 1, 1, 1.0, NAN), (1, "b", 1, 1, 1, 2.0, NAN)])).columns["cost"].place
    assert place[0] > place[1]


@pytest.mark.parametrize("cost", [0.0, 1e-30])
def test_nothing_spent_is_a_place_too(cost):
    """Zero has a logarithm of its own here."""
    units = Closing({"cost": Kind.AMOUNT}).take(turns([(0, "a", 1, 1, 1, cost, NAN)]))
    assert np.isfinite(units.columns["cost"].place).all()


def in_order(closing, *rows):
    """Which of the sessions that these turns close are known to have closed in the order they began."""
    return closing.take(turns([(t, name, ok, end, 1, 1, NAN) for t, name, ok, end in rows])).in_order.tolist()


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_sessions_of_one_turn_close_in_the_order_they_began(cut):
    """Until times run backwards; then no more, however the turns come in batches."""
    rows = [(0, "a", 1, 1), (1, "b", 0, 1), (1, "c", 1, 1), (0.5, "d", 1, 1), (2, "e", 1, 1)]
    closing, found = Closing(KINDS), []
    for start in range(0, len(rows), cut):
        found += in_order(closing, *rows[start : start + cut])
    assert found == [True, True, True, False, False]


def test_longer_sessions_end_that_order():
    """A session that goes on after its first turn ends when it likes: from then on nothing is known of the order."""
    closing = Closing(KINDS)
    assert in_order(closing, (0, "a", 1, 1), (1, "b", 1, 0), (2, "c", 1, 1)) == [True, False]
    assert in_order(closing, (3, "b", 1, 1)) == [False]
    assert in_order(closing, (4, "d", 1, 1)) == [False]
