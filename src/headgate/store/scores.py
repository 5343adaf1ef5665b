"""Scores of recorded sessions in SQLite: one per session and evaluators, in the order they came in."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.stats.observations import Score
from headgate.store.database import Database


class SqlScores:
    """The part of a store that keeps scores."""

    database: Database

    def keep_scores(self, agent: str, scores: Sequence[Score]) -> None:
        """Keep scores; the second one of a session by the same evaluators is not kept."""
        rows = [(agent, s.t, s.variant, s.version, s.weight, s.epoch, s.session, s.quality, s.digest) for s in scores]
        with self.database.write() as connection:
            connection.executemany(
                "insert into scores (agent, t, variant, version, weight, epoch, session, quality, digest)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (agent, session, digest) do nothing",
                rows,
            )

    def scores(self, agent: str, *, after: int = 0) -> list[tuple[int, Score]]:
        """(position, score) in the order they came in: positions above `after`."""
        with self.database.read() as connection:
            rows = connection.execute(
                "select position, t, variant, version, weight, epoch, session, quality, digest from scores"
                " where agent = ? and position > ? order by position",
                (agent, after),
            ).fetchall()
        return [(position, Score(*members)) for position, *members in rows]
