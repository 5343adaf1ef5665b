-- A message can also end as `muted`: a person's mute was in force. SQLite changes no check of a table, so it is made anew.
create table outbox_anew (
    position integer primary key,
    key text not null unique,
    rollout text not null,
    body text not null,
    state text not null default 'waiting'
        check (state in ('waiting', 'sending', 'sent', 'failed', 'uncertain', 'muted')),
    attempts integer not null default 0,
    next_at real not null default 0, -- waiting: not before; sending: claimed at
    error text not null default '""'
);

insert into outbox_anew select position, key, rollout, body, state, attempts, next_at, error from outbox;

drop table outbox;

alter table outbox_anew rename to outbox;

create index outbox_to_do on outbox (position) where state in ('waiting', 'sending');
