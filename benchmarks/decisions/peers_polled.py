"""Peers that look at a window of time again and again, re-implemented from their documents: Flagger, Argo Rollouts,
CloudWatch alarms, Kayenta, and p < 0.05 polled.

"Docs" variants use the documented numbers; "tuned" ones set thresholds from the baseline's history, which a careful
user would do. Those thresholds are ours.
"""

from math import sqrt

import numpy as np

from benchmarks.decisions.rules import GO_ON, KEEP, TAKE_BACK
from benchmarks.decisions.tallies import Tally, harmful

MINUTE = 60.0


class Periodic:
    """Calls `check` with the rows of each interval that has passed, by their own time; True rolls back.

    Rows that come after their interval was checked are not seen, as with any poll of a metrics store.
    """

    interval = MINUTE

    def __init__(self, setting):
        self.setting, self._waiting, self._seen, self._next = setting, [], 0, self.interval

    def update(self, batch):
        """The action after these rows."""
        self._seen += len(batch["variant"])
        self._waiting.append(batch)
        now = batch["t"].max(initial=-np.inf)
        if now >= self._next:
            rows = {name: np.concatenate([each[name] for each in self._waiting]) for name in batch}
            while now >= self._next:
                due = rows["t"] < self._next
                if self.check({name: column[due] for name, column in rows.items()}):
                    return TAKE_BACK
                rows = {name: column[~due] for name, column in rows.items()}
                self._next += self.interval
            self._waiting = [rows]
        return self.finish() if self._seen >= self.setting.horizon else GO_ON

    def check(self, window):
        """Whether the rows of one interval call for a rollback."""
        raise NotImplementedError

    def finish(self):
        """At the planned end: what was not rolled back is shipped."""
        return KEEP


def candidates(window):
    """(success rate, latencies, costs, scores) of the candidate's rows; success rate None without any."""
    mine = window["variant"] == 1
    ok = window["ok"][mine]
    scores = window["quality"][mine]
    return (
        None if not len(ok) else ok.mean(),
        window["latency_ms"][mine],
        window["cost"][mine],
        scores[~np.isnan(scores)],
    )


class Flagger(Periodic):
    """Flagger: every minute the canary's success rate and P99 must be in range; failed checks add up, no data is a
    failed check, and `threshold` of them roll back. Docs: success >= 99 %, P99 <= 500 ms, threshold 5. Source:
    fluxcd/flagger docs how-it-works, pkg/controller/scheduler_metrics.go. Tuned: 2 errors more than the history's
    rate and 2 points, twice its P99, threshold 10.
    """

    def __init__(self, setting, *, tuned=False):
        super().__init__(setting)
        past = setting.history
        self._success, self._p99, self._threshold, self._failed = 0.99, 500.0, 5, 0
        if tuned:
            self._success = 2.0 * past["ok"].mean() - 1.02
            self._p99, self._threshold = 2.0 * np.quantile(past["latency_ms"], 0.99), 10

    def check(self, window):
        """One minute."""
        success, latency, *_ = candidates(window)
        good = success is not None and success >= self._success and np.quantile(latency, 0.99) <= self._p99
        self._failed += not good
        return self._failed >= self._threshold


class Argo(Periodic):
    """Argo Rollouts analysis: a measurement per interval against a condition; more failed ones than failureLimit roll
    back.

    Docs: every 5 minutes success rate >= 95 %, failureLimit 3. Tuned: every minute errors, P95, mean cost and mean
    quality against the history (+2 points, x1.3, x1.2, -0.05), failureLimit 3 each. Source: argoproj/argo-rollouts
    docs/features/analysis.md, analysis/analysis.go. A measurement without data is no failure.
    """

    LIMIT = 3

    def __init__(self, setting, *, tuned=False):
        self.interval = MINUTE if tuned else 5 * MINUTE
        super().__init__(setting)
        self._tuned, self._failed = tuned, np.zeros(4)
        past = setting.history
        self._limits = (
            past["ok"].mean() - 0.02,
            1.3 * np.quantile(past["latency_ms"], 0.95),
            1.2 * past["cost"].mean(),
            np.nanmean(past["quality"]) - 0.05 if np.isfinite(past["quality"]).any() else -np.inf,
        )

    def check(self, window):
        """One measurement of each metric."""
        success, latency, cost, scores = candidates(window)
        if success is None:
            return False
        if self._tuned:
            success_limit, p95, dearest, least = self._limits
            self._failed += (
                success < success_limit,
                np.quantile(latency, 0.95) > p95,
                cost.mean() > dearest,
                len(scores) > 0 and scores.mean() < least,
            )
        else:
            self._failed[0] += success < 0.95
        return bool((self._failed > self.LIMIT).any())


