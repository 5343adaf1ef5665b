"""The board of alarms: it says what a plain evaluation over all rows would say, however the rows come."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.analysis.alarms import beyond, look_back, state_of
from headgate.analysis.board import AGENT, LATE_S, Board
from headgate.config.resolve import DEFAULT_ALARMS
from headgate.core.plan import AlarmSpec, CompositeSpec, MetricQuery
from headgate.stats.histogram import quantile_ms
from headgate.stats.observations import Second
from headgate.stats.series import merge

START = 1_800_000_000 // 3600 * 3600
FAST, SLOW, SLOWEST = 100, 180, 200  # buckets of about 0.13 s, 6.4 s, 17 s


def spec(metric="error_rate", op=">", threshold=0.05, *, period=60.0, periods=1, need=1, missing="missing", **more):
    """An alarm named after its metric."""
    return AlarmSpec(more.pop("name", metric), metric, op, threshold, period, periods, need, missing, **more)


def second(t, requests=10, errors=0, *, latency=None, cost=0.0, tokens=0, kind="http_5xx", **more):
    """One second of telemetry, `t` counted from START."""
    counts = {kind: errors} if errors else {}
    timed = latency or {FAST: requests}
    return Second(1, START + t, "candidate", "2", 10.0, 1, requests, counts, timed, timed, tokens, 0, cost, **more)


def board(*specs, composites=(), rows=(), variants=("candidate",), **more):
    """A board that begins at START, fed with rows of the candidate."""
    made = Board(specs, composites, variants=variants, now=START + LATE_S, **more)
    for row in rows:
        made.add("candidate", row)
    return made


def states(made, until):
    """Every change until START + `until`, as (minute, name, state)."""
    return [((c.at - START) / 60, c.name, c.to) for c in made.evaluate(START + until + LATE_S)]


def plain(alarm, rows, end, current):
    """The same alarm over all rows at once, the way a reader of the documentation would write it."""
    points = []
    for back in range(alarm.evaluation_periods + look_back(alarm) - 1, -1, -1):
        until = end - back * alarm.period_s
        window = merge(row for row in rows if until - alarm.period_s <= row.t < until)
        value = None
        if window.requests and alarm.metric == "error_rate":
            value = window.errors / window.requests
        elif window.requests and alarm.metric == "p95":
            value = quantile_ms(window.latency, 0.95) / 1000
        elif window.requests and alarm.metric == "invocations":
            value = float(window.requests)
        elif window.cost_usd and alarm.metric == "cost_per_day":
            value = window.cost_usd * 86_400 / alarm.period_s
        points.append(None if value is None else beyond(value, alarm))
    return state_of(points, alarm, current)


ROWS = st.lists(
    st.builds(
        second,
        st.integers(0, 1799),
        st.integers(1, 9),
        st.integers(0, 1),
        latency=st.sampled_from([{FAST: 9}, {SLOW: 1}, {FAST: 1, SLOW: 1}]),
        cost=st.sampled_from([0.0, 0.001, 0.5]),
    ),
    max_size=60,
)
ALARMS = st.builds(
    lambda shape, period, counts, missing: spec(
        *shape, period=period, periods=max(counts), need=min(counts), missing=missing
    ),
    st.sampled_from([("error_rate",), ("p95", ">", 5.0), ("invocations", "<", 20.0), ("cost_per_day", ">", 100.0)]),
    st.sampled_from([60.0, 120.0, 300.0]),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.sampled_from(["missing", "ignore", "breaching", "notBreaching"]),
)


@settings(max_examples=150, deadline=None)
@given(ALARMS, ROWS, st.lists(st.integers(0, 900), max_size=60))
def test_it_says_what_a_plain_evaluation_says(alarm, rows, delays):
    """Sliding sums, late rows and rows out of order give the states that all rows together give, minute by minute.

    A late row changes what follows from it, and nothing that was said before it came.
    """
    delays = dict(enumerate(delays))
    arrivals = sorted((max(row.t + 1 - START, row.t - START + delays.get(i, 0)), i) for i, row in enumerate(rows))
    made, current, there = board(alarm), "INSUFFICIENT_DATA", []
    for minute in range(1, 40):
        while arrivals and arrivals[0][0] < minute * 60:
            row = rows[arrivals.pop(0)[1]]
            made.add("candidate", row)
            there.append(row)
        made.evaluate(START + minute * 60 + LATE_S)
        current = plain(alarm, there, START + minute * 60, current)
        assert made.states("candidate") == {alarm.name: current}, f"at minute {minute}"


def test_alarms_are_evaluated_every_minute_over_sliding_periods():
    """Of five minutes, those that ended last; a period is not aligned to the hour."""
    rows = [second(t, 10, 10 if 360 <= t < 420 else 0) for t in range(0, 1200, 10)]
    found = states(board(spec(period=300.0, threshold=0.15), rows=rows), 1200)
    assert found == [(1.0, "error_rate", "OK"), (7.0, "error_rate", "ALARM"), (12.0, "error_rate", "OK")]


def test_short_periods_are_evaluated_every_ten_seconds():
    """An alarm over ten seconds rings within them."""
    rows = [second(t, 10, 10 if t >= 125 else 0) for t in range(0, 150, 5)]
    assert states(board(spec(period=10.0), rows=rows), 150)[-1] == (130 / 60, "error_rate", "ALARM")


def test_more_than_a_day_is_evaluated_by_the_hour():
    """Two periods of a day: a change is seen at the next full hour."""
    rows = [second(t, 100, cost=0.01) for t in range(0, 3 * 86_400, 600)]
    rows += [second(2 * 86_400 + 700, cost=50.0)]
    found = states(board(spec("cost", ">", 10.0, period=86_400.0, periods=2), rows=rows), 3 * 86_400)
    assert [(m % 60, to) for m, _, to in found] == [(0.0, "OK"), (0.0, "ALARM")]


@pytest.mark.parametrize(
    ("metric", "op", "threshold", "row", "breaching"),
    [
        ("error_rate", ">", 0.05, {"requests": 100, "errors": 6}, True),
        ("error_rate", ">", 0.05, {"requests": 100, "errors": 5}, False),
        ("error_rate", ">", 0.05, {"requests": 100, "errors": 50, "kind": "http_4xx"}, False),
        ("p95", ">", 5.0, {"latency": {SLOW: 10}}, True),
        ("p95", ">", 7.0, {"latency": {SLOW: 10}}, False),
        ("ttfb_p95", ">", 5.0, {"latency": {SLOW: 10}}, True),
        ("first_token_p95", ">", 5.0, {"first_token": {SLOW: 10}}, True),
        ("first_token_p95", ">", 5.0, {"first_token": {FAST: 10}, "latency": {SLOW: 10}}, False),
        ("token_gap_p95", ">", 5.0, {"token_gap": {SLOW: 10}}, True),
        ("invocations", "<", 5, {"requests": 4}, True),
        ("invocations", "<", 5, {"requests": 5}, False),
        ("cost", ">", 0.5, {"cost": 0.51}, True),
        ("cost_per_day", ">", 10.0, {"cost": 0.007}, True),  # 0.007 USD in a minute is 10.08 in a day
        ("cost_per_day", ">", 10.0, {"cost": 0.0069}, False),
        ("cost_per_month", ">", 300.0, {"cost": 0.007}, True),
        ("cost_per_month", ">", 300.0, {"cost": 0.0069}, False),
        ("tokens", ">", 99, {"tokens": 100}, True),
    ],
)
def test_every_metric_in_its_unit(metric, op, threshold, row, breaching):
    """Shares, seconds, counts and USD: just below and just above the threshold; a client's fault is no error."""
    made = board(spec(metric, op, threshold), rows=[second(30, **row)])
    made.evaluate(START + 60 + LATE_S)
    assert made.states("candidate") == {metric: "ALARM" if breaching else "OK"}


