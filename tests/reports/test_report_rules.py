"""The rules of the status document: risk, recommendation, boxes, recovery, acceleration."""

from dataclasses import replace

import pytest
from report_histories import SCENARIOS, bake, begin, check, gates, look, promote, step, window

from headgate.errors import UsageError
from headgate.reports import document as d
from headgate.reports.handoff import handoff_package
from headgate.reports.history import History
from headgate.reports.risk import Level, risk
from headgate.reports.write import render, write


def history_of(book):
    return History.of(book.records)


def markdown(book, name="status"):
    return render(write(name, book.records, book.head, book.at + 5), "md")


def without(book, kind):
    return replace(book, records=[r for r in book.records if r.kind != kind])


@pytest.mark.parametrize(
    ("scenario", "level"),
    [
        ("created-only", Level.LOW),
        ("gate-failed", Level.LOW),
        ("running", Level.MEDIUM),
        ("canary-promoted", Level.LOW),
        ("canary-rolled-back", Level.LOW),
        ("all-at-once", Level.LOW),
        ("blue-green", Level.MEDIUM),
        ("aborted", Level.MEDIUM),
        ("held", Level.HIGH),
    ],
)
def test_the_level_of_risk(scenario, level):
    """LOW only where everything was measured and met, or nobody is on the candidate."""
    assert risk(history_of(SCENARIOS[scenario]())).level is level


def test_a_fail_with_sessions_on_the_candidate_is_high_risk():
    """Until the last session left, also when the weight is 0 already."""
    book = SCENARIOS["canary-rolled-back"]()
    last = next(r.seq for r in book.records if r.kind == "exposure.debt" and r.body["sessions"] == 0)
    early = replace(book, records=[r for r in book.records if r.seq < last])
    assert risk(history_of(early)).level is Level.HIGH


def test_a_steps_last_verdict_is_from_before_it_was_left():
    """Looks go on in the window, at the last step: what they say is not what the step was left on."""
    book = begin()
    gates(book)
    for index in range(3):
        step(book, index)
        bake(book, (310, 36))
    passed = book.records[-1].id
    window(book, until=2)
    look(book, "INCONCLUSIVE", "the baseline is silent", (1860, 300))
    assert f"last verdict PASS [{passed}], left after" in markdown(book)


@pytest.mark.parametrize("kind", ["evidence.gate", "evidence.look", "evidence.window"])
def test_what_was_not_measured_is_not_low_risk(kind):
    """A promoted rollout without one of its measurements is MEDIUM, and the conclusion says to keep watching."""
    book = without(SCENARIOS["canary-promoted"](), kind)
    assert risk(history_of(book)).level is Level.MEDIUM
    assert "Keep watching" in markdown(book)


def test_a_must_that_is_breached_is_high_risk():
    """While sessions are on the candidate; and its box is crossed at once."""
    book = SCENARIOS["blue-green"]()
    check(book, 3, 3600, rate=0.09, breached=True)
    assert risk(history_of(book)).level is Level.HIGH
    text = markdown(book)
    assert "Take it back: headgate rollout abort coach-companion-20260208-1" in text
    assert "- [ ] ❌ error_rate < 5% [L3]: breached, 9 %, bound 9.8 %, n=820" in text


def test_boxes_of_the_window_wait_for_its_end():
    """What is met after two hours of twenty-four is open, not ticked."""
    text = markdown(SCENARIOS["blue-green"]())
    assert "- [ ] ⏳ error_rate < 5% [L3]: met, 1.1 %, bound 1.9 %, n=820 [L18]" in text
    assert "- [x] ✅ error_rate < 5% [L3]: met" in markdown(SCENARIOS["canary-promoted"]())


def test_an_alarm_without_data_is_not_ok():
    """INSUFFICIENT_DATA is neither OK nor ALARM."""
    text = markdown(SCENARIOS["blue-green"]())
    assert "❔ Alarms: *not measured* (not all alarms have data), no data for error-rate" in text
    assert "❔ alarms ok [L3]: *not measured*: without data: error-rate; the others are OK" in text


def test_an_alarm_that_rang_stays_told():
    """Red at one check of the hours crosses the box, though the last check is green."""
    book = SCENARIOS["blue-green"]()
    check(book, 2.5, 1800, alarms="ALARM")
    check(book, 3, 1800)
    assert "- [ ] ❌ Alarms: in ALARM: error-rate" in markdown(book)


def test_an_agent_that_was_not_ready():
    """The first check that saw it is named; a check that could not read it is no READY."""
    for status, said in (
        ("UPDATING", "❌ Agent status: UPDATING at check 3"),
        (None, "❔ Agent status: *not measured*"),
    ):
        book = SCENARIOS["blue-green"]()
        check(book, 3, 3600)
        book.records[-1].body["status"] = status
        assert said in markdown(book)


def test_the_last_check_falls_after_the_last_hour():
    """The check that ends the window belongs to its last part."""
    text = markdown(SCENARIOS["canary-promoted"]())
    assert "6 checks, every 4 h of window time" in text


