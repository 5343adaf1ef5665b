"""What watching costs: a thousand agents with the seven default alarms each, and how it grows with agents and periods.

Every agent has traffic in every second; every alarm is evaluated at the end of every minute. Times are of one core, and
as ratios to a tenth of the agents, or to periods of a minute; memory as ratios to that of one agent's first hour.

python -m benchmarks.alarm_evaluation [agents, 1000 if left out]
"""

import resource
import subprocess
import sys
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

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


def row(name, agents, alarms=DEFAULT_ALARMS, minutes=MINUTES, base=None):
    """Print one line; `base`: seconds of work for an agent in the line that it is a ratio of. Its own are returned."""
    feed, evaluate = run(agents, alarms, minutes)
    count = agents * len(alarms)
    each = (feed + evaluate) / agents
    print(
        f"{name:34} {agents:7} {count:8} {feed * 1000:11.1f} ms {evaluate * 1000:11.1f} ms "
        f"{evaluate / count * 1e6:8.1f} us {feed + evaluate:9.2f} {'' if base is None else f'x{each / base:5.2f}':>8}"
    )
    return each


def lived(agents, hours, alarms=DEFAULT_ALARMS):
    """Boards of agents with so many hours of traffic behind them, a row every ten seconds, evaluated every minute."""
    kept = boards(agents, alarms)
    for at in range(0, int(hours * 3600), 10):
        row_of_now = second(START + at)
        for board in kept:
            board.add("candidate", row_of_now)
        if at % 60 == 50:
            for board in kept:
                board.evaluate(START + at + 10 + LATE_S)
    return kept


def memory(agents, hours, alarms=DEFAULT_ALARMS):
    """Bytes that the board of one agent holds after so many hours, as Python counts them."""
    tracemalloc.start()
    kept = lived(agents, hours, alarms)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / len(kept)


def held():
    """Bytes that this process holds in memory now; 0 where the system does not tell (only Linux does)."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[1]) * resource.getpagesize() if told.exists() else 0


def resident(agents, hours):
    """Bytes that a process grows by for each agent, in a process of its own; 0: not told."""
    code = (
        "from benchmarks.alarm_evaluation import held, lived; lived(1, 0.1); before = held(); "
        f"kept = lived({agents}, {hours}); print((held() - before) / len(kept))"
    )
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def memories():
    """Print how memory grows: with hours of traffic, with agents, and with the length of periods."""
    hour, few = memory(4, 1), 4
    print(f"memory of one agent's seven alarms after an hour: {hour / 1024:.0f} KiB; the others as ratios to that")
    rows = [(f"{hours} hours", memory(few, hours)) for hours in (6, 24, 30)]
    rows += [(f"an hour, {agents} agents (each)", memory(agents, 1)) for agents in (1, 16)]
    for period in (300.0, 3600.0, 86_400.0):
        alarms = tuple(replace(a, period_s=period, warm_up_s=0.0) for a in DEFAULT_ALARMS)
        rows.append((f"30 hours, all periods of {period / 60:g} min", memory(2, 30, alarms)))
    for name, size in rows:
        print(f"  {name:38} x{size / hour:6.2f}   ({size / 1024:7.0f} KiB)")
    size = resident(50, 24)
    said = f"x{size / hour:6.2f}   ({size / 1024:7.0f} KiB)" if size else "not told by this system"
    print(f"  {'resident, 50 agents, 24 hours (each)':38} {said}")


def main():
    agents = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    print(f"a million additions: {unit() * 1000:.0f} ms; periods are 5m, 1h and 1d, the seven default alarms")
    columns = f"{'':34} {'agents':>7} {'alarms':>8} {'rows of 1 s':>14} {'all alarms':>14} {'one alarm':>11}"
    print(f"{columns} {'of a core':>9} {'an agent':>8}")
    base = None
    for share in (10, 4, 2, 1):
        found = row("as agents grow", max(1, agents // share), base=base)
        base = base or found
    print("  of a core: every alarm evaluated every second, and a second's rows of every agent taken in")
    few, base = max(1, agents // 10), None
    for period in (60.0, 300.0, 3600.0, 86_400.0):
        alarms = tuple(replace(a, period_s=period, warm_up_s=0.0) for a in DEFAULT_ALARMS)
        found = row(f"as periods grow: {period / 60:g} min", few, alarms, base=base)
        base = base or found
    memories()


if __name__ == "__main__":
    main()
