"""The acceptance of a handoff: a named person of operations takes the agent over, on the ledger, once."""

from __future__ import annotations

from headgate.controller.commands import Who
from headgate.errors import RefusedError, UsageError
from headgate.ports import Data, Entry, Store


def accept(store: Store, rollout: str, who: Who) -> Data:
    """The body of the record. RefusedError: no package is written yet, or it was accepted before."""
    found = store.load(rollout)
    if not who.by.strip():
        raise UsageError("who accepts it?", "give a name with --by NAME")
    written = store.read(found.id, kinds=("handoff.written",))
    if not written:
        raise RefusedError(
            f"no handoff of {found.id} is written ({found.phase.value}): there is nothing to accept",
            "it is written when the rollout completes; see `headgate rollout status`",
        )
    if accepted := store.read(found.id, kinds=("handoff.accepted",)):
        by = accepted[0].body["by"]
        raise RefusedError(f"the handoff of {found.id} was accepted by {by} ({accepted[0].id})")
    package = written[-1]
    body: Data = {
        "by": who.by,
        "to": found.plan.handoff_to,
        "reason": who.reason,
        "package": package.id,
        "digest": package.body["digest"],
    }
    record = store.append([Entry("handoff.accepted", body, found.id)], who.at)[0]
    return {"rollout": found.id, "record": record.id, **body}