def test_an_accelerated_window_says_so():
    """Every report of a rehearsal names the speed; one at real time does not."""
    assert "**The validation window was accelerated** ×3600" in markdown(SCENARIOS["all-at-once"]())
    assert "accelerated" not in markdown(SCENARIOS["canary-promoted"]())
    assert "accelerated" in markdown(SCENARIOS["all-at-once"](), "handoff")


def test_recovery_is_measured_or_is_not():
    """From detection to the verified cut-over, with its sample size; never the target."""
    measured = render(handoff(SCENARIOS["canary-rolled-back"]())["recovery"], "md")
    assert "| 15 min [L3] | 180 ms [L30] | n=1, this rollout [L30] |" in measured
    promoted = render(handoff(SCENARIOS["canary-promoted"]())["recovery"], "md")
    assert "| 15 min [L3] | *not measured* (nothing was rolled back in this rollout) |" in promoted
    assert "(no drill measured data loss)" in promoted


def test_an_unverified_cut_over_is_no_recovery():
    """Asked is not done: without the gateway's word the recovery time is not measured."""
    book = SCENARIOS["aborted"]()
    cut_over = next(r for r in book.records if r.kind == "effect.verified" and r.seq > 26)
    text = markdown(replace(book, records=[r for r in book.records if r is not cut_over]))
    assert "recovery time *not measured* (the cut-over is not verified yet)" in text


def handoff(book):
    return handoff_package(history_of(book), book.head, book.at + 5)


def test_the_handoff_package():
    """Six files, with the exact commands of this rollout."""
    package = handoff(SCENARIOS["canary-promoted"]())
    assert sorted(package) == ["monitoring", "overview", "proof", "recovery", "release", "rollback"]
    text = render(package["rollback"], "md")
    assert 'headgate rollback coach-companion --to 1 --reason "..."' in text
    assert 'headgate rollout abort coach-companion-20260208-1 --reason "..."' in text


def test_the_handoff_is_written_before_the_promotion_is_on_record():
    """Then the gateway's word for the promotion counts: the package names the version that runs."""
    book = SCENARIOS["canary-promoted"]()
    written = next(r.seq for r in book.records if r.kind == "handoff.written")
    package = handoff(replace(book, records=[r for r in book.records if r.seq < written]))
    assert "**Runs now**: version **2**" in render(package["release"], "md")
    assert "--to 1" in render(package["rollback"], "md")


def test_the_status_document_finds_the_handoff_files():
    """Each of the four documents of the last section is one of the files that were written."""
    text = markdown(SCENARIOS["canary-promoted"]())
    section = text[text.index("## Documentation") :]
    for label, name in (("Monitoring Plan", "monitoring"), ("Operations Handoff", "overview"), ("DR Plan", "recovery")):
        assert f"**{label}**: `reports/coach-companion-20260208-1/handoff/{name}.md`" in section
    assert "**Monitoring Plan**: not written" in markdown(SCENARIOS["running"]())


def test_a_promotion_by_a_persons_word():
    """A window that ended early by a person is told as such: the last box is ticked by nobody's measurement."""
    book = begin()
    gates(book)
    step(book, 0)
    fact = window(book, until=2)
    book.add("command", {"verb": "advance", "by": "ines", "reason": "black friday"})
    promote(book, fact, reason="advance by ines: black friday; promote")
    text = markdown(book)
    assert "ines said advance: black friday" in text
    assert "**Reason**: advance by ines: black friday; promote" in text
    assert risk(history_of(book)).level is Level.MEDIUM


def test_acceptance_is_told_when_it_is_on_the_ledger():
    """The handoff is accepted by a person's recorded word only."""
    book = SCENARIOS["canary-promoted"]()
    assert "acceptance by operations: *not measured*" in markdown(book)
    book.add("handoff.accepted", {"by": "ops-lead", "to": "operations", "reason": "read it"})
    assert "- [x] ✅ acceptance by operations: ops-lead [L56]" in markdown(book)


def test_a_plan_without_a_window_says_so():
    """No window, no criteria: not measured, and no heading is ticked."""
    book = SCENARIOS["running"]()
    created = next(r for r in book.records if r.kind == "rollout.created")
    created.body["rollout"]["plan"]["validation"]["window"] = []
    text = markdown(book)
    assert "### Hour 0-4 (Initial Validation)\n\n*not measured* (the plan has no validation window)" in text
    assert "**Validation Status**: *not measured* (the plan has no validation window)" in text


def test_the_head_may_be_another_rollouts_record():
    """The date and the head cite the ledger's last record, whosever it is."""
    book = SCENARIOS["running"]()
    document = write("status", book.records, (4711, "f" * 64), book.at)
    note = document.notes[-1]
    assert (note.id, note.hash) == ("L4711", "f" * 64)
    assert d.cited(document)[-1] == "L4711"


def test_unknown_reports_and_forms_are_refused():
    """By name, with what there is."""
    book = SCENARIOS["running"]()
    with pytest.raises(UsageError, match="no report 'moon'") as caught:
        write("moon", book.records, book.head, book.at)
    assert "status" in caught.value.mend
    with pytest.raises(UsageError, match="no form 'pdf'"):
        render(write("status", book.records, book.head, book.at), "pdf")
