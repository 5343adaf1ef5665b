-- Telemetry as ingested from gateways, and how far. Both are written in one transaction, so no row counts twice.

-- `log` and `seq` are the row's place in the gateway's own log; `position` is the order in which it came to us.
create table observations (
    position integer primary key,
    agent text not null,
    log text not null,
    seq integer not null,
    kind text not null check (kind in ('second', 'session', 'move')),
    t real not null,
    body text not null,
    unique (agent, log, seq)
);

create index observations_in_order on observations (agent, kind, position);
create index observations_by_time on observations (agent, kind, t);

create table cursors (
    agent text primary key,
    cursor text not null
) without rowid;
