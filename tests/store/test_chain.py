"""The hash chain: every kind of tampering is found and named, and what was not touched is not blamed."""

import json
import sqlite3
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.codec import canonical
from headgate.ports import Entry
from headgate.store import chain
from headgate.store.sqlite import SqliteStore

BODIES = st.dictionaries(
    st.text(max_size=5), st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), max_size=3
).filter(lambda body: float("inf") not in body.values() and float("-inf") not in body.values())


def ledger(count, head=(0, chain.GENESIS)):
    """That many records."""
    entries = [Entry("decision", {"n": n}, f"r{n % 3}") for n in range(count)]
    return [chain.record_of(link) for link in chain.extend(head, entries, 1000.25)]


def test_the_hash_is_the_documented_one():
    """Anybody can compute it: SHA-256 of the previous hash and the canonical JSON of the five members."""
    records = ledger(2)
    for record in records:
        members = {k: getattr(record, k) for k in ("seq", "at", "rollout", "kind", "body")}
        assert record.hash == sha256((record.previous + canonical(members)).encode()).hexdigest()


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4), BODIES), max_size=6), st.floats(0, 4e9))
def test_whatever_is_written_verifies(entries, now):
    """No text, number or time makes an honest ledger look broken, also after a trip through JSON."""
    links = chain.extend((0, chain.GENESIS), [Entry(kind, body, rollout) for kind, rollout, body in entries], now)
    records = [chain.record_of(link) for link in links]
    head = (len(records), records[-1].hash) if records else (0, chain.GENESIS)
    assert chain.verify(records, head, head[1]) == chain.Verification(True, len(entries), head[1], ())
    exported = [json.loads(json.dumps({n: getattr(r, n) for n in r.__slots__})) for r in records]
    assert chain.verify((type(records[0])(**each) for each in exported), head).ok


@given(st.data())
def test_any_single_fault_is_found(data):
    """One member of one record changed, one dropped, two exchanged, one repeated: never unseen."""
    records = ledger(data.draw(st.integers(2, 9)))
    head = (len(records), records[-1].hash)
    i = data.draw(st.integers(0, len(records) - 1))
    j = data.draw(st.integers(0, len(records) - 1).filter(lambda j: j != i))
    fault = data.draw(
        st.sampled_from(["seq", "at", "rollout", "kind", "body", "previous", "hash", "drop", "swap", "again"])
    )
    other = {
        "seq": 99,
        "at": 1.0,
        "rollout": "x",
        "kind": "x",
        "body": {},
        "previous": "0" * 63 + "1",
        "hash": "1" * 64,
    }
    if fault == "drop":
        del records[i]
    elif fault == "swap":
        records[i], records[j] = records[j], records[i]
    elif fault == "again":
        records.insert(j, records[i])
    else:
        records[i] = replace(records[i], **{fault: other[fault]})
    verification = chain.verify(records, head)
    assert not verification.ok
    assert verification.problems


def test_moved_records_are_named():
    """A record that stands too late is reordered, not dropped."""
    r = ledger(6)
    assert chain.verify([r[0], r[1], r[3], r[2], r[4], r[5]], (6, r[5].hash)).problems == (
        "reordered: L3 stands after L4",
    )
    assert chain.verify([r[0], r[4], r[2], r[5]]).problems == (
        "dropped: L2 is missing",
        "dropped: L4 is missing",
        "reordered: L3 stands after L5",
    )


def test_dropped_records_are_named():
    """One, several, the first, and the tail that only the head can show."""
    r = ledger(6)
    assert chain.verify([r[0], *r[2:]]).problems == ("dropped: L2 is missing",)
    assert chain.verify([r[0], *r[4:]]).problems == ("dropped: L2 to L4 are missing",)
    assert chain.verify(r[1:]).problems == ("dropped: L1 is missing",)
    assert chain.verify(r[:4]).ok
    (problem,) = chain.verify(r[:4], (6, r[5].hash)).problems
    assert problem == "tail missing: L5 to L6 are gone; the head says 6 records, the last one here is L4"


