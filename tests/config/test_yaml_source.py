"""YAML with the scalars of 1.2, marks for every key and value, and clear refusals of what is no plan."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.config.yaml_source import BIGGEST, Mark, parse, read_text
from headgate.errors import PlanError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("true", True),
        ("12:30", "12:30"),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("+.5", 0.5),
        ("-3", -3),
        ("1e3", 1000.0),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("10 USD", "10 USD"),
        ("env:SLACK_URL", "env:SLACK_URL"),
        ("~", None),
        ('"10"', "10"),
        ("!!str 5", "5"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    """What YAML 1.1 would turn into booleans, dates or base 60 stays what the person wrote."""
    got = parse(f"a: {text}\n", "f").data["a"]
    assert got == value
    assert type(got) is type(value)


def test_every_key_and_value_has_its_place():
    """Marks count lines and columns from 1, in blocks, in flow and in lists."""
    source = parse("a:\n  - {b: 1, c: [x, y]}\n", "f")
    assert source.keys[("a", 0, "c")] == Mark(2, 12)
    assert source.values[("a", 0, "c", 1)] == Mark(2, 19)
    assert source.place(("a", 0, "nothing", "here")) == Mark(2, 5)


def test_an_alias_stands_where_it_was_written_first():
    """Aliases are expanded; their values keep the place of the anchor."""
    source = parse("a: &m {error: 1}\nb: *m\n", "f")
    assert source.data["b"] == {"error": 1}
    assert source.values[("b", "error")] == Mark(1, 15)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100_000, "f:1:41: nested too deep. Keep it below 40 levels"),
        ("- " * 100_000, "f:1:81: nested too deep. Keep it below 40 levels"),
        ("a: b\x07", "f:1:5: character U+0007 is not allowed in YAML. Remove it"),
        ("a: 1\nb: \x00", "f:2:4: character U+0000 is not allowed in YAML. Remove it"),
        ("a: 1e999", "f:1:4: a: 1e999 is not a number we can hold. Write it shorter"),
        ("? [a]\n: b", "f:1:3: a key must be text. Put quotes round it"),
        ("a: !!binary x", "f:1:4: a: the tag tag:yaml.org,2002:binary means nothing here. Remove it"),
    ],
)
def test_what_could_break_us_is_refused(text, said):
    """Deep nesting would crash the C parser, control characters and endless numbers whatever reads on."""
    with pytest.raises(PlanError) as refused:
        parse(text, "f")
    assert refused.value.problems == [said]


def test_aliases_cannot_make_a_small_file_huge():
    """Nine levels of nine aliases would be 387 million values."""
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]")
    with pytest.raises(PlanError, match="more than 50000 values"):
        parse("\n".join(lines), "f")


@given(st.text(max_size=200))
def test_no_text_at_all_gets_past_a_plan_error(text):
    """Whatever is in a file, the answer is data or a PlanError that names a place."""
    problems = []
    try:
        parse(text, "f")
    except PlanError as error:
        problems = error.problems
    assert all(problem.startswith("f:") for problem in problems)


def test_absent_file(tmp_path):
    """The name is in the message, and what to do."""
    with pytest.raises(PlanError, match=r"none\.yaml: there is no such file\. Check the name"):
        read_text(tmp_path / "none.yaml")


def test_directory_and_device(tmp_path):
    """Neither a directory nor a pipe is read: a pipe would hang."""
    with pytest.raises(PlanError, match="this is a directory"):
        read_text(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PlanError, match="not an ordinary file"):
        read_text(tmp_path / "pipe")


def test_too_big_empty_and_not_utf_8(tmp_path):
    """Each has its own words."""
    path = tmp_path / "f.yaml"
    for content, words in (
        (b"#" * (BIGGEST + 1), "1000001 bytes are too many"),
        (b" \n", "the file is empty"),
        (b"a: caf\xe9\n", "byte 7 is not UTF-8"),
    ):
        path.write_bytes(content)
        with pytest.raises(PlanError, match=words):
            read_text(path)


def test_unreadable_file(tmp_path):
    """A path through a file is no path; the system's own reason is told."""
    (tmp_path / "file").touch()
    with pytest.raises(PlanError, match="cannot be read: Not a directory"):
        read_text(tmp_path / "file" / "f.yaml")


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    """Editors of other systems put one there."""
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert parse(read_text(tmp_path / "f.yaml"), "f").keys[("a",)] == Mark(1, 1)
