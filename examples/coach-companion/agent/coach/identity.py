"""What this version is made of, part by part: what /ping says, and what it answers to {"headgate": "identity"}.

Two versions, or one at two times, are compared by it: so only digests and names, and the same for the same.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from coach.guard import Guard
from coach.journal import Entry, Journal
from coach.settings import ModelSettings

ASKED = {"headgate": "identity"}  # the whole payload
_SAFETY = ("guard.py", "safety.py", "safety.toml", "helplines.py")


def digest(pieces: Iterable[str]) -> str:
    return f"sha256:{sha256(json.dumps(list(pieces)).encode()).hexdigest()}"


def fixed_parts(tools: Sequence[Any], guards: Sequence[Guard]) -> dict[str, str]:
    """The parts that a running version keeps."""
    here = Path(__file__).parent
    rules = [(here / name).read_text(encoding="utf-8") for name in _SAFETY]
    return {
        "tools": digest(json.dumps(tool.tool_spec, sort_keys=True) for tool in tools),
        "guardrail": digest([*(guard.__name__ for guard in guards), *rules]),
        "memory": digest(f"{kind.__name__}.{f.name}: {f.type}" for kind in (Journal, Entry) for f in fields(kind)),
    }


def live_parts(prompt: str, model: ModelSettings) -> dict[str, str]:
    """The parts that may change under it."""
    return {"prompt": digest([prompt]), "model": f"{model.provider}:{model.id}"}
