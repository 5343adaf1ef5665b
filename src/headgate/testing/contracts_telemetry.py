"""What every Telemetry must do. Subclass `TelemetryContract` with the fixtures that it asks for.

    class TestMyTelemetry(TelemetryContract):
        @pytest.fixture
        def telemetry(self) -> Iterator[Telemetry]: ...     # of AGENT, of whom nothing is measured yet

        @pytest.fixture
        def measure(self) -> Callable[[], None]: ...        # something happens to AGENT, and is measured

        @pytest.fixture
        def renewed(self) -> Callable[[], Telemetry]: ...   # the same, after its log was lost and began again

        @pytest.fixture
        def away(self) -> Iterator[Telemetry]: ...          # one whose source cannot be reached

`measure` returns when what it did can be polled.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headgate.errors import PortError
from headgate.ports import Telemetry
from headgate.stats.observations import Row

AGENT = "coach"
Measure = Callable[[], None]


def everything(telemetry: Telemetry, cursor: str = "") -> tuple[list[Row], str]:
    """All rows after the cursor, poll by poll, and the cursor after them."""
    rows, after = telemetry.poll(AGENT, cursor)
    while True:
        more, then = telemetry.poll(AGENT, after)
        if not more:
            return rows, then
        rows, after = [*rows, *more], then


class TelemetryContract:
    """The suite."""

    @pytest.fixture
    def telemetry(self) -> Telemetry:
        raise NotImplementedError

    @pytest.fixture
    def measure(self) -> Measure:
        raise NotImplementedError

    @pytest.fixture
    def renewed(self) -> Callable[[], Telemetry]:
        raise NotImplementedError

    @pytest.fixture
    def away(self) -> Telemetry:
        raise NotImplementedError

    def test_nothing_measured_is_no_rows(self, telemetry: Telemetry) -> None:
        """And a cursor to go on from: an agent that nobody talks to is no trouble."""
        rows, cursor = telemetry.poll(AGENT, "")
        assert rows == []
        assert telemetry.poll(AGENT, cursor)[0] == []

    def test_what_is_measured_comes_once(self, telemetry: Telemetry, measure: Measure) -> None:
        """Going on from the cursor, nothing is missing and nothing comes twice."""
        measure()
        first, cursor = everything(telemetry)
        assert first
        assert telemetry.poll(AGENT, cursor)[0] == []
        measure()
        second, _ = everything(telemetry, cursor)
        assert second
        assert first + second == everything(telemetry)[0]

    def test_rows_are_oldest_first(self, telemetry: Telemetry, measure: Measure) -> None:
        """In the order of their log."""
        for _ in range(3):
            measure()
        numbers = [row.seq for row in everything(telemetry)[0]]
        assert numbers == sorted(set(numbers))

    def test_an_old_cursor_gives_the_same_again(self, telemetry: Telemetry, measure: Measure) -> None:
        """Who was killed before the rows were kept asks once more; the cursor is all that a poll depends on."""
        measure()
        _, cursor = everything(telemetry)
        measure()
        once, then = telemetry.poll(AGENT, cursor)
        assert once
        assert telemetry.poll(AGENT, cursor) == (once, then)

    def test_a_new_log_begins_at_its_start(
        self, telemetry: Telemetry, measure: Measure, renewed: Callable[[], Telemetry]
    ) -> None:
        """A cursor of a log that is lost skips nothing of the one that came after it."""
        for _ in range(5):
            measure()
        _, cursor = everything(telemetry)
        again = renewed()
        measure()
        rows, _ = everything(again, cursor)
        assert rows
        assert rows == everything(again)[0]

    def test_what_cannot_be_read_is_no_silence(self, away: Telemetry) -> None:
        """An error that says to try again, never an empty answer: no data and no sessions are two different facts."""
        with pytest.raises(PortError) as told:
            away.poll(AGENT, "")
        assert told.value.retry
