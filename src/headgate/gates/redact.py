"""What an agent said, safe to keep: short, one line, without what names or opens anything."""

from __future__ import annotations

import re

LONGEST = 300

_PATTERNS = (
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[e-mail]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), r"\1 [secret]"),
    (
        re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b|\b(sk|ghp|xox[a-z])[-_][\w-]{10,}|\beyJ[\w-]{10,}(\.[\w-]+){1,2}"),
        "[secret]",
    ),
    (re.compile(r"(?i)\b(password|passwd|secret|token|api[_-]?key)(\W{1,4})[^\s\"',;}]{6,}"), r"\1\2[secret]"),
    (re.compile(r"\+?\d[\d ()-]{8,}\d"), "[number]"),
)


def excerpt(text: str) -> str:
    """At most 300 characters of a text, e-mail addresses, secrets and long numbers replaced."""
    text = " ".join(text[: 10 * LONGEST].split())
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
