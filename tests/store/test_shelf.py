"""The folder of documents is held to the suite of its port."""

from pathlib import Path

import pytest

from headgate.store.shelf import FileShelf
from headgate.testing.contracts_shelf import ShelfContract


class TestFileShelf(ShelfContract):
    """Files below a folder."""

    @pytest.fixture
    def shelf(self, tmp_path):
        return FileShelf(tmp_path / "reports")

    @pytest.fixture
    def read(self):
        return lambda place: Path(place).read_text(encoding="utf-8")

    @pytest.fixture
    def full(self, tmp_path):
        (tmp_path / "taken").write_text("a file where a folder is needed")
        return FileShelf(tmp_path / "taken")
