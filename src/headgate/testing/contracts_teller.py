"""What every Teller must do. Subclass `TellerContract` with one and three versions.

class TestMyTeller(TellerContract):
    @pytest.fixture
    def teller(self) -> Teller: ...

    @pytest.fixture
    def speaks(self) -> tuple[Version, dict[str, str]]: ...  # a version, and the parts that it says

    @pytest.fixture
    def silent(self) -> Version: ...  # one that answers, and says nothing of its parts

    @pytest.fixture
    def away(self) -> Version: ...  # one that does not answer
"""

from __future__ import annotations

import pytest

from headgate.core.identity import LONGEST, MOST
from headgate.core.model import Version
from headgate.errors import PortError
from headgate.ports import Teller


class TellerContract:
    """The suite."""

    @pytest.fixture
    def teller(self) -> Teller:
        raise NotImplementedError

    @pytest.fixture
    def speaks(self) -> tuple[Version, dict[str, str]]:
        raise NotImplementedError

    @pytest.fixture
    def silent(self) -> Version:
        raise NotImplementedError

    @pytest.fixture
    def away(self) -> Version:
        raise NotImplementedError

    def test_the_parts_as_the_version_says_them(self, teller: Teller, speaks: tuple[Version, dict[str, str]]) -> None:
        """The same each time, or every look would be a drift."""
        version, parts = speaks
        told = [dict(teller.told(version, ask=False)) for _ in range(2)]
        assert told == [parts, parts]
        assert len(parts) <= MOST
        assert all(0 < len(value) <= LONGEST for value in parts.values())

    def test_nothing_said_is_nothing_known(self, teller: Teller, silent: Version) -> None:
        """No part is made up."""
        assert dict(teller.told(silent, ask=False)) == {}

    def test_one_that_does_not_answer_is_no_answer(self, teller: Teller, away: Version) -> None:
        """An error to try again after, and never "it says nothing"."""
        with pytest.raises(PortError) as found:
            teller.told(away, ask=False)
        assert found.value.retry
