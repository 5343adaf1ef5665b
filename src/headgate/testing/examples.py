"""Example values in which every optional part is there, so that whoever loses one on the way is found."""

from __future__ import annotations

from headgate.core.model import (
    Answer,
    CriterionResult,
    GateResult,
    Hold,
    Phase,
    Rebased,
    Rollback,
    Rollout,
    Verdict,
    Version,
    Window,
)
from headgate.core.plan import (
    AlarmSpec,
    Analysis,
    Approval,
    Budget,
    CompositeSpec,
    Criterion,
    Crossing,
    Gate,
    Limit,
    Margin,
    MetricQuery,
    Otherwise,
    Plan,
    Platform,
    Receiver,
    RollbackPolicy,
    Step,
    Strategy,
    Tier,
    Validation,
    WindowPhase,
)
from headgate.stats.observations import Second, Session

NOW = 1_800_000_000.0


def example_plan(agent: str = "coach-companion") -> Plan:
    """A plan in which no part is left out."""
    margins = (Margin("error", 0.05, ratio=False), Margin("latency_p95", 2.0, ratio=True))
    approval = Approval(("release-managers",), 14_400.0, Otherwise.ROLLBACK)
    return Plan(
        agent=agent,
        platform=Platform("local", (("source", "./agent"),)),
        traffic="gateway",
        gates=(Gate("smoke", "suites/smoke.yaml", "cases: []\n", "ab" * 32, 5, 5),),
        strategy=Strategy.CANARY,
        steps=(Step(10, 600.0, 200, 3600.0, margins), Step(100, 3600.0, 0, 7200.0, margins, approval)),
        rollback=RollbackPolicy(),
        analysis=Analysis(0.05, margins, ("tool_error",), (Limit("error", 0.25),)),
        validation=Validation(
            (WindowPhase(14_400.0, 60.0, "Hello"),),
            (
                Criterion(Tier.MUST, "error_rate", "<", 0.05, "< 5%"),
                Criterion(Tier.MUST, "alarms", "is", "ok", "ok"),
            ),
            speed=60.0,
            after_every_s=900.0,
        ),
        alarms=(
            AlarmSpec("errors", "error_rate", ">", 0.05, 300.0, 3, 2, critical=True),
            AlarmSpec("usage", "", "above", 0.0, 300.0, 1, 1, queries=(MetricQuery("r", "requests", "Sum"),), band=4.0),
        ),
        composites=(CompositeSpec("bad", "ALARM(errors) AND NOT ALARM(usage)"),),
        budgets=(Budget("day", 10.0, 2_000_000, Crossing.ROLLBACK),),
        usd_per_day=10.0,
        notify=(Receiver("slack", "env:SLACK_URL", ("rollback",)),),
    )


def example_rollout(agent: str = "coach-companion", number: int = 1, phase: Phase = Phase.STEPPING) -> Rollout:
    """A rollout with every optional part filled in, so that a store that loses one is found."""
    return Rollout(
        id=f"{agent}-20261123-{number}",
        agent=agent,
        plan=example_plan(agent),
        plan_digest="cd" * 32,
        salt="salt",
        started_by="maria",
        reason="faster answers \u2014 und Gr\u00fc\u00dfe \U0001f331",
        created_at=NOW,
        baseline=Version("1", "aa" * 32, "http://127.0.0.1:9101"),
        candidate=Version("2", "bb" * 32),
        phase=phase,
        step=0,
        weight=10,
        epoch=3,
        weight_at=NOW + 5.25,
        gates=(GateResult("smoke", True, "5/5 passed", NOW, ("L2",)),),
        verdict=Verdict(Answer.INCONCLUSIVE, "12 of 200 sessions", 0, NOW, 300, 12, evidence=("L5",)),
        approved_by=("ines",),
        hold=Hold("headgate", "no data", NOW, Phase.STEPPING),
        window=Window(NOW, NOW + 60, 2, (CriterionResult("must", "p95", "< 10s", None, "not measured"),)),
        rollback=Rollback(NOW, "maria", "worse", debt=4, oldest_s=31.5),
        pinned=frozenset({"production", "previous"}),
        rebased=Rebased(NOW, 3, 1, "model (a -> b)", (("comparison", 0.5),)),
    )


def example_second(seq: int, t: int = 100) -> Second:
    """A telemetry row of a second."""
    return Second(
        seq,
        t,
        "candidate",
        "2",
        10.0,
        3,
        7,
        {"timeout": 1},
        {40: 5, 90: 2},
        {30: 7},
        120,
        80,
        0.25,
        2,
        3,
        {20: 3},
        {9: 3},
    )


def example_session(seq: int, t: float = 100.5) -> Session:
    """A telemetry row of a closed session."""
    return Session(
        seq, t, "baseline", "1", 10.0, 3, "0123456789abcdef", 90.0, 4, 1, {40: 4}, {30: 4}, 12, 8, 0.5, "turns"
    )
