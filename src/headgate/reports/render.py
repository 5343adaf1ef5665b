"""A document in the form that was asked for: `md`, `html` or `json`."""

from __future__ import annotations

import json

from headgate.errors import UsageError
from headgate.reports.document import Document
from headgate.reports.html import to_html
from headgate.reports.json_form import to_json
from headgate.reports.markdown import to_markdown

__all__ = ["render", "to_html", "to_json", "to_markdown"]


def render(document: Document, form: str) -> str:
    """The document as text. Raises UsageError for any other form."""
    if form == "md":
        return to_markdown(document)
    if form == "html":
        return to_html(document)
    if form == "json":
        return json.dumps(to_json(document), indent=2, ensure_ascii=False) + "\n"
    raise UsageError(f"a report has no form {form!r}", "ask for md, html or json")
