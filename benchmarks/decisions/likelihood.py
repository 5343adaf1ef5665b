"""How much likelier a unit (a request, or a session of alike turns) is under the candidate's law than under the
baseline's.
"""

from math import log

import numpy as np


def request_log_ratio(baseline, candidate, columns):
    """log(candidate's density / baseline's) of each request, shape (n,)."""
    return candidate.log_density(columns) - baseline.log_density(columns)


def _alike_normals(law, values, owner, count, likeness):
    """Log density of each session's values, whose logs share a normal effect with `likeness` of the variance."""
    (part,) = law.components
    unit = (np.log(values) - log(part.scale)) / part.shape
    n = np.bincount(owner, minlength=count)
    first, second = (np.bincount(owner, power, minlength=count) for power in (unit, unit**2))
    spread = 1 - likeness + n * likeness
    form = (second - likeness * first**2 / spread) / (1 - likeness)
    logs = (n - 1) * log(1 - likeness) + np.log(spread) + 2 * n * log(part.shape)
    # without the terms that do not depend on the law
    return -0.5 * (form + logs)


def _alike_errors(arm, ok, owner, count, sessions):
    """Log probability of each session's failures: it is prone, or it is not."""
    n = np.bincount(owner, minlength=count)
    failed = np.bincount(owner, ~ok, minlength=count)
    parts = []
    for share, rate in zip((sessions.prone, 1 - sessions.prone), sessions.rates(arm.error), strict=True):
        parts.append(log(share) + failed * log(rate) + (n - failed) * np.log1p(-rate))
    return np.logaddexp(*parts)


def _alike(arm, columns, owner, count, sessions):
    quality = np.bincount(owner, arm.quality.log_density(columns["quality"]), minlength=count)
    return (
        _alike_errors(arm, columns["ok"], owner, count, sessions)
        + _alike_normals(arm.latency, columns["latency_ms"], owner, count, sessions.likeness)
        + _alike_normals(arm.cost, columns["cost"], owner, count, sessions.likeness)
        + quality
    )


def session_log_ratio(baseline, candidate, columns, *, owner, count, sessions):
    """log(candidate's density / baseline's) of each session, shape (count,); `owner`: each row's session, 0 to count
    - 1.
    """
    return _alike(candidate, columns, owner, count, sessions) - _alike(baseline, columns, owner, count, sessions)


def rollout_log_ratios(rollout):
    """Of each row of a rollout: its unit's log ratio where it ends one, 0 elsewhere, shape (rows,)."""
    scenario, columns = rollout.scenario, rollout.columns
    out = np.zeros(len(rollout))
    count = int(columns["session"].max()) + 1
    for i, each in enumerate(scenario.segments):
        if each.baseline == each.candidate:
            continue
        mine = np.flatnonzero(rollout.segment == i)
        rows = {name: column[mine] for name, column in columns.items()}
        if scenario.sessions is None:
            out[mine] = request_log_ratio(each.baseline, each.candidate, rows)
        else:
            owner = rows["session"]
            ratios = session_log_ratio(
                each.baseline, each.candidate, rows, owner=owner, count=count, sessions=scenario.sessions
            )
            out[mine] = np.where(rows["end"], ratios[owner], 0.0)
    return out
