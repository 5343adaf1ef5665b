"""The one hash that gateway, analysis and simulation share: fair, stable, monotone, and the same tomorrow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.assignment import assign, bucket, cut
from headgate.core.model import Variant

weights = st.integers(0, 1000).map(lambda tenths: tenths / 10)
SESSIONS = [f"session-{i:05d}" for i in range(20_000)]


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0, 10.0, 33.3, 50.0, 99.9, 100.0])
def test_the_realised_share_is_the_weight(weight):
    """Of 20,000 sessions the candidate gets its weight, within four standard errors."""
    share = sum(assign("salt", s, weight) is Variant.CANDIDATE for s in SESSIONS) / len(SESSIONS)
    wanted = weight / 100
    assert abs(share - wanted) <= 4 * (wanted * (1 - wanted) / len(SESSIONS)) ** 0.5


@given(st.text(), st.text(), weights, weights)
def test_a_higher_weight_takes_no_session_away(salt, session, one, other):
    """Raising the weight moves sessions to the candidate only, lowering it to the baseline only."""
    low, high = sorted((one, other))
    assert not (assign(salt, session, low) is Variant.CANDIDATE and assign(salt, session, high) is Variant.BASELINE)


@given(st.text(), st.text())
def test_nothing_at_zero_and_everything_at_a_hundred(salt, session):
    """The ends of the scale are exact for every session."""
    assert assign(salt, session, 0.0) is Variant.BASELINE
    assert assign(salt, session, 100.0) is Variant.CANDIDATE


def test_another_salt_is_another_lottery():
    """Who was on the last candidate says nothing about who is on the next one."""
    first = {s for s in SESSIONS if assign("first", s, 10.0) is Variant.CANDIDATE}
    both = sum(assign("second", s, 10.0) is Variant.CANDIDATE for s in first)
    assert abs(both / len(first) - 0.1) < 4 * (0.09 / len(first)) ** 0.5


@pytest.mark.parametrize(
    ("salt", "session", "value"),
    [
        ("", "", 16_476_032_584_258_269_876),
        ("salt", "session-00000", 10_320_190_935_234_736_364),
        ("salt", "session-00001", 15_261_298_065_810_974_993),
        ("coach-1", "ümläut 🌱", 3_279_393_518_765_394_377),
        (
            "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk",
            "s",
            9_125_065_774_704_534_490,
        ),
    ],
)
def test_known_values(salt, session, value):
    """The hash never changes by accident: pinned sessions of a running rollout depend on it."""
    assert bucket(salt, session) == value


def test_weights_have_tenths():
    """A tenth of a percent is a thousandth of the space; rounding never goes beyond the ends."""
    assert [cut(w) for w in (0.0, 0.1, 50.0, 100.0)] == [0, 2**64 // 1000, 2**63, 2**64]
