"""From a directory or zip to an immutable artifact: a copy under its content digest, so that later edits of the source
change nothing.

The digest is SHA-256 over the sorted relative paths and contents, the entry point, the environment variables and the
runtime's name: everything that makes the version what it is, and nothing that does not.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from headgate.core.codec import canonical
from headgate.platforms.local.wire import ApiError, invalid

SKIPPED = frozenset({".git", "__pycache__", ".venv", ".headgate"})
MAX_BYTES = 750_000_000  # AWS's limit for unzipped code

_MEMBER = "agentRuntimeArtifact.codeConfiguration"


@dataclass(frozen=True, slots=True)
class Code:
    """The code part of a version's configuration."""

    source: Path
    entry: str
    runtime: str
    environment: Mapping[str, str]


def code_of(config: Mapping[str, Any]) -> Code:
    """What a Create/UpdateAgentRuntime request asks to run. Raises ApiError for what only real AWS can run."""
    artifact = config["agentRuntimeArtifact"]
    if "codeConfiguration" not in artifact:
        raise invalid("agentRuntimeArtifact", "the local runtime runs no containers; give codeConfiguration")
    code = artifact["codeConfiguration"]
    place = code["code"]["s3"]
    if place["bucket"] != "local":
        raise invalid(
            f"{_MEMBER}.code.s3.bucket",
            f"{place['bucket']!r} cannot be read from here; use 'local' and a path as prefix",
        )
    if len(code["entryPoint"]) != 1 or not code["entryPoint"][0].endswith(".py"):
        raise invalid(f"{_MEMBER}.entryPoint", "the local runtime runs one Python file, e.g. ['main.py']")
    if not code["runtime"].startswith("PYTHON_"):
        raise invalid(f"{_MEMBER}.runtime", f"the local runtime has no {code['runtime']}")
    source = Path(place["prefix"])
    if not source.is_absolute():
        raise invalid(f"{_MEMBER}.code.s3.prefix", f"{str(source)!r} is not an absolute path")
    return Code(source, code["entryPoint"][0], code["runtime"], config.get("environmentVariables") or {})


def store(code: Code, artifacts: Path) -> str:
    """Copy the code under `artifacts`/<digest> and return the digest. Blocks; raises ApiError where the source is
    unfit.
    """
    artifacts.mkdir(parents=True, exist_ok=True)
    with _staged(code, artifacts) as (digest, staging):
        target = artifacts / digest
        if not target.exists():
            staging.rename(target)
    return digest


def digest_of(code: Code, scratch: Path) -> str:
    """The digest that `store` would give, keeping nothing."""
    scratch.mkdir(parents=True, exist_ok=True)
    with _staged(code, scratch) as (digest, _):
        return digest


@contextmanager
def _staged(code: Code, under: Path) -> Iterator[tuple[str, Path]]:
    # digested after the copy: what is run is what was digested, even when the source is edited meanwhile
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=under))
    try:
        staging.chmod(0o755)
        _copy(code.source, staging, under.parent)
        entry = staging / code.entry
        if not entry.resolve().is_relative_to(staging.resolve()) or not entry.is_file():
            raise invalid(f"{_MEMBER}.entryPoint", f"there is no file {code.entry!r} in {code.source}")
        yield _digest(staging, code), staging
    except OSError as error:
        raise ApiError("ValidationException", f"the code at {code.source} cannot be read or copied: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _copy(source: Path, target: Path, home: Path) -> None:
    if source.is_dir():
        # the runtime's own folder may lie in the agent's; copied into itself it would never end
        files = list(_files(source, home))
        _check_size(sum(path.stat().st_size for path in files))
        for path in files:
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
            copy.chmod(stat.S_IMODE(path.stat().st_mode) | stat.S_IRUSR)
    elif zipfile.is_zipfile(source):
        _unzip(source, target)
    else:
        raise invalid(f"{_MEMBER}.code.s3.prefix", f"{source} is neither a directory nor a zip file")


def _unzip(source: Path, target: Path) -> None:
    with zipfile.ZipFile(source) as archive:
        members = [m for m in archive.infolist() if not m.is_dir() and not SKIPPED & set(Path(m.filename).parts)]
        _check_size(sum(m.file_size for m in members))
        for member in members:
            # extract() drops drive letters, leading slashes and "..": nothing lands outside the target
            archive.extract(member, target)


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise invalid(f"{_MEMBER}.code.s3.prefix", f"{size} bytes of code, at most {MAX_BYTES} allowed")


def _files(root: Path, without: Path | None = None) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and Path(folder, name).resolve() != without)
        for linked in (Path(folder, name) for name in folders if Path(folder, name).is_symlink()):
            raise invalid(
                f"{_MEMBER}.code.s3.prefix", f"{linked} is a link to a directory; copy what it leads to into the source"
            )
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file():  # sockets and pipes are no code
                yield path


def _digest(root: Path, code: Code) -> str:
    total = sha256()
    for path in sorted(_files(root), key=lambda p: p.relative_to(root).as_posix()):
        content = sha256(path.read_bytes()).hexdigest()
        total.update(canonical([path.relative_to(root).as_posix(), content]).encode())
    total.update(canonical([code.entry, code.runtime, dict(code.environment)]).encode())
    return total.hexdigest()
