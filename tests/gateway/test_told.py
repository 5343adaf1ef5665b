"""The plan's own metrics in answers: what is read, what is refused, how it adds up; nothing that is told can break a
turn.
"""

import itertools
import json

import pytest
from gateway_helpers import SSE_HEAD, event, full, policy, session_id
from hypothesis import given
from hypothesis import strategies as st

from headgate.gateway.exposition import exposition
from headgate.gateway.meter import Meter, Turn, label_of
from headgate.gateway.policy import BadPolicy, data_of, parse
from headgate.gateway.router import Pin
from headgate.gateway.sse import Scanner
from headgate.gateway.told import NOTHING, Told, read
from headgate.stats.histogram import bucket_of
from headgate.stats.observations import Second, Session, row_from_data

METRICS = {"tool_calls": "count", "helpful": "score", "search": "time", "spent": "amount"}


def scan(data, stream=False, cuts=(), metrics=METRICS):
    """What is told by an answer that came in pieces."""
    scanner = Scanner(stream=stream)
    for begin, end in itertools.pairwise([0, *sorted(cuts), len(data)]):
        scanner.feed(data[begin:end])
    scanner.finish()
    return scanner.told(metrics)


def answer(**told):
    """An agent's JSON answer that tells these."""
    return json.dumps({"response": "hello", "usage": {"input_tokens": 1}, "metrics": told}).encode()


@given(st.sets(st.integers(0, len(answer(tool_calls=3, helpful=0.5))), max_size=8))
def test_declared_names_are_read_however_the_answer_is_cut(cuts):
    """And no others: what an agent has beside them is its own."""
    data = answer(tool_calls=3, helpful=0.5, other=7)
    assert scan(data, cuts=[cut for cut in cuts if cut <= len(data)]) == Told({"tool_calls": 3.0, "helpful": 0.5})


def test_the_last_event_of_a_stream_tells():
    """As it does of usage."""
    data = b'data: {"text": "hi"}\n\ndata: {"usage": {}, "metrics": {"search": 120.5}}\n\n'
    assert scan(data, stream=True) == Told({"search": 120.5})


@pytest.mark.parametrize("size", [100, 5000, 50_000])
def test_a_json_answer_may_tell_before_its_text(size):
    """The order of members is nobody's choice: in the first 4 KB as well as in the last."""
    text = json.dumps({"metrics": {"tool_calls": 3}, "response": "x" * size}).encode()
    assert scan(text, cuts=(10, 4000) if size > 4000 else ()) == Told({"tool_calls": 3.0})


def test_metrics_of_the_agents_own_are_passed_over():
    """Another member of the name behind ours, in a text or in a tool's answer, hides nothing."""
    data = b'{"metrics": {"tool_calls": 2}, "text": "\\"metrics\\": {}", "tools": [{"metrics": {"rows": 9}}]}'
    assert scan(data) == Told({"tool_calls": 2.0})


def test_nothing_declared_is_nothing_read():
    """A plan without metrics costs nothing and counts nothing."""
    assert scan(answer(tool_calls="x"), metrics={}) == NOTHING


@pytest.mark.parametrize("value", ["3", [3], {"n": 3}, -1, -0.001, 1e10, 10**400, True])
def test_what_is_no_time_is_refused_and_counted(value):
    """Text, lists, what is negative or absurd."""
    assert scan(answer(search=value, tool_calls=1)) == Told({"tool_calls": 1.0}, 1)


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_what_is_not_finite_is_refused(text):
    """JSON of careless writers; also where a literal is too large for a float."""
    assert scan(b'{"metrics": {"spent": ' + text + b"}}") == Told({}, 1)


def test_scores_are_shares_and_yes_is_one():
    """A score beyond 1 is refused; true and false count as 1 and 0; null was not measured, which is no fault."""
    assert scan(answer(helpful=1.01)) == Told({}, 1)
    assert scan(answer(helpful=True, tool_calls=False, spent=None)) == Told({"helpful": 1.0, "tool_calls": 0.0})


