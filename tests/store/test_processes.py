"""Several processes on one store, some of them killed: whole states, one winner of every race, a clear word."""

import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from headgate.errors import Unavailable
from headgate.ports import Command, Entry
from headgate.store.sqlite import SqliteStore
from headgate.testing.examples import NOW, example_rollout, example_second

CHILD = Path(__file__).with_name("child.py")


@contextmanager
def child(*arguments):
    """Another process at work on a store; it is gone at the end, whatever happens."""
    process = subprocess.Popen(
        [sys.executable, CHILD, *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=20)


@pytest.fixture
def path(tmp_path):
    """A store with a rollout, a lease, an effect and a command."""
    path = tmp_path / "store.db"
    store = SqliteStore(path)
    store.create(replace(example_rollout(), epoch=0), [], NOW)
    store.acquire("controller", "a", 30, NOW)
    store.post(Command(0, "r", "pause", "maria", NOW))
    store.close()
    return path


def everything(path):
    """All that a store holds, as values."""
    store = SqliteStore(path)
    try:
        assert store.verify().ok
        rollouts = store.all()
        pending = [p.key for r in rollouts for p in store.pending(r.id)]
        return (
            rollouts,
            pending,
            store.agents(),
            store.waiting(),
            store.read(),
            store.sessions("a"),
            store.cursor("a"),
        )
    finally:
        store.close()


@pytest.mark.parametrize("what", ["commit", "create", "ingest"])
def test_killed_at_any_statement_leaves_whole_states(path, what):
    """SIGKILL as the 1st, 2nd, ... statement of a change starts: nothing of it is there. Not killed: all of it is."""
    before = everything(path)
    for statement in range(1, 40):
        with child("die-at", path, what, statement) as process:
            code = process.wait(20)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        assert everything(path) == before, f"killed at statement {statement}"
    assert statement > 4, "the change was killed at fewer places than it has statements"
    after = everything(path)
    changed = {"commit": {0, 1, 2, 3, 4}, "create": {0, 4}, "ingest": {5, 6}}[what]
    assert {i for i in range(len(before)) if before[i] != after[i]} == changed


def test_killed_at_any_moment_keeps_what_was_acknowledged(path):
    """A writer is killed in full flight, again and again: what it acknowledged is there, and every state is whole."""
    chance = random.Random(7)
    for _ in range(4):
        with child("commit-for-ever", path) as process:
            told = [int(process.stdout.readline()) for _ in range(chance.randint(5, 60))]
            time.sleep(chance.random() / 500)  # not a wait: somewhere within a commit
            process.kill()
            told += [int(line) for line in process.stdout]
        rollouts, pending, (agent,), _, records, *_ = everything(path)
        reached = rollouts[0].epoch
        assert reached in {told[-1], told[-1] + 1}
        assert pending == [f"effect/{reached}"]
        assert agent.baseline.number == str(reached)
        assert [r.body["n"] for r in records] == [n for n in range(1, reached + 1) for _ in range(2)]


def test_processes_that_race_have_one_winner_each(tmp_path):
    """Three processes make the file at once, then race for rollouts and leases: one gets each, none breaks."""
    path, rounds = tmp_path / "store.db", 12
    with (
        child("race", path, 1, rounds) as one,
        child("race", path, 2, rounds) as two,
        child("race", path, 3, rounds) as three,
    ):
        for process in (one, two, three):
            assert process.stdout.readline() == "ready\n"
        for process in (one, two, three):
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [process.stdout.read().splitlines() for process in (one, two, three)]
        assert [process.wait(20) for process in (one, two, three)] == [0, 0, 0]
    won = sorted(line for lines in told for line in lines)
    assert won == sorted([f"{what} {turn}" for what in ("rollout", "lease") for turn in range(rounds)])
    store = SqliteStore(path)
    assert [r.agent for r in store.all(active=True)] == [f"agent-{turn}" for turn in range(rounds)]
    assert (store.verify().ok, store.verify().count) == (True, rounds)
    store.close()


@pytest.mark.parametrize("how", ["immediate", "exclusive"])
def test_a_store_that_another_process_holds(path, how):
    """A writer waits its timeout and says who stands in the way; a reader reads on; then all is well again."""
    store = SqliteStore(path, busy_timeout=0.2)
    with child("hold", path, how) as holder:
        assert holder.stdout.readline() == "held\n"
        began = time.monotonic()
        with pytest.raises(Unavailable, match="another process holds it") as busy:
            store.append([Entry("k", {})], NOW)
        assert time.monotonic() - began >= 0.2
        assert str(path) in busy.value.message
        assert "0.2 s" in busy.value.message
        assert busy.value.retry
        assert (len(store.all()), store.verify().ok) == (1, True)
        # a process that comes now can look, too: it opens the file without writing
        second = SqliteStore(path, busy_timeout=0.2)
        assert len(second.all()) == 1
        second.close()
        holder.communicate("let go\n", timeout=20)
    assert len(store.append([Entry("k", {})], NOW)) == 1
    store.close()


def test_a_dashboard_reads_while_the_controller_writes(path):
    """A reader in another connection always sees a whole state, never an error, and sees newer ones in time."""
    dashboard = SqliteStore(path, busy_timeout=0.2)
    seen = []
    deadline = time.monotonic() + 20
    with child("commit-for-ever", path):
        while len(set(seen)) < 10 and time.monotonic() < deadline:
            seen.append(dashboard.all()[0].epoch)
            count, _ = dashboard.head()
            assert count >= 2 * seen[-1]
            assert dashboard.verify().ok
    assert seen == sorted(seen)
    assert len(set(seen)) >= 10
    dashboard.close()


def test_the_store_can_be_copied_as_one_file(path, tmp_path):
    """What was closed is all in the one file: state, ledger and observations."""
    store = SqliteStore(path)
    store.ingest("a", [example_second(1)], "log:1")
    store.append([Entry("k", {})], NOW)
    store.close()
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    assert everything(copy) == everything(path)
