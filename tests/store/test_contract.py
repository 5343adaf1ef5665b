"""Both stores that Headgate ships are held to one contract."""

import pytest

from headgate.store.sqlite import SqliteStore
from headgate.testing.contracts_store import StoreContract
from headgate.testing.memory_store import MemoryStore


class TestSqliteStore(StoreContract):
    """The store in a file."""

    @pytest.fixture
    def store(self, tmp_path):
        """An empty file."""
        store = SqliteStore(tmp_path / "store.db")
        yield store
        store.close()


class TestMemoryStore(StoreContract):
    """The store in memory."""

    @pytest.fixture
    def store(self):
        """An empty memory."""
        store = MemoryStore()
        yield store
        store.close()
