"""Core values survive JSON: every class of the core, every member, and one digest for one value."""

import json
from dataclasses import is_dataclass
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.core import effects, facts, model, plan
from headgate.core.codec import canonical, digest, from_data, to_data
from headgate.testing.examples import example_rollout

st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))

CLASSES = [
    kind
    for module in (effects, facts, model, plan)
    for kind in vars(module).values()
    if isinstance(kind, type)
    and is_dataclass(kind)
    and kind.__module__ == module.__name__
    and kind is not model.Rollout
]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_round_trip(kind):
    """Any value of any class is read back from JSON text as it was."""

    @settings(max_examples=15)
    @given(st.from_type(kind))
    def holds(value):
        assert from_data(kind, json.loads(canonical(to_data(value)))) == value

    holds()


@settings(max_examples=60)
@given(st.one_of(st.from_type(facts.Fact), st.from_type(effects.Effect)))
def test_unions_are_read_back_as_what_they_were(value):
    """A fact or an effect keeps its class without anybody saying which it is."""
    union = facts.Fact if type(value).__module__ == facts.__name__ else effects.Effect
    assert from_data(union, json.loads(canonical(to_data(value)))) == value


def test_ten_and_ten_point_zero_are_one_number():
    """A weight that came from YAML as 10 and from the store as 10.0 has one digest."""
    assert digest(to_data(model.Window(1, 2))) == digest(to_data(model.Window(1.0, 2.0)))
    assert canonical(to_data(0.1)) == "0.1"


def test_digest_is_pinned():
    """Saved ledgers stay readable: the digest of a known value never changes by accident."""
    assert digest(to_data(facts.TrafficVerified(10.0, 3))) == (
        "5988772e770cd38b3748ffe5812e37dcdcb5054bbaaf5f698bdcb7c917c59b3e"
    )


def test_a_member_that_came_later_changes_no_old_digest():
    """A class may get new members: at their default they are left out of the data, and read back from their absence."""
    old = plan.WindowPhase(60.0, 10.0)
    assert to_data(old) == {"is": "WindowPhase", "until_s": 60, "every_s": 10}
    assert from_data(plan.WindowPhase, to_data(old)) == old
    assert to_data(plan.WindowPhase(60.0, 10.0, "Hello"))["invoke"] == "Hello"


def test_order_and_spacing_do_not_matter():
    """Canonical text has one order; sets are sorted."""
    assert canonical({"b": 1, "a": [2]}) == '{"a":[2],"b":1}'
    assert to_data(frozenset({"b", "a"})) == ["a", "b"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (model.Version, {"number": "1"}),
        (model.Version, {"number": "1", "digest": "d", "colour": "red"}),
        (model.Version, {"number": 1, "digest": "d"}),
        (model.Version, "1"),
        (model.Phase, "dreaming"),
        (facts.Fact, {"is": "Rumour"}),
        (model.Verdict, {"answer": "PASS", "reason": "", "step": "0", "at": 1.0}),
    ],
)
def test_what_does_not_fit_is_refused(kind, data):
    """A missing, unknown or wrong member is a ValueError, never a value that is nearly right."""
    with pytest.raises(ValueError, match=r"."):
        from_data(kind, data)


def test_not_a_number_has_no_text():
    """NaN has no canonical text, so it cannot get into a digest."""
    with pytest.raises(ValueError, match="JSON"):
        canonical({"value": float("nan")})


def test_the_example_has_no_member_left_at_its_default():
    """The example that stores are tested with would show a lost member."""
    rollout = example_rollout()
    same: list[Any] = [name for name in get_type_hints(model.Rollout) if getattr(rollout, name) is None]
    assert same == ["approval_asked_at", "finished_at"]


def test_a_whole_rollout_survives():
    """The largest value, with every optional part filled in. (Those that `decide` makes are tried in its own tests.)"""
    rollout = example_rollout()
    assert from_data(model.Rollout, json.loads(canonical(to_data(rollout)))) == rollout


def test_a_member_that_came_later_is_not_in_old_data():
    """At its default it is left out, so that a digest from before stays; otherwise it is there, and read back."""
    old = plan.Approval(("ana",), 60.0, plan.Otherwise.HOLD)
    assert to_data(old).keys() == {"is", "by", "within_s", "otherwise"}
    two = plan.Approval(("ana", "ben"), None, plan.Otherwise.HOLD, 2)
    assert to_data(two)["count"] == 2
    assert from_data(plan.Approval, to_data(two)) == two
