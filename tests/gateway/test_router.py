"""The pure decision: who gets which version, over any sequence of policies, turns and times."""

import itertools
import math

import pytest
from gateway_helpers import policy, session_id
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.model import Version
from headgate.gateway.policy import Forced, versions
from headgate.gateway.router import PIN_IDLE_S, Router

TWO = "http://127.0.0.1:2"
NOW = 1_700_000_000.0


def weighted(weight, **members):
    """A policy with a candidate at this weight."""
    return policy(two=TWO, weight=weight, **members)


def withdrawn(how, deadline=None, **members):
    """The candidate is taken back."""
    return weighted(0.0, withdrawn="2", sessions=how, deadline=deadline, epoch=9, **members)


@pytest.mark.parametrize("weight", [0.0, 10.0, 50.0, 100.0])
def test_the_share_of_new_sessions_is_the_weight(weight):
    """Within five standard deviations of the binomial; 0 and 100 exactly."""
    router, n = Router(weighted(weight)), 4000
    got = sum(router.route(session_id(i), NOW).version.number == "2" for i in range(n))
    p = weight / 100
    assert abs(got - n * p) <= 5 * math.sqrt(n * p * (1 - p))


def test_a_pin_says_how_its_session_began():
    """Variant, weight and epoch in force at the first turn, whatever comes after."""
    router = Router(weighted(100.0, epoch=3))
    router.route("a", NOW)
    router.apply(weighted(0.0, epoch=4), None, NOW)
    pin = router.route("a", NOW + 1).pin
    assert (pin.version, pin.variant, pin.weight, pin.epoch, pin.started) == ("2", "candidate", 100.0, 3, NOW)


def test_after_promotion_both_old_and_new_sessions_stay_where_they_are():
    """A promoted candidate keeps the label of each session's beginning; the retired version serves its own."""
    router = Router(weighted(50.0))
    before = {session_id(i): router.route(session_id(i), NOW).version.number for i in range(100)}
    two, one = Version("2", "", TWO), router.policy.baseline
    router.apply(policy(baseline=two, retired=(one,), epoch=5), None, NOW)
    assert {session: router.route(session, NOW).version.number for session in before} == before
    assert router.route("fresh", NOW).pin.variant == "baseline"
    assert {pin.variant for pin in router.pins.values() if pin.version == "2"} == {"baseline", "candidate"}


def test_drain_keeps_its_sessions_until_the_deadline_and_then_moves_them():
    """Before it they stay; after it the open ones are moved without a turn, an idle one at its next."""
    router = Router(weighted(100.0, session_idle_s=60.0))
    router.route("idle", NOW - 100)
    router.route("open", NOW)
    assert router.apply(withdrawn("drain", NOW + 10, session_idle_s=60.0), None, NOW) == []
    assert router.route("open", NOW + 9).version.number == "2"
    assert router.route("new", NOW + 9).version.number == "1"
    assert router.settle(NOW + 9.9) == []
    (moved,) = router.settle(NOW + 10)
    assert (moved.session, moved.from_version, moved.pin.version, moved.policy) == ("open", "2", "1", "drain")
    late = router.route("idle", NOW + 11)
    assert (late.version.number, late.moved.policy) == ("1", "drain")
    assert router.settle(NOW + 12) == []


def test_drain_holds_at_a_turn_after_the_deadline_even_without_a_sweep():
    """The deadline does not wait for the sweep."""
    router = Router(weighted(100.0))
    router.route("a", NOW)
    router.apply(withdrawn("drain", NOW + 10), None, NOW)
    assert router.route("a", NOW + 10).moved is not None


def test_handover_moves_at_the_next_turn_and_at_the_deadline():
    """Each session is moved once."""
    router = Router(weighted(100.0))
    for name in ("a", "b"):
        router.route(name, NOW)
    assert router.apply(withdrawn("handover", NOW + 10), None, NOW) == []
    turn = router.route("a", NOW + 1)
    assert (turn.version.number, turn.moved.policy) == ("1", "handover")
    assert router.route("a", NOW + 2).moved is None
    assert [moved.session for moved in router.settle(NOW + 10)] == ["b"]


def test_evict_moves_at_once():
    """No turn is waited for."""
    router = Router(weighted(100.0))
    router.route("a", NOW)
    (moved,) = router.apply(withdrawn("evict"), None, NOW)
    assert (moved.session, moved.policy, router.route("a", NOW).version.number) == ("a", "evict", "1")


def test_a_version_that_is_gone_leaves_its_sessions_to_the_baseline():
    """There is nothing else to do with them, and it is a move like any other."""
    router = Router(weighted(100.0))
    router.route("a", NOW)
    router.apply(policy(rollout="r2"), None, NOW)
    turn = router.route("a", NOW)
    assert (turn.version.number, turn.moved.from_version, turn.moved.policy) == ("1", "2", "handover")


def test_forced_down_is_weight_zero_and_moves_nobody():
    """A person's word stops new sessions; running ones finish."""
    router = Router(weighted(100.0))
    router.route("a", NOW)
    assert router.apply(router.policy, Forced("ann", "smoke", NOW), NOW) == []
    assert router.weight == 0
    assert router.route("b", NOW).version.number == "1"
    assert router.route("a", NOW).version.number == "2"


