"""What a directory of an agent's code is made of, by part; `headgate-parts.yaml` in it says which files are which part.

prompt: [prompt.md]
tools: [coach/tools.py]
guardrail: [coach/guard.py, "coach/safety.*"]
model: {value: eu.anthropic.claude-sonnet-4-20250514-v1:0}

Every file that it does not name is code. Without it all are, and the other parts are not known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import Field

from headgate.config.block import Block
from headgate.config.complaints import validate
from headgate.config.yaml_source import parse, read_text
from headgate.core.codec import canonical
from headgate.core.plan import Platform
from headgate.errors import PlanError

DEFAULT_PYTHON = "PYTHON_3_12"  # a name that AgentCore requires; the local runtime uses the Python it was started with
NAME = "headgate-parts.yaml"
SKIPPED = frozenset({".git", "__pycache__", ".venv", ".headgate"})  # no part of an agent, wherever they are


class Value(Block):
    """A part that is no file."""

    value: str = Field(min_length=1, max_length=200, description="What it is, e.g. the id of a model")


Part = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)] | Value | None


class Parts(Block):
    """Which files are which part: paths in the directory, * as in a shell."""

    prompt: Part = Field(None, description="What the model is told to be")
    model: Part = Field(None, description="Which model it is")
    tools: Part = Field(None, description="What it can do")
    guardrail: Part = Field(None, description="What holds it back")
    memory: Part = Field(None, description="The form of what it remembers")


def parts_of(folder: Path, named: str = "") -> dict[str, str]:
    """Part -> digest, or value, of the code in a folder. Raises PlanError; `named`: what it calls the folder."""
    files = {path.relative_to(folder).as_posix(): path for path in _files(folder)}
    written = files.pop(NAME, None)
    if written is None:
        return {"code": _digest(files)}
    source = parse(read_text(written), f"{named or folder}/{NAME}")
    found, made, problems = validate(source, Parts), dict[str, str](), list[str]()
    code = dict(files)
    for part in Parts.model_fields:
        wanted = getattr(found, part)
        if isinstance(wanted, Value):
            made[part] = wanted.value
        elif wanted is not None:
            problems += [
                source.problem((part, i), f"no file is {pattern!r}", "give it relative to this file's folder")
                for i, pattern in enumerate(wanted)
                if not any(fnmatch(name, pattern) for name in files)
            ]
            mine = {name: path for name, path in files.items() if any(fnmatch(name, p) for p in wanted)}
            made[part] = _digest(mine)
            code = {name: path for name, path in code.items() if name not in mine}
    if problems:
        raise PlanError(problems)
    return {"code": _digest(code), **made}


def parts_of_source(platform: Platform) -> dict[str, str]:
    """What a version that is built now would be made of, as the local runtime will say; {}: it cannot be said yet."""
    source = Path(platform.get("source"))
    if platform.kind != "local" or not source.is_dir():
        return {}
    python = platform.get("python")
    runtime = f"PYTHON_{python.replace('.', '_')}" if python else DEFAULT_PYTHON
    env = json.loads(platform.get("env", "{}"))
    return {**parts_of(source), "environment": environment_part(platform.get("entry", "main.py"), runtime, env)}


def environment_part(entry: str, runtime: str, variables: Mapping[str, str]) -> str:
    """The digest of what a version is started with."""
    return f"sha256:{sha256(canonical([entry, runtime, dict(variables)]).encode()).hexdigest()}"


def _files(folder: Path) -> Iterable[Path]:
    found = (path for path in folder.rglob("*") if not SKIPPED & set(path.relative_to(folder).parts))
    return sorted(path for path in found if path.is_file())


def _digest(files: Mapping[str, Path]) -> str:
    total = sha256()
    for name in sorted(files):
        total.update(canonical([name, sha256(files[name].read_bytes()).hexdigest()]).encode())
    return f"sha256:{total.hexdigest()}"
