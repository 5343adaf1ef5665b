"""Alarms on whole hours, days and weeks of a time zone: the documented examples, and days on which clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_board import spec

from headgate.analysis.board import LATE_S, Board
from headgate.analysis.wall_clock import start_of, zone_of
from headgate.core.plan import AlarmSpec
from headgate.stats.observations import Second

HOUR, DAY, WEEK = 3600.0, 86_400.0, 604_800.0
BACKUP = {"metric": "sessions", "op": "<", "threshold": 1.0, "missing": "breaching"}


def at(text, zone="UTC"):
    """Unix seconds of a local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def second(t, requests=1, sessions=0):
    return Second(1, int(t), "candidate", "2", 100.0, 1, requests, {}, {100: requests}, {}, 0, 0, 0.0, sessions)


def watched(alarm, began):
    return Board([alarm], variants=("candidate",), now=began + LATE_S)


def states_at(board, times):
    """The alarm's state after each of these times."""
    found = []
    for t in times:
        board.evaluate(t + LATE_S)
        found.append(next(iter(board.states("candidate").values())))
    return found


def test_each_evaluation_looks_at_the_last_hour_that_is_over():
    """Every minute; what happens within the running hour is seen when it is over, and then for an hour."""
    noon = at("2026-11-25T12:00")
    alarm = spec("invocations", ">", 99.0, period=HOUR, missing="notBreaching", wall_clock="UTC")
    board = watched(alarm, noon)
    board.add("candidate", second(noon + 120, 100))
    minutes = [noon + 60 * n for n in (5, 59, 60, 61, 119, 120)]
    assert states_at(board, minutes) == ["OK", "OK", "ALARM", "ALARM", "ALARM", "OK"]
    sliding = watched(spec("invocations", ">", 99.0, period=HOUR, missing="notBreaching"), noon)
    sliding.add("candidate", second(noon + 120, 100))
    assert states_at(sliding, minutes)[:4] == ["ALARM"] * 4, "one that slides sees it while it happens"


def backups(alarm):
    """Whether a daily backup alarm ever rang: at 23:00 one day, and at 01:00 two days later."""
    began = at("2026-11-20T00:00")
    board = watched(alarm, began)
    for text in ("2026-11-20T12:00", "2026-11-21T23:00", "2026-11-22T23:30", "2026-11-23T23:50"):
        board.add("candidate", second(at(text), sessions=1))
    for n in range(96):
        board.add("candidate", second(began + n * HOUR))
    hours = [began + DAY + HOUR * n for n in range(1, 72)]
    return "ALARM" in states_at(board, hours)


def test_a_backup_on_each_calendar_day_rings_no_alarm():
    """More than 24 hours lie between two of them, and each day had one: only the sliding window rings."""
    assert backups(spec(period=DAY, name="backup", **BACKUP))
    assert not backups(spec(period=DAY, name="backup", wall_clock="UTC", **BACKUP))


