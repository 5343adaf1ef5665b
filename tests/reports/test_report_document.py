"""A number, a date or a tick without evidence cannot be built."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.reports import document as d


@given(st.text(), st.characters(categories=["Nd", "No"]), st.text())
def test_prose_takes_no_number(before, digit, after):
    """Whatever stands around it, in whichever script it is written."""
    if digit.isdigit():
        with pytest.raises(ValueError, match="without evidence"):
            d.Plain(f"{before} {digit} {after}")


@pytest.mark.parametrize("tick", sorted(d.TICKS))
def test_prose_takes_no_tick(tick):
    """A tick in prose would be a box that nobody measured."""
    with pytest.raises(ValueError, match="without evidence"):
        d.Plain(f"Smoke tests passed {tick}")


@pytest.mark.parametrize("title", ["Hour 24+ (Normal Operations)", "Phase 1: Initial Deployment", "p95 latency"])
def test_fixed_titles_are_prose(title):
    """The few words of our titles that hold a digit."""
    assert d.Plain(title).text == title


@pytest.mark.parametrize("text", ["Hour 0-45", "Phase 12", "xp95", "p950", "Hour 24+1"])
def test_no_number_hides_in_a_fixed_title(text):
    """Only the whole words are free."""
    with pytest.raises(ValueError, match="without evidence"):
        d.Plain(text)


@pytest.mark.parametrize("evidence", [(), ("",), ("42",), ("L0",), ("L042",), ("L1 ",), ("L1", "x"), ("L１",)])
def test_a_citation_names_records(evidence):
    """No evidence, and what is no evidence id, are both refused."""
    with pytest.raises(ValueError, match="evidence"):
        d.Cited("5/5", evidence)


@pytest.mark.parametrize("mark", [d.Mark.MET, d.Mark.NOT_MET])
def test_a_box_is_ticked_or_crossed_from_evidence(mark):
    """Open and not measured need none; met and not met do."""
    with pytest.raises(ValueError, match="without evidence"):
        d.Tick(mark)
    assert d.Tick(mark, ("L7",)).evidence == ("L7",)
    assert d.Tick(d.Mark.OPEN).evidence == d.Tick(d.Mark.NOT_MEASURED).evidence == ()


def test_figures_and_commands_with_numbers_need_evidence():
    """A drawing always; a command where it holds an id."""
    table = d.Table((d.Plain("Weight"),), ())
    with pytest.raises(ValueError, match="without evidence"):
        d.Figure((), "<svg></svg>", table, ())
    with pytest.raises(ValueError, match="without evidence"):
        d.Code("headgate rollout watch a-1")
    assert d.Code("headgate doctor").evidence == ()


def test_the_reason_for_not_measured_holds_no_number():
    """What is not measured says why, in words."""
    with pytest.raises(ValueError, match="without evidence"):
        d.Missing("only 3 sessions")


def test_a_row_has_a_cell_for_each_head():
    """A table cannot come apart."""
    with pytest.raises(ValueError, match="cells"):
        d.Table((d.Plain("a"), d.Plain("b")), ((d.line("x"),),))


def test_neighbours_on_the_same_evidence_share_one_citation():
    """ "version 2, digest abc [L7]", not twice [L7]; other evidence breaks the row."""
    same = d.line(d.Cited("2", ("L7",)), ", digest ", d.Cited("abc", ("L7",)), d.Cited("3", ("L8",)))
    assert [refs for _, refs in d.references(same)] == [(), (), ("L7",), ("L8",)]


def test_long_evidence_prints_its_ends():
    """All of three, the first and the last of more."""
    ids = tuple(f"L{n}" for n in range(1, 9))
    assert d.shown(ids[:3]) == ids[:3]
    assert d.shown(ids) == ("L1", "L8")
