"""The window's criteria: ticks only for what was measured, breaches only for what is proven."""

import pytest

from headgate.analysis.criteria import check
from headgate.core.plan import Criterion
from headgate.stats.observations import Second

KNOWN = {"incidents": 0, "alarms": {}, "status": "READY", "uptime": (0, 0), "window_s": 3600.0, "speed": 1.0}


def criterion(name, op="<", limit=0.05):
    """A `must`."""
    return Criterion("must", name, op, limit, f"{op} {limit}")


def second(requests=100, errors=0, latency=None, cost=0.0):
    """One second of the candidate."""
    counts = {"http_5xx": errors} if errors else {}
    return Second(1, 5, "candidate", "2", 100.0, 3, requests, counts, latency or {}, {}, 0, 0, cost, 7)


def one(what, seconds=(), **known):
    """The result of a single criterion."""
    (result,) = check([what], seconds, **{**KNOWN, **known})
    return result


def test_a_kept_error_rate():
    """Value, upper bound and sample size are those of 2 failures in 1000."""
    found = one(criterion("error_rate"), [second(500, 1), second(500, 1)])
    assert (found.met, found.breached, found.value, found.n) == (True, False, 0.002, 1000)
    assert found.bound == pytest.approx(0.00628, abs=1e-4)
    assert "2 of 1000 requests" in found.detail


def test_beyond_is_not_yet_proven_beyond():
    """6 of 100 misses `< 5%` but may be chance; 60 of 1000 is about as much and still may; 100 of 1000 is proof."""
    for errors, n, breached in ((6, 100, False), (60, 1000, False), (100, 1000, True)):
        found = one(criterion("error_rate"), [second(n, errors)])
        assert (found.met, found.breached) == (False, breached)


def test_too_few_are_not_a_tick():
    """Without failures, 58 requests cannot show a rate below 5 %, and 59 can; total failure of 10 is proof at once."""
    assert one(criterion("error_rate"), [second(58)]).met is None
    assert "59 are needed" in one(criterion("error_rate"), [second(58)]).detail
    assert one(criterion("error_rate"), [second(59)]).met is True
    wreck = one(criterion("error_rate"), [second(10, 10)])
    assert (wreck.met, wreck.breached) == (False, True)


@pytest.mark.parametrize("name", ["error_rate", "p95", "p99", "cost_per_day", "uptime"])
def test_nothing_measured_is_said_so(name):
    """No request, no check: met is None, n is 0, nothing is breached, and the detail begins with the words."""
    found = one(criterion(name, ">" if name == "uptime" else "<", 0.9), [], uptime=None)
    assert (found.met, found.breached, found.n) == (None, False, 0)
    assert found.detail.startswith("not measured")


def test_quantiles_with_their_bounds():
    """p95 in seconds from the histogram, its bound from order statistics, a breach only where the lower bound is
    beyond.
    """
    kept = one(criterion("p95", "<", 10.0), [second(200, latency={100: 190, 150: 10})])
    assert (kept.met, kept.breached, kept.n) == (True, False, 200)
    assert kept.value == pytest.approx(0.128, abs=0.01)
    assert kept.bound >= kept.value
    late = one(criterion("p95", "<", 1.0), [second(200, latency={100: 150, 200: 50})])
    assert (late.met, late.breached) == (False, True)
    few = one(criterion("p99", "<", 10.0), [second(100, latency={100: 100})])
    assert few.met is None
    assert "299 are needed" in few.detail


def test_cost_is_scaled_to_a_day():
    """0.4 USD in an hour is 9.60 a day; without usage in the answers it is not measured; real spending beyond is
    proof.
    """
    kept = one(criterion("cost_per_day", "<", 10.0), [second(cost=0.4)])
    assert (kept.met, kept.value, kept.n) == (True, pytest.approx(9.6), 3600)
    assert one(criterion("cost_per_day", "<", 9.0), [second(cost=0.4)]).met is False
    assert not one(criterion("cost_per_day", "<", 9.0), [second(cost=0.4)]).breached
    assert one(criterion("cost_per_day", "<", 9.0), [second(cost=9.1)]).breached
    assert "no usage" in one(criterion("cost_per_day"), [second()]).detail
    assert one(criterion("cost_per_day", "<", 9.0), [second(cost=0.1)], window_s=5.0).met is None
    assert "speed x600" in one(criterion("cost_per_day", "<", 9.0), [second(cost=0.1)], speed=600.0).detail


def test_alarms():
    """All OK is a tick, one ALARM a breach, one without data neither; unreadable and none at all are not measured."""
    ok = criterion("alarms", "is", "ok")
    assert one(ok, alarms={"a": "OK", "b": "OK"}).met is True
    ringing = one(ok, alarms={"a": "OK", "b": "ALARM", "c": "INSUFFICIENT_DATA"})
    assert (ringing.met, ringing.breached) == (False, True)
    assert "b" in ringing.detail
    assert one(ok, alarms={"a": "OK", "c": "INSUFFICIENT_DATA"}).met is None
    assert one(ok, alarms=None).met is None
    assert one(ok, alarms={}).met is None


def test_incidents_status_uptime():
    """Counted, read, and checked; an unreadable status is not measured."""
    assert one(criterion("incidents", "is", "none")).met is True
    opened = one(criterion("incidents", "is", "none"), incidents=2)
    assert (opened.met, opened.breached, opened.value) == (False, True, 2.0)
    assert one(criterion("status", "is", "READY")).met is True
    assert one(criterion("status", "is", "READY"), status="UPDATE_FAILED").breached
    assert one(criterion("status", "is", "READY"), status=None).met is None
    up = criterion("uptime", ">", 0.9)
    assert one(up, uptime=(100, 100)).met is True
    assert one(up, uptime=(5, 5)).met is None
    assert one(up, uptime=(10, 100)).breached


def test_every_criterion_keeps_its_place_and_text():
    """Results come in the plan's order with its tier and words; an unknown name is refused."""
    asked = [criterion("incidents", "is", "none"), criterion("error_rate")]
    results = check(asked, [second()], **KNOWN)
    assert [(r.tier, r.name, r.text) for r in results] == [(c.tier, c.name, c.text) for c in asked]
    with pytest.raises(ValueError, match="criterion joy"):
        one(criterion("joy"))
