"""Hypothesis strategies for the core: plans without problems, every valid state of a rollout, every fact.

A rollout drawn here need not be reachable in any known way, only valid: what the rules forbid must hold from there too.
"""

from dataclasses import replace

from hypothesis import strategies as st

from headgate.core import facts as f
from headgate.core import model as m
from headgate.core import plan as p
from headgate.core.effects import CANDIDATE, PREVIOUS, PRODUCTION
from headgate.core.policy import AUTOMATION

T0 = 1_000_000.0
PEOPLE = ("alice", "bob", "release-managers")
BASELINE = m.Version("1", "d1", "http://127.0.0.1:9101")
CANDIDATE_VERSION = m.Version("2", "d2", "http://127.0.0.1:9102")
ROLLOUT = "coach-20261123-1"

words = st.sampled_from(["", "because", "it got slower", "umlaut \u00e4"])
people = st.sampled_from([*PEOPLE, AUTOMATION, ""])
spans = st.sampled_from([0.0, 0.25, 1.0, 30.0, 59.0, 61.0, 600.0, 3_600.0, 90_000.0])


def times():
    """Unix seconds, most of them after the times that rollouts() draws."""
    return st.builds(lambda s: T0 + 100_000.0 + s, spans)


past = st.builds(lambda s: T0 + 100_000.0 - s, spans)


@st.composite
def plans(draw):
    """Plans that have no problems."""
    tops = draw(st.lists(st.sampled_from([0.1, 1.0, 10.0, 25.0, 50.0, 99.9]), unique=True, max_size=3))
    margin = (p.Margin("error", 0.01, ratio=False),)
    steps = []
    for weight in [*sorted(tops), 100.0]:
        bake = draw(st.sampled_from([1.0, 30.0, 600.0]))
        approval = draw(
            st.none()
            | st.builds(p.Approval, st.just(("release-managers",)), st.just(600.0), st.sampled_from(p.Otherwise))
        )
        steps.append(p.Step(weight, bake, 10, bake * draw(st.sampled_from([1, 2, 10])), margin, approval))
    window = draw(st.sampled_from([(), (p.WindowPhase(600.0, 60.0),), _TWO]))
    strategy = draw(st.sampled_from(p.Strategy)) if window else p.Strategy.CANARY
    gates = tuple(p.Gate(f"gate{i}", f"{i}.yaml", "", "") for i in range(draw(st.integers(0, 2))))
    return p.Plan(
        agent="coach",
        platform=p.Platform("local", (("source", "./agent"),)),
        traffic="gateway",
        gates=gates,
        strategy=strategy,
        steps=tuple(steps),
        rollback=p.RollbackPolicy(draw(st.sampled_from(p.SessionPolicy)), 900.0),
        analysis=p.Analysis(0.05, margin),
        validation=p.Validation(window, (), draw(st.sampled_from([1.0, 60.0]))),
        handoff_to="operations",
    )


_TWO = (p.WindowPhase(600.0, 60.0), p.WindowPhase(86_400.0, 300.0))


def verdicts(steps):
    return st.builds(
        m.Verdict,
        answer=st.sampled_from(m.Answer),
        reason=st.sampled_from(["errors", "n = 12"]),
        step=st.integers(0, max(0, steps - 1)),
        at=past | times(),
        common_cause=st.booleans(),
    )


results = st.builds(
    m.CriterionResult,
    tier=st.sampled_from(["must", "should", "stretch"]),
    name=st.just("error_rate"),
    text=st.just("error_rate < 5%"),
    met=st.sampled_from([True, False, None]),
    detail=st.just("of 100"),
    breached=st.booleans(),
)
windows = st.builds(m.Window, past, times(), st.integers(0, 9), st.lists(results, max_size=2).map(tuple))
rollbacks = st.builds(
    m.Rollback,
    asked_at=past,
    by=st.sampled_from([*PEOPLE, AUTOMATION]),
    reason=st.just("worse"),
    cut_over_at=st.none() | past,
    endpoint_at=st.none() | past,
    debt=st.sampled_from([None, 0, 3]),
    oldest_s=st.just(1.0),
)

