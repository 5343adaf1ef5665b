"""Drawings: right values at right places, well-formed, readable without colour, the same every time."""

import re
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_histories import SCENARIOS, look

from headgate.reports.charts import evidence, figures, thinned, weights
from headgate.reports.history import History
from headgate.reports.style import MARKS
from headgate.reports.svg import (
    HEIGHT,
    TOP,
    WIDTH,
    Band,
    Chart,
    Trace,
    draw,
    elapsed,
    nice_ticks,
    standalone,
    time_ticks,
)

FINITE = st.floats(-1e6, 1e6)
SVG = "{http://www.w3.org/2000/svg}"


@given(FINITE, st.floats(1e-6, 1e6))
def test_ticks_are_nice(low, span):
    """Few, equally spaced, around the data."""
    ticks = nice_ticks(low, low + span)
    steps = {round(b - a, 9) for a, b in pairwise(ticks)}
    assert 2 <= len(ticks) <= 8
    assert max(steps) - min(steps) <= 1e-6 * max(1, abs(low))
    assert ticks[0] <= low + 1e-6 * span
    assert ticks[-1] >= low + span - 1e-6 * span


def test_ticks_are_round_numbers():
    """What a person would have chosen."""
    assert nice_ticks(0, 0.36) == [0, 0.1, 0.2, 0.3, 0.4]
    assert nice_ticks(0, 100) == [0, 20, 40, 60, 80, 100]
    assert nice_ticks(0, 0) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert nice_ticks(0, 2.4, least=1) == [0, 1, 2, 3]


@given(st.floats(0, 1e6), st.floats(1e-3, 1e7))
def test_time_ticks_lie_within(low, span):
    """And there are not too many of them."""
    ticks = time_ticks(low, low + span)
    assert all(low - 1e-6 * span <= t <= low + span + 1e-6 * span for t in ticks)
    assert len(ticks) <= 8


@pytest.mark.parametrize(
    ("seconds", "step", "text"), [(90, 30, "90 s"), (90, 60, "1.5 min"), (7200, 3600, "2 h"), (172800, 86400, "2 d")]
)
def test_time_ticks_have_one_unit(seconds, step, text):
    """That of their step, so that labels never repeat."""
    assert elapsed(seconds, step) == text


@given(st.lists(st.tuples(st.floats(0, 1e6), FINITE), min_size=1, max_size=30))
def test_every_point_is_inside_the_frame(points):
    """Well-formed XML without NaN, whatever the data; the description is there for those who cannot see it."""
    line = tuple(sorted(points))
    wide = Band("all", tuple((x, y - 1e7, y + 1e7) if i == 0 else (x, y, y) for i, (x, y) in enumerate(line)))
    chart = Chart("T & t", "<d>", "x", str, (Trace("a<b", "candidate", line),), wide)
    root = ET.fromstring(draw(chart))
    assert root.find(f"{SVG}title").text == "T & t"
    assert root.find(f"{SVG}desc").text == "<d>"
    for shape in (*root.iter(f"{SVG}polyline"), *root.iter(f"{SVG}polygon")):
        for pair in shape.get("points").split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT


def test_stairs_hold_until_the_next_point():
    """A weight holds until it changes; it does not slope."""
    text = draw(Chart("w", "d", "x", str, (Trace("a", "candidate", ((0, 0), (10, 50), (20, 50)), stairs=True),)))
    points = [tuple(map(float, p.split(","))) for p in re.search(r'points="([^"]*)"', text).group(1).split()]
    assert [a[0] == b[0] or a[1] == b[1] for a, b in pairwise(points)] == [True] * 4


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_same_history_is_the_same_bytes(scenario):
    """No clock, no chance; every class is one that the style knows."""
    book = SCENARIOS[scenario]()
    history = History.of(book.records)
    drawn = [figure.svg for figure in figures(history, book.at)]
    assert drawn == [figure.svg for figure in figures(History.of(book.records), book.at)]
    for svg in drawn:
        assert "nan" not in svg.lower()
        assert {e.get("class") for e in ET.fromstring(svg).iter() if e.get("class")} <= {"chart", *MARKS}


