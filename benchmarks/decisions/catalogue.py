"""The named scenarios, and families that are drawn at random so that nothing can be tuned to the named ones.

Nulls: the candidate is no worse, and rolling it back is wrong. Regressions: it is worse from the start. Onsets: from
the middle on. Base laws are those of the study in docs/statistics.md and wider ones.
"""

from dataclasses import replace
from math import pi, sin

from benchmarks.decisions.laws import Arm, Quality, bimodal, gamma, lognormal
from benchmarks.decisions.scenarios import HALVES, LOW, THREE_STEPS, Scenario, Segment, Sessions

BASE = Arm()
RARE = Arm(error=0.001, latency=gamma(400.0, 2.0), cost=gamma(1.0, 3.0))
FAULTY = Arm(error=0.05)
AGENT = Arm(  # answers of seconds, cached or computed, long ones dearer, a third of a judge's attention
    error=0.02,
    latency=bimodal(800.0, 6000.0, 0.35, 0.45),
    cost=lognormal(1.0, 0.5),
    quality=Quality(0.7, 6.0, 0.3),
    failed_latency=lognormal(30_000.0, 0.1),
    coupling=0.5,
    coupled_to=1500.0,
)
HEAVY = replace(BASE, latency=lognormal(100.0, 0.9).tail(0.01, 30.0), cost=lognormal(1.0, 1.6).tail(0.01, 30.0))
FEW_SCORED = replace(BASE, quality=Quality(scored=0.2))
TALK = Sessions()
QUIET = {"stages": LOW, "rate": 0.05}  # 200 requests in 67 minutes
QUIET_RAMP = {"stages": ((100, 0.10), (100, 0.50)), "rate": 0.05}


def worse(arm, *, error=None, latency=1.0, cost=1.0, quality=0.0, tail=None, plus=0.0):
    """The arm, worse: its error rate, factors of latency and cost, points of quality lost, (share, factor) of a
    tail.
    """
    slower = arm.latency.times(latency).plus(plus)
    return replace(
        arm,
        error=arm.error if error is None else error,
        latency=slower.tail(*tail) if tail else slower,
        cost=arm.cost.times(cost),
        quality=arm.quality.less(quality),
    )


def both(arm):
    """One law for both variants, all the time."""
    return (Segment(0.0, arm, arm),)


def changing(*steps):
    """(start, law) for both variants."""
    return tuple(Segment(start, arm, arm) for start, arm in steps)


def incidents(arm, at=(0.15, 0.45, 0.8), length=0.005):
    """Three times of 100 requests with 20 % errors and threefold latency, on both variants."""
    bad = replace(arm, error=0.2, latency=arm.latency.times(3.0))
    steps = [(0.0, arm)]
    for start in at:
        steps += [(start, bad), (start + length, arm)]
    return changing(*steps)


def day(arm, parts=24):
    """Load that swings: errors by 80 %, latency by 40 %, cost by 20 % around the law, for both variants."""
    steps = []
    for i in range(parts):
        wave = sin(2 * pi * i / parts)
        steps.append(
            (i / parts, worse(arm, error=arm.error * (1 + 0.8 * wave), latency=1 + 0.4 * wave, cost=1 + 0.2 * wave))
        )
    return changing(*steps)


def null(name, segments, **more):
    return Scenario(name, "null", segments, **more)


def regression(name, candidate, baseline=BASE, **more):
    return Scenario(name, "regression", (Segment(0.0, baseline, candidate),), **more)


def onset(name, start, candidate, baseline=BASE, **more):
    segments = (Segment(0.0, baseline, baseline), Segment(start, baseline, candidate))
    return Scenario(name, "onset", segments, onset=start, **more)


BETTER = worse(BASE, error=0.005, latency=0.8, cost=0.9, quality=-0.03)
NULLS = (
    null("aa", both(BASE)),
    null("aa_err5", both(FAULTY)),
    null("aa_err01", both(RARE)),
    null("aa_agent", both(AGENT)),
    null("aa_halves", both(BASE), stages=HALVES),
    null("aa_three_steps", both(BASE), stages=THREE_STEPS),
    null("drift", changing((0.0, BASE), (0.5, worse(BASE, error=0.04, latency=1.5, cost=1.2, quality=0.05)))),
    null("incident", incidents(BASE)),
    null("heavy", both(HEAVY)),
    null("day", day(BASE)),
    null("sessions", both(BASE), sessions=TALK),
    null("sessions_err5", both(FAULTY), sessions=TALK),
    null("late_scores", both(FEW_SCORED), late_s=120.0),
    null("late_uneven", both(FEW_SCORED), late_s=60.0, late_candidate=3.0),
    null("lost", both(BASE), lost=0.05, lost_slow=0.5),
    null("stale", both(BASE), past=worse(BASE, error=0.003, latency=0.6, cost=0.7, quality=-0.05)),
    null("stale_other", both(RARE), past=AGENT),
    null("better", (Segment(0.0, BASE, BETTER),), better=True),
    null("better_latency", (Segment(0.0, BASE, worse(BASE, latency=0.7)),), better=True),
    null("low_aa", both(BASE), **QUIET),
    null("low_ramp", both(BASE), **QUIET_RAMP),
    null("low_err5", both(FAULTY), **QUIET),
)

