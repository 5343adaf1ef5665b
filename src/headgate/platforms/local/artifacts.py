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

from headgate.config.parts_file import SKIPPED, environment_part, parts_of
from headgate.core.codec import canonical
from headgate.errors import PlanError, PortError
from headgate.platforms.local.wire import ApiError, invalid

MAX_BYTES = 750_000_000  # AWS's limit for unzipped code

_MEMBER = "agentRuntimeArtifact.codeConfiguration"


@dataclass(frozen=True, slots=True)
class InBucket:
    """A zip in S3; `version` "" for the object's latest."""

    bucket: str
    key: str
    version: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Code:
    """The code part of a version's configuration. `source` is where it lies: on this machine, or in a bucket."""

    source: Path | InBucket
    entry: str
    runtime: str
    environment: Mapping[str, str]


def code_of(config: Mapping[str, Any], *, buckets: bool) -> Code:
    """What a Create/UpdateAgentRuntime request asks to run. Raises ApiError for what only real AWS can run, and for
    code in S3 unless `buckets`.
    """
    artifact = config["agentRuntimeArtifact"]
    if "codeConfiguration" not in artifact:
        raise invalid("agentRuntimeArtifact", "the local runtime runs no containers; give codeConfiguration")
    code = artifact["codeConfiguration"]
    place = code["code"]["s3"]
    if len(code["entryPoint"]) != 1 or not code["entryPoint"][0].endswith(".py"):
        raise invalid(f"{_MEMBER}.entryPoint", "the local runtime runs one Python file, e.g. ['main.py']")
    if not code["runtime"].startswith("PYTHON_"):
        raise invalid(f"{_MEMBER}.runtime", f"the local runtime has no {code['runtime']}")
    if place["bucket"] != "local" and not buckets:
        said = f"{place['bucket']!r} is not read from here; use 'local' and a path as prefix"
        raise invalid(f"{_MEMBER}.code.s3.bucket", f"{said}, or start the runtime with --s3")
    return Code(_source(place), code["entryPoint"][0], code["runtime"], config.get("environmentVariables") or {})


def _source(place: Mapping[str, Any]) -> Path | InBucket:
    if place["bucket"] != "local":
        return InBucket(place["bucket"], place["prefix"], place.get("versionId") or "")
    path = Path(place["prefix"])
    if not path.is_absolute():
        raise invalid(f"{_MEMBER}.code.s3.prefix", f"{str(path)!r} is not an absolute path")
    return path


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


def parts(code: Code, digest: str, artifacts: Path) -> dict[str, str]:
    """What a stored version is made of, by part. Blocks: it reads all of the code."""
    return {**parts_of(artifacts / digest), "environment": environment_part(code.entry, code.runtime, code.environment)}


@contextmanager
def _staged(code: Code, under: Path) -> Iterator[tuple[str, Path]]:
    # digested after the copy: what is run is what was digested, even when the source is edited meanwhile
    staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=under))
    try:
        staging.chmod(0o755)
        with _here(code.source, under) as source:
            _copy(source, staging, under.parent)
        entry = staging / code.entry
        if not entry.resolve().is_relative_to(staging.resolve()) or not entry.is_file():
            raise invalid(f"{_MEMBER}.entryPoint", f"there is no file {code.entry!r} in {code.source}")
        parts_of(staging, str(code.source))  # what says which part is what must be well formed, too
        yield _digest(staging, code), staging
    except PlanError as error:
        raise ApiError("ValidationException", error.message) from error
    except OSError as error:
        raise ApiError("ValidationException", f"the code at {code.source} cannot be read or copied: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _here(source: Path | InBucket, under: Path) -> Iterator[Path]:
    """Code in a bucket, fetched as AgentCore would: by its version, with the usual AWS configuration."""
    if isinstance(source, Path):
        yield source
        return
    from headgate.aws.clients import Clients, Place  # loaded where it is needed: most runtimes never speak to AWS
    from headgate.aws.faults import mapped

    version = {"ExtraArgs": {"VersionId": source.version}} if source.version else {}
    clients = Clients(Place())
    with tempfile.TemporaryDirectory(prefix=".fetched-", dir=under) as folder:
        zipped = Path(folder) / "code.zip"
        try:
            with mapped(f"fetching {source}"):
                clients.service("s3").download_file(source.bucket, source.key, str(zipped), **version)
        except PortError as error:
            raise invalid(f"{_MEMBER}.code.s3", f"cannot be read from here: {error.message}") from error
        finally:
            clients.close()
        yield zipped


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
