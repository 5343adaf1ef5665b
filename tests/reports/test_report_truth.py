"""What the documents claim rests on the records that they cite, whatever the records are."""

import json
import re
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from report_histories import SCENARIOS

from headgate.reports import document as d
from headgate.reports.handoff import handoff_package
from headgate.reports.history import History
from headgate.reports.write import render, write

KINDS = ("status", "handoff", "evidence", "runbook", "dr-plan")
# without these there is no rollout to tell of, or harm would go unseen instead of unticked
TOLD_BY_ABSENCE = frozenset({"rollout.created", "decision", "incident.opened", "health"})
HOSTILE = "1<script>alert(2)</script> [L1] **3** | `4` \n# 5 ✅ &amp; \x1b[31m ￮ “6”"


def documents(book):
    """Every document that can be written of a ledger."""
    for kind in KINDS:
        yield write(kind, book.records, book.head, book.at + 5)
    yield from handoff_package(History.of(book.records), book.head, book.at + 5).values()


@cache
def made(scenario):
    book = SCENARIOS[scenario]()
    return book, tuple(documents(book))


def leaves(node, inside=()):
    """(text, evidence in force) of every text of a document as JSON."""
    if isinstance(node, dict):
        own = tuple(node.get("evidence") or ()) if not isinstance(node.get("evidence"), dict) else ()
        if "text" in node:
            yield node["text"], own
        for name, value in node.items():
            if name not in {"text", "evidence"}:
                yield from leaves(value, own)
    elif isinstance(node, list):
        for each in node:
            yield from leaves(each, inside)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_number_cites_a_record_of_the_ledger(scenario):
    """In the JSON form: no digit without evidence, and no evidence that is not on the ledger and not listed."""
    book, all_of_them = made(scenario)
    known = {r.id: r for r in book.records}
    fixed = re.compile("|".join(re.escape(word) for word in d.FIXED))
    for document in all_of_them:
        data = json.loads(render(document, "json"))
        for text, evidence in leaves({k: v for k, v in data.items() if k != "evidence"}):
            assert evidence or not re.search(r"\d", fixed.sub("", text)), text
            assert set(evidence) <= known.keys()
        assert set(d.cited(document)) <= data["evidence"].keys()
        for ref, note in data["evidence"].items():
            assert note["hash"] == known[ref].hash


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_tick_cites_a_record(scenario):
    """Walking the model: a box that is ticked or crossed has evidence on the ledger."""
    book, all_of_them = made(scenario)
    known = {r.id for r in book.records}
    ticks = [part for document in all_of_them for part in d.parts(document) if isinstance(part, d.Tick)]
    decided = [tick for tick in ticks if tick.mark in {d.Mark.MET, d.Mark.NOT_MET}]
    assert ticks
    assert all(tick.evidence and set(tick.evidence) <= known for tick in decided)


def ticked(book):
    """The items of the status document whose box is ticked."""
    document = write("status", book.records, book.head, book.at + 5)
    items = [part for part in d.parts(document) if isinstance(part, d.Item) and part.tick]
    return [i for i in items if i.tick.mark is d.Mark.MET]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_less_evidence_never_ticks_more(scenario):
    """Taking all records of a kind away leaves fewer boxes ticked, or the same: silence is never good news."""
    book = SCENARIOS[scenario]()
    before = len(ticked(book))
    for kind in {r.kind for r in book.records} - TOLD_BY_ABSENCE:
        left = replace(book, records=[r for r in book.records if r.kind != kind])
        assert len(ticked(left)) <= before, kind


def test_gates_taken_away_untick_the_gates():
    """The property above bites: without gate records, nothing says that a gate passed."""
    book = SCENARIOS["canary-promoted"]()
    left = replace(book, records=[r for r in book.records if r.kind != "evidence.gate"])
    said = [i.line for i in ticked(left)]
    assert any("Gate" in str(each) for each in (i.line for i in ticked(book)))
    assert not any("Gate" in str(each) or "Tests before" in str(each) for each in said)


@settings(max_examples=30)
@given(st.data())
def test_any_prefix_of_a_ledger_can_be_told(data):
    """A report at any moment of any rollout, also between two records of one event."""
    scenario = data.draw(st.sampled_from(sorted(SCENARIOS)))
    book, _ = made(scenario)
    first = next(i for i, r in enumerate(book.records) if r.kind == "rollout.created")
    length = data.draw(st.integers(first + 1, len(book.records)))
    part = replace(book, records=book.records[:length])
    for kind in KINDS:
        document = write(kind, part.records, part.head, book.at)
        for form in ("md", "html", "json"):
            assert render(document, form)


FREE = ("reason", "detail", "title", "by", "started_by", "because", "claim", "error", "path", "missing", "platform")


def poisoned(node):
    """Every member that people or the outside fill freely holds hostile text."""
    if isinstance(node, dict):
        return {k: HOSTILE if k in FREE and isinstance(v, str) else poisoned(v) for k, v in node.items()}
    if isinstance(node, list):
        return [poisoned(v) for v in node]
    return node


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_hostile_words_are_told_and_do_nothing(scenario):
    """Digits, markup, forged citations and control characters in people's words neither break nor forge a report."""
    book = SCENARIOS[scenario]()
    records = [replace(r, body=poisoned(r.body)) for r in book.records]
    for document in documents(replace(book, records=records)):
        html, markdown = render(document, "html"), render(document, "md")
        assert "<script" not in html
        assert "\x1b" not in html + markdown
        prose = re.sub(r"``.*?``", "", markdown)
        assert "<script" not in prose.replace(r"\<script", "")
        assert "[L1] **3**" not in prose
        assert r"\[L1\] \*\*3\*\* \|" in markdown
        assert "\n# 5" not in markdown
