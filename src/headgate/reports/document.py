"""What a report is made of. A number, a date or a tick without the ledger record behind it cannot be built.

`Plain` is our own prose and refuses digits and tick marks; whatever was measured, dated or said by somebody is `Cited`,
and `Cited` refuses to be without evidence. What nobody measured is `Missing`, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

# words of our fixed titles that hold a digit and measure nothing
FIXED = ("Phase 1", "Phase 2", "Phase 3", "Hour 0-4", "Hour 4-24", "Hour 24+", "p95", "p99")
TICKS = frozenset("✅❌☑☒✓✔✗✘")
_FIXED = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in FIXED))
_EVIDENCE = re.compile(r"L[1-9]\d*")


@dataclass(frozen=True, slots=True)
class Plain:
    """Prose of ours: no digit, no tick. Raises ValueError for either, so that an uncited number never gets out."""

    text: str
    strong: bool = False

    def __post_init__(self) -> None:
        if any(c.isdigit() or c in TICKS for c in _FIXED.sub("", self.text)):
            raise ValueError(f"a number or a tick without evidence: {self.text!r}; make it Cited")


@dataclass(frozen=True, slots=True)
class Cited:
    """What a ledger record says: `evidence` are the ids of the records, at least one, e.g. ("L42",)."""

    text: str
    evidence: tuple[str, ...]
    strong: bool = False
    code: bool = False

    def __post_init__(self) -> None:
        _need(self.evidence, self.text)


@dataclass(frozen=True, slots=True)
class Missing:
    """Printed as "not measured" and why."""

    why: str

    def __post_init__(self) -> None:
        Plain(self.why)


Span = Plain | Cited | Missing
Line = tuple[Span, ...]


class Mark(StrEnum):
    MET = "met"
    NOT_MET = "not met"
    OPEN = "open"  # not over yet
    NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Tick:
    """A box. Ticked or crossed it needs evidence; open and not measured are the absence of it."""

    mark: Mark
    evidence: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.mark in {Mark.MET, Mark.NOT_MET}:
            _need(self.evidence, f"the tick {self.mark!r}")


@dataclass(frozen=True, slots=True)
class Paragraph:
    line: Line


@dataclass(frozen=True, slots=True)
class Field:
    """A labelled value: **Label**: value."""

    label: Plain
    line: Line


@dataclass(frozen=True, slots=True)
class Fields:
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Item:
    line: Line
    tick: Tick | None = None
    children: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Bullets:
    """`ordered` items are numbered by the renderer; the numbers are markup, not measurements."""

    items: tuple[Item, ...]
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    head: tuple[Span, ...]
    rows: tuple[tuple[Line, ...], ...]
    caption: Line = ()

    def __post_init__(self) -> None:
        if any(len(row) != len(self.head) for row in self.rows):
            raise ValueError(f"a row has not the {len(self.head)} cells of the head")


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing and the numbers that it shows. `evidence`: every record that is drawn."""

    caption: Line
    svg: str
    table: Table
    evidence: tuple[str, ...]

    def __post_init__(self) -> None:
        _need(self.evidence, "a figure")


@dataclass(frozen=True, slots=True)
class Code:
    """Commands to type, verbatim; evidence is needed where they hold a digit (an id, a version)."""

    text: str
    evidence: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if any(c.isdigit() for c in self.text):
            _need(self.evidence, self.text)


Block = Paragraph | Fields | Bullets | Table | Figure | Code


@dataclass(frozen=True, slots=True)
class Section:
    title: Line
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()
    tick: Tick | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """One cited record, for the list at the end: its id, and what it says."""

    id: str
    when: str
    kind: str
    text: str
    hash: str

    def __post_init__(self) -> None:
        _need((self.id,), self.text)


@dataclass(frozen=True, slots=True)
class Document:
    """`kind` names the report ("status", "handoff", ...); `notes` hold every record that the text cites."""

    kind: str
    title: Line
    blocks: tuple[Block, ...] = ()
    sections: tuple[Section, ...] = ()
    footer: tuple[Block, ...] = ()
    notes: tuple[Note, ...] = ()


def line(*parts: str | Span | Line) -> Line:
    """Prose and citations in one line; a bare str is Plain."""
    spans: list[Span] = []
    for part in parts:
        if isinstance(part, str):
            spans.append(Plain(part))
        elif isinstance(part, tuple):
            spans.extend(part)
        else:
            spans.append(part)
    return tuple(spans)


def item(*parts: str | Span | Line, tick: Tick | None = None, children: tuple[Item, ...] = ()) -> Item:
    """A list item from prose and citations."""
    return Item(line(*parts), tick, children)


def paragraph(*parts: str | Span | Line) -> Paragraph:
    """A paragraph from prose and citations."""
    return Paragraph(line(*parts))


def field(label: str, *parts: str | Span | Line) -> Field:
    """A labelled value from prose and citations."""
    return Field(Plain(label), line(*parts))


def bullets(*items: Item, ordered: bool = False) -> Bullets:
    return Bullets(items, ordered)


def section(title: str | Line, *content: Block | Section, tick: Tick | None = None) -> Section:
    """A section whose own blocks come before its subsections."""
    blocks = tuple(c for c in content if not isinstance(c, Section))
    return Section(
        line(title),
        blocks,
        tuple(c for c in content if isinstance(c, Section)),
        tick,
    )


def shown(evidence: tuple[str, ...]) -> tuple[str, ...]:
    """The ids that are printed: all of up to three, else the first and the last of them."""
    return evidence if len(evidence) <= 3 else (evidence[0], evidence[-1])


def references(line: Line) -> Iterator[tuple[Span, tuple[str, ...]]]:
    """Each span with the ids to print after it: spans in a row that rest on the same records share one citation."""
    following: tuple[str, ...] = ()
    told: list[tuple[Span, tuple[str, ...]]] = []
    for span in reversed(line):
        own = span.evidence if isinstance(span, Cited) else ()
        told.append((span, () if own == following else own))
        following = own or following
    return reversed(told)


def parts(node: object) -> Iterator[object]:
    """The node and everything in it, in reading order: what renderers cite and tests walk."""
    yield node
    if isinstance(node, tuple):
        inner: list[object] = list(node)
    elif hasattr(node, "__dataclass_fields__"):
        inner = [getattr(node, name) for name in node.__dataclass_fields__]
    else:
        inner = []
    for each in inner:
        if isinstance(each, tuple) or hasattr(each, "__dataclass_fields__"):
            yield from parts(each)


def cited(document: Document) -> tuple[str, ...]:
    """The ids that the document prints, each once, in the ledger's order."""
    ids: set[str] = set()
    for part in parts(document):
        if isinstance(part, Cited | Tick | Figure | Code):
            ids.update(shown(part.evidence))
    return tuple(sorted(ids, key=lambda i: int(i[1:])))


def _need(evidence: tuple[str, ...], what: str) -> None:
    if not evidence:
        raise ValueError(f"without evidence: {what!r}; cite a ledger record or make it Missing")
    for each in evidence:
        if not _EVIDENCE.fullmatch(each):
            raise ValueError(f"{each!r} is not an evidence id like L42 (of {what!r})")
