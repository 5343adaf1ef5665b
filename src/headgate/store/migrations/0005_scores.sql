-- How good recorded sessions were: late, one per session and evaluators.
create table scores (
    position integer primary key,
    agent text not null,
    t real not null,
    variant text not null,
    version text not null,
    weight real not null,
    epoch integer not null,
    session text not null,
    quality real not null,
    digest text not null,
    unique (agent, session, digest)
);

create index scores_in_order on scores (agent, position);