@pytest.mark.parametrize("metric", ["first_token_p95", "token_gap_p95", "cost", "tokens"])
def test_what_nobody_reported_is_missing(metric):
    """No stream, no usage: no point, whatever else was measured; and it is known to be silent."""
    made = board(spec(metric), spec("invocations"), rows=[second(30)])
    made.evaluate(START + 60 + LATE_S)
    assert made.states("candidate") == {metric: "INSUFFICIENT_DATA", "invocations": "ALARM"}
    assert made.silent("candidate") == (metric,)


def test_no_traffic_is_not_zero_errors():
    """A silent variant is INSUFFICIENT_DATA by default, and ALARM where the plan says that silence breaches."""
    quiet = board(spec(), spec("invocations", "<", 1.0, missing="breaching"))
    quiet.evaluate(START + 60 + LATE_S)
    assert quiet.states("candidate") == {"error_rate": "INSUFFICIENT_DATA", "invocations": "ALARM"}


def test_a_warm_up_keeps_quiet_until_there_is_enough():
    """For an hour after it was made, silence is no ALARM; a whole set of data ends the warm-up early."""
    alarm = spec("invocations", "<", 1.0, period=600.0, missing="breaching", warm_up_s=3600.0)
    assert states(board(alarm), 2 * 3600) == [(61.0, "invocations", "ALARM")]
    assert states(board(alarm, rows=[second(30)]), 7200)[:2] == [
        (1.0, "invocations", "OK"),
        (11.0, "invocations", "INSUFFICIENT_DATA"),
    ]


