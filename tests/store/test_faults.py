"""What can be wrong with the file itself: each gets a clear word and the mend, and nothing is half written."""

import random
import resource
import sqlite3
import subprocess
import sys

import pytest

from headgate.core.model import Phase
from headgate.errors import LedgerBroken, Rejected, Unavailable
from headgate.ports import Change, Entry
from headgate.store import database
from headgate.store.sqlite import SqliteStore
from headgate.testing.examples import NOW, example_rollout, example_session

BIG = Entry("big", {"text": "x" * 100_000})


@pytest.fixture
def store(tmp_path):
    """A store with a rollout, a lease and a record."""
    store = SqliteStore(tmp_path / "store.db", busy_timeout=0.2)
    store.create(example_rollout(), [Entry("started", {})], NOW)
    store.acquire("controller", "a", 30, NOW)
    yield store
    store.close()


def lease(store):
    """The lease that the fixture took."""
    return store.acquire("controller", "a", 30, NOW)


def test_a_full_disk_writes_nothing_by_halves(store):
    """The commit is refused with the path and the mend; state and ledger are as before; with space it goes on."""
    mine, head = lease(store), store.head()
    change = Change(example_rollout(phase=Phase.PAUSED), entries=(Entry("decision", {}), BIG))
    store.database.connection.execute("pragma max_page_count = 1")  # SQLite takes the present size as the least
    with pytest.raises(Unavailable, match="the disk is full") as full:
        store.commit(change, mine, NOW)
    assert str(store.database.path) in full.value.message
    assert "free some space" in full.value.mend
    assert (store.load(change.rollout.id), store.head()) == (example_rollout(), head)
    with pytest.raises(Unavailable, match="the disk is full"):
        store.ingest("a", [example_session(n) for n in range(2000)], "log:1999")
    assert (store.sessions("a"), store.cursor("a")) == ([], "")
    store.database.connection.execute("pragma max_page_count = 1000000")
    store.commit(change, mine, NOW)
    assert store.load(change.rollout.id).phase is Phase.PAUSED
    assert store.verify().ok