def test_debt_counts_open_sessions_per_version():
    """Idle ones are not debt; the oldest is told by its beginning."""
    router = Router(weighted(100.0, session_idle_s=60.0))
    router.route("idle", NOW - 200)
    router.route("old", NOW - 100)
    router.route("old", NOW - 10)
    router.route("young", NOW)
    assert router.debt(NOW) == {"1": (0, 0.0), "2": (2, 100.0)}
    router.forget("young")
    assert router.debt(NOW + 51)["2"] == (0, 0.0)


def test_pins_live_eight_hours_after_the_last_turn():
    """Sliding, and dropped a bounded number at a time."""
    router = Router(weighted(100.0))
    for i in range(1500):
        router.route(session_id(i), NOW)
    router.route(session_id(7), NOW + 60)
    assert router.expire(NOW + PIN_IDLE_S) == []
    assert len(router.expire(NOW + PIN_IDLE_S + 1)) == 1000
    assert len(router.expire(NOW + PIN_IDLE_S + 1)) == 499
    assert list(router.pins) == [session_id(7)]


def test_restored_pins_are_those_of_before():
    """A router over the pins of another decides alike."""
    first = Router(weighted(50.0))
    served = {session_id(i): first.route(session_id(i), NOW).version.number for i in range(200)}
    second = Router(weighted(0.0))
    second.restore(first.pins.items())
    assert {session: second.route(session, NOW).version.number for session in served} == served


# --- any sequence ----------------------------------------------------------------------------------------------------

WEIGHTS = st.sampled_from([0.0, 0.1, 10.0, 50.0, 99.9, 100.0])


@st.composite
def policies(draw):
    """Any policy that a rollout may put in force."""
    kind = draw(st.sampled_from(["step", "withdraw", "promote", "none"]))
    salt = draw(st.sampled_from(["s1", "s2"]))
    if kind == "step":
        return weighted(draw(WEIGHTS), salt=salt)
    if kind == "withdraw":
        how, deadline = draw(st.sampled_from(["drain", "handover", "evict"])), draw(st.none() | st.integers(0, 400))
        return withdrawn(how, None if deadline is None else NOW + deadline, salt=salt)
    if kind == "promote":
        return policy(baseline=Version("2", "", TWO), retired=(Version("1", "", "http://127.0.0.1:1"),), salt=salt)
    return policy(salt=salt)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("turn"), st.integers(0, 12)),
        st.tuples(st.just("apply"), policies()),
        st.tuples(st.just("force"), st.none()),
        st.tuples(st.just("sweep"), st.none()),
        st.tuples(st.just("stop"), st.integers(0, 12)),
    ),
    max_size=60,
)


def may_move(router, version, now):
    """Whether the policy in force allows a session to be taken from this version now (invariant 2)."""
    rules = router.policy
    if version not in versions(rules):
        return True
    past = rules.deadline is not None and now >= rules.deadline
    return version == rules.withdrawn and (rules.sessions != "drain" or past)


@given(EVENTS)
def test_invariants_1_and_2_hold_over_any_sequence(events):
    """No new session beyond the weight, none when it is 0 or withdrawn; no move that the rollback policy does not
    allow.
    """
    router, now, at = Router(weighted(10.0)), NOW, {}
    for kind, value in events:
        now += 7
        moved = []
        if kind == "apply":
            moved = router.apply(value, None, now)
        elif kind == "force":
            moved = router.apply(router.policy, Forced("ann", "x", now), now)
        elif kind == "sweep":
            moved = router.settle(now)
        elif kind == "stop":
            router.forget(str(value))
            at.pop(str(value), None)
        else:
            turn(router, str(value), now, at)
        for each in moved:
            assert may_move(router, each.from_version, now)
            assert at[each.session] == each.from_version
            at[each.session] = each.pin.version
        assert {session: pin.version for session, pin in router.pins.items()} == at


def turn(router, session, now, at):
    """One turn, checked against where the session was before."""
    before = at.get(session)
    routed = router.route(session, now)
    number = routed.version.number
    rules = router.policy
    if before is None:
        assert routed.fresh
        if routed.pin.variant == "candidate":
            assert router.weight > 0
            assert rules.withdrawn != number
        if router.weight == 100:
            assert routed.pin.variant == "candidate"
    elif number != before:
        assert routed.moved is not None
        assert may_move(router, before, now)
    else:
        assert routed.moved is None
        assert number != rules.withdrawn or not (rules.sessions != "drain" or now >= (rules.deadline or math.inf))
    at[session] = number


@given(st.lists(WEIGHTS, min_size=1, max_size=5))
def test_raising_the_weight_never_takes_a_session_from_the_candidate(weights):
    """The candidate grows from one end: who gets it at 10 gets it at 50."""
    sets = []
    for weight in sorted(weights):
        router = Router(weighted(weight))
        sets.append({i for i in range(100) if router.route(session_id(i), NOW).pin.variant == "candidate"})
    assert all(low <= high for low, high in itertools.pairwise(sets))
