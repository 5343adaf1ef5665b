"""The documented examples of CloudWatch's extended statistics, and what a plan may write of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.analysis.extended import extended
from headgate.analysis.periods import Cell, Sliding
from headgate.config.metrics import query, wrong_query
from headgate.stats.histogram import bucket_of, middle_ms
from headgate.stats.observations import Second

HUNDRED = [(float(v), 1) for v in range(1, 101)]  # 1, 2, ... 100
TENS = [(float(v), 1) for v in range(100, 2100, 100)]  # 100, 200, ... 2000
SMALL = [(0.005, 2), (0.010, 3), (0.030, 4), (0.031, 5)]


@pytest.mark.parametrize(
    ("statistic", "values", "wanted"),
    [
        # the average after removing the 10 % of data points with the highest values
        ("tm90", HUNDRED, 45.5),
        # after removing the 2 % lowest and the 2 % highest
        ("TM(2%:98%)", HUNDRED, 50.5),
        ("TM(2%:98%)", [(0.0, 2), (10.0, 96), (1e6, 2)], 10.0),
        # after removing all that are lower than or equal to 150, or higher than 1000
        ("TM(150:1000)", TENS, 600.0),
        ("TM(200:1000)", TENS, 650.0),
        ("TM(10%:)", HUNDRED, 55.5),
        ("TM(:95%)", HUNDRED, 48.0),
        # the middle 50 % of values, TM(25%:75%)
        ("IQM", HUNDRED, 50.5),
        ("IQM", [(1.0, 1), (2.0, 2), (1000.0, 1)], 2.0),
        # the 2 % of the highest values are equal to the value at the 98th percentile
        ("wm98", HUNDRED, (sum(range(1, 99)) + 2 * 98) / 100),
        # the highest 10 % the value of the 90 % boundary, the lowest 10 % that of the 10 % boundary
        ("WM(10%:90%)", HUNDRED, (sum(range(11, 91)) + 10 * 90 + 10 * 11) / 100),
        ("WM(200:300)", TENS, (2 * 200 + 18 * 300) / 20),
        # the percentage of data points that have a value of 300 or less
        ("PR(:300)", TENS, 15.0),
        ("PR(100:2000)", TENS, 95.0),
        ("PR(1900:)", TENS, 5.0),
        # the number of data points not including any that fall in the highest 10 %
        ("tc90", HUNDRED, 90.0),
        # between 0.005 (exclusive) and 0.030 (inclusive)
        ("TC(0.005:0.030)", SMALL, 7.0),
        ("TC(80:500)", TENS, 5.0),
        ("TC(:0.030)", SMALL, 9.0),
        # not including any in the highest 10 %; any with values in the lowest 80 %
        ("ts90", HUNDRED, float(sum(range(1, 91)))),
        ("TS(80%:)", HUNDRED, float(sum(range(81, 101)))),
        # nothing is there
        ("TM(5000:)", TENS, None),
        ("TC(5000:)", TENS, 0.0),
        ("PR(5000:)", TENS, 0.0),
    ],
)
def test_documented_examples(statistic, values, wanted):
    """CloudWatch statistics definitions."""
    found = extended(statistic).of(values)
    assert found is None if wanted is None else found == pytest.approx(wanted)


VALUES = st.lists(st.tuples(st.floats(0.001, 1000), st.integers(1, 50)), min_size=1, max_size=20).map(sorted)


@given(VALUES, st.integers(0, 49), st.integers(50, 100))
def test_what_always_holds(values, low, high):
    """TS is TM times TC, tm99 is TM(:99%), bins of PR add up, and every mean lies between its extremes."""
    bounds = f"({low}%:{high}%)"
    mean, count, total, edged = (extended(kind + bounds).of(values) for kind in ("TM", "TC", "TS", "WM"))
    assert mean is not None
    assert total == pytest.approx(mean * count)
    for found in (mean, edged):
        assert values[0][0] * 0.999999 <= found <= values[-1][0] * 1.000001
    assert extended(f"tm{min(high, 99)}") == extended(f"TM(:{min(high, 99)}%)")
    bins = [extended(f"PR({a}:{b})").of(values) for a, b in (("", 1), (1, 5), (5, 10), (10, ""))]
    assert sum(bins) == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("latency tm95", ""),
        ("latency TM(10%:90%)", ""),
        ("first_token PR(:0.3)", ""),
        ("token_gap IQM", ""),
        ("latency TM(90%:10%)", "not in order"),
        ("latency TM(10%:2)", "both in percent or neither"),
        ("latency TM(:)", "one bound or two"),
        ("latency PR(:50%)", "is of values"),
        ("latency TM(10%:900%)", "beyond 100%"),
        ("latency tm", "has no statistic tm"),
        ("errors tm95", "errors has no statistic tm95"),
    ],
)
def test_what_a_plan_may_write(text, wrong):
    """Refused with a reason before anything is released."""
    assert (wrong in wrong_query(text, [])) if wrong else wrong_query(text, []) == ""


def test_from_a_histogram_in_seconds():
    """A period of an alarm: bounds and values are in the metric's unit, its buckets 5 % wide."""
    assert query("m", "latency TM(0.1:0.9)").statistic == "TM(0.1:0.9)"
    counts = {bucket_of(50.0): 10, bucket_of(500.0): 80, bucket_of(5000.0): 10}
    row = Second(1, 60, "candidate", "2", 100.0, 1, 100, {}, counts, counts, 0, 0, 0.0, 1)
    made = {s: Sliding("latency", s, 1, 3) for s in ("TM(0.1:0.9)", "tm90", "PR(:0.9)", "TC(0.1:)", "TS(0.1:0.9)")}
    cell = Cell()
    cell.add(row, ("latency",))
    for each in made.values():
        each.move(1, cell, None)
    found = {statistic: each.at(1) for statistic, each in made.items()}
    half = middle_ms(bucket_of(500.0)) / 1000
    assert found["TM(0.1:0.9)"] == pytest.approx(half)
    assert found["tm90"] == pytest.approx((10 * middle_ms(bucket_of(50.0)) / 1000 + 80 * half) / 90)
    assert (found["PR(:0.9)"], found["TC(0.1:)"]) == (90.0, 90.0)
    assert found["TS(0.1:0.9)"] == pytest.approx(80 * half)
