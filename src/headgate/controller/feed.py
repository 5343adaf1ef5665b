"""New telemetry of an agent, each row once: rows of a second may come when later ones are known already."""

from __future__ import annotations

from headgate.ports import Observations
from headgate.stats.observations import Second

_BACK_S = 120.0  # how much later than its neighbours a row may come in

_Place = tuple[int, int, str, int]  # of a row in its gateway's log, and what makes it another log's


class Feed:
    """Reads on from where it was. `since`: the earliest second (Unix s) that matters."""

    def __init__(self, store: Observations, agent: str, since: float) -> None:
        self._store, self._agent = store, agent
        self._since = self._newest = since
        self._seen: set[_Place] = set()

    def new(self) -> list[Second]:
        """The rows that came in since the last call, by time."""
        back = max(self._since, self._newest - _BACK_S)
        rows = self._store.seconds(self._agent, since=back)
        fresh = [row for row in rows if _place(row) not in self._seen]
        if rows:
            self._newest = max(self._newest, float(rows[-1].t))
            still = self._newest - _BACK_S
            self._seen = {_place(row) for row in rows if row.t >= still}
        return fresh


def _place(row: Second) -> _Place:
    return row.t, row.seq, row.version, row.epoch
