"""Runs a gate's suite against one version: real conversations over HTTP, each in a session of its own."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace

import httpx

from headgate.config.suite_schema import Case, Suite, parse_suite
from headgate.core.plan import Gate
from headgate.errors import Unavailable
from headgate.gates.checks import wrong_with
from headgate.gates.conversation import ask
from headgate.gates.redact import excerpt
from headgate.ports import Data, GateOutcome

_AT_ONCE = 16  # load sessions held at the same time
_KEPT = 20  # failed load sessions told one by one


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One conversation. `turns_s` are the times of its turns; `reached` False: not even a connection."""

    name: str
    passed: bool
    detail: str
    seconds: float
    turns_s: tuple[float, ...] = ()
    excerpt: str = ""
    reached: bool = True

    def data(self) -> Data:
        """As the ledger keeps it."""
        told: Data = {
            "name": self.name,
            "passed": self.passed,
            "detail": self.detail,
            "seconds": round(self.seconds, 3),
        }
        return told | ({"excerpt": self.excerpt} if self.excerpt else {})


class HttpGateRunner:
    """Implements `ports.GateRunner`. `progress` is told of each case as it ends; `timeout` (s) caps the suite's own."""

    def __init__(self, *, timeout: float = 120.0, progress: Callable[[CaseResult], None] | None = None) -> None:
        self._timeout = timeout
        self._progress = progress or (lambda _: None)

    def run(self, gate: Gate, url: str) -> GateOutcome:
        """Blocks until it is decided. Raises Unavailable where no case got a connection, PlanError on a bad suite."""
        suite = parse_suite(gate.suite_text, gate.suite)
        began = time.perf_counter()
        load = gate.sessions is not None
        results = list(self._load(suite, url, gate.sessions or 0) if load else self._one_by_one(suite, url))
        seconds = time.perf_counter() - began
        if not any(result.reached for result in results):
            raise Unavailable(f"gate {gate.name}: {url} {results[0].detail}", "is the version running?")
        passed, detail = _judge_load(gate, results) if load else _judge_cases(gate, results)
        told = results if not load else [r for r in results if not r.passed][:_KEPT]
        return GateOutcome(passed, detail, tuple(r.data() for r in told), round(seconds, 3))

    def _one_by_one(self, suite: Suite, url: str) -> Iterator[CaseResult]:
        with _client() as client:
            for case in suite.cases:
                result = self._hold(client, suite, case, url)
                self._progress(result)
                yield result

    def _load(self, suite: Suite, url: str, sessions: int) -> Iterator[CaseResult]:
        """So many sessions, the suite's cases in turn, a bounded number of them at the same time."""
        with _client() as client, ThreadPoolExecutor(min(sessions, _AT_ONCE), "load") as pool:
            waiting = [
                pool.submit(self._hold, client, suite, suite.cases[i % len(suite.cases)], url) for i in range(sessions)
            ]
            try:
                for done in as_completed(waiting):
                    self._progress(done.result())
                    yield done.result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _hold(self, client: httpx.Client, suite: Suite, case: Case, url: str) -> CaseResult:
        """One conversation, up to its first turn that goes wrong."""
        session = f"headgate-gate-{uuid.uuid4().hex}"
        times: list[float] = []
        result = CaseResult(case.name, True, f"{len(case.turns)} turns" if len(case.turns) > 1 else "1 turn", 0.0)
        for number, turn in enumerate(case.turns, 1):
            limit = min(suite.timeout, self._timeout)
            answer = ask(client, url, session, turn.say, stream=case.stream, timeout=limit)
            times.append(answer.seconds)
            if reason := wrong_with(turn, answer):
                reached = answer.reached or number > 1
                detail = f"turn {number}: {reason}" if reached else reason
                result = replace(result, passed=False, detail=detail, excerpt=excerpt(answer.text), reached=reached)
                break
        return replace(result, seconds=sum(times), turns_s=tuple(times))


@contextmanager
def _client() -> Iterator[httpx.Client]:
    # no proxy and no netrc of the environment: a gate speaks to the version that it was given and to nothing between
    with httpx.Client(trust_env=False, limits=httpx.Limits(max_connections=_AT_ONCE)) as client:
        yield client


def _judge_cases(gate: Gate, results: list[CaseResult]) -> tuple[bool, str]:
    passed, total = sum(r.passed for r in results), len(results)
    if gate.require_total is not None and gate.require_total != total:
        return False, f"{passed}/{total} passed, but the plan counts on {gate.require_total} cases"
    needed = total if gate.require_passed is None else gate.require_passed
    detail = f"{passed}/{total} passed"
    if needed < total:
        detail += f", {needed} needed"
    failed = [r.name for r in results if not r.passed]
    return passed >= needed, detail + (f"; failed: {', '.join(failed)}" if failed else "")


def _judge_load(gate: Gate, results: list[CaseResult]) -> tuple[bool, str]:
    rate = sum(r.passed for r in results) / len(results)
    needed = 1.0 if gate.success_rate is None else gate.success_rate
    times = sorted(t for r in results for t in r.turns_s)
    p95 = times[max(0, math.ceil(0.95 * len(times)) - 1)]
    good = rate >= needed and (gate.p95_s is None or p95 <= gate.p95_s)
    limit = "" if gate.p95_s is None else f" (limit {gate.p95_s:g} s)"
    return good, f"{len(results)} sessions, {rate:.1%} good (needed {needed:.1%}), p95 of a turn {p95:.3f} s{limit}"
