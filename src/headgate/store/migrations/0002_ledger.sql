-- The ledger: append-only, hash-chained (store/chain.py). The triggers stop mistakes; the chain shows intent.

create table ledger (
    seq integer primary key,
    at real not null,
    rollout text not null,
    kind text not null,
    body text not null,
    previous text not null,
    hash text not null
);

create index ledger_of_rollout on ledger (rollout, seq);

-- How many records there are and the last one's hash: without it a dropped tail could not be seen.
create table ledger_head (
    only integer primary key check (only = 1),
    count integer not null,
    hash text not null
);

insert into ledger_head (only, count, hash)
values (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

create trigger ledger_refuses_update before update on ledger
begin
    select raise(abort, 'the ledger only grows: no record is changed');
end;

create trigger ledger_refuses_delete before delete on ledger
begin
    select raise(abort, 'the ledger only grows: no record is dropped');
end;

-- `insert or replace` deletes without a delete trigger, so an old place is refused here.
create trigger ledger_refuses_old_places before insert on ledger
when new.seq <= (select max(seq) from ledger)
begin
    select raise(abort, 'the ledger only grows: a record comes after all others');
end;

create trigger ledger_head_stays before delete on ledger_head
begin
    select raise(abort, 'the head of the ledger stays');
end;
