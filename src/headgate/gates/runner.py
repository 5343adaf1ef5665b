"""Runs a gate's suite against one version: real conversations over HTTP, each in a session of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from headgate.config.suite_schema import Case, Suite, parse_suite
from headgate.core.plan import Gate
from headgate.errors import Unavailable
from headgate.gates import load as engine
from headgate.gates.conversation import Target
from headgate.gates.holding import CaseResult, Holder, usage, used
from headgate.gates.judges import maker_of
from headgate.gates.judging import Bill, JudgeMaker, Panel, pin
from headgate.gates.verdicts import LoadRule, judge_cases, judge_load
from headgate.gates.wire import Broken, Wire
from headgate.ports import Data, GateOutcome

_KEPT = 20  # failed load sessions told one by one

OnCase = Callable[[CaseResult], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """Who is told of what, as it happens: each case as it ends, a load run a few times a second."""

    case: OnCase = lambda _result: None
    load: engine.OnProgress = lambda _report: None


@dataclass(frozen=True, slots=True)
class LoadRun:
    """What was seen, the first failed sessions, whether any session got a connection, and what it used up."""

    report: engine.LoadReport
    failed: list[CaseResult]
    reached: bool
    spent: Data

    def refuse_unreached(self, what: str) -> None:
        """Raises Unavailable where sessions were begun and none got a connection: nothing was measured."""
        if not self.reached and self.failed:
            raise Unavailable(f"{what} {self.failed[0].detail}", "is the version running?")


_NOBODY = Progress()
_KEYLESS = maker_of(lambda _name: None)  # judges whose keys are not to be had


class HttpGateRunner:
    """Implements `ports.GateRunner`. `timeout` (s) caps the suite's own; `judges` makes the models that judge."""

    def __init__(
        self,
        *,
        timeout: float = 120.0,
        judges: JudgeMaker = _KEYLESS,
        progress: Progress = _NOBODY,
        at_once: int = 1,
        stop: threading.Event | None = None,
    ) -> None:
        self._timeout = timeout
        self._judges = judges
        self._progress = progress
        self._at_once = at_once
        self._stop = stop

    def run(self, gate: Gate, url: str) -> GateOutcome:
        """Blocks until it is decided. Raises Unavailable where no case got a connection, or a judge said nothing that
        the outcome depends on; PlanError on a bad suite.
        """
        return self.decide(gate, parse_suite(gate.suite_text, gate.suite), url)

    def decide(self, gate: Gate, suite: Suite, url: str) -> GateOutcome:
        """As `run`, for a suite that was read already, or for a part of one."""
        rule, began = LoadRule.of(gate, suite), time.perf_counter()
        outcome = self._cases(gate, suite, url) if rule is None else self._load(gate, suite, rule, url)
        passed, detail, cases, measures = outcome
        return GateOutcome(passed, detail, cases, round(time.perf_counter() - began, 3), measures | _pins(suite))

    def _cases(self, gate: Gate, suite: Suite, url: str) -> tuple[bool, str, tuple[Data, ...], Data]:
        results, bill = engine.run(self._hold(suite, suite.cases, url))
        _refuse_unmeasured(gate, url, results)
        passed, detail, measures = judge_cases(gate, suite, results)
        return passed, detail, tuple(r.data() for r in results), measures | used(results) | bill.data()

    def hold(self, suite: Suite, cases: Sequence[Case], url: str) -> list[CaseResult]:
        """Holds some cases of a suite, `at_once` at a time; the results in the order of the cases."""
        return engine.run(self._hold(suite, cases, url))[0]

    async def _hold(self, suite: Suite, cases: Sequence[Case], url: str) -> tuple[list[CaseResult], Bill]:
        target, slots = _target(url), asyncio.Semaphore(self._at_once)
        async with Wire() as wire, self._holding(wire, suite) as holder:

            async def one(case: Case) -> CaseResult:
                async with slots:
                    result = await holder.hold(case, target)
                self._progress.case(result)
                return result

            return await asyncio.gather(*map(one, cases)), holder.panel.bill

    @asynccontextmanager
    async def _holding(self, wire: Wire, suite: Suite) -> AsyncIterator[Holder]:
        panel = Panel(suite.judges, self._judges)
        try:
            yield Holder(wire, suite, panel, self._timeout)
        finally:
            panel.close()

    def _load(self, gate: Gate, suite: Suite, rule: LoadRule, url: str) -> tuple[bool, str, tuple[Data, ...], Data]:
        run = self.load(suite, rule, url)
        run.refuse_unreached(f"gate {gate.name}: {url}")
        passed, detail, measures = judge_load(rule, run.report)
        return passed, detail, tuple(r.data() for r in run.failed), measures | run.spent

    def load(self, suite: Suite, rule: LoadRule, url: str) -> LoadRun:
        """A load run to its end."""
        return engine.run(self._drive(suite, rule, url))

    async def _drive(self, suite: Suite, rule: LoadRule, url: str) -> LoadRun:
        target, tally, failed, reached = _target(url), engine.Tally(), list[CaseResult](), False
        read = wrote = told = 0
        arrive = engine.Users(rule.users, rule.sessions, rule.ramp_s, rule.soak_s)
        async with Wire() as wire, self._holding(wire, suite) as holder:

            async def one(number: int) -> None:
                nonlocal reached, read, wrote, told
                result = await holder.hold(suite.cases[number % len(suite.cases)], target, think=rule.think_s)
                reached = reached or result.reached
                if result.usage is not None:
                    read, wrote, told = read + result.usage[0], wrote + result.usage[1], told + 1
                for i, seconds in enumerate(result.turns_s):
                    wrong = result.kind if not result.passed and i == len(result.turns_s) - 1 else ""
                    first = result.first_s[i] if i < len(result.first_s) else None
                    tally.turn(wrong, seconds, first)
                tally.session(result.name, set(result.versions), good=result.passed)
                if not result.passed and len(failed) < _KEPT:
                    failed.append(result)

            report = await engine.drive(one, arrive, tally, self._progress.load, self._stop)
            spent = usage(read, wrote) if told else {}
        return LoadRun(report, failed, reached, spent | holder.panel.bill.data())


def _target(url: str) -> Target:
    try:
        return Target.of(url)
    except Broken as broken:
        raise Unavailable(f"{url} {broken.why}", "give a URL, e.g. http://127.0.0.1:8080") from None


def _refuse_unmeasured(gate: Gate, url: str, results: Sequence[CaseResult]) -> None:
    if not any(result.reached for result in results):
        raise Unavailable(f"gate {gate.name}: {url} {results[0].detail}", "is the version running?")
    if silent := [result for result in results if not result.measured]:
        what = f"gate {gate.name}: {silent[0].name}: {silent[0].detail}"
        more = f" (and {len(silent) - 1} more)" if silent[1:] else ""
        raise Unavailable(
            what + more, "nothing was judged, so nothing passed or failed: see the judge, and run it again"
        )


def _pins(suite: Suite) -> Data:
    """Every judge with the digest of its definition: a score is only comparable to one of the same judge."""
    judges = {name: {"model": judge.model, "digest": pin(judge, "")} for name, judge in suite.judges.items()}
    return {"judges": judges} if judges else {}
