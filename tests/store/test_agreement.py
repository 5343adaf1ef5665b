"""Whatever is done to both stores, in whatever order: they answer alike, refusals included."""

import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from headgate.core.effects import Notify, RunGate
from headgate.core.facts import AbortAsked
from headgate.core.model import Phase, Version
from headgate.errors import HeadgateError
from headgate.ports import Agent, Change, Command, Entry, Lease
from headgate.store import chain
from headgate.store.sqlite import SqliteStore
from headgate.testing.examples import NOW, example_rollout, example_second, example_session
from headgate.testing.memory_store import MemoryStore

AGENTS = st.sampled_from(["coach", "tutor"])
NUMBERS = st.integers(1, 3)
PHASES = st.sampled_from([Phase.PLANNED, Phase.STEPPING, Phase.PAUSED, Phase.COMPLETED, Phase.ROLLED_BACK])
ROLLOUTS = st.builds(example_rollout, AGENTS, NUMBERS, PHASES)
IDS = st.sampled_from(["coach-20261123-1", "tutor-20261123-2", "coach", "tutor-2026", "tutor-20261123-12", "x", ""])
HOLDERS = st.sampled_from(["a", "b"])
LEASES = st.builds(Lease, st.just("controller"), HOLDERS, st.integers(1, 3), st.just(NOW))
KEYS = st.sampled_from(["k1", "k2", "k3"])
EFFECTS = st.builds(RunGate, KEYS, st.just("smoke")) | st.builds(Notify, KEYS, st.just("started"), st.text(max_size=3))
BODIES = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5) | st.none(), max_size=2)
ENTRIES = st.lists(
    st.builds(Entry, st.sampled_from(["fact", "decision"]), BODIES, st.sampled_from(["", "coach-20261123-1"])),
    max_size=2,
).map(tuple)
ROWS = st.lists(
    st.builds(example_session, st.integers(1, 6), st.sampled_from([10.0, 20.5]))
    | st.builds(example_second, st.integers(1, 6), st.sampled_from([10, 20])),
    max_size=4,
)
CHANGES = st.builds(
    Change,
    rollout=st.none() | ROLLOUTS,
    agent=st.none()
    | st.builds(Agent, AGENTS, st.just("rt"), st.just("arn"), st.builds(Version, st.text("12"), st.just("d"))),
    entries=ENTRIES,
    asked=st.lists(EFFECTS, max_size=2).map(tuple),
    settled=st.lists(KEYS, max_size=2).map(tuple),
    consumed=st.lists(st.integers(1, 4), max_size=1).map(tuple),
)


