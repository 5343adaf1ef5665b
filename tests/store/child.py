"""What other processes do to a store in these tests: `python child.py VERB PATH ...`. Not a test itself."""

import os
import signal
import sys
from dataclasses import replace

from headgate.core.effects import RunGate
from headgate.core.model import Phase, Version
from headgate.errors import RefusedError
from headgate.ports import Agent, Change, Entry, Lease
from headgate.store.sqlite import SqliteStore
from headgate.testing.examples import NOW, example_rollout, example_session

ROLLOUT = example_rollout(phase=Phase.STEPPING)
LEASE = Lease("controller", "a", 1, NOW + 30)


def say(text):
    """Tell the parent, at once."""
    print(text, flush=True)


def change(number):
    """A change that touches every table, all of it marked by `number`."""
    return Change(
        rollout=replace(ROLLOUT, epoch=number),
        agent=Agent(ROLLOUT.agent, "rt", "arn", Version(str(number), "d")),
        entries=(Entry("decision", {"n": number}, ROLLOUT.id), Entry("asked", {"n": number}, ROLLOUT.id)),
        asked=(RunGate(f"effect/{number}", "smoke"),),
        settled=(f"effect/{number - 1}",),
    )


def die_at(path, what, statement):
    """Begin `what`, and be killed as its n-th SQL statement starts."""
    store = SqliteStore(path)
    left = int(statement)

    def count(_sql):
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

    store.database.connection.set_trace_callback(count)
    if what == "commit":
        (command,) = store.waiting()
        store.commit(replace(change(1), consumed=(command.id,)), LEASE, NOW)
    elif what == "create":
        store.create(example_rollout("second"), [Entry("started", {})], NOW)
    elif what == "ingest":
        store.ingest("a", [example_session(1), example_session(2)], "log:2")
    store.close()


def commit_for_ever(path):
    """Commit change after change, saying each number once it is in."""
    store = SqliteStore(path)
    number = store.load(ROLLOUT.id).epoch
    while True:
        number += 1
        store.commit(change(number), LEASE, NOW)
        say(number)


def race(path, me, rounds):
    """Open the file, which may not be there yet, and reach for the same things as the others."""
    say("ready")
    sys.stdin.readline()
    store = SqliteStore(path)
    for turn in range(int(rounds)):
        try:
            store.create(example_rollout(f"agent-{turn}", int(me), Phase.PLANNED), [Entry("started", {"by": me})], NOW)
            say(f"rollout {turn}")
        except RefusedError:
            pass
        if store.acquire(f"lease-{turn}", me, 60, NOW):
            say(f"lease {turn}")
    store.close()


def hold(path, how):
    """Keep the file to itself until the parent says otherwise."""
    store = SqliteStore(path)
    store.database.connection.execute(f"begin {how}")
    store.database.connection.execute("update leases set term = term")
    say("held")
    sys.stdin.readline()
    store.database.connection.execute("rollback")
    store.close()


if __name__ == "__main__":
    verb, *arguments = sys.argv[1:]
    {"die-at": die_at, "commit-for-ever": commit_for_ever, "race": race, "hold": hold}[verb](*arguments)