class CloudWatch(Periodic):
    """A CloudWatch alarm that CodeDeploy, SageMaker or AppConfig rolls back on: error rate > 5 %, or P99 over twice the
    history's, in 2 of 2 periods of 5 minutes; missing data breaches nothing.
    """

    interval = 5 * MINUTE

    def __init__(self, setting):
        super().__init__(setting)
        self._p99 = 2.0 * np.quantile(setting.history["latency_ms"], 0.99)
        self._before = np.zeros(2, bool)

    def check(self, window):
        """One period of both alarms."""
        success, latency, *_ = candidates(window)
        if success is None:
            return False
        breach = np.array([success < 0.95, np.quantile(latency, 0.99) > self._p99])
        both, self._before = breach & self._before, breach
        return bool(both.any())


def rank_interval(candidate, baseline, confidence=0.98):
    """(lower, upper, Hodges-Lehmann estimate) of the shift candidate - baseline, from the Mann-Whitney test: order
    statistics of all pairwise differences, normal approximation.
    """
    pairs = np.sort(np.subtract.outer(candidate, baseline).ravel())
    m, n = len(candidate), len(baseline)
    z = {0.98: 2.3263478740408408}[confidence]
    rank = int(np.floor(m * n / 2 - z * sqrt(m * n * (m + n + 1) / 12)))
    middle = float(np.median(pairs))
    if rank < 1:
        return -np.inf, np.inf, middle
    return float(pairs[rank - 1]), float(pairs[m * n - rank]), middle


class Kayenta(Periodic):
    """Spinnaker's Kayenta, NetflixACAJudge: every 5 minutes, on one point per minute and variant since the start, a
    Mann-Whitney interval at 0.98 per metric; High when its lower end passes 0.25 of the Hodges-Lehmann estimate. The
    score is the share of metrics that pass; <= 75 rolls back, the last one must be >= 95. Source: spinnaker/kayenta
    NetflixACAJudge, MannWhitneyClassifier, MonitorCanaryTask.
    """

    EVERY, TOLERANCE, MARGINAL, PASS = 5, 0.25, 75.0, 95.0

    def __init__(self, setting):
        super().__init__(setting)
        self._points, self._minutes, self._score = ([[] for _ in range(4)], [[] for _ in range(4)]), 0, 0.0

    def check(self, window):
        """One more minute's points, and every fifth minute a judgement."""
        values = harmful(window)
        for v in (0, 1):
            mine = values[:, window["variant"] == v]
            for points, column in zip(self._points[v], mine, strict=True):
                known = column[~np.isnan(column)]
                if len(known):
                    points.append(float(known.mean()))
        self._minutes += 1
        if self._minutes % self.EVERY:
            return False
        self._score = self._judged()
        return self._score <= self.MARGINAL

    def _judged(self):
        passed, known = 0, 0
        for baseline, candidate in zip(*self._points, strict=True):
            if not baseline or not candidate:
                continue
            lower, _, middle = rank_interval(np.array(candidate), np.array(baseline))
            known += 1
            passed += lower <= self.TOLERANCE * abs(middle)
        return 100.0 * passed / known if known else 100.0

    def finish(self):
        """Promoted if the last score passes."""
        return KEEP if self._score >= self.PASS else GO_ON


class Welch(Periodic):
    """ "p < 0.05" looked at every minute, per metric, pooled over weights: a textbook reading of A/B testing as
    Bedrock AgentCore documents it (its test is not published).
    """

    LEAST, Z = 10, 1.959963984540054

    def __init__(self, setting):
        super().__init__(setting)
        self._tally = Tally()

    def check(self, window):
        """All data so far, looked at once more."""
        self._tally.add(harmful(window), window["variant"])
        difference, spread, _ = self._tally.difference()
        usable = (self._tally.n.min(axis=0) >= self.LEAST) & (spread > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return bool((difference / np.sqrt(spread) >= self.Z)[usable].any())
