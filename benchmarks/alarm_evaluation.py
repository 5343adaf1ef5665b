"""What watching costs: a thousand agents with the seven default alarms each, and how it grows with agents and periods.

Every agent has traffic in every second; every alarm is evaluated at the end of every minute. Times are of one core.

python -m benchmarks.alarm_evaluation [agents, 1000 if left out]
"""

import sys
import time
import tracemalloc
from dataclasses import replace

from headgate.analysis.board import LATE_S, Board
from headgate.config.resolve import DEFAULT_ALARMS
from headgate.stats.observations import Second

START = 1_800_000_000 // 86_400 * 86_400
MINUTES = 5  # of traffic that are measured
LATENCY = {100 + i: 1 for i in range(12)}  # buckets of one second of a busy agent


def second(t):
    """One second of an agent's candidate: twelve requests, one of them a stream."""
    return Second(t, t, "candidate", "2", 100.0, 1, 12, {}, LATENCY, LATENCY, 900, 300, 0.002, 3, 1, {90: 1}, {80: 1})


def boards(agents, alarms=DEFAULT_ALARMS):
    """A board for each agent, at the start of a day."""
    return [Board(alarms, variants=("candidate",), now=START + LATE_S) for _ in range(agents)]


def run(agents, alarms=DEFAULT_ALARMS, minutes=MINUTES):
    """(seconds of work per second of telemetry, seconds of one evaluation of all alarms of all agents)."""
    watched, feeding, evaluating = boards(agents, alarms), 0.0, 0.0
    for minute in range(minutes):
        rows = [second(START + minute * 60 + s) for s in range(60)]
        began = time.perf_counter()
        for board in watched:
            for row in rows:
                board.add("candidate", row)
        feeding += time.perf_counter() - began
        began = time.perf_counter()
        for board in watched:
            board.evaluate(START + (minute + 1) * 60 + LATE_S)
        evaluating += time.perf_counter() - began
    return feeding / (minutes * 60), evaluating / minutes


def unit():
    """Seconds that a fixed piece of Python takes here, so that two machines can be compared."""
    began = time.perf_counter()
    total = 0
    for i in range(1_000_000):
        total += i & 7
    return time.perf_counter() - began


def row(name, agents, alarms=DEFAULT_ALARMS, minutes=MINUTES):
    """Print one line."""
    feed, evaluate = run(agents, alarms, minutes)
    count = agents * len(alarms)
    print(
        f"{name:34} {agents:7} {count:8} {feed * 1000:11.1f} ms {evaluate * 1000:11.1f} ms "
        f"{evaluate / count * 1e6:8.1f} us {feed + evaluate:9.2f}"
    )


def memory(agents=20):
    """Bytes that an agent's board holds after an hour of traffic."""
    tracemalloc.start()
    kept = boards(agents)
    for board in kept:
        for s in range(0, 3600, 5):
            board.add("candidate", second(START + s))
        board.evaluate(START + 3600 + LATE_S)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / agents


def main():
    agents = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"a million additions: {unit() * 1000:.0f} ms; periods are 5m, 1h and 1d, the seven default alarms")
    head = (
        f"{'':34} {'agents':>7} {'alarms':>8} {'rows of 1 s':>14} {'all alarms':>14} {'one alarm':>11} {'of a core':>9}"
    )
    print(head)
    for share in (10, 4, 2, 1):
        row("as agents grow", max(1, agents // share))
    print("  the last column: every alarm evaluated every second, and a second's rows of every agent taken in")
    few = max(1, agents // 10)
    for period in (60.0, 300.0, 3600.0, 86_400.0):
        alarms = tuple(replace(a, period_s=period, warm_up_s=0.0) for a in DEFAULT_ALARMS)
        row(f"as periods grow: {period / 60:g} min", few, alarms)
    print(f"memory of one agent after an hour: {memory() / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
