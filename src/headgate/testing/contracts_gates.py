"""What every GateRunner must do. Subclass `GateRunnerContract` with a runner and three gates with their urls.

class TestMyRunner(GateRunnerContract):
    @pytest.fixture
    def runner(self) -> GateRunner: ...

    @pytest.fixture
    def good(self) -> tuple[Gate, str]: ...     # a suite that passes against this url

    @pytest.fixture
    def bad(self) -> tuple[Gate, str]: ...      # one of which at least one case fails

    @pytest.fixture
    def away(self) -> tuple[Gate, str]: ...     # a version that cannot be reached
"""

from __future__ import annotations

import json

import pytest

from headgate.core.plan import Gate
from headgate.errors import PortError
from headgate.ports import GateOutcome, GateRunner

Run = tuple[Gate, str]


class GateRunnerContract:
    """The suite."""

    @pytest.fixture
    def runner(self) -> GateRunner:
        raise NotImplementedError

    @pytest.fixture
    def good(self) -> Run:
        raise NotImplementedError

    @pytest.fixture
    def bad(self) -> Run:
        raise NotImplementedError

    @pytest.fixture
    def away(self) -> Run:
        raise NotImplementedError

    def test_a_suite_that_passes(self, runner: GateRunner, good: Run) -> None:
        """It ran: the cases are named, and each of them passed."""
        outcome = runner.run(*good)
        assert outcome.passed
        assert outcome.cases
        assert all(case["passed"] for case in outcome.cases)
        assert_told(outcome)

    def test_a_suite_that_fails(self, runner: GateRunner, bad: Run) -> None:
        """An outcome and no error: the version was asked, and one of its answers was wrong."""
        outcome = runner.run(*bad)
        assert not outcome.passed
        assert [case for case in outcome.cases if not case["passed"]]
        assert_told(outcome)

    def test_the_same_again(self, runner: GateRunner, good: Run, bad: Run) -> None:
        """After a crash a gate is run once more; no run depends on the one before."""
        passed = [runner.run(*run).passed for run in (good, bad, good, bad)]
        assert passed == [True, False, True, False]

    def test_a_version_that_cannot_be_reached_is_not_judged(self, runner: GateRunner, away: Run) -> None:
        """Nothing was measured, so nothing passed or failed: an error that says to try again."""
        with pytest.raises(PortError) as told:
            runner.run(*away)
        assert told.value.retry


def assert_told(outcome: GateOutcome) -> None:
    """An outcome goes on the ledger and to people as it is."""
    assert outcome.detail.strip()
    assert "\n" not in outcome.detail
    assert outcome.seconds >= 0
    for case in outcome.cases:
        assert {"name", "passed", "detail", "seconds"} <= case.keys()
        assert case["name"]
        assert case["passed"] or case["detail"], "a case that failed says why"
        assert case["seconds"] >= 0
    json.dumps([outcome.cases, outcome.measures], allow_nan=False)
