"""Which of the outside answers: an outage goes on the ledger when it lasts and when it is over, and throttling, a late
answer and no answer are three different things there.

Nothing is decided by it: what cannot be read is no fact of the rollout, so its data grows old, and old data is
INCONCLUSIVE.
"""

from __future__ import annotations

from dataclasses import dataclass

from headgate.controller.world import World
from headgate.errors import NotFound, PortError, Rejected, Throttled, TimedOut
from headgate.ports import Entry

LASTS_S = 5.0  # what is over sooner was a hiccup: the next look had its answer

# the words of the ledger; what is none of them could not be reached
_KINDS: tuple[tuple[type[PortError], str], ...] = (
    (Throttled, "throttled"),
    (TimedOut, "timed_out"),
    (Rejected, "refused"),
    (NotFound, "not_found"),
)


@dataclass(slots=True)
class _Away:
    since: float
    told: str = ""  # the kind that is on the ledger


class Reach:
    """Told of every reading: `failed` or `answered`, by rollout ("" where it is of none) and port."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._away: dict[tuple[str, str], _Away] = {}

    def failed(self, rollout: str, port: str, error: PortError) -> None:
        """On the ledger once it has lasted, and again where it changes its kind."""
        now, kind = self._world.clock.now(), kind_of(error)
        away = self._away.setdefault((rollout, port), _Away(now))
        if now - away.since < LASTS_S or away.told == kind:
            return
        away.told = kind
        body = {"port": port, "kind": kind, "since": away.since, "error": error.message}
        self._world.store.append([Entry("port.away", body, rollout)], now)

    def answered(self, rollout: str, port: str) -> None:
        """It is over; that is on the ledger where its beginning is."""
        away, now = self._away.pop((rollout, port), None), self._world.clock.now()
        if away is not None and away.told:
            body = {"port": port, "kind": away.told, "away_s": round(now - away.since, 1)}
            self._world.store.append([Entry("port.back", body, rollout)], now)


def kind_of(error: PortError) -> str:
    """The outage in one word: throttled, timed_out, refused, not_found or unavailable."""
    return next((word for kind, word in _KINDS if isinstance(error, kind)), "unavailable")