def test_a_write_that_the_system_refuses(store):
    """A file size limit, as a quota would: the system's own error, and nothing half written."""
    head = store.head()
    script = (
        "import sys; from headgate.store.sqlite import SqliteStore; from headgate.ports import Entry\n"
        "from headgate.errors import Unavailable\n"
        "store = SqliteStore(sys.argv[1])\n"
        "try: store.append([Entry('big', {'text': 'x' * 1000000})] * 9, 1.0)\n"
        "except Unavailable as error: print(error)\n"
        "print(store.head())\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, store.database.path],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000)),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = result.stdout
    assert f"{store.database.path}: the disk" in told
    assert "nothing of this change was written" in told
    assert "mend: " in told
    assert told.endswith(f"{head}\n")
    assert store.verify().ok


def test_a_store_that_may_only_be_read(store):
    """Writing says so; reading goes on."""
    store.database.connection.execute("pragma query_only = on")
    with pytest.raises(Unavailable, match="read-only for this user") as refused:
        store.append([Entry("k", {})], NOW)
    assert "write permission" in refused.value.mend
    assert store.load("coach-companion").epoch == 3


def test_a_directory_that_is_not_there(tmp_path):
    """The mend names the directory to make."""
    with pytest.raises(Unavailable, match="cannot be opened or made") as missing:
        SqliteStore(tmp_path / "nowhere" / "store.db")
    assert f"make the directory {tmp_path / 'nowhere'}" in missing.value.mend


def test_a_place_without_a_write_ahead_log():
    """Memory stands for the file systems that cannot do it: it is refused, not quietly done without."""
    with pytest.raises(Rejected, match="cannot keep a write-ahead log here"):
        SqliteStore(":memory:")


def test_a_file_that_is_something_else(tmp_path):
    """A text file, and another program's database, are refused and left as they are."""
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be read as one" * 50)
    with pytest.raises(Rejected, match="is not a store of Headgate"):
        SqliteStore(text)
    assert text.read_text().startswith("not a database")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("create table bookmarks (url text)")
    connection.close()
    before = other.read_bytes()
    with pytest.raises(Rejected, match="another program's database: it has the tables bookmarks"):
        SqliteStore(other)
    assert other.read_bytes() == before


def test_a_store_of_a_newer_headgate(store):
    """It is refused by both numbers, before anything is read from it or written to it."""
    connection = store.database.connection
    connection.execute("insert into headgate_migrations (number, name) values (99, '0099_future')")
    with pytest.raises(Rejected, match=r"newer Headgate: its schema is 99 \(0099_future\), and this one knows up to 6"):
        SqliteStore(store.database.path)
    connection.execute("delete from headgate_migrations where number = 99")
    SqliteStore(store.database.path).close()


def test_a_migration_that_fails_leaves_the_schema_as_it_was(tmp_path, store):
    """A migration and its record are one transaction: all statements and the number, or none."""
    path = store.database.path
    connection = store.database.connection
    # as a store that has had two migrations, in which somebody made a table that the third wants to make
    connection.executescript(
        "drop table scores; drop table outbox; drop table spent_links; drop table observations; drop table cursors;"
        "create table cursors (mine integer)"
    )
    connection.execute("delete from headgate_migrations where number >= 3")
    store.close()
    with pytest.raises(sqlite3.OperationalError, match="cursors already exists"):
        SqliteStore(path)
    with sqlite3.connect(path) as raw:
        tables = {name for (name,) in raw.execute("select name from sqlite_master")}
        assert raw.execute("select max(number) from headgate_migrations").fetchone() == (2,)
        raw.execute("drop table cursors")
    raw.close()
    assert "observations" not in tables
    again = SqliteStore(path)
    assert again.load("coach-companion") == example_rollout()
    again.ingest("a", [example_session(1)], "log:1")
    again.close()


def test_every_migration_is_numbered_and_says_what_it_does():
    """Numbers without a gap, a comment on top, and the record kept under the file's name."""
    names = [name for name, _ in database.migrations()]
    assert [int(name.split("_")[0]) for name in names] == list(range(1, len(names) + 1))
    assert all(statements and statements[0].startswith("-- ") for _, statements in database.migrations())


def test_a_damaged_file(store):
    """Pages overwritten in the middle: reading them says that the file is damaged, and what to do."""
    store.append([Entry("fact", {"text": "y" * 3000})] * 200, NOW)
    path = store.database.path
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(random.Random(1).randbytes(size // 2 - 8192))
    damaged = SqliteStore(path)
    with pytest.raises(LedgerBroken, match="is damaged") as broken:
        damaged.verify()
    assert "restore the last good copy" in broken.value.mend
    damaged.close()


@pytest.mark.parametrize(
    ("script", "call", "error", "told"),
    [
        ("update rollouts set body = '{}'", lambda s: s.all(), Rejected, "a stored rollout cannot be read"),
        ("update rollouts set body = 'junk'", lambda s: s.load("coach"), Rejected, "a stored rollout cannot be read"),
        ("update effects set body = '{}'", lambda s: s.pending("r"), Rejected, "a stored effect cannot be read"),
        ("update observations set body = '{}'", lambda s: s.sessions("a"), Rejected, "a stored session cannot be read"),
        ("update ledger set body = 'junk'", lambda s: s.read(), LedgerBroken, "record L1 is not what was written"),
        ("delete from ledger_head", lambda s: s.head(), LedgerBroken, "the head of the ledger is gone"),
    ],
)
def test_a_value_that_cannot_be_read(store, script, call, error, told):
    """It names the kind of value and what was wrong; it is never taken for missing."""
    connection = store.database.connection
    connection.executescript("drop trigger ledger_refuses_update; drop trigger ledger_head_stays")
    connection.execute("insert into effects (key, rollout, body, asked_at) values ('k', 'r', '', 0)")
    store.ingest("a", [example_session(1)], "log:1")
    connection.execute(script)
    with pytest.raises(error, match=told):
        call(store)


def test_closing_twice_is_closing_once(store):
    """A clean-up may come after a clean-up."""
    store.close()
    store.close()
