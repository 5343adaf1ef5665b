"""Messages as people see them: which there are, how each ended, and one attempt more by hand.

Nobody is told twice of one event unless a person says so: what surely did not arrive is sent again for the asking, what
may have arrived only on the explicit word that a second copy is better than none.
"""

from __future__ import annotations

from headgate.controller.commands import Who
from headgate.controller.messages import shown
from headgate.errors import NotFound, RefusedError, UsageError
from headgate.ports import Data, Delivery, Entry, Store

ENDED = ("failed", "uncertain", "muted")


def find(store: Store, asked: str) -> Delivery:
    """The message of this key, or of the only key that ends with it."""
    known = store.deliveries()
    found = [d for d in known if d.message.key == asked] or [
        d for d in known if asked and d.message.key.endswith(asked)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(f"{asked} could be any of {', '.join(d.message.key for d in found[:5])}", "give the whole key")
    raise NotFound(f"there is no message {asked!r}", "`headgate notify list` shows their keys")


def retry(store: Store, asked: str, who: Who, *, may_repeat: bool = False) -> Delivery:
    """It waits to be sent once more; the controller's courier does that. RefusedError where there is nothing to send,
    or where it may have arrived and nobody said that it may come twice.
    """
    if not who.by.strip() or not who.reason:
        raise UsageError("sending a message once more needs a name and a reason", "say --by NAME --reason TEXT")
    found = find(store, asked)
    key = found.message.key
    if found.state not in ENDED:
        said = "was sent" if found.state == "sent" else "is on its way"
        raise RefusedError(f"{key} {said}: there is nothing to try again")
    if found.state == "uncertain" and not may_repeat:
        raise RefusedError(
            f"{key} may have arrived: {found.error}",
            "look there first; if it may come twice, say so with --may-repeat",
        )
    body: Data = {
        "key": key,
        "event": found.message.event,
        "receiver": shown(found.message.receiver),
        "was": found.state,
        "error": found.error,
        "by": who.by,
        "reason": who.reason,
    }
    if not store.again(found, [Entry("notification.retried", body, found.message.rollout)], who.at):
        raise RefusedError(f"{key} was changed this very moment", "see `headgate notify list`")
    return find(store, key)


def data(delivery: Delivery) -> Data:
    """A message for people and programs, without its text's links and without its address."""
    message = delivery.message
    return {
        "key": message.key,
        "event": message.event,
        "receiver": shown(message.receiver),
        "at": message.at,
        "about": message.about,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "error": delivery.error,
    }
