"""The three forms: nothing is loaded, nothing runs, nothing is forged; every link leads somewhere."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_histories import SCENARIOS

from headgate.reports import document as d
from headgate.reports.html import to_html
from headgate.reports.markdown import escape, to_markdown
from headgate.reports.style import CSS
from headgate.reports.write import write

VOID = {"meta", "br", "line", "rect", "polyline", "polygon"}


class Page(HTMLParser):
    """Tags that balance, ids, links, and whatever could load or run something."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.tags, self.attributes = [], [], [], set(), set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.ids += [value for name, value in attrs if name == "id"]
        self.links += [value for name, value in attrs if name in {"href", "src"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page_of(scenario, name="status"):
    book = SCENARIOS[scenario]()
    return to_html(write(name, book.records, book.head, book.at + 5))


@pytest.mark.parametrize("name", ["status", "handoff", "evidence"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_page_stands_alone(scenario, name):
    """No script, no resource, no handler; ids are unique, tags balance, and every link has its target on the page."""
    text = page_of(scenario, name)
    page = Page(text)
    assert page.open == []
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed", "form", "image", "use"}
    assert not [name for name in page.attributes if name.startswith("on") or name in {"src", "style"}]
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'; style-src 'unsafe-inline'" in text


def test_a_citation_links_to_its_record_and_says_what_it_cites():
    """The reader sees the record under the pointer, and its row after a click."""
    text = page_of("canary-rolled-back")
    assert '<a href="#L19" title="evidence.look, 2026-02-10 08:03:14 UTC: FAIL at step 1: error: 36 % of 61' in text
    assert '<tr id="L19">' in text


def test_the_style_has_no_gaps():
    """Every colour that is used is defined for light, dark and paper."""
    used = set(re.findall(r"var\(--([a-z]+)", CSS))
    for palette in re.findall(r":root \{ (--.*?) \}", CSS):
        assert used <= set(re.findall(r"--([a-z]+):", palette))


TEXTS = st.text(st.sampled_from("aB1 _*`[]<>|~&#;-+=.()!\\\n\t$L\x00\u202e✅"), max_size=30)


def markdown_of(text, *, code=False):
    cell = d.line(d.Cited(text, ("L1",), code=code))
    table = d.Table((d.Plain("a"), d.Plain("b")), ((cell, d.line("x")),))
    return to_markdown(d.Document("status", d.line("t"), (d.bullets(d.Item(cell)), table)))


@given(TEXTS)
def test_text_from_outside_stays_text_in_markdown(text):
    """One line, one cell, no tag, no link, no citation but ours."""
    for code in (False, True):
        lines = markdown_of(text, code=code).splitlines()
        assert len(lines) == 7
        assert lines[2].startswith("- ")
        assert lines[2].endswith(" [L1]")
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[-1])) == 3
    bare = re.sub(r"\\.", "·", escape(text))
    assert not re.search(r"[*`\[\]|~$]|<[A-Za-z/!?]|&#?\w+;", bare)


@given(TEXTS)
def test_text_from_outside_stays_text_in_html(text):
    """The page's tags are ours whatever the text says, and the text can be read back."""
    page = to_html(d.Document("status", d.line("t"), (d.bullets(d.item(d.Cited(text, ("L1",)))),)))
    assert Page(page).open == []
    assert page.count("<li>") == 1
    said = page[page.index("<li>") + 4 : page.index('<span class="refs">')]
    assert not re.search(r"[<>\"]|&(?!(?:amp|lt|gt|quot|#39);)", said)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("error_rate < 5%", "error_rate < 5%"),
        ("_all_ *bad*", r"\_all\_ \*bad\*"),
        ("[L1](x)", r"\[L1\](x)"),
        ("# heading", r"\# heading"),
        ("1. first", r"1\. first"),
        ("1.1 %", "1.1 %"),
        ("-0.2", "-0.2"),
        ("- item", r"\- item"),
        ("a > b & c", "a > b & c"),
        ("&lt;b>", r"\&lt;b>"),
        ("<b>", r"\<b>"),
        ("> quote", r"\> quote"),
    ],
)
def test_markdown_is_escaped_where_it_would_be_markup_only(text, shown):
    """Readable as text, too."""
    assert escape(text) == shown


def test_code_with_backticks_and_bars():
    """Inline code keeps what it holds, also in a table."""
    assert "`` a`b ``" in markdown_of("a`b", code=True)
    assert r"| `a\|b` [L1] | x |" in markdown_of("a|b", code=True)
