"""A document as JSON data: the same tree, every number with its evidence ids as a member."""

from __future__ import annotations

from typing import Any

from headgate.reports import document as d


def to_json(document: d.Document) -> dict[str, Any]:
    """{"kind", "title", "blocks", "sections", "footer", "evidence"}.

    A span is {"text"}, {"text", "evidence"} or {"not_measured": why}; "evidence" of the whole maps id to record.
    """
    return {
        "kind": document.kind,
        "title": _line(document.title),
        "blocks": _blocks(document.blocks),
        "sections": [_section(each) for each in document.sections],
        "footer": _blocks(document.footer),
        "evidence": {n.id: {"at": n.when, "kind": n.kind, "says": n.text, "hash": n.hash} for n in document.notes},
    }


def _section(section: d.Section) -> dict[str, Any]:
    data: dict[str, Any] = {"title": _line(section.title)}
    if section.tick:
        data["tick"] = _tick(section.tick)
    return data | {"blocks": _blocks(section.blocks), "sections": [_section(each) for each in section.sections]}


def _blocks(blocks: tuple[d.Block, ...]) -> list[dict[str, Any]]:
    return [_block(each) for each in blocks]


def _block(block: d.Block) -> dict[str, Any]:
    match block:
        case d.Paragraph():
            return {"is": "paragraph", "line": _line(block.line)}
        case d.Fields():
            fields = [{"label": f.label.text, "line": _line(f.line)} for f in block.fields]
            return {"is": "fields", "fields": fields}
        case d.Bullets():
            return {"is": "list", "ordered": block.ordered, "items": [_item(each) for each in block.items]}
        case d.Table():
            return _table(block)
        case d.Figure():
            evidence = list(block.evidence)
            return {"is": "figure", "caption": _line(block.caption), "table": _table(block.table), "evidence": evidence}
        case d.Code():
            return {"is": "code", "text": block.text, "evidence": list(block.evidence)}


def _item(item: d.Item) -> dict[str, Any]:
    data: dict[str, Any] = {"line": _line(item.line)}
    if item.tick:
        data["tick"] = _tick(item.tick)
    if item.children:
        data["items"] = [_item(each) for each in item.children]
    return data


def _table(table: d.Table) -> dict[str, Any]:
    rows = [[_line(cell) for cell in row] for row in table.rows]
    return {"is": "table", "caption": _line(table.caption), "head": _line(table.head), "rows": rows}


def _tick(tick: d.Tick) -> dict[str, Any]:
    return {"mark": tick.mark.value, "evidence": list(tick.evidence)}


def _line(line: d.Line) -> list[dict[str, Any]]:
    return [_span(span) for span in line]


def _span(span: d.Span) -> dict[str, Any]:
    match span:
        case d.Plain():
            return {"text": span.text}
        case d.Missing():
            return {"not_measured": span.why}
        case d.Cited():
            return {"text": span.text, "evidence": list(span.evidence)}
