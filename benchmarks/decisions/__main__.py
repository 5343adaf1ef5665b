"""`make bench-stats`: the judge, its peers and the oracle on the same rollouts; tables, a JSON file and targets.

Exit status: 0 every target that must hold does (or the judge was not asked for), 1 one does not, 2 wrong use.
"""

import argparse
import json
import sys
from pathlib import Path

from benchmarks.decisions import report
from benchmarks.decisions.catalogue import NAMED
from benchmarks.decisions.play import jobs_of, run
from benchmarks.decisions.registry import NAMES, ORACLE, OURS
from benchmarks.decisions.summary import Row, above, rows
from benchmarks.decisions.targets import family, lines, suspicious
from benchmarks.decisions.throughput import throughput

HOPELESS = 1e-4  # a p-value that needs no second look
CONFIRM = 3  # a second look is at so many times the rollouts, with other seeds


def parsed(arguments):
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions", description=__doc__.splitlines()[0])
    parser.add_argument("--rules", help=f"comma-separated, of {', '.join(NAMES)}; all of them if left out")
    parser.add_argument("--scenarios", help="comma-separated names, or the beginnings of names")
    parser.add_argument("--reps", type=int, help="rollouts per regression; nulls get twice as many (60 if left out)")
    parser.add_argument("--random", type=int, help="random scenarios of either family, ten rollouts each (24)")
    parser.add_argument("--quick", action="store_true", help="8 and 16 rollouts: two minutes for the judge alone")
    parser.add_argument("--even", action="store_true", help="look every 50 rows rather than 10, 25, then 50")
    parser.add_argument("--alpha", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1, help="another number, other rollouts")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build/bench-stats"), help="FILE.json and FILE.md are written")
    parser.add_argument("--beside", type=Path, help="JSON of an earlier run, whose other rules are shown as well")
    options = parser.parse_args(arguments)
    options.rules = options.rules.split(",") if options.rules else list(NAMES)
    if unknown := set(options.rules) - set(NAMES):
        parser.error(f"no rule {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    if OURS in options.rules and ORACLE not in options.rules:
        options.rules.append(ORACLE)  # its power says where the judge's must be
    options.reps = options.reps or (8 if options.quick else 60)
    if options.random is None:
        options.random = 6 if options.quick else 24
    return options


def wanted(options):
    """{scenario: rollouts}."""
    chosen = {name: options.reps * (2 if each.kind == "null" else 1) for name, each in NAMED.items()}
    for i in range(options.random):
        chosen |= {f"any_{i}": min(10, options.reps), f"none_{i}": min(10, options.reps)}
    if options.scenarios:
        begins = tuple(options.scenarios.split(","))
        chosen = {name: count for name, count in chosen.items() if name.startswith(begins)}
    return chosen


def measured(options):
    """All rows. A null that looks bad is run again with other seeds, and only the second look counts."""
    chosen, seed = wanted(options), options.seed * 1_000_000
    more = {"even": options.even, "alpha": options.alpha}
    found = run(jobs_of(chosen, options.rules, seed=seed, **more), options.processes)
    again = []
    for row in rows(found, options.alpha):
        if family(row) or not suspicious(row, options.alpha):
            continue
        if above(row.wrong, row.n, options.alpha) >= HOPELESS:
            again += jobs_of({row.scenario: row.n * CONFIRM}, [row.rule], seed=seed + 500_000, **more)
    if again:
        print("looking again at what may be bad luck", file=sys.stderr)
        found |= run(again, options.processes)
    order = {name: i for i, name in enumerate([*options.rules, *chosen])}
    return sorted(rows(found, options.alpha), key=lambda row: (order[row.rule], order[row.scenario]))


def earlier(options):
    """Rows of an earlier run, of rules that are not in this one."""
    kept = json.loads(options.beside.read_text(encoding="utf-8"))["rows"]
    return [Row(**each) for each in kept if each["rule"] not in options.rules]


def speeds(rules):
    """Requests per second, and as a share of a bare pass, of the rules that bet or bound at every look."""
    body = []
    for name in (name for name in rules if name in (OURS, "label_bet", "growthbook_strat")):
        per_second, share = throughput(name)
        body.append([name, f"{per_second:,.0f}", f"{share:.3f}"])
    return report.table(["batches of 50", "requests/s", "of a bare numpy pass"], body)


def main(arguments=None):
    """Runs, prints, writes; the exit status."""
    options = parsed(arguments)
    if not wanted(options):
        print(f"no scenario begins with {options.scenarios}; there are {', '.join(NAMED)}", file=sys.stderr)
        return 2
    found = measured(options)
    if options.beside:
        found += earlier(options)
    asked = lines(found, options.alpha) if OURS in options.rules and not options.scenarios else []
    parts = [
        report.overview(found, options.alpha),
        report.false_rollbacks(found, options.alpha),
        report.exposures(found),
        report.promotions(found),
        *([speeds(options.rules)] if not options.scenarios else []),
        *([report.targets(asked)] if asked else []),
    ]
    text = "\n\n".join(parts)
    print(text)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    data = {"seed": options.seed, "alpha": options.alpha, "rows": [row.as_dict() for row in found]}
    options.out.with_suffix(".json").write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return 1 if any(line.must and not line.held for line in asked) else 0


if __name__ == "__main__":
    sys.exit(main())
