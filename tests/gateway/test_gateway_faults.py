"""Disks that are full, databases that another process holds, admin callers that talk nonsense."""

import json
import sqlite3

import httpx
import pytest
from gateway_helpers import TOKEN, FakeClock, Live, policy, session_id, wait_for

from headgate.errors import Rejected, TimedOut, Unavailable
from headgate.gateway.policy import data_of
from headgate.gateway.router import PIN_IDLE_S
from headgate.stats.observations import Second, Session
from headgate.telemetry.gateway import GatewayTelemetry
from headgate.traffic.embedded import EmbeddedTraffic

A = session_id(1)


def health(live):
    """The admin API's word on itself."""
    return httpx.get(f"{live.admin}/healthz", trust_env=False).json()


def pinned(live):
    """Sessions in the pin store's file."""
    database = sqlite3.connect(live.settings.home / "pins.db")
    try:
        return {row[0] for row in database.execute("SELECT session FROM pins")}
    finally:
        database.close()


def test_a_pin_is_on_disk_before_the_version_is_asked(live):
    """Seen from inside the version: at the first byte of the first turn the pin can be read from the file."""
    seen = []

    async def look(request, writer):
        seen.append(pinned(live))
        await live.one.echo(request, writer)

    live.one.script = look
    live.post(A)
    assert seen == [{A}]