def test_a_record_rewritten_with_its_hash_is_found_at_the_next():
    """Who recomputes one hash must recompute all that follow; who closes a gap cannot hide its number."""
    r = ledger(5)
    (forged,) = chain.extend((2, r[1].hash), [Entry("decision", {"n": "forged"})], 1000.25)
    (problem,) = chain.verify([*r[:2], chain.record_of(forged), *r[3:]], (5, r[4].hash)).problems
    assert problem == "changed: L4 does not follow what is before it: L3 was changed, or one was put in"
    (problem,) = chain.verify(ledger(2, (0, "1" * 64))).problems
    assert problem == "changed: L1 does not follow what is before it: it is not the beginning, or one was put in"
    over = [*r[:2], *ledger(2, (3, r[1].hash))]
    assert chain.verify(over, (5, over[-1].hash)).problems == ("dropped: L3 is missing",)


def test_a_rewritten_ledger_is_found_by_a_head_that_was_noted():
    """Who recomputes every hash passes all else; an honest ledger may have grown since the head was noted."""
    noted = ledger(4)[-1].hash
    forged = [chain.record_of(k) for k in chain.extend((0, chain.GENESIS), [Entry("decision", {})] * 6, 1.0)]
    head = (6, forged[-1].hash)
    assert chain.verify(forged, head).ok
    (problem,) = chain.verify(forged, head, noted).problems
    assert problem.startswith(f"head mismatch: no record has the expected hash {noted}")
    grown = ledger(6)
    assert chain.verify(grown, (6, grown[-1].hash), noted).ok
    assert chain.verify(grown, (6, grown[-1].hash), noted.upper() + "\n").ok
    assert chain.verify([], (0, chain.GENESIS), chain.GENESIS).ok


def test_a_head_that_does_not_fit_is_found():
    """More records than the head knows were not put in by Headgate; another hash for the last one was not either."""
    r = ledger(3)
    assert "says 2 records, but L3 is here" in chain.verify(r, (2, r[1].hash)).problems[0]
    assert "head mismatch: the head says that L3" in chain.verify(r, (3, "f" * 64)).problems[0]


def test_many_faults_are_counted_and_the_first_are_told():
    """A ledger in ruins gives a list that a person can read."""
    verification = chain.verify([replace(r, kind="other") for r in ledger(500)])
    assert len(verification.problems) == 21
    assert verification.problems[0] == "changed: L1 (other) is not what was written: it does not match its hash"
    assert verification.problems[-1] == "and 480 more records do not fit"


TAMPERINGS = {
    "body": ("update ledger set body = '{\"n\":7}' where seq = 4", "changed: L4"),
    "body, same meaning": ("update ledger set body = ' ' || body where seq = 4", "changed: L4"),
    "time": ("update ledger set at = at + 1 where seq = 4", "changed: L4"),
    "kind": ("update ledger set kind = 'fact' where seq = 4", "changed: L4"),
    "rollout": ("update ledger set rollout = 'r9' where seq = 4", "changed: L4"),
    "not even text": ("update ledger set body = x'ff00' where seq = 4", "changed: L4"),
    "not even UTF-8": ("update ledger set body = cast(x'7bff7d' as text) where seq = 4", "changed: L4"),
    "type of the kind": ("update ledger set kind = x'00' where seq = 4", "changed: L4"),
    "two exchanged": (
        "update ledger set seq = -1 where seq = 4; update ledger set seq = 4 where seq = 6;"
        "update ledger set seq = 6 where seq = -1",
        "reordered: what stands at L4 was written as L6",
    ),
    "middle dropped": ("delete from ledger where seq in (4, 5)", "dropped: L4 to L5 are missing"),
    "middle dropped, numbers closed up": (
        "delete from ledger where seq = 4; update ledger set seq = seq - 1 where seq > 4",
        "reordered: what stands at L4 was written as L5",
    ),
    "first dropped": ("delete from ledger where seq = 1", "dropped: L1 is missing"),
    "tail dropped": ("delete from ledger where seq > 8", "tail missing: L9 to L10 are gone"),
    "all dropped": ("delete from ledger", "tail missing: L1 to L10 are gone"),
    "inserted": (
        "update ledger set seq = -seq where seq > 4; update ledger set seq = 1 - seq where seq < 0;"
        "insert into ledger select 5, at, rollout, kind, body, previous, hash from ledger where seq = 4",
        "reordered: what stands at L5 was written as L4",
    ),
    "appended": (
        "insert into ledger select 11, at, rollout, kind, body, hash, hash from ledger where seq = 10",
        "changed: L11",
    ),
    "before the first": (
        "insert into ledger select 0, at, rollout, kind, body, hash, hash from ledger where seq = 10",
        "changed: what stands at L0 is before the first record",
    ),
    "head lowered": ("update ledger_head set count = 9", "head mismatch: the head says 9 records, but L10 is here"),
    "head changed": ("update ledger_head set hash = 'x'", "head mismatch: the head says that L10 has hash x"),
    "head gone": ("delete from ledger_head", "head mismatch: the head says 0 records"),
}


