"""What every store must answer alike: who gets a lease, which rollout is meant, and the words of each refusal. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from headgate.core.model import Rollout
from headgate.errors import NotFound, RefusedError, Rejected, StaleTermError
from headgate.ports import Lease


def next_lease(current: Lease | None, name: str, holder: str, ttl: float, now: float) -> Lease | None:
    """The lease that `holder` gets now, for `ttl` seconds; None while another holds it.

    The same holder keeps its term; whoever takes it over, also after a release, gets the next one.
    """
    if current is None:
        return Lease(name, holder, 1, now + ttl)
    if current.holder == holder:
        return Lease(name, holder, current.term, now + ttl)
    if current.holder and current.until > now:
        return None
    return Lease(name, holder, current.term + 1, now + ttl)


def released(lease: Lease) -> Lease:
    """What is kept of a lease that was given back: its term, so that the next one is higher."""
    return Lease(lease.name, "", lease.term, 0.0)


def check_term(lease: Lease, current: Lease | None) -> None:
    """StaleTermError unless the lease is still the one in force."""
    if current is not None and (current.term, current.holder) == (lease.term, lease.holder):
        return
    if current is None:
        now = "it was never taken"
    elif not current.holder:
        now = f"the current term {current.term} was released and nobody holds it"
    else:
        now = f"the current term is {current.term}, held by {current.holder}"
    raise StaleTermError(
        f"lease {lease.name}: term {lease.term} of {lease.holder} is over: {now}",
        "nothing was written; let the holder go on, or stop it and start this controller again",
    )


def which_rollout(asked: str, known: Sequence[str]) -> str:
    """The id that is meant: the exact one, or the only one that it begins. NotFound names the near ones.

    A beginning that ends within a number does not count: "...-1" must never abort "...-12".
    """
    if asked in known:
        return asked
    begun = [
        k for k in known if asked and k.startswith(asked) and not (asked[-1].isdigit() and k[len(asked)].isdigit())
    ]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise NotFound(f"{asked} could be any of {', '.join(begun)}", "give the whole id")
    near = get_close_matches(asked, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "`headgate rollout list` shows those there are"
    raise NotFound(f"there is no rollout {asked!r}", hint)


def second_rollout(running: Rollout) -> RefusedError:
    """The refusal of a second active rollout of an agent."""
    return RefusedError(
        f"agent {running.agent} already has an active rollout: {running.id} ({running.phase.value})",
        f"see it with `headgate rollout status {running.id}`; "
        f"stop it with `headgate rollout abort {running.id} --reason TEXT`",
    )


def same_id(rollout: str) -> RefusedError:
    """The refusal of an id that is taken."""
    return RefusedError(f"there is a rollout {rollout} already", "start it under another id")


def never_created(rollout: Rollout) -> NotFound:
    """A change of a rollout that is not in the store."""
    return NotFound(f"there is no rollout {rollout.id} of agent {rollout.agent}", "`create` it before its changes")


def spent_command(command: int) -> RefusedError:
    """The refusal to consume a person's word twice."""
    return RefusedError(
        f"command {command} is not waiting: it was consumed before, or never posted",
        "nothing was written; read the inbox again",
    )


def spent_link() -> RefusedError:
    """The refusal of a signed link that was used."""
    return RefusedError("this link was used before: it works once", "say it on the command line instead")


def foreign_key(key: str, owner: str) -> Rejected:
    """An effect of another rollout has this key: to ignore the asking would lose it."""
    return Rejected(
        f"effect {key} was asked by rollout {owner}, and now by another", "an effect's key must name its rollout"
    )


def ownerless_effects() -> Rejected:
    """Effects were asked in a change that has no rollout."""
    return Rejected("effects were asked without the rollout that they are for", "commit them together with it")


def unknown_effect(key: str) -> NotFound:
    """The key was never asked."""
    return NotFound(f"there is no effect {key}", "delay only what `pending` returned")


def log_of(cursor: str) -> str:
    """The log that a telemetry cursor "LOGID:SEQ" names. Rejected where it names none: rows could then count twice."""
    log, colon, _ = cursor.rpartition(":")
    if not colon:
        raise Rejected(f"the telemetry cursor {cursor!r} names no log", "a cursor is LOGID:SEQ")
    return log
