-- Messages to people: one row per event and receiver (the key), put in with the decision that they tell of.

-- `state`: waiting (also between two attempts), sending (claimed: a sender may be dead), or how it ended. `attempts` is
-- the sender's claim: whoever raised it by one may send, and only that attempt may say how it went.
create table outbox (
    position integer primary key,
    key text not null unique,
    rollout text not null,
    body text not null,
    state text not null default 'waiting' check (state in ('waiting', 'sending', 'sent', 'failed', 'uncertain')),
    attempts integer not null default 0,
    next_at real not null default 0, -- waiting: not before; sending: claimed at
    error text not null default '""'
);

create index outbox_to_do on outbox (position) where state in ('waiting', 'sending');

-- A signed link works once: its number is kept in the same transaction as the word that it gave.
create table spent_links (
    id text primary key,
    at real not null
) without rowid;
