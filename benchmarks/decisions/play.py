"""Rules in rollouts: who stops when, and what the candidate had served by then."""

import contextlib
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from multiprocessing import get_context

from benchmarks.decisions import families
from benchmarks.decisions.bounds import bound
from benchmarks.decisions.catalogue import NAMED
from benchmarks.decisions.registry import made
from benchmarks.decisions.rules import CONTINUE, PROMOTE, ROLLBACK
from benchmarks.decisions.scenarios import Rollout, dense_looks, even_looks

CHUNK = 10  # rollouts per job: enough to share a bound and a scenario, few enough for both processes to end together


@dataclass(frozen=True)
class Outcome:
    """How one rule ended one rollout.

    `action`: the first that was not CONTINUE, or CONTINUE. `exposed`: candidate requests served from the onset to the
    rollback, or to the end of the schedule where there was none. `early`: before the last look. `too_soon`: rolled
    back before the onset. `before`: promoted before the onset could be known, and again or still so afterwards.
    """

    rule: str
    scenario: str
    action: str
    exposed: int
    early: bool
    too_soon: bool
    before: bool
    rows: int


def play(name, rule, rollout, looks, unknowable=0.0):
    """One rule in one rollout. A PROMOTE before the onset, or so soon after it that the candidate has served fewer than
    `unknowable` requests (the bound), is right as things are then: the rule is asked on.
    """
    scenario, before = rollout.scenario, False
    onset = rollout.onset_row if scenario.onset else 0
    known = rollout.rows_until(rollout.exposed_before_onset + unknowable) if onset else 0
    for batch, rows in rollout.batches(looks):
        action = rule.update(batch).action
        if action == CONTINUE:
            continue
        if action == PROMOTE and (rows <= known or before):
            before = True
            continue
        break
    else:
        action, rows = CONTINUE, len(rollout)
    back = action == ROLLBACK
    exposed = rollout.exposed(rows) if back else len(rollout.exposed_at)
    exposed = max(0, exposed - (rollout.exposed_before_onset if onset else 0))
    too_soon = back and rows <= onset
    return Outcome(name, scenario.name, action, exposed, rows < len(rollout), too_soon, before, rows)


def scenario_of(name):
    """A named scenario, or one of a random family."""
    return NAMED.get(name) or families.named(name)


@dataclass(frozen=True)
class Job:
    """Some rollouts of one scenario, all rules in each."""

    scenario: str
    rules: tuple[str, ...]
    seeds: tuple[int, ...]
    even: bool = False
    alpha: float = 0.05


def work(job):
    """Outcomes of one job."""
    scenario, outcomes = scenario_of(job.scenario), []
    unknowable = (bound(scenario, job.alpha).exposed or 0.0) if scenario.onset else 0.0
    for seed in job.seeds:
        rollout = Rollout(scenario, seed)
        looks = (even_looks if job.even else dense_looks)(len(rollout))
        for name in job.rules:
            outcomes.append(play(name, made(name, rollout, job.alpha), rollout, looks, unknowable))
    return outcomes


def jobs_of(wanted, rules, *, seed, even=False, alpha=0.05):
    """Jobs for {scenario name: rollouts}."""
    return [
        Job(name, tuple(rules), tuple(range(seed + start, seed + min(start + CHUNK, count))), even, alpha)
        for name, count in wanted.items()
        for start in range(0, count, CHUNK)
    ]


def run(jobs, processes):
    """{(rule, scenario): outcomes} of all jobs, with progress on standard error."""
    found, started, shown = defaultdict(list), time.monotonic(), 0.0
    with contextlib.ExitStack() as stack:
        if processes > 1:
            results = stack.enter_context(get_context("spawn").Pool(processes)).imap_unordered(work, jobs)
        else:
            results = map(work, jobs)
        for done, outcomes in enumerate(results, 1):
            for each in outcomes:
                found[each.rule, each.scenario].append(each)
            passed = time.monotonic() - started
            if passed - shown > 5 or done == len(jobs):
                shown, left = passed, passed / done * (len(jobs) - done)
                end = "\n" if done == len(jobs) or not sys.stderr.isatty() else ""
                print(f"\r{done}/{len(jobs)} parts, about {left:.0f} s left ", end=end, file=sys.stderr, flush=True)
    return found
