"""The ways to people: channels with their links, and the shelf where documents are put."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from headgate.ports.store import Message


@dataclass(frozen=True, slots=True)
class Link:
    """A signed link: what it does, in one word, and where it leads."""

    verb: str
    url: str


class Channel(Protocol):
    """A way to people. `repeatable`: sent twice, the same message reaches them once; else it is tried once only.

    `send` raises Unavailable, Rejected or NotFound where the receiver surely has it not, TimedOut where it may have.
    """

    def repeatable(self, address: str) -> bool: ...
    def send(self, message: Message, address: str, links: Sequence[Link]) -> None: ...


class Shelf(Protocol):
    """Where documents are put for people. `put` replaces a file whole and answers where it is."""

    def put(self, rollout: str, name: str, text: str) -> str: ...
