"""Which policy replaces which, and the last good one on disk: served from the start when controller, store and callers
are gone.

`home/policy/<agent>.json` is replaced by an atomic rename after fsync and keeps its predecessor as
`<agent>.json.previous`. When only the predecessor can be read, the gateway serves it forced down to weight 0: the
damaged file may have been the one that lowered the weight.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from headgate.core.codec import canonical
from headgate.errors import Unavailable
from headgate.gateway.policy import BadPolicy, Forced, data_of, parse, remembering
from headgate.ports import TrafficPolicy

_SEEN = 16  # rollouts whose last term and epoch are remembered


class Conflict(Exception):
    """A policy that is well formed and refused. `kind`: stale_term | stale_epoch | forced."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Kept:
    """What is in force for an agent. `seen`: (rollout, term, epoch) of the last writes, newest last.

    A lease, and so its term, belongs to one rollout: terms of different rollouts cannot be compared.
    """

    policy: TrafficPolicy
    forced: Forced | None = None
    seen: tuple[tuple[str, int, int], ...] = ()


def admit(new: TrafficPolicy, kept: Kept | None) -> Kept:
    """What is in force after `new` was put over `kept`. Raises Conflict. The same policy again changes nothing."""
    if kept is None:
        return Kept(new, None, ((new.rollout, new.term, new.epoch),))
    old, forced = kept.policy, kept.forced
    newest = max(term for _, term, _ in kept.seen)
    if new.term < newest:  # a lease, and so its term, is an agent's: also where the rollout is another one
        message = f"term {new.term} is older than {newest}: the lease has passed to another controller"
        raise Conflict("stale_term", message)
    rest = []
    for rollout, term, epoch in kept.seen:
        if rollout != new.rollout:
            rest.append((rollout, term, epoch))
        elif new.epoch < epoch:
            raise Conflict("stale_epoch", f"epoch {new.epoch} is older than {epoch} of rollout {rollout}")
    if new.rollout != old.rollout:
        forced = None
    elif forced and new.weight > 0:
        message = f"{forced.by} forced the weight down to 0 ({forced.reason}): only another rollout raises it"
        raise Conflict("forced", message)
    elif (new.term, new.epoch) == (old.term, old.epoch) and new.weight > old.weight:
        raise Conflict(
            "stale_epoch", f"epoch {new.epoch} of rollout {new.rollout} is known with the weight {old.weight:g}"
        )
    seen = (*rest, (new.rollout, new.term, new.epoch))
    return Kept(remembering(new, old), forced, seen[-_SEEN:])


def raises_exposure(new: Kept, kept: Kept | None) -> bool:
    """Whether more new sessions may get a candidate than now: only that must be on disk before it is served."""
    if new.policy.weight == 0 or new.forced or kept is None:
        return new.policy.weight > 0 and not new.forced
    old = kept.policy
    same = old.candidate is not None and new.policy.candidate is not None
    same = same and old.candidate.number == new.policy.candidate.number  # type: ignore[union-attr]
    return bool(kept.forced) or not same or new.policy.weight > old.weight


class PolicyBook:
    """The policy files of one gateway. Blocking: fsync."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def save(self, kept: Kept) -> None:
        """Makes this the last good policy of its agent. Raises OSError where the disk refuses; then the old one
        stands.
        """
        data = {
            "policy": data_of(kept.policy),
            "forced": forced_data(kept.forced),
            "seen": [list(each) for each in kept.seen],
        }
        text = json.dumps({**data, "sha256": _digest(data)}, indent=1)
        path = self._folder / f"{kept.policy.agent}.json"
        fresh = path.with_suffix(".json.new")
        with fresh.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            spare = path.with_suffix(".json.link")
            spare.unlink(missing_ok=True)
            os.link(path, spare)
            spare.replace(path.with_suffix(".json.previous"))
        fresh.replace(path)
        self._sync_folder()

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def load(self, now: float) -> list[Kept]:
        """The last good policy of every agent. Raises Unavailable where one is damaged and has no predecessor."""
        return [self._load(path, now) for path in sorted(self._folder.glob("*.json"))]

    def _load(self, path: Path, now: float) -> Kept:
        try:
            return _read(path)
        except (OSError, ValueError, KeyError, TypeError, BadPolicy) as error:
            damage = str(error)
        previous = path.with_suffix(".json.previous")
        try:
            kept = _read(previous)
        except (OSError, ValueError, KeyError, TypeError, BadPolicy) as error:
            raise Unavailable(
                f"the policy file {path} is damaged ({damage}), and its predecessor cannot be read either ({error})",
                f"remove {path} and let the controller write the policy anew; without it the agent is not served",
            ) from error
        reason = f"{path.name} was damaged ({damage}); its predecessor is served at weight 0"
        return replace(kept, forced=Forced("gateway", reason, now))


def _read(path: Path) -> Kept:
    data = json.loads(path.read_text(encoding="utf-8"))
    if data.pop("sha256") != _digest(data):
        raise ValueError("its checksum does not fit")
    forced = data["forced"]
    seen = tuple((str(rollout), int(term), int(epoch)) for rollout, term, epoch in data["seen"])
    return Kept(parse(data["policy"]), Forced(**forced) if forced else None, seen)


def _digest(data: dict[str, Any]) -> str:
    return sha256(canonical(data).encode()).hexdigest()


def forced_data(forced: Forced | None) -> dict[str, Any] | None:
    """Who forced the weight down, as JSON data."""
    return None if forced is None else {"by": forced.by, "reason": forced.reason, "at": forced.at}
