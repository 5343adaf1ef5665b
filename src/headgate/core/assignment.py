"""Session id + salt + weight -> variant: the one hash that gateway, analysis and simulation share.

The bucket of a session never changes within a rollout and the candidate grows from one end of the hash space, so
raising a weight moves sessions one way only. The salt is new for every rollout: who was on the last candidate says
nothing about who is on the next one, which is what makes the label random for the statistics.
"""

from __future__ import annotations

from hashlib import blake2b

from headgate.core.model import Variant

_SPACE = 1 << 64
WEIGHT_STEP = 0.1  # percent


def bucket(salt: str, session: str) -> int:
    """A number in [0, 2**64), uniform over sessions for any salt."""
    return int.from_bytes(blake2b(session.encode(), digest_size=8, key=salt.encode()[:64]).digest(), "big")


def cut(weight: float) -> int:
    """The first bucket that is NOT the candidate's at `weight` percent (0..100, in steps of 0.1)."""
    return round(weight * 10) * _SPACE // 1000


def assign(salt: str, session: str, weight: float) -> Variant:
    """The variant that a session beginning at `weight` percent gets."""
    return Variant.CANDIDATE if bucket(salt, session) < cut(weight) else Variant.BASELINE


def sampled(session: str, share: float) -> bool:
    """Whether a session is among this share (0..1) of all: by its id alone, so no variant is favoured."""
    return bucket("sample", session) < share * _SPACE