def test_percentiles_of_few_samples_keep_the_state():
    """With `ignore`, 199 requests say nothing about a p95, 200 do."""
    alarm = spec("p95", ">", 5.0, low_samples="ignore")
    few = board(alarm, rows=[second(1, 199, latency={SLOW: 199})])
    few.evaluate(START + 60 + LATE_S)
    assert few.states("candidate") == {"p95": "INSUFFICIENT_DATA"}
    enough = board(alarm, rows=[second(1, 200, latency={SLOW: 200})])
    enough.evaluate(START + 60 + LATE_S)
    assert enough.states("candidate") == {"p95": "ALARM"}


def test_metric_math_over_several_metrics():
    """An alarm on an expression: only where there was traffic enough."""
    shape = (
        MetricQuery("e", "errors", "Sum"),
        MetricQuery("r", "requests", "Sum"),
        MetricQuery("rate", expression="IF(r >= 100, e / r * 100)"),
    )
    alarm = spec("", ">", 5.0, name="rate", queries=shape)
    rows = [second(10, 50, 25), second(70, 100, 10), second(130, 100, 1)]
    assert states(board(alarm, rows=rows), 180) == [(2.0, "rate", "ALARM"), (3.0, "rate", "OK")]


def test_each_variant_has_its_own_state_and_the_agent_one():
    """What the baseline does is not the candidate's; the agent's usage is both together."""
    usage = spec("invocations", ">", 15.0, name="usage", scope="agent")
    made = board(spec(), usage, variants=("baseline", "candidate"))
    made.add("baseline", second(10, 10, 10))
    made.add("candidate", second(10, 10))
    found = {(c.name, c.variant): c.to for c in made.evaluate(START + 60 + LATE_S)}
    assert found == {
        ("error_rate", "baseline"): "ALARM",
        ("error_rate", "candidate"): "OK",
        ("usage", AGENT): "ALARM",
    }
    assert made.ringing("candidate") == ("usage",)
    assert made.ringing("baseline") == ("error_rate", "usage")


