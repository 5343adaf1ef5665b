"""CloudWatch's alarm evaluation: its two published tables, cell by cell, and datapoints from gateway telemetry."""

import pytest

from headgate.analysis.alarms import datapoints, evaluate, state_of
from headgate.core.plan import AlarmSpec
from headgate.stats.observations import Second

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


def spec(metric="error_rate", op=">", threshold=0.05, *, periods=3, need=3, missing="missing"):
    """An alarm over one-minute periods."""
    return AlarmSpec("a", metric, op, threshold, 60.0, periods, need, missing)


def points_of(row):
    """A row of AWS's table as points."""
    return [{"0": False, "X": True, "-": None}[cell] for cell in row.split()]


def second(t, requests=10, errors=0, *, latency=None, cost=0.0, kind="http_5xx"):
    """One second of telemetry."""
    counts = {kind: errors} if errors else {}
    return Second(1, t, "candidate", "2", 10.0, 1, requests, counts, latency or {}, latency or {}, 0, 0, cost)


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


def test_points_are_sliding_periods_that_end_now():
    """Each period is judged by its own seconds, the newest last; one without requests is missing."""
    now = 1_000_000.0
    rows = [second(int(now) - 1, 10, 5), second(int(now) - 60, 10, 0), second(int(now) - 61, 10, 1), second(0, 10, 10)]
    assert datapoints(spec(periods=2, need=2), rows, now) == [None, None, True, True]
    assert datapoints(spec(periods=2, need=2), [second(int(now), 10, 10)], now) == [None] * 4


def test_no_traffic_is_not_zero_errors():
    """A silent variant is INSUFFICIENT_DATA by default, and ALARM where the plan says that silence breaches."""
    assert evaluate(spec(), [], 1000.0) == "INSUFFICIENT_DATA"
    assert evaluate(spec(missing="breaching"), [], 1000.0) == "ALARM"
    assert evaluate(spec(metric="invocations", op="<", threshold=1), [second(999, requests=0)], 1000.0) == I


@pytest.mark.parametrize(
    ("metric", "op", "threshold", "row", "breaching"),
    [
        ("error_rate", ">", 0.05, {"requests": 100, "errors": 6}, True),
        ("error_rate", ">", 0.05, {"requests": 100, "errors": 5}, False),
        ("error_rate", ">", 0.05, {"requests": 100, "errors": 50, "kind": "http_4xx"}, False),
        ("p95", ">", 5.0, {"latency": {180: 10}}, True),  # bucket 180 is about 6.4 s
        ("p95", ">", 7.0, {"latency": {180: 10}}, False),
        ("ttfb_p95", ">", 5.0, {"latency": {180: 10}}, True),
        ("invocations", "<", 5, {"requests": 4}, True),
        ("invocations", "<", 5, {"requests": 5}, False),
        ("cost_per_day", ">", 10.0, {"cost": 0.007}, True),  # 0.007 USD in a minute is 10.08 in a day
        ("cost_per_day", ">", 10.0, {"cost": 0.0069}, False),
        ("cost_per_month", ">", 300.0, {"cost": 0.007}, True),
        ("cost_per_month", ">", 300.0, {"cost": 0.0069}, False),
    ],
)
def test_every_metric_in_its_unit(metric, op, threshold, row, breaching):
    """Shares, seconds, counts and USD: just below and just above the threshold; a client's fault is no error."""
    alarm = spec(metric, op, threshold, periods=1, need=1)
    assert datapoints(alarm, [second(999, **row)], 1000.0)[-1] is breaching


def test_unmeasured_times_are_missing():
    """Requests without a latency make no point; an unknown metric is refused."""
    assert datapoints(spec("p95"), [second(999)], 1000.0)[-1] is None
    with pytest.raises(ValueError, match="metric joy"):
        datapoints(spec("joy"), [second(999)], 1000.0)