_WORKING = [
    m.Phase.PLANNED,
    m.Phase.GATING,
    m.Phase.DEPLOYING,
    m.Phase.STEPPING,
    m.Phase.VALIDATING,
    m.Phase.HANDING_OVER,
]


@st.composite
def rollouts(draw, phases=tuple(m.Phase)):
    """Any valid rollout. See `invariants.unsound` for what valid means."""
    plan = draw(plans())
    phase = draw(st.sampled_from(phases))
    under = draw(st.sampled_from(_WORKING)) if phase is m.Phase.PAUSED else phase
    base = m.Rollout(
        id=ROLLOUT,
        agent="coach",
        plan=plan,
        plan_digest="",
        salt="salt",
        started_by="alice",
        reason="a fix",
        created_at=T0,
        baseline=BASELINE,
        phase=phase,
        baseline_healthy=draw(st.booleans()),
        attempt=draw(st.integers(0, 3)),
        incident=draw(st.sampled_from(["", "INC-1"])),
    )
    made = _STATES[under](draw, base)
    if phase is m.Phase.PAUSED:
        made = replace(made, hold=m.Hold(draw(st.sampled_from([*PEOPLE, AUTOMATION])), "wait", draw(past), under))
    return made


def _passed_gates(plan, count):
    return tuple(m.GateResult(g.name, True, "ok", T0) for g in plan.gates[:count])


def _planned(draw, r):
    if draw(st.booleans()):
        return r
    back = m.Rollback(T0, "alice", "go back")
    return replace(r, candidate=CANDIDATE_VERSION, rollback=back)


def _gating(draw, r):
    known = draw(st.booleans())
    # under a hold all gates may have passed without going on
    most = len(r.plan.gates) if r.phase is m.Phase.PAUSED else len(r.plan.gates) - 1
    if not known or most < 0:
        return r
    return replace(r, candidate=CANDIDATE_VERSION, gates=_passed_gates(r.plan, draw(st.integers(0, most))))


def _deploying(draw, r):
    asked = draw(st.none() | past) if r.plan.steps[0].approval else None
    all_gates = _passed_gates(r.plan, len(r.plan.gates))
    return replace(
        r, candidate=CANDIDATE_VERSION, gates=all_gates, epoch=draw(st.integers(1, 3)), approval_asked_at=asked
    )


def _stepping(draw, r):
    r = _deploying(draw, replace(r, plan=r.plan))
    step = draw(st.integers(0, len(r.plan.steps) - 1))
    last = step + 1 == len(r.plan.steps)
    weight_at = draw(st.none() | past)
    waits = weight_at is not None and not last and r.plan.steps[step + 1].approval
    return replace(
        r,
        step=step,
        weight=r.plan.steps[step].weight,
        verified_weight=r.plan.steps[step].weight if weight_at is not None else 0.0,
        epoch=r.epoch + step + 1,
        weight_at=weight_at,
        verdict=draw(st.none() | verdicts(len(r.plan.steps))),
        approval_asked_at=draw(st.none() | past) if waits else None,
    )


def _after_steps(draw, r):
    last = len(r.plan.steps) - 1
    r = _deploying(draw, r)
    return replace(
        r,
        step=last,
        weight=100.0,
        verified_weight=100.0,
        epoch=r.epoch + last + 1,
        weight_at=draw(past),
        approval_asked_at=None,
        verdict=draw(st.none() | verdicts(last + 1)),
    )


def _validating(draw, r):
    if not r.plan.validation.window:
        r = replace(r, plan=replace(r.plan, validation=replace(r.plan.validation, window=_TWO)))
    return replace(_after_steps(draw, r), window=draw(windows))


def _handing_over(draw, r):
    r = _after_steps(draw, r)
    pinned = draw(st.frozensets(st.sampled_from([PRODUCTION, PREVIOUS, "traffic"])))
    return replace(r, epoch=r.epoch + 1, pinned=pinned, window=draw(st.none() | windows))


