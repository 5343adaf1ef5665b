"""A document as one HTML file: inline style, no script, nothing loaded, every citation a link to its record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from headgate.reports import document as d
from headgate.reports.style import CSS

_MARKS = {d.Mark.MET: "✓", d.Mark.NOT_MET: "✗", d.Mark.OPEN: "…", d.Mark.NOT_MEASURED: "?"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def to_html(document: d.Document) -> str:
    """The whole document as a page that stands alone."""
    page = _Page({note.id: f"{note.kind}, {note.when}: {note.text}" for note in document.notes})
    title = escape(text_of(document.title))
    parts = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        f"<title>{title}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n<main>",
        f"<header>\n<h1>{page.line(document.title)}</h1>\n{''.join(page.blocks(document.blocks))}</header>",
        _contents(document),
        *(page.section(each, 2) for each in document.sections),
        f"<footer>\n{''.join(page.blocks(document.footer))}</footer>" if document.footer else "",
        _notes(document.notes),
        "</main>\n</body>\n</html>\n",
    ]
    return "\n".join(part for part in parts if part)


def escape(text: str) -> str:
    """Text from outside as HTML text or attribute value."""
    seen = "".join(c if c.isprintable() or c.isspace() else "�" for c in text)
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        seen = seen.replace(character, entity)
    return seen


def text_of(line: d.Line) -> str:
    """A line without markup and citations."""
    return "".join(span.why if isinstance(span, d.Missing) else span.text for span in line)


def _anchor(line: d.Line) -> str:
    return re.sub(r"\W+", "-", text_of(line).lower()).strip("-")


def _contents(document: d.Document) -> str:
    links = "".join(
        f'<li><a href="#{_anchor(s.title)}">{escape(text_of(s.title))}</a></li>\n' for s in document.sections
    )
    return f'<nav aria-label="Contents">\n<ul>\n{links}</ul>\n</nav>' if links else ""


def _notes(notes: tuple[d.Note, ...]) -> str:
    if not notes:
        return ""
    rows = "".join(
        f'<tr id="{n.id}"><th scope="row">{n.id}</th><td class="when">{n.when}</td>'
        f"<td><code>{escape(n.kind)}</code></td><td>{escape(n.text)}</td><td><code>{escape(n.hash[:12])}</code></td></tr>\n"
        for n in notes
    )
    head = "".join(f'<th scope="col">{name}</th>' for name in ("Record", "When", "Kind", "Says", "Hash"))
    return (
        '<section class="evidence">\n<h2 id="evidence">Evidence</h2>\n'
        "<p>Every number above names the ledger record that it comes from; these are the records.</p>\n"
        f'<div class="wide"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}</tbody>\n</table></div>\n</section>"
    )


@dataclass(slots=True)
class _Page:
    """Renders with the notes at hand, so that a citation's title says what it cites."""

    says: Mapping[str, str] = field(default_factory=dict)

    def section(self, section: d.Section, level: int) -> str:
        tick = f" {self.mark(section.tick)}{self.refs(section.tick.evidence)}" if section.tick else ""
        inner = "".join(self.blocks(section.blocks)) + "".join(self.section(s, level + 1) for s in section.sections)
        heading = f'<h{level} id="{_anchor(section.title)}">{self.line(section.title)}{tick}</h{level}>'
        return f"<section>\n{heading}\n{inner}</section>\n"

    def blocks(self, blocks: tuple[d.Block, ...]) -> Iterator[str]:
        return (self.block(each) + "\n" for each in blocks)

    def block(self, block: d.Block) -> str:
        match block:
            case d.Paragraph():
                return f"<p>{self.line(block.line)}</p>"
            case d.Fields():
                rows = "".join(f"<dt>{self.plain(f.label)}</dt><dd>{self.line(f.line)}</dd>\n" for f in block.fields)
                return f"<dl>\n{rows}</dl>"
            case d.Bullets():
                return self.items(block.items, block.ordered)
            case d.Table():
                return self.table(block)
            case d.Figure():
                return self.figure(block)
            case d.Code():
                return f"<pre><code>{escape(block.text)}</code></pre>{self.refs(block.evidence)}"

    def items(self, items: tuple[d.Item, ...], ordered: bool) -> str:
        rows = []
        for item in items:
            said = {ref for span in item.line if isinstance(span, d.Cited) for ref in span.evidence}
            proof = tuple(e for e in item.tick.evidence if e not in said) if item.tick else ()
            mark, kind = (self.mark(item.tick), ' class="tick"') if item.tick else ("", "")
            inner = self.items(item.children, False) if item.children else ""
            rows.append(f"<li{kind}>{mark}{self.line(item.line)}{self.refs(proof)}{inner}</li>\n")
        tag = "ol" if ordered else "ul"
        return f"<{tag}>\n{''.join(rows)}</{tag}>"

    def table(self, table: d.Table) -> str:
        caption = f"<caption>{self.line(table.caption)}</caption>\n" if table.caption else ""
        head = "".join(f'<th scope="col">{self.line((cell,))}</th>' for cell in table.head)
        rows = "".join(f"<tr>{''.join(f'<td>{self.line(c)}</td>' for c in row)}</tr>\n" for row in table.rows)
        body = f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>"
        return f'<div class="wide"><table>\n{caption}{body}\n</table></div>'

    def figure(self, figure: d.Figure) -> str:
        data = f"<details><summary>The numbers</summary>\n{self.table(figure.table)}\n</details>"
        caption = f"<figcaption>{self.line(figure.caption)}{self.refs(figure.evidence)}</figcaption>"
        return f"<figure>\n{figure.svg}\n{caption}\n{data}\n</figure>"

    def line(self, line: d.Line) -> str:
        return "".join(self.span(span) + self.refs(refs) for span, refs in d.references(line))

    def span(self, span: d.Span) -> str:
        match span:
            case d.Plain():
                return self.plain(span)
            case d.Missing():
                why = f" ({escape(span.why)})" if span.why else ""
                return f'<em class="missing">not measured</em>{why}'
            case d.Cited():
                text = f"<code>{escape(span.text)}</code>" if span.code else escape(span.text)
                return f"<strong>{text}</strong>" if span.strong else text

    def plain(self, span: d.Plain) -> str:
        return f"<strong>{escape(span.text)}</strong>" if span.strong else escape(span.text)

    def mark(self, tick: d.Tick) -> str:
        kind = tick.mark.replace(" ", "-")
        return f'<span class="mark {kind}" role="img" aria-label="{tick.mark}">{_MARKS[tick.mark]}</span>'

    def refs(self, evidence: tuple[str, ...]) -> str:
        if not evidence:
            return ""
        links = [f'<a href="#{e}" title="{escape(self.says.get(e, e))}">{e}</a>' for e in d.shown(evidence)]
        if len(links) < len(evidence):
            return f'<span class="refs">[{links[0]} … {links[1]}, {len(evidence)} records]</span>'
        return f'<span class="refs">[{", ".join(links)}]</span>'
