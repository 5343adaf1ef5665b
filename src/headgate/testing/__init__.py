"""Shipped for tests, ours and others': a fake clock, a store in memory, and the suites that an adapter must pass.

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self) -> Iterator[Store]: ...

The suites (`contracts_*`) need pytest; the rest needs nothing that Headgate itself does not.
"""