def _completed(draw, r):
    r = replace(_handing_over(draw, r), finished_at=draw(past))
    return replace(r, pinned=frozenset({PRODUCTION, PREVIOUS, "traffic"}))


def _rolling_back(draw, r):
    r = draw(st.sampled_from([_stepping, _after_steps, _restored]))(draw, r)
    return replace(r, weight=0.0, epoch=r.epoch + 1, rollback=draw(rollbacks))


def _restored(draw, r):
    return replace(r, candidate=CANDIDATE_VERSION)


def _rolled_back(draw, r):
    back = replace(draw(rollbacks), cut_over_at=draw(past), endpoint_at=draw(past), debt=0)
    return replace(_rolling_back(draw, r), rollback=back, finished_at=draw(past))


def _failed(draw, r):
    made = draw(st.sampled_from([_gating, _deploying]))(draw, replace(r, phase=m.Phase.PAUSED))
    return replace(made, phase=m.Phase.FAILED, epoch=made.epoch + 1, finished_at=draw(past))


_STATES = {
    m.Phase.PLANNED: _planned,
    m.Phase.GATING: _gating,
    m.Phase.DEPLOYING: _deploying,
    m.Phase.STEPPING: _stepping,
    m.Phase.VALIDATING: _validating,
    m.Phase.HANDING_OVER: _handing_over,
    m.Phase.COMPLETED: _completed,
    m.Phase.ROLLING_BACK: _rolling_back,
    m.Phase.ROLLED_BACK: _rolled_back,
    m.Phase.FAILED: _failed,
}


def facts(rollout=None):
    """Any fact; where a rollout is given, often one that fits it, late, early or repeated."""
    steps = len(rollout.plan.steps) if rollout else 3
    epoch = rollout.epoch if rollout else 2
    weights = st.sampled_from([0.0, 10.0, 50.0, 100.0] + ([rollout.weight] * 6 if rollout else []))
    epochs = st.sampled_from([epoch] * 4 + [max(0, epoch - 1), epoch + 1])
    gates = [g.name for g in rollout.plan.gates] if rollout else []
    versions = st.sampled_from([CANDIDATE_VERSION, BASELINE, m.Version("3", "d3")])
    keys = [f"{ROLLOUT}/{k}" for k in ("deploy/0", "traffic/2", "pin/production/4", "notify/hold/1", "handoff/5", "x")]
    return st.one_of(
        st.just(f.Started()),
        st.just(f.Ticked()),
        st.just(f.CandidateRetired()),
        st.builds(f.CandidateReady, versions),
        st.builds(f.GateFinished, st.sampled_from([*gates, "other"]), st.booleans(), words),
        st.builds(f.TrafficVerified, weights, epochs),
        st.builds(
            f.EndpointVerified, st.sampled_from([PRODUCTION, PREVIOUS, CANDIDATE]), st.sampled_from(["1", "2", "3"])
        ),
        st.just(f.IncidentOpened("INC-1")),
        st.just(f.HandoffWritten("handoff/index.md", "d")),
        st.builds(f.EffectFailed, st.sampled_from(keys), words, st.booleans()),
        st.builds(f.Judged, verdicts(steps)),
        st.builds(f.HealthChanged, st.sampled_from(m.Variant), st.booleans(), words),
        st.builds(f.WindowChecked, st.lists(results, max_size=3).map(tuple)),
        st.builds(f.DebtMeasured, st.sampled_from([0, 0, 1, 40]), st.just(3.0)),
        st.builds(f.ForcedDown, people, words),
        person_facts(),
    )


def person_facts():
    kinds = (f.PauseAsked, f.ResumeAsked, f.AdvanceAsked, f.AbortAsked, f.Approved, f.Disapproved)
    return st.one_of(*(st.builds(kind, people, words) for kind in kinds))


@st.composite
def situations(draw, phases=tuple(m.Phase)):
    """(rollout, fact, now): where a one-step property begins."""
    rollout = draw(rollouts(phases))
    return rollout, draw(facts(rollout)), draw(times())
