"""CloudWatch's alarm evaluation: its two published tables, cell by cell, premature alarms, and few samples."""

import pytest

from headgate.analysis.alarms import beyond, state_of, too_few
from headgate.core.alarms import NAMED, queries
from headgate.core.plan import AlarmSpec, MetricQuery

MODES = ("missing", "ignore", "breaching", "notBreaching")
O, A, I = "OK", "ALARM", "INSUFFICIENT_DATA"  # noqa: E741 - as narrow as the tables
KEEP = "keep"

THREE_OF_THREE = {
    "0 - X - X": (O, O, O, O),
    "0 - - - -": (O, O, O, O),
    "- - - - -": (I, KEEP, A, O),
    "0 X X - X": (A, A, A, A),
    "- - X - -": (A, KEEP, A, O),
}
TWO_OF_THREE = {
    "0 - X - X": (A, A, A, A),
    "0 0 X 0 X": (A, A, A, A),
    "0 - X - -": (O, O, A, O),
    "- - - - 0": (O, O, A, O),
    "- - - X -": (A, KEEP, A, O),
}
CELLS = [
    (row, need, mode, expected)
    for need, table in ((3, THREE_OF_THREE), (2, TWO_OF_THREE))
    for row, states in table.items()
    for mode, expected in zip(MODES, states, strict=True)
]


def spec(metric="error_rate", op=">", threshold=0.05, *, periods=3, need=3, missing="missing", **more):
    """An alarm over one-minute periods."""
    return AlarmSpec("a", metric, op, threshold, 60.0, periods, need, missing, **more)


def points_of(row):
    """A row of AWS's table as points."""
    return [{"0": False, "X": True, "-": None}[cell] for cell in row.split()]


def test_there_are_forty_cells():
    """Two tables of five rows and four ways to treat missing data."""
    assert len(CELLS) == 40


@pytest.mark.parametrize(("row", "need", "mode", "expected"), CELLS)
@pytest.mark.parametrize("current", ["OK", "ALARM", "INSUFFICIENT_DATA"])
def test_the_published_tables(row, need, mode, expected, current):
    """All 40 cells of "Configuring how CloudWatch alarms treat missing data", from each current state.

    The cells that say ALARM where the table has it so under `missing` hold from any state; `keep` is the current one.
    """
    state = state_of(points_of(row), spec(need=need, missing=mode), current)
    assert state == (current if expected == KEEP else expected)


def test_only_the_newest_real_points_count():
    """Breaching points that are older than N real ones are past."""
    assert state_of(points_of("X X 0 0 X"), spec(need=2), "ALARM") == "OK"
    assert state_of(points_of("X X 0 0 0"), spec(need=1), "ALARM") == "OK"


@pytest.mark.parametrize("row", ["- - - - X", "- - - X -"])
def test_no_premature_alarm(row):
    """One or two points after a silence are too young to be an ALARM of three."""
    assert state_of(points_of(row), spec(), "OK") == "OK"


@pytest.mark.parametrize(
    ("op", "value", "breaching"),
    [(">", 5.0, False), (">", 5.1, True), (">=", 5.0, True), ("<", 5.0, False), ("<", 4.9, True), ("<=", 5.0, True)],
)
def test_the_four_comparisons(op, value, breaching):
    """At the threshold and just beyond it."""
    assert beyond(value, spec(op=op, threshold=5.0)) is breaching


@pytest.mark.parametrize(
    ("statistic", "enough"), [("p99", 1000), ("p95", 200), ("p90", 100), ("p50", 20), ("p10", 100)]
)
def test_percentiles_with_few_samples(statistic, enough):
    """AWS's bound: 10 / (1 - p), below the median 10 / p; and only where the alarm asks for it."""
    asked = spec("", queries=(MetricQuery("p", "latency", statistic),), low_samples="ignore")
    assert too_few(asked, enough - 1)
    assert not too_few(asked, enough)
    assert not too_few(spec("", queries=asked.queries), 1)


def test_every_short_name_is_spelled_out():
    """Each ends in what is compared; one that nobody knows is refused."""
    for name in NAMED:
        assert queries(spec(name))[-1].id
    with pytest.raises(ValueError, match="metric joy"):
        queries(spec("joy"))
