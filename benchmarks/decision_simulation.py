"""How many sessions the judge needs, how often it is wrong, and what it costs: printed as a table.

python benchmarks/decision_simulation.py [rollouts per row, 60 if left out]
"""

import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from headgate.analysis.rollout_judge import RolloutJudge
from headgate.core.plan import Analysis, Limit, Margin, Step
from simulated_sessions import Law, rollout, session

ALPHA = 0.05
ERROR, P95, P99, COST = "error", "latency_p95", "latency_p99", "cost"


def margins(error, p95, *more):
    """error as a difference, the others as ratios."""
    return (Margin(ERROR, error, False), Margin(P95, p95, True), *(Margin(name, value, True) for name, value in more))


def judge_of(weight, wanted, history):
    """A judge with one step."""
    rng = random.Random(99)
    steps = (Step(weight, 1.0, 20, 3600.0, wanted),)
    past = [session(rng, i, "baseline", 0.0, Law()) for i in range(history)]
    return RolloutJudge(Analysis(ALPHA, wanted, (), (Limit(ERROR, 0.5),)), steps, past)


def decide(seed, weight, wanted, *, candidate, history, limit):
    """(answer, sessions, of which candidate's) of the first verdict that is not INCONCLUSIVE, looking after every
    session.
    """
    judge, seen = judge_of(weight, wanted, history), 0
    for i, one in enumerate(rollout(random.Random(seed), [weight] * limit, Law(), candidate)):
        judge.add(one)
        seen += one.variant == "candidate"
        answer = judge.look(0, one.t, one.t).verdict.answer.value if i % 5 == 4 else "INCONCLUSIVE"
        if answer != "INCONCLUSIVE":
            return answer, i + 1, seen
    return "INCONCLUSIVE", limit, seen


def middle(values, share):
    """A quantile of some numbers, or -."""
    return str(sorted(values)[int(share * (len(values) - 1))]) if values else "-"


def row(name, runs, weight, wanted, *, candidate=None, history=0, limit=8000):
    """Print one line."""
    found = [
        decide(seed, weight, wanted, candidate=candidate or Law(), history=history, limit=limit) for seed in range(runs)
    ]
    cells = []
    for answer in ("PASS", "FAIL"):
        mine = [r for r in found if r[0] == answer]
        sessions, candidates = [r[1] for r in mine], [r[2] for r in mine]
        cells.append(
            f"{len(mine):4d} {middle(sessions, 0.5):>6} {middle(sessions, 0.9):>6} {middle(candidates, 0.5):>6}"
        )
    print(f"{name:44} | {' | '.join(cells)}", flush=True)


def speed():
    """CPU per session and per look, with the metrics of design.md's plan."""
    wanted = margins(0.01, 1.25, (P99, 1.5), (COST, 1.1))
    judge = judge_of(50.0, wanted, 500)
    sessions = list(rollout(random.Random(1), [50.0] * 5000, Law(cost_usd=0.003)))
    started = time.process_time()
    for one in sessions:
        judge.add(one)
    per_session = (time.process_time() - started) / len(sessions)
    started = time.process_time()
    for _ in range(200):
        judge.look(0, 1.0, 1.0)
    per_look = (time.process_time() - started) / 200
    print(
        f"\n{per_session * 1e6:.0f} us per session, {per_look * 1e6:.0f} us per look (error, p95, p99 and cost judged)"
    )


def main():
    """All rows."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    print(f"{runs} rollouts per row; baseline: 0.3 % of sessions fail, 3-6 turns, log latency sd 0.5; alpha {ALPHA}")
    columns = "runs median    p90 candid."
    print(f"{'':44} | {'PASS ' + columns:27} | FAIL {columns}")
    early, late = margins(0.05, 2.0), margins(0.01, 1.25)
    row("same, 10 %, +5pp x2", runs, 10.0, early)
    row("same, 10 %, +5pp x2, 500 sessions of history", runs, 10.0, early, history=500)
    row("same, 10 %, +10pp x3", runs, 10.0, margins(0.1, 3.0))
    row("same, 20 %, +5pp x2", runs, 20.0, early)
    row("same, 50 %, +1pp x1.25", runs, 50.0, late)
    row("same, 50 %, +2pp x1.25", runs, 50.0, margins(0.02, 1.25))
    row("same, 50 %, +2pp x1.5", runs, 50.0, margins(0.02, 1.5))
    row("same, 50 %, +1pp x1.25, p99 x1.5", runs, 50.0, margins(0.01, 1.25, (P99, 1.5)))
    row("half the sessions fail, 10 %", runs, 10.0, early, candidate=Law(error=0.5))
    row("a fifth fail, 10 %", runs, 10.0, early, candidate=Law(error=0.2))
    row("5 % fail, 10 %", runs, 10.0, early, candidate=Law(error=0.05))
    row(
        "30 % fail and x1.5 slower, 10 %, history",
        runs,
        10.0,
        early,
        candidate=Law(error=0.3, latency_ms=375.0),
        history=500,
    )
    row("x2 slower, 10 %, history", runs, 10.0, early, candidate=Law(latency_ms=500.0), history=500)
    row("x1.2 slower, 50 %, history", runs, 50.0, late, candidate=Law(latency_ms=300.0), history=500)
    row("2 % of turns x10, 50 %, history", runs, 50.0, late, candidate=Law(tail=0.02), history=500)
    speed()


if __name__ == "__main__":
    main()