@pytest.mark.parametrize(
    "data",
    [
        b'{"metrics": ' + b"[" * 4000,
        b'{"metrics": ' + b'{"metrics": ' * 300,
        b'{"metrics" "tool_calls": 3}',
        b'{"metrics": {"tool_calls": 3',
        b'"metrics":',
        b'{"usage": ' + b"[" * 4000,
        b'{"usage": {"cost_usd": 1' + b"0" * 400 + b'}, "metrics": 5}',
    ],
)
def test_no_answer_can_break_its_turn(data):
    """Nesting, cut ends, numbers of four hundred digits: nothing is told, and nothing raises."""
    scanner = Scanner(stream=False)
    scanner.feed(data)
    assert scanner.told(METRICS) == NOTHING
    usage = scanner.usage()
    assert usage is None or usage.cost_usd is None


@given(st.dictionaries(st.sampled_from(sorted(METRICS)), st.recursive(st.none() | st.floats() | st.text(), st.lists)))
def test_whatever_is_told_is_a_number_of_its_kind_or_refused(told):
    """Each that is there is counted once: taken or refused."""
    found = read([told], METRICS)
    assert len(found.values) + found.refused == sum(value is not None for value in told.values())
    assert all(0.0 <= value <= (1.0 if name == "helpful" else 1e9) for name, value in found.values.items())


def test_a_session_adds_up_and_survives_a_restart():
    """Sums with their number, times as a histogram; refused ones in their second; the same after a restore."""
    rules = policy(metrics=tuple(METRICS.items()), session_turns=3)
    pin = Pin("2", "candidate", 10.0, 4, 1000.0)

    def turn(meter, **members):
        told = Told({"tool_calls": 2.0, "helpful": 0.5, "search": 40.0}, **members)
        meter.turn("a", pin, Turn(label_of(pin), "", 10.0, 5.0, None, None, told), rules, 1000.0)

    before, after = Meter("coach"), Meter("coach")
    turn(before, refused=1)
    first = before.take(1000.0, everything=True)
    (open_row,) = [data for _, _, data in first.sessions]
    after.restore("a", pin, json.loads(json.dumps(open_row)))
    turn(after)
    turn(after)
    rows = [row for _, _, row in [*first.rows, *after.take(1000.0, everything=True).rows]]
    assert [row["refused"] for row in rows if "refused" in row] == [1]
    (session,) = [json.loads(json.dumps(row)) for row in rows if row["kind"] == "session"]
    read_back = row_from_data({"seq": 1, **session})
    assert read_back.values == {"tool_calls": (6.0, 3), "helpful": (1.5, 3)}
    assert read_back.times == {"search": {bucket_of(40.0): 3}}


def test_a_policy_says_what_is_read():
    """Both ways through JSON; a kind that is none is refused by name."""
    told = policy(metrics=(("tool_calls", "count"), ("search", "time")))
    assert parse(json.loads(json.dumps(data_of(told)))).metrics == told.metrics
    for wrong in ({"tool_calls": "counts"}, ["tool_calls"], {"a": 3}):
        with pytest.raises(BadPolicy, match="time, amount, count, score"):
            parse({**data_of(told), "metrics": wrong})


def test_through_a_real_gateway(live):
    """A plain answer and a stream on real sockets: the session's row holds both turns, the refused one is counted."""
    live.apply(epoch=2, metrics=tuple(METRICS.items()), session_turns=2)
    session = session_id(1)

    async def plain(_, writer):
        writer.write(full({"response": "hi", "metrics": {"tool_calls": 2, "helpful": 0.25}}))

    async def stream(_, writer):
        writer.write(SSE_HEAD + event(text="ho") + event(metrics={"tool_calls": 1, "helpful": 7}) + b"0\r\n\r\n")

    for live.one.script in (plain, stream):
        assert live.post(session).status_code == 200
    rows = live.rows()
    (row,) = [each for each in rows if isinstance(each, Session)]
    assert row.values == {"tool_calls": (3.0, 2), "helpful": (0.25, 1)}
    assert sum(each.refused for each in rows if isinstance(each, Second)) == 1
    text = exposition(live.engine)
    assert 'headgate_gateway_refused_values_total{agent="coach",variant="baseline",version="1"} 1' in text
