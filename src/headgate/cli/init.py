"""`headgate init [DIR]`: a starter plan, four suites and an agent; never over a file that is there."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

_TEMPLATES = Path(__file__).parent / "templates"
_SUITES = ("smoke", "integration", "security", "load")
_ENTRIES = ("main.py", "agent.py", "app.py")


@dataclass(frozen=True, slots=True)
class Found:
    """What an AgentCore project says of its agent: a name, the folder of its code, the file that starts it; and where
    it runs on AWS, if it does.
    """

    name: str
    source: str = "."
    entry: str = ""
    told_by: str = ""
    arn: str = ""
    bucket: str = ""


@click.command()
@click.argument("directory", metavar="[DIR]", type=click.Path(path_type=Path), default=Path())
def init(directory: Path) -> None:
    """Write a starter plan, suites and agent into DIR; reads agentcore.json or .bedrock_agentcore.yaml."""
    from headgate.errors import UsageError

    found = _look_around(directory)
    files = _files(directory, found)
    if there := [path for path in files if path.exists()]:
        names = ", ".join(str(path) for path in there)
        raise UsageError(f"{names} is already there; nothing was written", "move it away, or name another directory")
    try:
        for path, text in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}", "name a directory that you may write to") from None
    if found.told_by:
        click.echo(f"read {directory / found.told_by}: agent {found.name}")
    for path in files:
        click.echo(f"wrote {path}")
    click.echo(f"next: headgate plan explain {directory / 'headgate.yaml'}")


def _files(directory: Path, found: Found) -> dict[Path, str]:
    """What is to be written: a starter agent only where no code of one is there."""
    source = directory / found.source
    entry = found.entry or next((name for name in _ENTRIES if (source / name).is_file()), "")
    files = {
        directory / "headgate.yaml": _filled(
            "headgate.yaml",
            name=found.name,
            source=found.source,
            entry=entry or "main.py",
            aws=_on_aws(found, entry or "main.py"),
        ),
        **{directory / "suites" / f"{name}.yaml": _filled(f"{name}.yaml") for name in _SUITES},
    }
    if not entry:
        files[source / "main.py"] = _filled("main.py", name=found.name)
    return files


def _on_aws(found: Found, entry: str) -> str:
    """The platform on AWS as a comment: the plan is tried on this machine first."""
    match = re.fullmatch(r"arn:aws[a-z-]*:bedrock-agentcore:([a-z0-9-]+):\d{12}:runtime/([A-Za-z0-9_-]+)", found.arn)
    if match is None:
        return ""
    region, runtime = match.groups()
    where = f"kind: agentcore, runtime: {runtime}, region: {region}, source: {found.source}, entry: {entry}"
    return (
        "\n# on AWS, where it runs now (docs/agentcore.md), in place of the line above:\n"
        f"# platform: {{{where}, bucket: {found.bucket or 'NAME_OF_YOUR_BUCKET'}}}"
    )


def _filled(template: str, **values: str) -> str:
    text = (_TEMPLATES / f"{template}.txt").read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _look_around(directory: Path) -> Found:
    """What is known of the agent: from AgentCore's own files, or else from the directory's name."""
    for path, read in (
        ("agentcore/agentcore.json", _from_agentcore_json),
        ("agentcore.json", _from_agentcore_json),
        (".bedrock_agentcore.yaml", _from_starter_toolkit),
    ):
        if (directory / path).is_file() and (found := read(directory, path)):
            return found
    return Found(_name(directory.absolute().name))


def _data(directory: Path, path: str) -> Any:
    """A JSON or YAML file's data: JSON is YAML."""
    from headgate.config.yaml_source import parse, read_text

    return parse(read_text(directory / path), str(directory / path)).data


def _from_agentcore_json(directory: Path, path: str) -> Found | None:
    """`@aws/agentcore`: runtimes[{name, entrypoint, codeLocation}]."""
    data = _data(directory, path)
    runtimes = data.get("runtimes") if isinstance(data, dict) else None
    if not isinstance(runtimes, list) or not runtimes or not isinstance(runtimes[0], dict):
        return None
    first = runtimes[0]
    name = first.get("name") or data.get("name")
    found = _found(directory, path, name, first.get("codeLocation"), first.get("entrypoint"))
    return replace(found, arn=_deployed(directory, Path(path).parent, str(name)))


def _deployed(directory: Path, project: Path, name: str) -> str:
    """The ARN that the last `agentcore deploy` left: targets.T.resources.runtimes.NAME.runtimeArn; "" for none."""
    path = project / ".cli" / "deployed-state.json"
    if not (directory / path).is_file():
        return ""
    data = _data(directory, path.as_posix())
    targets = data.get("targets", {}) if isinstance(data, dict) else {}
    for target in targets.values() if isinstance(targets, dict) else ():
        try:
            return str(target["resources"]["runtimes"][name]["runtimeArn"])
        except (KeyError, TypeError):
            continue
    return ""


def _from_starter_toolkit(directory: Path, path: str) -> Found | None:
    """The starter toolkit: default_agent, agents.NAME{entrypoint, source_path}."""
    data = _data(directory, path)
    agents = data.get("agents") if isinstance(data, dict) else None
    if not isinstance(agents, dict) or not agents:
        return None
    name = data.get("default_agent") if data.get("default_agent") in agents else next(iter(agents))
    agent = agents[name] if isinstance(agents[name], dict) else {}
    found = _found(directory, path, agent.get("name") or name, agent.get("source_path"), agent.get("entrypoint"))
    live, aws = agent.get("bedrock_agentcore"), agent.get("aws")
    arn = str(live.get("agent_arn") or "") if isinstance(live, dict) else ""
    stored = str(aws.get("s3_path") or "") if isinstance(aws, dict) else ""
    return replace(found, arn=arn, bucket=stored.removeprefix("s3://").split("/")[0])


def _found(directory: Path, told_by: str, name: object, source: object, entry: object) -> Found:
    """`entry` may be "agent.py", "agent.py:handler", or a path from the project; `source` may be absolute."""
    folder = Path(str(source)) if source else Path()
    if folder.is_absolute():
        inside = folder.is_relative_to(directory.absolute())
        folder = folder.relative_to(directory.absolute()) if inside else folder
    file = str(entry or "").split(":")[0]
    if file and not (directory / folder / file).is_file():
        if (directory / file).is_file() and not source:
            folder, file = Path(file).parent, Path(file).name
        elif (directory / file).is_relative_to(directory / folder) and (directory / file).is_file():
            file = str(Path(file).relative_to(folder))
        else:
            file = ""
    return Found(_name(str(name or directory.absolute().name)), folder.as_posix(), file, told_by)


def _name(text: str) -> str:
    """A name that a plan accepts."""
    name = re.sub(r"[^a-zA-Z0-9_-]+", "-", text).strip("-")[:48]
    return name if name[:1].isalpha() else f"agent-{name}".rstrip("-")[:48]