def test_unusual_usage_is_seen_against_the_last_day():
    """A night and a day that swing are usual; five times the most is not; without half a day of past nothing is."""
    alarm = spec(
        "invocations", "above", 0.0, period=300.0, name="usage", scope="agent", band=4.0, missing="notBreaching"
    )
    steady = [second(t, 100 + 40 * (t // 300 % 2)) for t in range(0, 86_400, 300)]
    surge = [second(86_400 + t, 900) for t in range(0, 1200, 300)]
    found = states(board(alarm, rows=steady + surge), 86_400 + 1200)
    assert [(m, to) for m, _, to in found] == [(1.0, "OK"), (1441.0, "ALARM")]
    early = [second(t, 100) for t in range(0, 18_000, 300)] + [second(18_000, 900)]
    assert states(board(alarm, rows=early), 18_300) == [(1.0, "usage", "OK")]


def test_a_rehearsal_has_shorter_periods_of_real_sums():
    """At 3600 times the speed a period of a day is 24 s, and costs what was really spent in them."""
    rows = [second(t, cost=0.01) for t in range(60)]
    for threshold, state in ((0.235, "ALARM"), (0.245, "OK")):
        made = board(spec("cost", ">", threshold, period=86_400.0), rows=rows, speed=3600.0)
        made.evaluate(START + 40 + LATE_S)
        assert made.states("candidate") == {"cost": state}


def test_a_board_that_takes_over_goes_on_where_the_other_was():
    """With the rows of before and the states on the ledger, a new board says what the old one would have said."""
    alarms = (spec(period=300.0, periods=2, need=2), spec("p95", ">", 5.0, missing="ignore"))
    rows = [
        second(t, 10, int(t // 300 % 3 == 2) * 4, latency={SLOW if t // 240 % 2 else FAST: 10})
        for t in range(0, 3600, 7)
    ]
    whole = board(*alarms, rows=rows)
    said = states(whole, 3600)
    for cut in range(60, 3600, 180):
        first = board(*alarms, rows=[r for r in rows if r.t < START + cut])
        before = states(first, cut)
        known = {(name, "candidate"): state for name, state in first.states("candidate").items()}
        heir = Board(alarms, variants=("candidate",), now=START + cut + LATE_S + 1, states=known)
        heir.begin(("candidate", r) for r in rows if START + cut - heir.reach_s() <= r.t < START + cut)
        assert heir.evaluate(START + cut + LATE_S + 1) == []
        for row in rows:
            if row.t >= START + cut:
                heir.add("candidate", row)
        assert before + states(heir, 3600) == said, f"cut at {cut} s"


COMPOSITE = CompositeSpec("bad", "ALARM(error_rate) AND NOT ALARM(deploying)", "deploying", 120.0, 60.0)


def test_a_composite_counts_in_place_of_its_parts():
    """Its parts change their states and lead to nothing themselves."""
    made = board(
        spec(), composites=(replace(COMPOSITE, rule="ALARM(error_rate)", suppressor=""),), rows=[second(1, 10, 10)]
    )
    changes = made.evaluate(START + 60 + LATE_S)
    assert [(c.name, c.to, c.acts) for c in changes] == [("error_rate", "ALARM", False), ("bad", "ALARM", True)]
    assert made.ringing("candidate") == ("bad",)


def test_a_suppressed_composite_does_not_ring():
    """While it waits for its suppressor it is in ALARM and rings for nobody; then it does."""
    quiet = spec("invocations", ">", 1e9, name="deploying")
    made = board(spec(), quiet, composites=(COMPOSITE,), rows=[second(t, 10, 10) for t in range(0, 600, 5)])
    made.evaluate(START + 60 + LATE_S)
    assert (made.states("candidate")["bad"], made.ringing("candidate")) == ("ALARM", ())
    (acted,) = made.evaluate(START + 180 + LATE_S)
    assert (acted.name, acted.acts, made.ringing("candidate")) == ("bad", True, ("bad",))


def test_an_hour_of_silence_rings_after_an_hour():
    """The default alarm: not before, not hours later; no older hour in which something came is taken for the last."""
    silence = next(alarm for alarm in DEFAULT_ALARMS if alarm.name == "no-invocations")
    made = board(silence, rows=[second(60 * minute) for minute in range(90)], began_at=START)
    assert states(made, 9 * 3600) == [(1, "no-invocations", "OK"), (150, "no-invocations", "ALARM")]