class BothStores(RuleBasedStateMachine):
    """Each rule does one thing to both; time goes on by itself."""

    def __init__(self):
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.stores = (SqliteStore(Path(self.directory.name) / "store.db"), MemoryStore())
        self.sqlite = self.stores[0]
        # the fsync is what takes the time, and it is not what is tried here
        self.sqlite.database.connection.execute("pragma synchronous = off")
        self.now = NOW
        self.lease = None

    def teardown(self):
        """At the end they agree; leave nothing behind."""
        try:
            self.they_agree()
        finally:
            self.sqlite.close()
            self.directory.cleanup()

    def both(self, call):
        """The one answer of both stores: a value, or an error of the same kind in the same words."""
        answers = []
        for store in self.stores:
            try:
                answers.append(call(store))
            except HeadgateError as error:
                answers.append((type(error), str(error)))
        assert answers[0] == answers[1]
        return answers[0]

    @rule(rollout=ROLLOUTS, entries=ENTRIES)
    def create(self, rollout, entries):
        """A new rollout, or a second one."""
        self.both(lambda store: store.create(rollout, entries, self.now))

    @rule(change=CHANGES, lease=LEASES)
    def commit(self, change, lease):
        """Any change under any lease."""
        self.both(lambda store: store.commit(change, lease, self.now))

    @initialize()
    def begin(self):
        """A lease and a rollout, so that most of what follows is accepted."""
        self.create(example_rollout("coach"), ())
        self.acquire("a", 5.0, 0.0)

    @rule(change=CHANGES, which=st.integers(0, 5), phase=st.none() | PHASES)
    def commit_what_fits(self, change, which, phase):
        """A change of a rollout that is there, under the last lease that was taken: most of these are accepted."""
        known = self.sqlite.all()
        target = known[which % len(known)]
        changed = replace(target, phase=phase or target.phase, epoch=target.epoch + 1)
        waiting = tuple(c.id for c in self.sqlite.waiting())[:1] if change.consumed else ()
        self.both(lambda store: store.commit(replace(change, rollout=changed, consumed=waiting), self.lease, self.now))

    @rule(
        command=st.builds(Command, st.just(0), IDS, st.just("abort"), st.just("maria"), st.just(NOW)),
        by=st.text(max_size=3),
    )
    def post(self, command, by):
        """A person's word."""
        self.both(lambda store: store.post(replace(command, fact=AbortAsked(by, "why"))))

    @rule(key=KEYS, error=st.text(max_size=4))
    def delay(self, key, error):
        """A failed attempt."""
        self.both(lambda store: store.delay(key, self.now + 5, error))

    @rule(entries=ENTRIES)
    def append(self, entries):
        """Facts without a decision."""
        self.both(lambda store: store.append(entries, self.now))

    @rule(holder=HOLDERS, ttl=st.sampled_from([1.0, 5.0]), later=st.sampled_from([0.0, 0.5, 3.0]))
    def acquire(self, holder, ttl, later):
        """A lease, some time later."""
        self.now += later
        self.lease = self.both(lambda store: store.acquire("controller", holder, ttl, self.now)) or self.lease

    @rule(lease=LEASES)
    def release(self, lease):
        """A lease given back, or one that is not in force."""
        self.both(lambda store: store.release(lease))

    @rule(agent=AGENTS, rows=ROWS, cursor=st.sampled_from(["log:1", "log:9", "new:3", "nolog"]))
    def ingest(self, agent, rows, cursor):
        """Rows, some of them seen before."""
        self.both(lambda store: store.ingest(agent, rows, cursor))

    @rule(asked=IDS, agent=AGENTS, after=st.integers(0, 5), since=st.sampled_from([0.0, 15.0, 20.0]))
    def look(self, asked, agent, after, since):
        """Every question that takes an argument."""
        self.both(lambda store: store.load(asked))
        self.both(lambda store: store.all(agent=agent))
        self.both(lambda store: store.read(asked, after=after, kinds=("fact",) if after % 2 else ()))
        self.both(lambda store: store.waiting(asked))
        self.both(lambda store: [row for _, row in store.sessions(agent, after=after, since=since)])
        self.both(lambda store: store.seconds(agent, since=since, until=since + 5))

    @rule()
    def open_again(self):
        """What is in the file is all there is."""
        self.sqlite.close()
        self.sqlite = SqliteStore(self.sqlite.database.path)
        self.sqlite.database.connection.execute("pragma synchronous = off")
        self.stores = (self.sqlite, self.stores[1])

    @rule()
    def they_agree(self):
        """State, inbox, observations and ledger are equal, and the chain holds: asked now and then, and at the end."""
        rollouts = self.both(lambda store: store.all())
        for rollout in rollouts:
            self.both(lambda store, name=rollout.id: store.pending(name))
        for agent in ("coach", "tutor"):
            assert sum(r.agent == agent for r in self.both(lambda store: store.all(active=True))) <= 1
            self.both(lambda store, name=agent: (store.cursor(name), store.seconds(name), store.sessions(name)))
        self.both(lambda store: (store.agents(), store.waiting()))
        records, head = self.both(lambda store: (store.read(), store.head()))
        assert chain.verify(records, head).ok
        assert self.both(lambda store: store.verify()).ok


TestAgreement = BothStores.TestCase
TestAgreement.settings = settings(max_examples=80, stateful_step_count=30)
