"""Rollback policies, force-down and exposure debt through a live gateway, on a clock that stands still."""

import json

import pytest
from gateway_helpers import SSE_HEAD, event, head, policy, session_id

from headgate.core.model import Version
from headgate.errors import NotFound, RefusedError, Rejected, StaleTermError
from headgate.stats.observations import Move, Second, Session

A, B = session_id(1), session_id(2)


def version(live, session):
    """Which version answers this session's turn."""
    answer = live.post(session)
    assert answer.status_code == 200
    return answer.json()["version"]


def kinds(live, kind):
    """The rows of one kind."""
    return [row for row in live.rows() if isinstance(row, kind)]


@pytest.fixture
def exposed(still):
    """One session on the candidate."""
    still.apply(weight=100.0, epoch=2)
    assert version(still, A) == "2"
    return still


def withdraw(live, how, deadline=None):
    """The word of a controller that rolls back."""
    live.apply(weight=0.0, epoch=3, withdrawn="2", sessions=how, deadline=deadline)


def test_drain_lets_sessions_finish_and_moves_the_rest_at_the_deadline(exposed):
    """New sessions go to the baseline at once; the old one stays, is debt, and is moved without a turn of its own."""
    withdraw(exposed, "drain", exposed.clock.now + 100)
    exposed.clock.now += 99
    assert version(exposed, B) == "1"
    assert version(exposed, A) == "2"
    assert exposed.traffic.read("coach").debt == {"1": (1, 0.0), "2": (1, 99.0)}
    exposed.clock.now += 1
    exposed.tick()
    assert exposed.traffic.read("coach").debt["2"] == (0, 0.0)
    assert version(exposed, A) == "1"
    (move,) = kinds(exposed, Move)
    assert (move.from_version, move.to_version, move.policy, move.t) == ("2", "1", "drain", exposed.clock.now)


def test_debt_falls_to_zero_as_sessions_go_idle(exposed):
    """A session that nobody continues is no exposure."""
    withdraw(exposed, "drain")
    exposed.clock.now += 899
    assert exposed.traffic.read("coach").debt["2"] == (1, 899.0)
    exposed.clock.now += 2
    assert exposed.traffic.read("coach").debt["2"] == (0, 0.0)


def test_handover_moves_at_the_next_turn(exposed):
    """One move row, and what the candidate did until then is summarised."""
    withdraw(exposed, "handover")
    assert version(exposed, A) == "1"
    assert version(exposed, A) == "1"
    assert [move.policy for move in kinds(exposed, Move)] == ["handover"]
    (session,) = kinds(exposed, Session)
    assert (session.version, session.turns, session.closed_by) == ("2", 1, "stop")


def test_evict_cuts_an_open_stream_and_moves_its_session(exposed):
    """In the middle of an answer the connection is torn, so that nobody takes it for whole."""
    never = exposed.event()

    async def stream(_request, writer):
        writer.write(SSE_HEAD + event(n=1))
        await never.wait()

    exposed.two.script = stream
    with exposed.raw() as raw:
        raw.send(head(A, 2) + b"{}")
        raw.until(b"}\n\n")
        withdraw(exposed, "evict")
        with pytest.raises((ConnectionResetError, AssertionError)):
            raw.until(b"0\r\n\r\n")
    assert version(exposed, A) == "1"
    assert [move.policy for move in kinds(exposed, Move)] == ["evict"]
    assert all(not row.errors for row in kinds(exposed, Second))  # the controller's doing is not the version's failure
    exposed.loop.call_soon_threadsafe(never.set)


def test_evict_answers_a_request_that_has_no_byte_yet(exposed):
    """409 RetryableConflictException: boto3 may try again, and lands on the baseline."""
    never = exposed.event()
    arrived = exposed.event()

    async def silent(_request, _writer):
        arrived.set()
        await never.wait()

    exposed.two.script = silent
    with exposed.raw() as raw:
        raw.send(head(A, 2) + b"{}")
        exposed.do(arrived.wait)
        withdraw(exposed, "evict")
        status, top, _ = raw.response()
        assert (status, b"x-amzn-errortype: retryableconflictexception" in top) == (409, True)
        raw.send(head(A, 2) + b"{}")
        assert json.loads(raw.response()[2])["version"] == "1"
    exposed.loop.call_soon_threadsafe(never.set)