@pytest.mark.parametrize(
    ("zone", "period", "now", "began"),
    [
        ("America/New_York", DAY, "2026-11-25T03:00+00:00", "2026-11-24T05:00+00:00"),
        ("UTC", DAY, "2026-11-25T03:00+00:00", "2026-11-25T00:00+00:00"),
        ("Asia/Kolkata", HOUR, "2026-11-25T12:10+00:00", "2026-11-25T11:30+00:00"),
        ("+05:30", HOUR, "2026-11-25T12:40+00:00", "2026-11-25T12:30+00:00"),
        ("UTC+01:05", 300.0, "2026-11-25T12:02+00:00", "2026-11-25T12:00+00:00"),
        ("GMT-08:00", DAY, "2026-11-25T03:00+00:00", "2026-11-24T08:00+00:00"),
        ("UTC", WEEK, "2026-11-25T12:00+00:00", "2026-11-23T00:00+00:00"),
        ("Europe/London", WEEK, "2026-03-29T12:00+00:00", "2026-03-23T00:00+00:00"),
        ("Z", 60.0, "2026-11-25T12:00:59+00:00", "2026-11-25T12:00+00:00"),
    ],
)
def test_where_a_period_begins(zone, period, now, began):
    """The start of the calendar period in the zone: midnight there, Monday of the week, minutes of odd offsets."""
    moment = datetime.fromisoformat(now).timestamp()
    assert start_of(moment, int(period), zone) == datetime.fromisoformat(began).timestamp()


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-25", 24)])
def test_days_on_which_clocks_change(day, hours):
    """A London day is counted from midnight to midnight, an hour less or more: each minute of it once."""
    midnight = at(f"{day}T00:00", "Europe/London")
    alarm = spec("invocations", ">=", float(hours), period=DAY, missing="notBreaching", wall_clock="Europe/London")
    board = watched(alarm, midnight - 2 * HOUR)
    for n in range(-2, hours + 3):
        board.add("candidate", second(midnight + n * HOUR + 1))
    assert states_at(board, [midnight + hours * HOUR - 60, midnight + hours * HOUR]) == ["OK", "ALARM"]
    more = spec("invocations", ">", float(hours), period=DAY, missing="notBreaching", wall_clock="Europe/London")
    board = watched(more, midnight - 2 * HOUR)
    for n in range(-2, hours + 3):
        board.add("candidate", second(midnight + n * HOUR + 1))
    assert states_at(board, [midnight + hours * HOUR + 60 * n for n in range(180)])[-1] == "OK"


@pytest.mark.parametrize("zone", ["+01:03", "+19:00", "Europe/Nowhere", "", "../etc/passwd", "UTC5"])
def test_what_is_no_time_zone(zone):
    """Refused with a reason."""
    with pytest.raises(ValueError, match=r"multiple of 5 minutes|no time zone"):
        zone_of(zone)


ROWS = st.lists(st.tuples(st.integers(0, 6 * 3600), st.integers(1, 9), st.integers(0, 600)), max_size=30)


@settings(max_examples=40)
@given(ROWS, st.integers(1, 3), st.sampled_from(["UTC", "+05:30", "America/New_York"]))
def test_as_a_plain_count_over_all_rows(rows, periods, zone):
    """However late rows come, and after a restart, an hour's sum is that of its rows."""
    began = at("2026-11-25T12:20")
    alarm = AlarmSpec("a", "invocations", ">", 10.0, HOUR, periods, 1, "notBreaching", wall_clock=zone)
    board, waiting = watched(alarm, began), sorted((t + late, t, n) for t, n, late in rows)
    for now in range(0, 8 * 3600, 1200):
        while waiting and waiting[0][0] <= now:
            _, t, n = waiting.pop(0)
            board.add("candidate", second(began + t, n))
        board.evaluate(began + now + LATE_S)
    first = start_of(began + 8 * 3600 - 1200, 3600, zone)
    sums = [
        sum(n for t, n, _ in rows if first - (i + 1) * HOUR <= began + t < first - i * HOUR) for i in range(periods)
    ]
    wanted = "ALARM" if any(total > 10 for total in sums) else "OK"
    assert board.states("candidate") == {"a": wanted}
    end = began + 8 * 3600 - 1200
    again = Board([alarm], variants=("candidate",), now=end + LATE_S)
    again.begin([("candidate", second(began + t, n)) for t, n, _ in rows])
    again.evaluate(end + LATE_S)
    assert again.states("candidate") == {"a": wanted}


def test_a_rehearsal_has_no_hours_of_the_day():
    """At another speed its periods slide, as those of all alarms."""
    began = at("2026-11-25T12:00")
    alarm = spec("invocations", ">", 5.0, period=HOUR, missing="notBreaching", wall_clock="UTC")
    board = Board([alarm], variants=("candidate",), now=began + LATE_S, speed=360.0)
    board.add("candidate", second(began + 3, 9))
    board.evaluate(began + 5 + LATE_S)
    assert board.states("candidate") == {alarm.name: "ALARM"}
