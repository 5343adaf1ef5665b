"""Seconds and sessions: what is counted, when a session closes, and that it is summarised once."""

import pytest
from gateway_helpers import policy

from headgate.gateway.meter import Meter, Tokens, Turn, label_of
from headgate.gateway.router import Moved, Pin
from headgate.gateway.sse import Usage
from headgate.stats.histogram import bucket_of

NOW = 1000.0
RULES = policy(session_turns=3, session_idle_s=60.0, usd_per_million_input=2.0, usd_per_million_output=10.0)


class Table:
    """A meter with one session on the candidate."""

    def __init__(self):
        self.meter = Meter("coach")
        self.pin = Pin("2", "candidate", 10.0, 4, NOW)

    def turn(self, error="", at=NOW, usage=None, latency=10.0, ttfb=5.0):
        self.pin.seen = at
        self.meter.turn("a", self.pin, Turn(label_of(self.pin), error, latency, ttfb, usage), RULES, at)

    def rows(self, kind, everything=True):
        rows = [row for _, _, row in self.meter.take(NOW, everything=everything).rows]
        return [row for row in rows if row["kind"] == kind]


def test_a_second_holds_all_turns_of_its_labels():
    """Counts, kinds of errors, both histograms, tokens and sessions begun."""
    table = Table()
    table.meter.began(table.pin, NOW)
    table.turn(usage=Usage(100, 20, None))
    table.turn("http_5xx", latency=2.0, ttfb=None)
    (row,) = table.rows("second")
    assert row == {
        "kind": "second",
        "t": 1000,
        "variant": "candidate",
        "version": "2",
        "weight": 10.0,
        "epoch": 4,
        "requests": 2,
        "errors": {"http_5xx": 1},
        "latency": row["latency"],
        "ttfb": row["ttfb"],
        "tokens_in": 100,
        "tokens_out": 20,
        "cost_usd": pytest.approx(400e-6),
        "sessions": 1,
    }
    assert (sum(row["latency"].values()), sum(row["ttfb"].values())) == (2, 1)


@pytest.mark.parametrize(
    ("tokens", "waited"),
    [(None, 9000.0), (Tokens(300.0, 120.0), 300.0), (Tokens(300.0, 700.0), 700.0), (Tokens(None, None), 9000.0)],
)
def test_a_stream_is_as_slow_as_its_longest_wait(tokens, waited):
    """Not as its answer is long; one without a single token has kept its caller waiting to the end."""
    table = Table()
    label = label_of(table.pin)
    table.meter.turn("a", table.pin, Turn(label, "", 9000.0, 250.0, None, tokens), RULES, NOW)
    (row,) = table.rows("second")
    assert row["latency"] == {bucket_of(waited): 1}
    if tokens is None:
        assert "streams" not in row
    else:
        seen = ({bucket_of(tokens.first): 1}, {bucket_of(tokens.gap): 1}) if tokens.first else ({}, {})
        assert (row["streams"], row["first_token"], row["token_gap"]) == (1, *seen)


def test_a_second_that_is_not_over_is_not_handed_out():
    """A row is final."""
    table = Table()
    table.turn()
    assert table.rows("second", everything=False) == []
    table.turn(at=NOW + 1)
    assert [row["t"] for row in table.rows("second")] == [1000, 1001]


def test_the_cost_that_an_answer_states_is_taken():
    """Prices are for answers that do not say."""
    table = Table()
    table.turn(usage=Usage(100, 20, 0.5))
    assert table.rows("second")[0]["cost_usd"] == 0.5


@pytest.mark.parametrize("error", ["http_5xx", "stream_error", "timeout", "connect", "cut", "http_424", "http_429"])
def test_the_first_failure_closes_a_session(error):
    """Whatever kind of failure it is."""
    table = Table()
    table.turn()
    table.turn(error)
    (row,) = table.rows("session")
    assert (row["turns"], row["failures"], row["closed_by"]) == (2, 1, "failure")


def test_a_clients_fault_is_no_failure():
    """It is counted as an error of the second, and the session goes on."""
    table = Table()
    table.turn("http_4xx")
    assert table.rows("session") == []
    table.turn()
    table.turn()
    (row,) = table.rows("session")
    assert (row["turns"], row["failures"], row["closed_by"]) == (3, 0, "turns")


