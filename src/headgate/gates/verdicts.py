"""What a suite's results amount to, under the rules of a gate. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headgate.config.suite_schema import Suite
from headgate.core.plan import Gate
from headgate.gates.holding import CaseResult
from headgate.gates.load import LoadReport
from headgate.ports import Data
from headgate.stats.rates import exact_lower, exact_upper


@dataclass(frozen=True, slots=True)
class LoadRule:
    """How a load gate is driven and judged: the plan's word over the suite's."""

    sessions: int
    users: int
    ramp_s: float
    soak_s: float
    think_s: float
    success_rate: float
    p95_s: float | None
    p99_s: float | None
    first_token_s: float | None

    @classmethod
    def of(cls, gate: Gate, suite: Suite) -> LoadRule | None:
        """None: this is no load gate."""
        if gate.sessions is None and suite.kind != "load":
            return None
        load = suite.load
        sessions = load.sessions if gate.sessions is None else gate.sessions
        users = (load.users if gate.users is None else gate.users) or min(sessions, 100)
        return cls(
            sessions,
            users,
            load.ramp if gate.ramp_s is None else gate.ramp_s,
            load.soak if gate.soak_s is None else gate.soak_s,
            load.think,
            load.success_rate if gate.success_rate is None else gate.success_rate,
            load.p95 if gate.p95_s is None else gate.p95_s,
            load.p99 if gate.p99_s is None else gate.p99_s,
            load.first_token if gate.first_token_s is None else gate.first_token_s,
        )


def judge_cases(gate: Gate, suite: Suite, results: Sequence[CaseResult]) -> tuple[bool, str, Data]:
    """(passed, one line, the numbers) of cases that were all measured."""
    passed, total = sum(r.passed for r in results), len(results)
    measures: Data = share(passed, total) | {"kind": suite.kind}
    if gate.require_total is not None and gate.require_total != total:
        return False, f"{passed}/{total} passed, but the plan counts on {gate.require_total} cases", measures
    rate = suite.pass_rate if gate.pass_rate is None else gate.pass_rate
    bound = suite.pass_rate_bound if gate.pass_rate_bound is None else gate.pass_rate_bound
    if gate.require_passed is not None:  # a plan that counts cases counts cases
        rate = bound = None
    detail, good = f"{passed}/{total} passed", True
    if rate is None and bound is None:
        needed = total if gate.require_passed is None else gate.require_passed
        good = passed >= needed
        detail += f", {needed} needed" if needed < total else ""
    if rate is not None or bound is not None or suite.kind == "integration":
        detail += f" ({in_range(passed, total)})"
    if rate is not None:
        good = good and passed >= rate * total - 1e-9
        detail += f"; a rate of {rate:.1%} is needed"
    if bound is not None:
        good = good and measures["lower"] >= bound
        detail += f"; a lower bound of {bound:.1%} is needed"
    failed = [r.name for r in results if not r.passed]
    return good, detail + (f"; failed: {', '.join(failed)}" if failed else ""), measures


def share(passed: int, total: int) -> Data:
    """A share with its exact one-sided 95 % bounds: above `lower`, and below `upper`, each with that confidence."""
    if not total:
        return {"passed": 0, "total": 0, "lower": 0.0, "upper": 1.0}
    lower, upper = exact_lower(passed, total), exact_upper(passed, total)
    return {"passed": passed, "total": total, "lower": round(lower, 4), "upper": round(upper, 4)}


def in_range(passed: int, total: int) -> str:
    """`85.7%, 95 % bounds 67.1% and 96.1%`: what so many of so few say of the agent."""
    found = share(passed, total)
    rate = passed / total if total else 0.0
    return f"{rate:.1%}, 95 % bounds {found['lower']:.1%} and {found['upper']:.1%}"


def judge_load(rule: LoadRule, report: LoadReport) -> tuple[bool, str, Data]:
    """(passed, one line, the numbers) of a load run. What was not measured is over its limit."""
    limits = (
        ("p95 of a turn", report.latency["p95"], rule.p95_s),
        ("p99 of a turn", report.latency["p99"], rule.p99_s),
        ("p95 of the first token", report.ttfb["p95"], rule.first_token_s),
    )
    good = bool(report.sessions) and report.success_rate >= rule.success_rate - 1e-9
    detail = f"{report.sessions} sessions, {report.success_rate:.1%} good (needed {rule.success_rate:.1%})"
    for name, found, limit in limits:
        if limit is not None or name == "p95 of a turn":
            detail += f", {name} " + ("not measured" if found is None else f"{found:.3f} s")
        if limit is not None:
            detail += f" (limit {limit:g} s)"
            good = good and found is not None and found <= limit
    detail += f", {report.peak} at once, {report.turns_per_s:.1f} turns/s"
    if report.failures:
        detail += "; failures: " + ", ".join(f"{kind} {n}" for kind, n in sorted(report.failures.items()))
    return good, detail, load_data(report)


def load_data(report: LoadReport) -> Data:
    """A load report as the ledger keeps it; times in seconds."""
    return {
        "kind": "load",
        "sessions": report.sessions,
        "good": report.good,
        "turns": report.turns,
        "failures": report.failures,
        "latency_s": report.latency,
        "first_token_s": report.ttfb,
        "peak": report.peak,
        "turns_per_s": round(report.turns_per_s, 2),
        "seconds": round(report.seconds, 3),
    }
