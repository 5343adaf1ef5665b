"""What every Shelf must do. Subclass `ShelfContract` with the fixtures `shelf`, `read` and `full`.

class TestMyShelf(ShelfContract):
    @pytest.fixture
    def shelf(self) -> Shelf: ...                   # an empty one

    @pytest.fixture
    def read(self) -> Callable[[str], str]: ...     # the text at a place that `put` answered

    @pytest.fixture
    def full(self) -> Shelf: ...                    # one that takes nothing
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headgate.errors import PortError
from headgate.ports import Shelf

Read = Callable[[str], str]


class ShelfContract:
    """The suite."""

    @pytest.fixture
    def shelf(self) -> Shelf:
        raise NotImplementedError

    @pytest.fixture
    def read(self) -> Read:
        raise NotImplementedError

    @pytest.fixture
    def full(self) -> Shelf:
        raise NotImplementedError

    @pytest.mark.parametrize("text", ["# Handoff\n", "", "größer als 0 → ✓\n"])
    def test_a_document_is_where_it_is_said_to_be(self, shelf: Shelf, read: Read, text: str) -> None:
        """Whole, in any script."""
        assert read(shelf.put("r1", "handoff/overview.md", text)) == text

    def test_again_replaces_it_whole(self, shelf: Shelf, read: Read) -> None:
        """At the same place, and nothing of the longer one before is left at its end."""
        place = shelf.put("r1", "status.md", "long " * 1000)
        assert shelf.put("r1", "status.md", "short") == place
        assert read(place) == "short"

    def test_rollouts_and_names_are_apart(self, shelf: Shelf, read: Read) -> None:
        """Each document has a place of its own."""
        wanted = {(rollout, name): f"{name} of {rollout}" for rollout in ("r1", "r2") for name in ("a.md", "in/a.md")}
        places = {shelf.put(*key, text): text for key, text in wanted.items()}
        assert len(places) == 4
        assert {place: read(place) for place in places} == places

    def test_what_cannot_be_kept_is_said(self, full: Shelf) -> None:
        """A PortError, so that the effect is tried again: a handoff that nobody can read is none."""
        with pytest.raises(PortError) as told:
            full.put("r1", "status.md", "text")
        assert told.value.retry