def test_variants_differ_without_colour():
    """By dashes, for print and the colour-blind; and the marks of each kind of line are never the same."""
    lines = {kind: (colour, more) for kind, (_, colour, more) in MARKS.items() if 'fill="none"' in more}
    dashes = [more for kind, (_, more) in lines.items() if kind in {"baseline", "candidate", "asked"}]
    assert len(set(dashes)) == 3
    singles = [more for kind, (_, more) in lines.items() if kind in {"candidate", "first", "second", "third", "fourth"}]
    assert len(set(singles)) == 5


def test_a_rollback_and_a_fail_are_marked():
    """What the eye looks for, and the threshold that was crossed."""
    book = SCENARIOS["canary-rolled-back"]()
    weight, error, _, proof = figures(History.of(book.records), book.at)
    assert ">rollback</text>" in weight.svg
    assert ">FAIL</text>" in error.svg
    assert ">threshold 25</text>" in proof.svg
    assert "bounds of the candidate" in error.svg


def test_a_drawing_cites_all_that_it_shows_and_lists_a_dozen():
    """Every look is drawn and cited; the table beside it holds twelve of them, the last among them."""
    book = SCENARIOS["canary-promoted"]()
    history = History.of(book.records)
    figure = evidence(history)
    assert figure.evidence == tuple(k.evidence for k in history.looks)
    assert len(figure.table.rows) == 12
    assert thinned(list(range(100)))[-1] == 99
    assert thinned([1, 2]) == [1, 2]


def test_a_single_look_is_seen():
    """A line of one point has no length: it has a dot, in the frame and not on its edge."""
    book = SCENARIOS["canary-promoted"]()
    first = next(r.seq for r in book.records if r.kind == "evidence.look")
    history = History.of([r for r in book.records if r.seq <= first])
    for figure in figures(history, book.at)[1:]:
        dots = [float(x) for x in re.findall(r'<circle class="candidate".*? cx="([\d.]+)"', figure.svg)]
        assert len(dots) == 1
        assert 100 < dots[0] < WIDTH - 19


def test_looks_without_values_are_left_out():
    """Missing values leave a gap in the data, not a zero in the drawing."""
    book = SCENARIOS["running"]()
    before = figures(History.of(book.records), book.at)
    look(book, "INCONCLUSIVE", "no data", (0, 0))
    for metric in book.records[-1].body["data"]["metrics"]:
        metric.update(baseline=None, candidate=None, evidence=None)
    after = figures(History.of(book.records), book.at)
    assert after[1].evidence == before[1].evidence
    assert book.records[-1].id in after[3].evidence


def test_no_figures_of_nothing():
    """Before anything was asked of the gateway there is nothing to draw."""
    book = SCENARIOS["gate-failed"]()
    assert figures(History.of(book.records), book.at) == ()


def test_the_picture_ends_soon_after_the_last_change():
    """A day at 100 % does not squeeze the steps into the margin; and what was not read back says so."""
    book = SCENARIOS["canary-promoted"]()
    figure = weights(History.of(book.records), book.at)
    assert "30 min" in figure.svg
    assert "4 h" not in figure.svg
    asked = replace(book, records=[r for r in book.records if r.kind != "effect.verified"])
    rows = weights(History.of(asked.records), book.at).table.rows
    assert "not read back" in str(rows[-1][2])


def test_a_drawing_can_stand_alone():
    """With its colours, dark ones too, and still one well-formed element without anything loaded."""
    book = SCENARIOS["running"]()
    text = standalone(figures(History.of(book.records), book.at)[0].svg)
    assert ET.fromstring(text).tag == f"{SVG}svg"
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"href|url\(|@import|<script", text)


def test_bounds_of_one_side():
    """What is bounded from one side only is open to the other: the band reaches to none, or to all."""
    book = SCENARIOS["canary-rolled-back"]()
    for record in (r for r in book.records if r.kind == "evidence.look"):
        record.body["data"]["metrics"][0].update(harm_lower=0.2, harm_upper=None)
    figure = figures(History.of(book.records), book.at)[1]
    assert "+20.0 pp to open" in str(figure.table.rows[-1])
    top = min(float(p.split(",")[1]) for p in re.search(r'<polygon .*?points="([^"]*)"', figure.svg)[1].split())
    assert top == TOP