@pytest.fixture
def store(tmp_path):
    """A store with ten records."""
    store = SqliteStore(tmp_path / "store.db")
    store.append([Entry("decision", {"n": n}, f"r{n % 3}") for n in range(9)], 1000.25)
    store.append([Entry("fact", {"text": "Gr\u00fc\u00dfe"}, "r0")], 1001)
    yield store
    store.close()


def raw(store, script, *, triggers):
    """Work on the file as somebody else would, past Headgate, with or without the triggers in the way."""
    connection = sqlite3.connect(store.database.path, isolation_level=None)
    try:
        if not triggers:
            names = connection.execute("select name from sqlite_master where type = 'trigger'").fetchall()
            for (name,) in names:
                connection.execute(f"drop trigger {name}")
        connection.executescript(script)
    finally:
        connection.close()


def test_an_untouched_store_verifies(store):
    """Nothing is found where nothing was done."""
    count, head = store.head()
    assert store.verify() == store.verify(head) == chain.Verification(True, count, head, ())


@pytest.mark.parametrize(("script", "told"), TAMPERINGS.values(), ids=TAMPERINGS)
def test_tampering_with_the_file_is_found(store, script, told):
    """Whatever is done to the file past the triggers, `verify` names the first broken record and what is wrong."""
    raw(store, script, triggers=False)
    verification = store.verify()
    assert not verification.ok
    assert verification.problems[0].startswith(told), verification.problems


@pytest.mark.parametrize(
    "script",
    [
        "update ledger set body = '{}' where seq = 4",
        "delete from ledger where seq = 4",
        "delete from ledger",
        "insert or replace into ledger select seq, 0, rollout, kind, body, previous, hash from ledger where seq = 4",
        "insert into ledger select 0, at, rollout, kind, body, previous, hash from ledger where seq = 4",
        "delete from ledger_head",
    ],
)
def test_the_file_itself_refuses_to_change_its_ledger(store, script):
    """A careless hand with the sqlite3 shell is stopped by the triggers, `insert or replace` too."""
    with pytest.raises(sqlite3.IntegrityError, match="ledger"):
        raw(store, script, triggers=True)
    assert store.verify().ok


def test_rewriting_file_and_head_is_found_by_the_head_that_was_noted(store):
    """Cutting the tail and mending the head passes the file's own checks, and not the noted hash."""
    _, noted = store.head()
    kept = store.read()[7]
    raw(
        store,
        "delete from ledger where seq > 8; update ledger_head set (count, hash) ="
        " (select seq, hash from ledger order by seq desc limit 1)",
        triggers=False,
    )
    assert store.verify().ok
    assert store.verify(kept.hash).ok
    (problem,) = store.verify(noted).problems
    assert problem.startswith("head mismatch: no record has the expected hash")


def test_a_broken_ledger_still_takes_records(store):
    """Rolling back must not wait for a repair: it goes on, and the fault stays to be found."""
    raw(store, "delete from ledger where seq = 9; update ledger set kind = 'x' where seq = 2", triggers=False)
    store.append([Entry("rollback", {})], 1002)
    assert [p.split(":")[0] for p in store.verify().problems] == ["changed", "dropped"]


def test_verify_keeps_nobody_waiting(store):
    """It reads one state of the file while another connection writes on."""
    with store.database.snapshot() as reader:
        before = reader.execute("select count(*) from ledger").fetchone()
        store.append([Entry("fact", {})] * 5, 1002)
        assert reader.execute("select count(*) from ledger").fetchone() == before
    assert store.verify().count == 15