def test_a_session_is_summarised_once():
    """Later turns of a closed session count in the seconds only."""
    table = Table()
    for _ in range(3):
        table.turn()
    assert [row["closed_by"] for row in table.rows("session")] == ["turns"]
    table.turn("http_5xx")
    rows = table.meter.take(NOW, everything=True).rows
    assert [row["kind"] for _, _, row in rows] == ["second"]


def test_an_idle_session_is_closed_and_a_turn_in_flight_is_not_idle():
    """The pin's last sight decides, which a turn in flight keeps young."""
    table = Table()
    table.turn()
    table.meter.close_idle(NOW + 60, 60.0)
    assert table.rows("session") == []
    table.pin.seen = NOW + 30
    table.meter.close_idle(NOW + 61, 60.0)
    assert table.rows("session") == []
    table.meter.close_idle(NOW + 91, 60.0)
    assert [row["closed_by"] for row in table.rows("session")] == ["idle"]


def test_a_session_in_flight_does_not_hide_idle_ones_behind_it():
    """The sweep looks past it."""
    table = Table()
    table.turn()
    other = Pin("1", "baseline", 10.0, 4, NOW)
    table.meter.turn("b", other, Turn(label_of(other), "", 1.0, 1.0, None), RULES, NOW)
    table.pin.seen = NOW + 100
    table.meter.close_idle(NOW + 101, 60.0)
    assert [row["version"] for row in table.rows("session")] == ["1"]


def test_a_session_without_a_finished_turn_leaves_no_summary():
    """Nothing was measured of it."""
    table = Table()
    table.meter.forget(["a"], NOW, "stop")
    assert table.rows("session") == []


def test_a_moved_session_is_summarised_as_far_as_its_version_served_it():
    """And what the next version does with it is not this one's."""
    table = Table()
    table.turn()
    moved = Moved("a", table.pin, "2", "handover")
    table.pin.version, table.pin.variant = "1", "baseline"
    table.meter.moved([moved], NOW)
    table.turn("http_5xx")
    batch = table.meter.take(NOW, everything=True)
    rows = [row for _, _, row in batch.rows]
    assert [row["closed_by"] for row in rows if row["kind"] == "session"] == ["stop"]
    assert [(row["from_version"], row["to_version"], row["policy"]) for row in rows if row["kind"] == "move"] == [
        ("2", "1", "handover")
    ]
    assert [row["version"] for row in rows if row["kind"] == "second"] == ["2", "1"]


def test_a_session_that_was_moved_before_its_first_answer_is_marked():
    """It is not summarised later either, for two versions would share the blame."""
    table = Table()
    table.meter.moved([Moved("a", table.pin, "2", "evict")], NOW)
    assert table.meter.take(NOW).sessions == [("coach", "a", None)]
    table.turn("http_5xx")
    assert table.rows("session") == []


def test_a_turn_that_began_before_the_move_counts_for_the_version_that_served_it():
    """The label is taken when the turn begins."""
    table = Table()
    label = label_of(table.pin)
    table.pin.version, table.pin.variant = "1", "baseline"
    table.meter.turn("a", table.pin, Turn(label, "", 1.0, 1.0, None), RULES, NOW)
    assert [row["version"] for row in table.rows("second")] == ["2"]


def test_an_open_session_goes_on_after_a_restart():
    """With what it had counted, and a closed one stays closed."""
    table = Table()
    table.turn(usage=Usage(1, 2, 0.25))
    table.turn()
    ((_, session, data),) = table.meter.take(NOW, everything=True).sessions
    again = Table()
    again.meter.restore(session, again.pin, data)
    again.turn()
    (row,) = again.rows("session")
    assert (row["turns"], row["tokens_in"], row["cost_usd"], sum(row["latency"].values())) == (3, 1, 0.25, 3)
    closed = Table()
    closed.meter.restore("a", closed.pin, None)
    closed.turn("http_5xx")
    assert closed.rows("session") == []


def test_an_id_that_was_stopped_and_used_again_is_remembered():
    """Forgetting the old session does not forget the new one of the same second."""
    table = Table()
    table.turn()
    table.meter.forget(["a"], NOW, "stop")
    table.pin = Pin("2", "candidate", 10.0, 4, NOW)
    table.turn()
    batch = table.meter.take(NOW)
    assert batch.forgotten == []
    assert batch.sessions[-1][2]["turns"] == 1
