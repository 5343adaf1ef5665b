"""Values in words, and records in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_histories import SCENARIOS

from headgate.ports import Record
from headgate.reports import words
from headgate.reports.evidence import describe


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.0004, "0.4 ms"),
        (0.0342, "34.2 ms"),
        (0.42, "420 ms"),
        (0.9999, "1 s"),
        (8.0, "8 s"),
        (1.345, "1.34 s"),
        (12.34, "12.3 s"),
        (119.9, "119.9 s"),
        (200, "3 min 20 s"),
        (900, "15 min"),
        (3599.6, "1 h"),
        (7500, "2 h 5 min"),
        (93600, "1 d 2 h"),
        (-200, "-3 min 20 s"),
    ],
)
def test_durations(seconds, text):
    """As people say them."""
    assert words.duration(seconds) == text


def test_dates_are_utc():
    """The first event of the document that this product re-creates."""
    assert words.utc(1770537480) == "2026-02-08 07:58:00 UTC"
    assert words.day(1770537480) == "February 8, 2026"
    assert words.clock(1770537480.9) == "07:58:00 UTC"


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("error_rate", 0.0123, "1.23 %"),
        ("error", 1.0, "100 %"),
        ("p95", 1.36, "1.36 s"),
        ("latency_p95", 12.5, "12.5 s"),
        ("cost_per_day", 3.1, "3.10 USD"),
        ("cost", 0.00042, "0.00042 USD"),
        ("quality", 0.8123, "0.8123"),
        ("incidents", 2.0, "2"),
        ("invocations", 12345.6, "12,346"),
    ],
)
def test_measures_have_the_unit_of_their_metric(metric, value, text):
    """A rate is percent, a latency seconds, a cost dollars; what we do not know stays a number."""
    assert words.measure(metric, value) == text


def test_every_kind_of_record_is_told_in_words():
    """None of the records of our ledgers falls back to its raw body."""
    for make in SCENARIOS.values():
        for record in make().records:
            assert not describe(record).startswith("{"), record.kind


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KINDS = sorted({r.kind for make in SCENARIOS.values() for r in make().records} | {"unknown"})


@given(st.sampled_from(KINDS), st.data())
def test_telling_never_raises(kind, data):
    """A record that lacks a member, or holds something strange in it, is told as it is written."""
    whole = next((r.body for make in SCENARIOS.values() for r in make().records if r.kind == kind), {})
    body = {k: data.draw(st.just(v) | JSON) for k, v in whole.items() if data.draw(st.booleans())}
    assert isinstance(describe(Record(1, 0.0, "", kind, body, "", "")), str)


def test_long_unknown_bodies_are_cut():
    """A list stays a list."""
    assert len(describe(Record(1, 0.0, "", "unknown", {"x": "y" * 5000}, "", ""))) < 300
