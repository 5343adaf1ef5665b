"""What a plan says of recorded sessions: what is kept of them, and how they are scored."""

from __future__ import annotations

from dataclasses import dataclass

from headgate.core.codec import later


@dataclass(frozen=True, slots=True)
class Recording:
    """What of the sessions is kept, redacted: `share` (0..1) of them. `consent`: only of clients that say so.

    `redact`: regular expressions of what else must not be kept. `failing`: of so many sessions (0..1) the turns that
    failed are kept for incidents, a few of each version; None: of those that are recorded.
    """

    share: float
    consent: bool = True
    keep_s: float = 7 * 86400.0
    redact: tuple[str, ...] = ()
    failing: float | None = later(None)

    @property
    def failing_share(self) -> float:
        return self.share if self.failing is None else self.failing


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An online evaluation by the platform itself: which evaluators, with whose rights, of which share (0..1) of the
    sessions. A session counts as ended when it was quiet for `session_s`.
    """

    evaluators: tuple[str, ...]
    role: str
    share: float = 1.0
    session_s: float = 900.0


@dataclass(frozen=True, slots=True)
class Quality:
    """How sessions are scored, 0 to 1. `scored`: share of a step's sessions that must be, before it is left.

    `per_hour`: most scores in an hour, of both variants together. `suite_text` is the file as the rollout saw it. With
    an `evaluation` the platform scores, and there is no file; `suite_digest` then is of its evaluators.
    """

    suite: str
    suite_text: str
    suite_digest: str
    scored: float = 0.9
    per_hour: int = 600
    evaluation: Evaluation | None = later(None)  # noqa: RUF009 - a field