REGRESSIONS = (
    regression("err_1_2", worse(BASE, error=0.02)),
    regression("err_1_3", worse(BASE, error=0.03)),
    regression("err_1_5", worse(BASE, error=0.05)),
    regression("err_1_20", worse(BASE, error=0.20)),
    regression("err_1_50", worse(BASE, error=0.50)),
    regression("err_5_8", worse(FAULTY, error=0.08), FAULTY),
    regression("err_01_1", worse(RARE, error=0.01), RARE),
    regression("lat_x1.2", worse(BASE, latency=1.2)),
    regression("lat_x1.5", worse(BASE, latency=1.5)),
    regression("lat_x2", worse(BASE, latency=2.0)),
    regression("lat_tail_2_x10", worse(BASE, tail=(0.02, 10.0))),
    regression("lat_tail_5_x5", worse(BASE, tail=(0.05, 5.0))),
    regression("lat_plus_40ms", worse(BASE, plus=40.0)),
    regression("lat_spread", replace(BASE, latency=BASE.latency.spread(1.4))),
    regression("lat_gamma_x1.3", worse(RARE, latency=1.3), RARE),
    regression("lat_heavy_x1.5", worse(HEAVY, latency=1.5), HEAVY),
    regression("cost_x1.2", worse(BASE, cost=1.2)),
    regression("cost_x1.5", worse(BASE, cost=1.5)),
    regression("quality_05", worse(BASE, quality=0.05)),
    regression("quality_05_scored_20", worse(FEW_SCORED, quality=0.05), FEW_SCORED),
    regression("several_small", worse(BASE, error=0.015, latency=1.15, cost=1.1, quality=0.02)),
    regression("agent_err_2_5", worse(AGENT, error=0.05), AGENT),
    regression("agent_slower_dearer", worse(AGENT, latency=1.3, cost=1.3), AGENT),
    regression("err_1_5_three_steps", worse(BASE, error=0.05), stages=THREE_STEPS),
    regression("lat_x1.5_halves", worse(BASE, latency=1.5), stages=HALVES),
    regression("sessions_err_1_5", worse(BASE, error=0.05), sessions=TALK),
    regression("sessions_lat_x1.5", worse(BASE, latency=1.5), sessions=TALK),
    regression("low_err_1_20", worse(BASE, error=0.20), **QUIET),
    regression("low_err_1_50", worse(BASE, error=0.50), **QUIET),
    regression("low_lat_x2", worse(BASE, latency=2.0), **QUIET),
    regression("low_ramp_err_1_50", worse(BASE, error=0.50), **QUIET_RAMP),
    regression("low_quality_20", worse(BASE, quality=0.20), **QUIET),
)

ONSETS = (
    onset("onset_err_25", 0.25, worse(BASE, error=0.05)),
    onset("onset_err_50", 0.50, worse(BASE, error=0.05)),
    onset("onset_err_75", 0.75, worse(BASE, error=0.05)),
    onset("onset_lat_25", 0.25, worse(BASE, latency=1.5)),
    onset("onset_lat_50", 0.50, worse(BASE, latency=1.5)),
    onset("onset_lat_75", 0.75, worse(BASE, latency=1.5)),
)


def _decay(name, parts=20, **end):
    """From the baseline's law to `end` in even steps: {error: 0.05} or {latency: 2.0}."""
    segments = []
    for i in range(parts):
        far = i / (parts - 1)
        error = BASE.error + far * (end.get("error", BASE.error) - BASE.error)
        latency = 1 + far * (end.get("latency", 1.0) - 1)
        segments.append(Segment(i / parts, BASE, worse(BASE, error=error, latency=latency)))
    return Scenario(name, "decay", tuple(segments))


DECAYS = (_decay("decay_err", error=0.06), _decay("decay_lat", latency=1.6))
# as near as its description allows, the 18 regressions of the study that docs/decisions/0005 cites
STUDY = (
    *("err_1_2", "err_1_3", "err_1_5", "err_1_20", "err_1_50", "err_5_8", "lat_x1.2", "lat_x1.5", "lat_x2"),
    *("lat_tail_2_x10", "cost_x1.2", "quality_05", "quality_05_scored_20", "several_small", "sessions_err_1_5"),
    *("low_err_1_20", "onset_err_50", "onset_lat_50"),
)
NAMED = {each.name: each for each in (*NULLS, *REGRESSIONS, *ONSETS, *DECAYS)}
