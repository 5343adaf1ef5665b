"""What the status document says of the parts of versions, and of versions that changed by themselves."""

import report_histories as made

from headgate.controller.queries import changes_in_words, parts_compared
from headgate.core.identity import Identity
from headgate.reports.history import History
from headgate.reports.render import render
from headgate.reports.status import status_report

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def text_of(book):
    """The status document of a ledger."""
    return render(status_report(History.of(book.records), book.head, book.at), "md")


def identified(book, version, **told):
    return book.add(
        "version.identity",
        {"agent": "coach-companion", "version": version, "digest": "d", "built": {"code": OLD}, "told": told},
    )


def deployed():
    """A rollout whose candidate was built."""
    book = made.begin()
    version = {"is": "Version", "number": "2", "digest": "bb" * 32, "url": ""}
    book.decide(("CandidateReady", {"version": version}), "gating", "candidate is version 2")
    return book


def test_each_part_is_said_with_the_records_that_say_so():
    """Changed with both values, the same, and not known, which is never the same."""
    book = deployed()
    one = identified(book, "1", prompt=OLD, model="live-1")
    other = identified(book, "2", prompt=NEW, model="live-1")
    text = text_of(book)
    assert f"prompt: {'a' * 12} -> {'b' * 12}" in text
    lines = [line for line in text.splitlines() if "not known: " in line or "the same: " in line]
    assert [line.split("[")[0].strip() for line in lines] == [
        "- the same: code, model",
        "- not known: environment, tools, guardrail, memory",
    ]
    assert all(record in line for line in lines for record in (one, other))


def test_what_is_not_on_the_ledger_is_not_measured():
    """One version alone says nothing of a change."""
    book = deployed()
    identified(book, "1", prompt=OLD)
    assert "*not measured* (what both versions are made of is not on the ledger)" in text_of(book)


def test_a_drift_is_shown_with_its_record():
    """Who changed, what, and when; one between two releases is no part of the rollout."""
    book = deployed()
    detail = {"agent": "coach-companion", "versions": ["1"], "detail": "model (a -> b)"}
    book.add("identity.drift", detail, rollout="")
    assert "Changed by itself" not in text_of(book)
    record = book.add("identity.drift", {**detail, "variants": ["baseline", "candidate"], "left": {}})
    text = text_of(book)
    assert "Changed by itself while the rollout ran" in text
    assert "baseline and candidate: model (a -> b)" in text
    assert f"[{record}]" in text


def test_changes_in_a_line():
    """As `plan explain` and `rollout status` print it."""
    data = parts_compared(Identity(told=(("model", "a"),)), Identity(told=(("model", "b"),)))
    assert changes_in_words(data) == (
        "what changes: model; not known: code, environment, prompt, tools, guardrail, memory"
    )
    same = Identity(built=(("code", "x"),))
    assert changes_in_words(parts_compared(same, same)).startswith(
        "what changes: nothing that is known; the same: code; not known: environment"
    )
