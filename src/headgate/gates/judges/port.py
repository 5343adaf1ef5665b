"""What a judging model is to its panel: one prompt in, its words out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judging model said; `model` is what it calls itself, "" where it does not say.

    `tokens`: (read, written) by its own count; None: it tells none.
    """

    text: str
    model: str = ""
    tokens: tuple[int, int] | None = None


class JudgeModel(Protocol):
    """A model that grades conversations: one prompt in, its words out. Blocks; called from many threads."""

    def opinion(self, prompt: str) -> Opinion: ...
    def close(self) -> None: ...
