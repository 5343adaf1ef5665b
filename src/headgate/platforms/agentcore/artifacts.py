"""What a version is made of, put where AgentCore takes it from: a directory as a zip in S3, or a container image by its
digest.

Both are pinned: an image tag, or an object of a bucket, may mean something else tomorrow; a digest, and an object
version, may not.
"""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from headgate.aws.clients import Clients
from headgate.aws.faults import mapped
from headgate.config.parts_file import SKIPPED
from headgate.errors import NotFound, Rejected

MAX_ZIP = 250_000_000  # bytes; AWS's limits for code
MAX_CODE = 750_000_000
LOCAL_BUCKET = "local"  # of the local runtime: it reads the directory itself
_EPOCH = (1980, 1, 1, 0, 0, 0)  # one time for all members: the same code gives the same zip
ECR = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(?P<name>[^:@]+)"
    r"(?::(?P<tag>[^:@]+))?(?:@(?P<digest>.+))?"
)

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """The members of a plan's platform that name the code."""

    directory: str = ""
    entry: str = "main.py"
    python: str = ""  # "3.12"; "": as the runtime has it
    bucket: str = ""
    prefix: str = "headgate/"
    container: str = ""


def artifact(source: Source, agent: str, clients: Clients, current: Mapping[str, Any]) -> Data:
    """An `agentRuntimeArtifact`. `current` is that of the version which it replaces ({}: there is none).

    Raises PortErrors: Rejected for code that AgentCore cannot take.
    """
    if source.container:
        return {"containerConfiguration": {"containerUri": pinned_image(source.container, clients)}}
    if not source.directory:
        raise Rejected(
            "a plan of platform agentcore names no source to build from",
            "name the agent's directory, `source: ./agent` with `bucket: NAME`, or an image, `container: URI`",
        )
    before = dict(current.get("codeConfiguration") or {})
    language = f"PYTHON_{source.python.replace('.', '_')}" if source.python else before.get("runtime", "PYTHON_3_12")
    place = {"bucket": LOCAL_BUCKET, "prefix": source.directory}
    if source.bucket != LOCAL_BUCKET:
        place = _uploaded(source, agent, clients)
    return {"codeConfiguration": {"code": {"s3": place}, "runtime": language, "entryPoint": [source.entry]}}


def pinned_image(uri: str, clients: Clients) -> str:
    """The image by its digest, as its repository has it now. Raises NotFound, or Rejected where nobody can say."""
    found = ECR.fullmatch(uri)
    if "@sha256:" in uri:
        return uri
    if found is None:
        raise Rejected(
            f"image {uri} has no digest, and only those of a private ECR repository can be looked up",
            "name it by its digest: `container: ...@sha256:...`",
        )
    tag = found["tag"] or "latest"
    with mapped(f"looking up image {uri}"):
        answer = clients.service("ecr").describe_images(
            registryId=found["account"], repositoryName=found["name"], imageIds=[{"imageTag": tag}]
        )
    details = answer.get("imageDetails", [])
    if not details:
        raise NotFound(f"there is no image {uri}")
    return f"{uri.removesuffix(f':{tag}')}@{details[0]['imageDigest']}"


def _uploaded(source: Source, agent: str, clients: Clients) -> Data:
    """The code in S3 under its digest, put there once; the object's version is pinned where the bucket keeps them."""
    if not source.bucket:
        raise Rejected("a plan of platform agentcore names no bucket for its code", "add `bucket: NAME`")
    s3 = clients.service("s3")
    with tempfile.TemporaryFile() as file:
        digest = write_zip(Path(source.directory), source.entry, file)
        key = f"{source.prefix}{agent}/{digest}.zip"
        with mapped(f"putting the code of {agent} at s3://{source.bucket}/{key}"):
            found = _object(s3, source.bucket, key)
            if found is None:
                file.seek(0)
                found = s3.put_object(Bucket=source.bucket, Key=key, Body=file, ContentType="application/zip")
    version = found.get("VersionId", "null")
    return {"bucket": source.bucket, "prefix": key, **({"versionId": version} if version != "null" else {})}


def _object(s3: Any, bucket: str, key: str) -> Data | None:
    try:
        found: Data = s3.head_object(Bucket=bucket, Key=key)
    except s3.exceptions.ClientError as error:
        # without the right to list a bucket, S3 says 403 of an object that is not there: putting it settles that
        if error.response["Error"]["Code"] in {"404", "403", "NoSuchKey", "NotFound"}:
            return None
        raise
    return found


def write_zip(source: Path, entry: str, file: IO[bytes]) -> str:
    """Write the directory as a zip, the same bytes for the same code; its SHA-256. Raises Rejected."""
    if not (source / entry).is_file():
        raise Rejected(f"there is no file {entry!r} in {source}", "name the file that starts the agent: `entry: ...`")
    size = 0
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in _files(source):
            size += path.stat().st_size
            if size > MAX_CODE:
                raise Rejected(f"{source} holds more than {MAX_CODE // 10**6} MB of code", "use a container image")
            member = zipfile.ZipInfo(path.relative_to(source).as_posix(), _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            # others must be able to read it: AgentCore runs it as another user
            member.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
            archive.writestr(member, path.read_bytes())
    if file.tell() > MAX_ZIP:
        raise Rejected(f"the zip of {source} has {file.tell() // 10**6} MB, at most {MAX_ZIP // 10**6}", "use an image")
    file.seek(0)
    total = sha256()
    while piece := file.read(1 << 20):
        total.update(piece)
    return total.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for linked in (Path(folder, name) for name in folders if Path(folder, name).is_symlink()):
            raise Rejected(f"{linked} is a link to a directory", "copy what it leads to into the source")
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file():  # sockets and pipes are no code
                yield path
