"""What the judge costs: requests per second in batches of 50, beside a bare numpy pass over the same batches."""

import time

import numpy as np

from benchmarks.decisions.catalogue import NAMED
from benchmarks.decisions.registry import made
from benchmarks.decisions.scenarios import Rollout, even_looks


def bare(batches):
    """Sums of each column per variant, and nothing else: the least that any rule on numpy columns does."""
    sums = np.zeros((2, 4))
    for batch in batches:
        for v in (0, 1):
            mine = batch["variant"] == v
            for i, name in enumerate(("ok", "latency_ms", "cost", "quality")):
                sums[v, i] += batch[name][mine].sum()
    return sums


def _seconds(work):
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def throughput(name, rounds=3):
    """(requests per second of the rule, share of the bare pass's), best of `rounds` on one plain rollout."""
    rollout = Rollout(NAMED["aa"], 1)
    batches = [batch for batch, _ in rollout.batches(even_looks(len(rollout)))]
    fastest = {"rule": np.inf, "bare": np.inf}
    for _ in range(rounds):
        rule = made(name, rollout, 0.05)
        fastest["rule"] = min(fastest["rule"], _seconds(lambda rule=rule: [rule.update(batch) for batch in batches]))
        fastest["bare"] = min(fastest["bare"], _seconds(lambda: bare(batches)))
    return len(rollout) / fastest["rule"], fastest["bare"] / fastest["rule"]
