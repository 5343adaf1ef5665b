-- State: rollouts, the agents that are served, effects asked for, leases, people's commands.
-- Values are canonical JSON in `body` (core/codec.py); a column of its own is only what is searched, ordered or constrained.

-- Which of these files were run here: a migration and its row are one transaction.
create table headgate_migrations (
    number integer primary key,
    name text not null
);

-- One attempt to replace baseline by candidate. `active` is 0 once its phase is a finished one.
create table rollouts (
    position integer primary key,
    id text not null unique,
    agent text not null,
    active integer not null check (active in (0, 1)),
    body text not null
);

-- Two processes that race to start a rollout of the same agent cannot both win.
create unique index one_active_rollout_per_agent on rollouts (agent) where active = 1;

-- An agent that Headgate serves, with the version now trusted.
create table agents (
    name text primary key,
    body text not null
) without rowid;

-- What the core asked for. Asked twice is once (the key); settled is verified, or given up.
create table effects (
    position integer primary key,
    key text not null unique,
    rollout text not null,
    body text not null,
    asked_at real not null,
    attempts integer not null default 0,
    next_at real not null default 0,
    error text not null default '""', -- JSON too: what a platform says need not be good UTF-8
    settled_at real
);

create index effects_to_do on effects (rollout, position) where settled_at is null;

-- The right to drive. A row stays for ever, so that the term only grows; holder '' is released.
create table leases (
    name text primary key,
    holder text not null,
    term integer not null,
    until real not null
) without rowid;

-- Words of people. Consumed once, in the same transaction as what they led to.
create table commands (
    id integer primary key autoincrement,
    rollout text not null,
    body text not null,
    consumed_at real
);

create index commands_waiting on commands (id) where consumed_at is null;
