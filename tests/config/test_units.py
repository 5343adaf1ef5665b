"""Durations, shares, money, weights, margins and comparisons: what is read is what was meant, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config import units
from headgate.core.metrics import margin_text

MILLISECONDS = st.integers(min_value=0, max_value=366 * 86_400_000)


@given(MILLISECONDS)
def test_durations_round_trip(ms):
    """Every duration to the millisecond is written and read back exactly."""
    assert units.parse_duration(units.duration_text(ms / 1000)) == ms / 1000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 600),
        ("1h", 3600),
        ("90s", 90),
        ("4h30m", 16_200),
        ("500ms", 0.5),
        ("2d", 172_800),
        ("1.5h", 5400),
        (0, 0),
    ],
)
def test_durations_as_people_write_them(text, seconds):
    """The forms of the docs."""
    assert units.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "10", 10, "m", "-1s", "1m1h", "1h1h", "1 h", "1H", "soon", True, None, [], "400d"]
)
def test_what_is_no_duration(text):
    """No unit, a sign, a space, a repetition, the wrong order: refused with the way to write it."""
    with pytest.raises(ValueError, match=r"\|"):
        units.parse_duration(text)


@given(st.integers(min_value=1, max_value=9999))
def test_margins_in_points_round_trip(hundredths):
    """Error margins to a hundredth of a point."""
    value = round(hundredths / 10_000, 12)
    assert units.parse_margin("error", margin_text("error", value, False)) == (value, False)


@given(st.integers(min_value=1001, max_value=100_000), st.sampled_from(sorted(units.RATIOS)))
def test_ratios_round_trip(thousandths, metric):
    """Ratios from x1.001 to x100."""
    value = thousandths / 1000
    assert units.parse_margin(metric, margin_text(metric, value, True)) == (value, True)


def test_a_score_may_fall_and_not_rise():
    """The value is how much worse it may be."""
    assert units.parse_margin("quality", -0.03) == (0.03, False)
    with pytest.raises(ValueError, match="how far the score may fall"):
        units.parse_margin("quality", 0.03)


@given(st.integers(min_value=1, max_value=1000))
def test_every_tenth_of_a_percent_is_a_weight(tenths):
    """0.1 to 100 in steps of 0.1, in spite of binary fractions."""
    assert units.parse_weight(tenths / 10) == tenths / 10


@pytest.mark.parametrize("value", [0, 0.05, 0.25, 100.1, -1, True, "10", None])
def test_what_is_no_weight(value):
    """Too fine, out of range, or not a number."""
    with pytest.raises(ValueError, match=r"\|"):
        units.parse_weight(value)


@pytest.mark.parametrize(
    ("name", "text", "meant"),
    [
        ("error_rate", "< 5%", ("<", 0.05)),
        ("uptime", ">=99.9%", (">=", 0.999)),
        ("p95", "<= 1h30m", ("<=", 5400.0)),
        ("cost_per_day", "< 10 USD", ("<", 10.0)),
        ("invocations", "< 1", ("<", 1.0)),
        ("alarms", "ok", ("is", "ok")),
        ("status", "READY", ("is", "READY")),
    ],
)
def test_comparisons_have_the_unit_of_what_they_compare(name, text, meant):
    """A number alone would leave the unit to be guessed."""
    assert units.parse_comparison(name, text) == meant


@pytest.mark.parametrize(
    ("name", "text"), [("error_rate", "< 5"), ("p95", "< 5"), ("cost_per_day", "< 5"), ("p95", "5s")]
)
def test_comparisons_without_unit_or_operator(name, text):
    """Each refusal shows one that is right."""
    with pytest.raises(ValueError, match=r"e\.g\. "):
        units.parse_comparison(name, text)


def test_limits_read_as_they_are_written():
    """What explain prints can be pasted into a plan."""
    for name, text in (
        ("error_rate", "< 0.5%"),
        ("p95", "< 4h30m"),
        ("cost_per_month", "< 300 USD"),
        ("invocations", "< 7"),
    ):
        op, limit = units.parse_comparison(name, text)
        assert f"{op} {units.limit_text(name, limit)}" == text