def test_a_locked_pin_store_fails_no_request_and_is_caught_up_with(still):
    """Served, counted, and written as soon as the other process lets go."""
    other = sqlite3.connect(still.settings.home / "pins.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert still.post(A).status_code == 200
    assert still.post(A).status_code == 200
    still.tick()
    assert health(still)["unpinned"] == 1
    other.execute("ROLLBACK")
    other.close()
    still.tick()
    assert pinned(still) == {A}


def test_a_full_disk_fails_no_request(still):
    """SQLite's own answer to a full disk, for pins and for telemetry."""

    def fill(database):
        database.execute("PRAGMA journal_mode = DELETE")
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")

    still.do(fill, still.engine.pins._database)
    still.do(lambda: still.engine.on_disk(fill, still.engine.journal._database))
    for i in range(200):
        assert still.post(session_id(i)).status_code == 200
    still.tick()
    assert 0 < health(still)["unpinned"] < 200
    assert still.do(lambda: len(still.engine.agents["coach"].router.pins)) == 200

    def free(database):
        database.execute("PRAGMA max_page_count = 1000000")

    still.do(free, still.engine.pins._database)
    still.do(lambda: still.engine.on_disk(free, still.engine.journal._database))
    still.tick()
    assert len(pinned(still)) == 200
    assert sum(row.requests for row in still.rows() if isinstance(row, Second)) == 200


def test_telemetry_that_the_disk_refuses_waits_within_bounds(still, monkeypatch):
    """Beyond the bound the oldest rows are lost, and counted as lost."""
    monkeypatch.setattr("headgate.gateway.journal._WAITING", 1)
    other = sqlite3.connect(still.settings.home / "telemetry.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    still.do(lambda: still.engine.on_disk(still.engine.journal._database.execute, "PRAGMA busy_timeout = 0"))
    for _ in range(3):
        still.post(A)
        still.clock.now += 1
        still.tick()
    other.execute("ROLLBACK")
    other.close()
    assert still.engine.journal.lost == 2
    assert sum(row.requests for row in still.rows() if isinstance(row, Second)) == 1


def test_a_weight_that_cannot_be_made_durable_is_not_raised(live, monkeypatch):
    """Lowering it is served at once and written later: a rollback needs no disk."""
    live.apply(weight=10.0, epoch=2)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("headgate.gateway.book.os.fsync", full)
    with pytest.raises(Unavailable, match="not raised"):
        live.apply(weight=50.0, epoch=3)
    assert live.traffic.read("coach").weight == 10.0
    assert live.traffic.force_down("coach", "ann", "x").weight == 0.0
    live.apply(weight=0.0, epoch=4, withdrawn="2")
    monkeypatch.undo()
    live.do(setattr, live.engine, "_saved_at", 0.0)
    live.tick()
    saved = json.loads((live.settings.home / "policy" / "coach.json").read_text())
    assert (saved["policy"]["epoch"], saved["forced"]["by"]) == (4, "ann")


def test_a_gateway_starts_on_what_it_knew(tmp_path):
    """Policy, pins, open sessions, closed sessions and the telemetry log, without a controller or anybody else."""
    clock = FakeClock()
    with Live(tmp_path, clock) as first:
        first.apply(weight=50.0, epoch=2, session_turns=3)
        served = {i: first.post(session_id(i)).json()["version"] for i in range(20)}
        for _ in range(2):
            first.post(A)
        urls = first.one.url, first.two.url
        cursor = first.telemetry.poll("coach", "")[1]
    assert set(served.values()) == {"1", "2"}
    with Live(tmp_path, clock) as second:
        state = second.traffic.read("coach")
        assert (state.weight, state.epoch, sum(n for n, _ in state.debt.values())) == (50.0, 2, 20)
        assert (second.engine.agents["coach"].pools["1"].url, second.engine.agents["coach"].pools["2"].url) == urls
        second.apply(weight=50.0, epoch=2, session_turns=3)  # the same, at the new addresses of the versions
        assert {i: second.post(session_id(i)).json()["version"] for i in range(20)} == served
        for _ in range(3):
            second.post(A)  # closed before the restart: no second summary
        rows = second.rows()
        assert [(row.turns, row.closed_by) for row in rows if isinstance(row, Session)] == [(3, "turns")]
        second.post(session_id(2))
        sessions = [row for row in second.rows() if isinstance(row, Session)]
        assert [row.turns for row in sessions] == [3, 3]  # one turn before the restart, two after it
        assert second.telemetry.poll("coach", cursor)[1].partition(":")[0] == cursor.partition(":")[0]


def test_moves_that_fell_due_while_nobody_was_there_are_made_at_the_start(tmp_path):
    """The deadline of a drain does not wait for a controller."""
    clock = FakeClock()
    with Live(tmp_path, clock) as first:
        first.apply(weight=100.0, epoch=2)
        first.post(A)
        first.apply(weight=0.0, epoch=3, withdrawn="2", deadline=clock.now + 100)
    clock.now += 101
    with Live(tmp_path, clock) as second:
        assert second.traffic.read("coach").debt["2"] == (0, 0.0)
        assert [row.policy for row in second.rows() if hasattr(row, "policy")] == ["drain"]


def test_pins_and_their_marks_are_dropped_after_eight_hours(still):
    """Nothing of a session is kept for ever."""
    still.post(A)
    still.clock.now += PIN_IDLE_S + 1
    still.tick()
    still.tick()
    assert health(still)["pins"] == 0
    assert pinned(still) == set()
    assert [row.closed_by for row in still.rows() if isinstance(row, Session)] == ["idle"]
    assert still.do(lambda: still.engine.on_disk(list, still.engine.journal.sessions("coach"))) == []


def test_telemetry_is_paged_and_named(still):
    """A cursor goes on where it stopped; one of another log starts at the beginning; nonsense is refused."""
    for _ in range(5):
        still.post(A)
        still.clock.now += 1
    rows = still.rows()
    assert [row.seq for row in rows] == [1, 2, 3, 4, 5]
    page = still_page(still, after="", limit=2)
    assert len(page["rows"]) == 2
    again = still_page(still, after=page["cursor"], limit=9)
    assert [row["seq"] for row in again["rows"]] == [3, 4, 5]
    assert still_page(still, after=again["cursor"], limit=9) == {**again, "rows": []}
    assert len(still_page(still, after="another:4", limit=9)["rows"]) == 5
    with pytest.raises(Rejected, match="cursor"):
        still.telemetry.poll("coach", "nonsense")


def still_page(live, after, limit):
    """One answer of the telemetry API."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    params = {"after": after, "limit": limit}
    return httpx.get(f"{live.admin}/telemetry/coach", params=params, headers=headers, trust_env=False).json()


def test_old_rows_are_trimmed(still):
    """Seven days are kept."""
    still.post(A)
    still.rows()
    still.clock.now += 7 * 86400 + 1
    still.tick()
    assert still.telemetry.poll("coach", "")[0][:-1] == []  # what is left is the session that was idle


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/policy/coach", b"{"),
        ("PUT", "/policy/coach", b"[]"),
        ("PUT", "/policy/other", json.dumps(data_of(policy())).encode()),
        ("PUT", "/policy/coach", b'{"agent": 5}'),
        ("PUT", "/policy/coach", b"x" * (1 << 21)),
        ("POST", "/policy/coach/force-down", b"{}"),
        ("POST", "/policy/coach/force-down", b"nonsense"),
        ("GET", "/telemetry/coach?limit=0", None),
        ("GET", "/telemetry/coach?limit=many", None),
    ],
)
def test_nonsense_is_a_400_with_words(live, method, path, body):
    """And changes nothing."""
    before = live.traffic.read("coach").epoch
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = httpx.request(method, live.admin + path, content=body, headers=headers, trust_env=False)
    assert (answer.status_code, bool(answer.json()["error"])) == (400, True)
    assert live.traffic.read("coach").epoch == before


@pytest.mark.parametrize("token", ["", "wrong"])
def test_without_the_token_only_health_is_told(live, token):
    """Every other path is closed, also for reading."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    for path in ("/policy/coach", "/telemetry/coach", "/metrics"):
        assert httpx.get(live.admin + path, headers=headers, trust_env=False).status_code == 401
    assert health(live)["ok"]
    traffic = EmbeddedTraffic(live.admin, token)
    with pytest.raises(Rejected, match="token") as refused:
        traffic.apply(policy())
    assert "admin token" in refused.value.mend
    traffic.close()


def test_metrics_are_prometheus_text(live):
    """Requests, errors, weight, debt, pins, and what went wrong inside."""
    live.apply(weight=100.0, epoch=2)
    live.post(A)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    text = httpx.get(f"{live.admin}/metrics", headers=headers, trust_env=False).text
    assert 'headgate_gateway_requests_total{agent="coach",variant="candidate",version="2"} 1\n' in text
    assert 'headgate_gateway_open_sessions{agent="coach",version="2"} 1\n' in text
    assert "headgate_gateway_unpinned_total 0\n" in text
    assert all(line.startswith("#") or len(line.rsplit(" ", 1)) == 2 for line in text.splitlines())


def test_a_gateway_that_is_not_there_is_unavailable():
    """Both adapters say so, and that trying again may help."""
    read_both("http://127.0.0.1:9", Unavailable)
    assert Unavailable.retry


def read_both(url, error):
    """Both adapters fail with this error."""
    traffic, telemetry = EmbeddedTraffic(url, "t"), GatewayTelemetry(url, "t")
    try:
        with pytest.raises(error):
            traffic.read("coach")
        with pytest.raises(error):
            telemetry.poll("coach", "")
    finally:
        traffic.close()
        telemetry.close()


def test_a_gateway_that_hangs_is_timed_out(live, monkeypatch):
    """No call waits for ever."""
    monkeypatch.setattr("headgate.traffic.embedded._TIMEOUT_S", 0.2)
    monkeypatch.setattr("headgate.telemetry.gateway._TIMEOUT_S", 0.2)
    never = live.event()

    async def silent(_request, _writer):
        await never.wait()

    live.one.script = silent
    read_both(live.one.url, TimedOut)
    live.loop.call_soon_threadsafe(never.set)


def test_something_that_is_no_gateway_is_rejected(live):
    """A wrong address is told apart from a dead one."""

    async def page(_request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>")

    live.one.script = page
    read_both(live.one.url, Rejected)


def test_rows_are_flushed_by_the_clock(live):
    """Without a tick of the test's own: the second is over, its row is there."""
    live.post(A)
    wait_for(lambda: live.telemetry.poll("coach", "")[0], "the row of the second")
