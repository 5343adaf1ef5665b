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


_TWO = (p.WindowPhase(600.0, 60.0), p.WindowPhase(86_400.0, 300.0))
_MARGINS = (p.Margin("error", 0.01, ratio=False),)
_TWO_PEOPLE = ("alice", "release-managers")
APPROVALS = (
    *(p.Approval(("release-managers",), 600.0, o) for o in p.Otherwise),
    p.Approval(("managers",), 600.0, p.Otherwise.ROLLBACK, 2, _TWO_PEOPLE),
    p.Approval(_TWO_PEOPLE, None, p.Otherwise.HOLD, 2),
)
_STEPS = st.builds(
    lambda bake, times, approval: p.Step(0.0, bake, 10, bake * times, _MARGINS, approval),
    st.sampled_from([1.0, 30.0, 600.0]),
    st.sampled_from([1, 2, 10]),
    st.sampled_from([None, None, None, *APPROVALS]),
)


def _plan(weights, steps, window, strategy, gates, sessions, speed):  # noqa: PLR0917 - st.builds calls it
    steps = tuple(replace(step, weight=weight) for step, weight in zip(steps, [*weights, 100.0], strict=False))
    return p.Plan(
        agent="coach",
        platform=p.Platform("local", (("source", "./agent"),)),
        traffic="gateway",
        gates=tuple(p.Gate(f"gate{i}", f"{i}.yaml", "", "") for i in range(gates)),
        strategy=strategy if window else p.Strategy.CANARY,
        steps=steps,
        rollback=p.RollbackPolicy(sessions, 900.0),
        analysis=p.Analysis(0.05, _MARGINS),
        validation=p.Validation(window, (), speed),
        handoff_to="operations",
    )


_PLANS = st.builds(
    _plan,
    st.sampled_from([(10.0,), (10.0, 50.0), (0.1, 99.9), ()]),
    st.tuples(_STEPS, _STEPS, _STEPS),
    st.sampled_from([(), (p.WindowPhase(600.0, 60.0),), _TWO]),
    st.sampled_from(p.Strategy),
    st.integers(0, 2),
    st.sampled_from(p.SessionPolicy),
    st.sampled_from([1.0, 60.0]),
)


def plans():
    """Plans that have no problems."""
    return _PLANS


