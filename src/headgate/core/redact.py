"""What people and agents said, safe to keep: without what names or opens anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

LONGEST = 300

_PATTERNS = (
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[e-mail]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 [secret]"),
    (
        re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|\b(sk|ghp|xox[a-z])[-_][\w-]{10,}|\beyJ[\w-]{10,}(\.[\w-]+){1,2}"),
        "[secret]",
    ),
    (re.compile(r"(?i)\b(password|passwd|secret|token|api[_-]?key)([^\w\[]{1,4})[^\s\"',;}]{6,}"), r"\1\2[secret]"),
    (re.compile(r"\+?\d[\d ()-]{8,}\d"), "[number]"),
)
_OPENS = re.compile(r"(?i)(passw(or)?d|secret|api[_-]?key|credential|authorization)|(^|[_-])token$|[a-z]Token$")


def excerpt(text: str) -> str:
    """At most 300 characters of a text, e-mail addresses, secrets and long numbers replaced."""
    text = redact(" ".join(text[: 10 * LONGEST].split()))
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def redact(text: str, own: Sequence[re.Pattern[str]] = ()) -> str:
    """A text without e-mail addresses, secrets, long numbers, and whatever else the owner's patterns name."""
    for pattern in own:
        text = pattern.sub("[redacted]", text)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def redact_data(data: Any, own: Sequence[re.Pattern[str]] = ()) -> Any:
    """JSON data with every text in it redacted, names of members too; a text whose member is called a secret is one."""
    if isinstance(data, str):
        return redact(data, own)
    if isinstance(data, list):
        return [redact_data(each, own) for each in data]
    if isinstance(data, dict):
        return {redact(str(name), own): _member(str(name), value, own) for name, value in data.items()}
    return data


def _member(name: str, value: Any, own: Sequence[re.Pattern[str]]) -> Any:
    return "[secret]" if isinstance(value, str) and value and _OPENS.search(name) else redact_data(value, own)
