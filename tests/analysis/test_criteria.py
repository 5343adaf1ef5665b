"""The window's criteria: ticks only for what was measured, breaches only for what is proven."""

from dataclasses import replace

import pytest

from headgate.analysis.criteria import AlarmsSeen, Measured, check
from headgate.core.plan import Criterion
from headgate.stats.observations import Second
from headgate.stats.series import merge

KNOWN = {"alarms": AlarmsSeen({}), "statuses": ("READY",), "uptime": (0, 0), "window_s": 3600.0}


def criterion(name, op="<", limit=0.05):
    """A `must`."""
    return Criterion("must", name, op, limit, f"{op} {limit}")


def second(requests=100, errors=0, latency=None, cost=0.0):
    """One second of the candidate."""
    counts = {"http_5xx": errors} if errors else {}
    return Second(1, 5, "candidate", "2", 100.0, 3, requests, counts, latency or {}, {}, 0, 0, cost, 7)


def one(what, seconds=(), **known):
    """The result of a single criterion."""
    (result,) = check([what], Measured(merge(seconds), **{**KNOWN, **known}))
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
    assert one(ok, alarms=AlarmsSeen({"a": "OK", "b": "OK"})).met is True
    ringing = one(ok, alarms=AlarmsSeen({"a": "OK", "b": "ALARM", "c": "INSUFFICIENT_DATA"}, ("b",)))
    assert (ringing.met, ringing.breached) == (False, True)
    assert "b" in ringing.detail
    assert one(ok, alarms=AlarmsSeen({"a": "OK", "c": "INSUFFICIENT_DATA"})).met is None
    assert one(ok, alarms=None).met is None
    assert one(ok, alarms=AlarmsSeen({})).met is None


def test_alarms_must_remain_ok():
    """One that rang and is OK again is not met, and no reason to go back; so is one of the agent as a whole."""
    ok = criterion("alarms", "is", "ok")
    for seen in (AlarmsSeen({"a": "OK"}, rang=("a",)), AlarmsSeen({"a": "ALARM"}, general=("a",))):
        found = one(ok, alarms=seen)
        assert (found.met, found.breached) == (False, False)


def test_an_alarm_that_was_red_before_is_not_blamed():
    """It neither blocks nor breaches, and is told; another one beside it still counts."""
    ok = criterion("alarms", "is", "ok")
    found = one(ok, alarms=AlarmsSeen({"a": "ALARM", "b": "OK"}, ("a",), excused=("a",)))
    assert (found.met, found.breached) == (True, False)
    assert "red before the release, and not counted: a" in found.detail
    assert one(ok, alarms=AlarmsSeen({"a": "ALARM", "b": "ALARM"}, ("a", "b"), excused=("a",))).breached


def test_an_ok_for_want_of_data_says_so():
    """An alarm may be OK because silence is no breach: the tick tells which."""
    found = one(criterion("alarms", "is", "ok"), alarms=AlarmsSeen({"a": "OK"}, silent=("a",)))
    assert found.met is True
    assert "OK for want of any data: a" in found.detail


def test_incidents_status_uptime():
    """Counted, read, and checked; an unreadable status is not measured; lesser incidents are told and break nothing."""
    assert one(criterion("incidents", "is", "none")).met is True
    opened = one(criterion("incidents", "is", "none"), incidents=(2, 0))
    assert (opened.met, opened.breached, opened.value) == (False, True, 2.0)
    lesser = one(criterion("incidents", "is", "none"), incidents=(0, 1))
    assert (lesser.met, "1 of lower severity" in lesser.detail) == (True, True)
    ready = criterion("status", "is", "READY")
    assert one(ready).met is True
    assert one(ready, statuses=("READY", "UPDATE_FAILED")).breached
    assert one(ready, statuses=("READY", None)).met is None
    once = one(ready, statuses=("READY", "UPDATING", "READY"))
    assert (once.met, once.breached, "UPDATING at 1 of 3 checks" in once.detail) == (False, False, True)
    assert "1 could not be read" in one(ready, statuses=("READY", None, "READY")).detail
    up = criterion("uptime", ">", 0.9)
    assert one(up, uptime=(100, 100)).met is True
    assert one(up, uptime=(5, 5)).met is None
    assert one(up, uptime=(10, 100)).breached


def test_test_invocations():
    """All passed, one failed, none made."""
    asked = criterion("test_invocations", "is", "passed")
    assert one(asked, probes=(240, 240)).met is True
    failed = one(asked, probes=(239, 240))
    assert (failed.met, failed.breached, failed.n) == (False, False, 240)
    assert one(asked, probes=None).met is None


def test_streams_are_judged_on_their_tokens():
    """First token and gap are of streams only; an agent that does not stream has not measured them."""
    rows = [replace(second(200, latency={100: 200}), streams=100, first_token={100: 100}, token_gap={150: 100})]
    assert one(criterion("first_token", "<", 3.0), rows).met is True
    assert one(criterion("token_gap", "<", 1.0), rows).breached
    silent = one(criterion("first_token", "<", 3.0), [second(200)])
    assert (silent.met, "no stream was timed" in silent.detail) == (None, True)


def test_every_criterion_keeps_its_place_and_text():
    """Results come in the plan's order with its tier and words; an unknown name is refused."""
    asked = [criterion("incidents", "is", "none"), criterion("error_rate")]
    results = check(asked, Measured(merge([second()]), **KNOWN))
    assert [(r.tier, r.name, r.text) for r in results] == [(c.tier, c.name, c.text) for c in asked]
    with pytest.raises(ValueError, match="criterion joy"):
        one(criterion("joy"))