verdicts = st.builds(
    m.Verdict,
    answer=st.sampled_from(m.Answer),
    reason=st.just("errors, n = 12"),
    step=st.integers(0, 2),
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

_verdict_or_none = st.none() | verdicts
_past_or_none = st.none() | past
_mostly_past = st.one_of(past, past, past, st.none())
_WORKING = [
    m.Phase.PLANNED,
    m.Phase.GATING,
    m.Phase.DEPLOYING,
    m.Phase.STEPPING,
    m.Phase.VALIDATING,
    m.Phase.HANDING_OVER,
]


OFTEN = (
    *(m.Phase.STEPPING,) * 8,
    *(m.Phase.PAUSED,) * 6,
    *(m.Phase.ROLLING_BACK, m.Phase.VALIDATING, m.Phase.HANDING_OVER, m.Phase.DEPLOYING) * 2,
    *m.Phase,
)  # where the most can go wrong, most often


@st.composite
def rollouts(draw, phases=OFTEN):
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
    first = r.plan.steps[0].approval
    asked = draw(_past_or_none) if first else None
    all_gates = _passed_gates(r.plan, len(r.plan.gates))
    return replace(
        r,
        candidate=CANDIDATE_VERSION,
        gates=all_gates,
        epoch=draw(st.integers(1, 3)),
        approval_asked_at=asked,
        approved_by=_some_approvals(draw, asked and first),
    )


def _stepping(draw, r):
    r = _deploying(draw, replace(r, plan=r.plan))
    step = draw(st.sampled_from([0, 0, *range(len(r.plan.steps))]))
    last = step + 1 == len(r.plan.steps)
    weight_at = draw(_mostly_past)
    waits = weight_at is not None and not last and r.plan.steps[step + 1].approval
    return replace(
        r,
        step=step,
        weight=r.plan.steps[step].weight,
        verified_weight=r.plan.steps[step].weight if weight_at is not None else 0.0,
        epoch=r.epoch + step + 1,
        weight_at=weight_at,
        verdict=draw(_verdict_or_none),
        approval_asked_at=draw(_past_or_none) if waits else None,
        approved_by=_some_approvals(draw, waits),
    )


def _some_approvals(draw, approval):
    """Fewer than are needed: the last one moves the rollout."""
    return draw(st.sampled_from([(), ("alice",), ("alice",)])) if approval and approval.count > 1 else ()


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
        approved_by=(),
        verdict=draw(_verdict_or_none),
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


DRIFTS = ((m.Variant.BASELINE,), (m.Variant.CANDIDATE,), (m.Variant.BASELINE, m.Variant.CANDIDATE))
_KEYS = [f"{ROLLOUT}/{k}" for k in ("deploy/0", "traffic/2", "pin/production/4", "notify/hold/1", "handoff/5", "x")]
_PERSON_KINDS = (f.PauseAsked, f.ResumeAsked, f.AdvanceAsked, f.AbortAsked, f.Approved, f.Disapproved, f.CutShortAsked)
_THIS = -1.0  # stands for the rollout's own weight
_ANY = st.one_of(
    st.just(f.Started()),
    st.just(f.Ticked()),
    st.just(f.CandidateRetired()),
    st.builds(f.CandidateReady, st.sampled_from([CANDIDATE_VERSION, BASELINE, m.Version("3", "d3")])),
    st.builds(f.GateFinished, st.sampled_from(["gate0", "gate1", "other"]), st.booleans(), words),
    # an epoch here is a distance from the rollout's own
    st.builds(f.TrafficVerified, st.sampled_from([_THIS] * 4 + [0.0, 10.0, 100.0]), st.sampled_from([0, 0, 0, -1, 1])),
    st.builds(f.EndpointVerified, st.sampled_from([PRODUCTION, PREVIOUS, CANDIDATE]), st.sampled_from(["1", "2", "3"])),
    st.just(f.IncidentOpened("INC-1")),
    st.just(f.HandoffWritten("handoff/index.md", "d")),
    st.builds(f.EffectFailed, st.sampled_from(_KEYS), words, st.booleans()),
    st.builds(f.Judged, verdicts),
    st.builds(f.HealthChanged, st.sampled_from(m.Variant), st.booleans(), words),
    st.builds(f.WindowChecked, st.lists(results, max_size=3).map(tuple)),
    st.builds(f.Drifted, st.sampled_from([*DRIFTS, ()]), st.just("model (a -> b)"), st.just((("comparison", 0.5),))),
    st.builds(f.DebtMeasured, st.sampled_from([0, 0, 1, 40]), st.just(3.0)),
    st.builds(f.ForcedDown, people, words),
    *(st.builds(kind, people, words) for kind in _PERSON_KINDS),
    st.builds(f.ExtendAsked, people, words, st.just(3600.0)),
    st.builds(f.OverrideAsked, people, words, st.sampled_from(["error_rate", "p95"])),
    st.builds(f.BudgetCrossed, st.sampled_from(["day/1/USD/spent", "x"]), words, st.sampled_from(p.Crossing)),
    st.builds(f.ClockMoved, st.sampled_from([-3600.0, -3.0, 5.0, 7200.0])),
)


@st.composite
def facts(draw, rollout):
    """Any fact; often one that fits the rollout, late, early or repeated."""
    fact = draw(_ANY)
    if isinstance(fact, f.TrafficVerified):
        weight = rollout.weight if fact.weight == _THIS else fact.weight
        return f.TrafficVerified(weight, max(0, rollout.epoch + fact.epoch))
    return fact


@st.composite
def situations(draw, phases=OFTEN):
    """(rollout, fact, now): where a one-step property begins."""
    rollout = draw(rollouts(phases))
    return rollout, draw(facts(rollout)), draw(_times)


_times = times()


def every_fact(rollout, now):
    """Some two hundred facts that differ where it can matter to this rollout at this time."""
    r, step, reasons = rollout, max(0, rollout.step), ("because", "")
    plain = (f.Started(), f.Ticked(), f.CandidateRetired(), f.IncidentOpened("INC-1"), f.HandoffWritten("p", "d"))
    yield from plain
    yield from (f.CandidateReady(v) for v in (CANDIDATE_VERSION, BASELINE, m.Version("3", "d3")))
    yield from (f.GateFinished(g, ok, "5/5") for g in ("gate0", "gate1", "other") for ok in (True, False))
    weights, epochs = {0.0, 100.0, r.weight}, {r.epoch, r.epoch + 1, max(0, r.epoch - 1)}
    yield from (f.TrafficVerified(w, e) for w in sorted(weights) for e in sorted(epochs))
    yield from (f.EndpointVerified(e, v) for e in (PRODUCTION, PREVIOUS, CANDIDATE) for v in ("1", "2", "3"))
    yield from (f.EffectFailed(k, "no", permanent) for k in _KEYS for permanent in (True, False))
    at = {now, now - 59.0, now - 61.0, (r.weight_at or now) - 1.0}
    for answer in m.Answer:
        for common in (True, False):
            for which in (step, step + 1):
                yield from (f.Judged(m.Verdict(answer, "seen", which, t, common_cause=common)) for t in sorted(at))
    yield from (f.HealthChanged(v, up, "ping") for v in m.Variant for up in (True, False))
    yield from (f.BudgetCrossed("day/1/USD/spent", "11 of 10 USD", follows) for follows in p.Crossing)
    yield from (f.Drifted(variants, "model (a -> b)") for variants in (*DRIFTS, ()))
    yield from (f.ClockMoved(by) for by in (-3600.0, 3600.0))
    yield f.WindowChecked(())
    for tier in ("must", "should"):
        for met, breached in ((True, False), (None, False), (False, False), (False, True)):
            yield f.WindowChecked((m.CriterionResult(tier, "p95", "< 1s", met, "seen", breached=breached),))
    yield from (f.DebtMeasured(n, 3.0) for n in (0, 3))
    yield from (f.ForcedDown(by, "stop") for by in ("alice", ""))
    yield from (kind(by, why) for kind in _PERSON_KINDS for by in (*PEOPLE, AUTOMATION, "") for why in reasons)
