"""JSON Schemas of our files, as editors use them."""

from __future__ import annotations

from typing import Any


def without_nulls(part: Any) -> Any:
    """Our files have no null: an optional member is left out, so `null` leaves the schema too."""
    if isinstance(part, list):
        return [without_nulls(each) for each in part]
    if not isinstance(part, dict):
        return part
    part = {k: without_nulls(v) for k, v in part.items() if not (k == "default" and v is None)}
    if {"type": "null"} in part.get("anyOf", []):
        rest = [each for each in part.pop("anyOf") if each != {"type": "null"}]
        part = {**part, **(rest[0] if len(rest) == 1 else {"anyOf": rest})}
    return part
