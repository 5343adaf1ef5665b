"""A document as GitHub's Markdown: citations as [L42], boxes as task lists, drawings as the numbers behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from headgate.reports import document as d

_MARKS = {
    d.Mark.MET: "[x] ✅",
    d.Mark.NOT_MET: "[ ] ❌",
    d.Mark.OPEN: "[ ] ⏳",
    d.Mark.NOT_MEASURED: "[ ] ❔",
}
_BADGES = {mark: text[4:] for mark, text in _MARKS.items()}
# what would be markup in a line: tags and entities only where one can begin, underscores only at the edge of a word
_SPECIAL = re.compile(r"[\\`*\[\]|~$]|<(?=[A-Za-z/!?])|&(?=#?\w+;)|(?<!\w)_|_(?!\w)")
# what would begin a quotation, heading, list or rule at the start of a line; a number of a list is escaped at its dot
_STARTS = re.compile(r"^(?=>|[#+=-]+(?:\s|$))|(?<=^\d)(?=[.)](?:\s|$))|(?<=^\d\d)(?=[.)](?:\s|$))")


def to_markdown(document: d.Document) -> str:
    """The whole document, with the records that it cites listed at the end."""
    lines = [f"# {_line(document.title)}", "", *_blocks(document.blocks)]
    for section in document.sections:
        lines += ["---", "", *_section(section, 2)]
    if document.footer:
        lines += ["---", "", *_blocks(document.footer)]
    if document.notes:
        lines += ["---", "", "## Evidence", "", *_notes(document.notes)]
    return "\n".join(lines).rstrip() + "\n"


def escape(text: str) -> str:
    """Text from outside as Markdown that shows it, and nothing but it: no link, no markup, no forged citation."""
    flat = _flat(text)
    return _STARTS.sub(r"\\", _SPECIAL.sub(lambda found: f"\\{found.group()}", flat))


def _flat(text: str) -> str:
    """One line, nothing that does not print."""
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() or c.isspace() else "�" for c in text))


def _section(section: d.Section, level: int) -> Iterator[str]:
    badge = f" {_BADGES[section.tick.mark]}{_refs(section.tick.evidence)}" if section.tick else ""
    yield f"{'#' * level} {_line(section.title)}{badge}"
    yield ""
    yield from _blocks(section.blocks)
    for inner in section.sections:
        yield from _section(inner, level + 1)


def _blocks(blocks: tuple[d.Block, ...]) -> Iterator[str]:
    for block in blocks:
        yield from _block(block)
        yield ""


def _block(block: d.Block) -> Iterator[str]:
    match block:
        case d.Paragraph():
            yield _line(block.line)
        case d.Fields():
            # two spaces at the end break the line and keep the list as tight as in a letterhead
            yield from ("  \n".join(f"**{_plain(f.label)}**: {_line(f.line)}" for f in block.fields)).split("\n")
        case d.Bullets():
            yield from _items(block.items, block.ordered, "")
        case d.Table():
            yield from _table(block)
        case d.Figure():
            yield f"**Figure**: {_line(block.caption)}{_refs(block.evidence)}"
            yield ""
            yield from _table(block.table)
        case d.Code():
            yield f"```sh\n{block.text}\n```"
            if block.evidence:
                yield _refs(block.evidence).strip()


def _items(items: tuple[d.Item, ...], ordered: bool, indent: str) -> Iterator[str]:
    for n, item in enumerate(items, 1):
        bullet = f"{n}." if ordered else "-"
        said = {ref for span in item.line if isinstance(span, d.Cited) for ref in span.evidence}
        tick = f"{_MARKS[item.tick.mark]} " if item.tick else ""
        proof = tuple(e for e in item.tick.evidence if e not in said) if item.tick else ()
        yield f"{indent}{bullet} {tick}{_line(item.line)}{_refs(proof)}"
        yield from _items(item.children, False, indent + " " * (len(bullet) + 1))


def _table(table: d.Table) -> Iterator[str]:
    if table.caption:
        yield f"{_line(table.caption)}\n"
    yield f"| {' | '.join(_line((head,)) for head in table.head)} |"
    yield f"|{' --- |' * len(table.head)}"
    for row in table.rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"


def _cell(line: d.Line) -> str:
    """A line in a table, where a bar ends the cell even within code."""
    return re.sub(r"(?<!\\)\|", r"\|", _line(line))


def _notes(notes: tuple[d.Note, ...]) -> Iterator[str]:
    yield "Every number above names the ledger record that it comes from; these are the records."
    yield ""
    yield "| Record | When | Kind | Says | Hash |"
    yield "| --- | --- | --- | --- | --- |"
    for note in notes:
        yield f"| [{note.id}] | {note.when} | `{note.kind}` | {escape(note.text)} | `{note.hash[:12]}` |"


def _line(line: d.Line) -> str:
    return "".join(_span(span) + _refs(refs) for span, refs in d.references(line))


def _span(span: d.Span) -> str:
    match span:
        case d.Plain():
            return _plain(span)
        case d.Missing():
            return f"*not measured* ({span.why})" if span.why else "*not measured*"
        case d.Cited():
            text = _code(span.text) if span.code else escape(span.text)
            return f"**{text.strip()}**" if span.strong else text  # emphasis with a space at its edge is none


def _plain(span: d.Plain) -> str:
    return f"**{span.text.strip()}**" if span.strong else span.text


def _code(text: str) -> str:
    """Inline code whose fence is longer than any run of backticks within."""
    flat = _flat(text)
    fence = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    pad = " " if "`" in flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def _refs(evidence: tuple[str, ...]) -> str:
    if not evidence:
        return ""
    if evidence == d.shown(evidence):
        return f" [{', '.join(evidence)}]"
    return f" [{evidence[0]} … {evidence[-1]}, {len(evidence)} records]"
