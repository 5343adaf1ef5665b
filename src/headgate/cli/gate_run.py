"""Running a suite as `headgate gate run` was asked to: once, again and again, on two versions, or until it breaks."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from headgate.cli import common
from headgate.cli.gate_view import View
from headgate.config.settings import Settings
from headgate.config.suite_schema import Suite
from headgate.core.plan import Gate
from headgate.errors import Unavailable, UsageError
from headgate.gates.judges import maker_of
from headgate.gates.junit import Run, junit
from headgate.gates.limits import ladder
from headgate.gates.runner import HttpGateRunner, Progress
from headgate.gates.sides import side_by_side
from headgate.gates.verdicts import LoadRule
from headgate.ports import GateOutcome

_FIRST_RUNG = 10  # users


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command, by name."""

    against: str
    as_json: bool = False
    baseline: str | None = None
    repeat: int = 1
    failed: bool = False
    tags: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    at_once: int = 1
    junit: Path | None = None
    pass_rate: float | None = None
    pass_rate_bound: float | None = None
    sessions: int | None = None
    users: int | None = None
    ramp_s: float | None = None
    soak_s: float | None = None
    until_it_breaks: bool = False
    most: int = 2000


class GateRun:
    """One call of the command on the suite file `path`."""

    def __init__(self, settings: Settings, path: Path, options: Options) -> None:
        self.path = path
        self.options = options
        self._settings = settings
        self._view = View(quiet=options.as_json)
        self._stop = threading.Event()

    def go(self, gate: Gate, suite: Suite) -> bool:
        """Whether it passed."""
        rule = LoadRule.of(gate, suite)
        self._check(rule)
        if self.options.until_it_breaks:
            return self._until_it_breaks(suite, rule or LoadRule.of(_as_load(gate), suite))
        if self.options.baseline:
            return self._sides(suite)
        outcomes = []
        for number in range(self.options.repeat):
            times = f" {number + 1} of {self.options.repeat}" if self.options.repeat > 1 else ""
            self._view.heading(f"run{times}: {self.path} against {self.options.against}")
            outcomes.append(self._once(gate, suite, rule))
        return self._close(outcomes, rule)

    def _check(self, rule: LoadRule | None) -> None:
        """Refuses options that would be passed over in silence."""
        options = self.options
        way = "--until-it-breaks" if options.until_it_breaks else "--baseline" if options.baseline else ""
        if options.until_it_breaks and options.baseline:
            raise UsageError("--until-it-breaks measures one version", "drop --baseline")
        if options.baseline and rule is not None:
            raise UsageError(
                "--baseline compares case by case, not under load", "run the load on each version by itself"
            )
        if way and options.junit:
            raise UsageError(f"{way} writes no JUnit XML", "drop --junit, or take --json")
        if options.baseline and (options.pass_rate, options.pass_rate_bound) != (None, None):
            raise UsageError("--baseline asks who is worse, and for no pass rate", "drop --pass-rate")

    def _runner(self, on_load: Any = None) -> HttpGateRunner:
        progress = Progress(self._view.case, on_load) if on_load else Progress(self._view.case)
        return HttpGateRunner(
            judges=maker_of(self._settings.variable), progress=progress, at_once=self.options.at_once, stop=self._stop
        )

    def _once(self, gate: Gate, suite: Suite, rule: LoadRule | None) -> GateOutcome:
        with ExitStack() as stack:
            total = rule.sessions if rule and not rule.soak_s else None
            on_load = self._view.load(stack, total) if rule and not self.options.as_json else None
            if rule:
                stack.enter_context(self._interruptible())
            outcome = self._runner(on_load).decide(gate, suite, self.options.against)
        if self._stop.is_set():  # fewer sessions than were asked for: a report, and no verdict
            self._view.say(f"interrupted, nothing is decided: {outcome.detail} in {outcome.seconds:.1f} s")
        else:
            self._view.verdict(outcome)
        if rule:
            self._view.load_table(outcome.measures)
        self._refuse_interrupted()
        return outcome

    def _refuse_interrupted(self) -> None:
        if self._stop.is_set():
            raise click.Abort

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Ctrl-C lets no further session begin; the report is still made. The second one ends everything."""
        before = signal.getsignal(signal.SIGINT)

        def first(*_: Any) -> None:
            self._stop.set()
            signal.signal(signal.SIGINT, before)

        signal.signal(signal.SIGINT, first)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _close(self, outcomes: list[GateOutcome], rule: LoadRule | None) -> bool:
        passed = all(outcome.passed for outcome in outcomes)
        rows = [] if rule else flakiness(outcomes)
        if not rule:
            self._remember({row["name"] for row in rows if row["passed"] < row["of"]})
            self._view.times(self._view.results)
        if self.options.repeat > 1:
            if rows:
                self._view.flakiness(rows)
            self._view.say(f"{sum(o.passed for o in outcomes)} of {self.options.repeat} runs passed")
        self._write_junit(outcomes)
        if self.options.as_json:
            common.print_json(
                {
                    "suite": str(self.path),
                    "url": self.options.against,
                    "passed": passed,
                    "runs": [_data(outcome) for outcome in outcomes],
                    "cases": rows,
                }
            )
        return passed

    def _write_junit(self, outcomes: list[GateOutcome]) -> None:
        if self.options.junit is None:
            return
        many = len(outcomes) > 1
        runs = [Run(f"{self.path.stem} {i + 1}" if many else self.path.stem, o) for i, o in enumerate(outcomes)]
        common.write(self.options.junit, junit(runs))

    def _sides(self, suite: Suite) -> bool:
        """Baseline and candidate, case by case."""
        baseline, candidate = str(self.options.baseline), self.options.against
        self._view.heading(f"side by side: {self.path}, baseline {baseline}, candidate {candidate}")
        runner = HttpGateRunner(judges=maker_of(self._settings.variable))
        compared = side_by_side(runner, suite, baseline, candidate, self.options.repeat)
        for url, results in (
            (baseline, [pair.baseline for pair in compared.pairs]),
            (candidate, [pair.candidate for pair in compared.pairs]),
        ):
            if not any(result.reached for result in results):
                raise Unavailable(f"{url} {results[0].detail}", "is the version running?")
            if silent := [result for result in results if not result.measured]:
                raise Unavailable(f"{silent[0].name}: {silent[0].detail}", "see the judge, and run it again")
        self._view.sides(compared)
        if self.options.as_json:
            common.print_json({"suite": str(self.path), "passed": compared.passed, **compared.data()})
        return compared.passed

    def _until_it_breaks(self, suite: Suite, rule: LoadRule | None) -> bool:
        assert rule is not None
        first = min(self.options.users or _FIRST_RUNG, self.options.most)
        self._view.heading(f"until it breaks: {self.path} against {self.options.against}")
        rungs = []
        with self._interruptible():
            quiet = HttpGateRunner(judges=maker_of(self._settings.variable), stop=self._stop)
            for rung in ladder(quiet, suite, rule, self.options.against, first=first, most=self.options.most):
                if self._stop.is_set():  # this one was not held to its end
                    break
                rungs.append(rung)
                self._view.rung(rung)
        held = max((rung.users for rung in rungs if rung.held), default=0)
        broke = min((rung.users for rung in rungs if not rung.held), default=None)
        self._view.say(f"holds {held} users at once; " + (f"breaks at {broke}" if broke else "not seen to break"))
        if self.options.as_json:
            told = [{"users": r.users, "held": r.held, "detail": r.detail} for r in rungs]
            common.print_json({"suite": str(self.path), "holds": held, "breaks": broke, "rungs": told})
        self._refuse_interrupted()
        return bool(held)

    # --- what failed last time ---------------------------------------------------------------------------------------

    def _memory(self) -> Path:
        name = sha256(f"{self.path.resolve()}\n{self.options.against}".encode()).hexdigest()[:16]
        return self._settings.home / "gates" / f"{self.path.stem}-{name}.json"

    def _remember(self, failed: set[str]) -> None:
        if not failed and not self._memory().exists():
            return
        self._settings.folder("gates")
        self._memory().write_text(json.dumps({"failed": sorted(failed)}) + "\n", encoding="utf-8")

    def failed_before(self) -> set[str]:
        """Names of the cases that failed in the last run of this suite against this URL. Raises UsageError: none."""
        try:
            return set(json.loads(self._memory().read_text(encoding="utf-8"))["failed"])
        except FileNotFoundError:
            what = f"no failed run of {self.path} against {self.options.against} is remembered"
            raise UsageError(f"{what} in {self._settings.home}", "run it whole") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{self._memory()} cannot be used: {error}", "delete it, and run the suite whole"
            ) from None


def flakiness(outcomes: list[GateOutcome]) -> list[dict[str, Any]]:
    """How often each case passed in all runs; flaky: sometimes."""
    names = [case["name"] for case in outcomes[0].cases]
    rows = []
    for name in names:
        passed = sum(case["passed"] for o in outcomes for case in o.cases if case["name"] == name)
        rows.append({"name": name, "passed": passed, "of": len(outcomes), "flaky": 0 < passed < len(outcomes)})
    return rows


def _as_load(gate: Gate) -> Gate:
    from dataclasses import replace

    return replace(gate, sessions=gate.sessions or 100)


def _data(outcome: GateOutcome) -> dict[str, Any]:
    return {
        "passed": outcome.passed,
        "detail": outcome.detail,
        "seconds": outcome.seconds,
        "cases": list(outcome.cases),
        "measures": outcome.measures,
    }