def test_force_down_is_at_once_and_holds_until_another_rollout(exposed):
    """Weight 0 for new sessions, whatever this rollout's controller says."""
    state = exposed.traffic.force_down("coach", "ann", "it is on fire")
    assert (state.weight, state.forced_by, state.forced_reason) == (0.0, "ann", "it is on fire")
    assert version(exposed, B) == "1"
    with pytest.raises(RefusedError, match="ann"):
        exposed.apply(weight=100.0, epoch=4)
    exposed.apply(weight=0.0, epoch=4)
    assert exposed.traffic.read("coach").forced_by == "ann"
    exposed.apply(rollout="r2", weight=100.0, epoch=1)
    assert version(exposed, session_id(3)) == "2"


def test_old_writes_are_refused(exposed):
    """By term and by epoch, each with its own error."""
    exposed.apply(weight=10.0, epoch=5, term=3)
    with pytest.raises(StaleTermError):
        exposed.apply(weight=100.0, epoch=6, term=2)
    with pytest.raises(Rejected, match="epoch 4"):
        exposed.apply(weight=100.0, epoch=4, term=3)
    exposed.apply(weight=10.0, epoch=5, term=3)
    assert exposed.traffic.read("coach").weight == 10.0


def test_an_unknown_agent_is_not_found(still):
    """For reads and for force-down."""
    with pytest.raises(NotFound):
        still.traffic.read("stranger")
    with pytest.raises(NotFound):
        still.traffic.force_down("stranger", "ann", "x")


def test_promotion_keeps_everybody_where_they_are(exposed):
    """The candidate is the baseline of the snapshot, the old baseline serves its own sessions."""
    exposed.apply(weight=0.0, epoch=3)
    assert version(exposed, B) == "1"
    exposed.traffic.apply(
        policy(
            epoch=4,
            baseline=Version("2", "", exposed.two.url),
            candidate=None,
            retired=(Version("1", "", exposed.one.url),),
        )
    )
    assert (version(exposed, A), version(exposed, B), version(exposed, session_id(3))) == ("2", "1", "2")
    assert kinds(exposed, Move) == []
    labels = {(row.variant, row.version) for row in kinds(exposed, Second)}
    assert labels == {("candidate", "2"), ("baseline", "1"), ("baseline", "2")}


def test_a_stream_in_flight_is_not_idle(still):
    """A long answer keeps its session open and in the debt."""
    still.apply(weight=100.0, epoch=2, session_idle_s=60.0)
    go = still.event()

    async def stream(_request, writer):
        writer.write(SSE_HEAD + event(n=1))
        await go.wait()
        writer.write(b"0\r\n\r\n")

    still.two.script = stream
    with still.raw() as raw:
        raw.send(head(A, 2) + b"{}")
        raw.until(b"}\n\n")
        for _ in range(4):
            still.clock.now += 50
            still.tick()
        assert still.traffic.read("coach").debt["2"] == (1, 200.0)
        still.loop.call_soon_threadsafe(go.set)
        raw.until(b"0\r\n\r\n")
        still.settle()
    still.clock.now += 61
    still.tick()
    (session,) = kinds(still, Session)
    assert (session.turns, session.closed_by) == (1, "idle")


def test_a_closed_session_still_counts_as_open_for_the_debt(still):
    """Closed is a word of the analysis; exposure ends when the conversation does."""
    still.apply(weight=100.0, epoch=2, session_turns=2)
    for _ in range(3):
        version(still, A)
    (session,) = kinds(still, Session)
    assert (session.turns, session.closed_by) == (2, "turns")
    assert still.traffic.read("coach").debt["2"][0] == 1
    assert sum(row.requests for row in kinds(still, Second)) == 3
