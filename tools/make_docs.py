"""Writes what the documents show but nobody should type: command line, plan schema, pictures of real rollouts.

python tools/make_docs.py            write the files (`make docs`)
python tools/make_docs.py --check    exit 1 and name the files that are not what would be written
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from headgate.cli.main import COMMANDS, cli
from headgate.config.plan_file import schema
from headgate.ports import Record
from headgate.reports import charts
from headgate.reports.history import History
from headgate.reports.svg import standalone

ROOT = Path(__file__).resolve().parents[1]
HISTORIES = ROOT / "tests" / "histories"
PICTURES = {"rollout.svg": ("coach-companion-v2", "weights"), "caught.svg": ("coach-companion-v3", "evidence")}

CLI_HEAD = """\
# The command line

Generated from the commands themselves by `make docs`. What to type when is in [the tutorial](../tutorial.md) and
[on call](../on-call.md).

- `--home DIR` goes before the command: `headgate --home DIR rollout list`.
- `--json` prints facts for programs; everything else is for people, and may change its wording.
- Where an `ID` is asked for, its beginning will do if it names one rollout only.

| exit code | means |
|---|---|
| 0 | done as asked |
| 1 | the rollout or suite failed, or the ledger is broken |
| 2 | wrong use, or a wrong plan |
| 3 | a needed service is unreachable |
| 4 | refused: permission, lease, a person's hold, another rollout of the agent |
| 130 | interrupted with Ctrl-C |
"""


def command_line() -> str:
    """docs/reference/cli.md."""
    top = click.Context(cli, info_name="headgate")
    parts = [CLI_HEAD, _block("headgate", top)]
    for name in COMMANDS:
        command = cli.get_command(top, name)
        if command is None:
            raise SystemExit(f"make_docs: the command {name} is listed and cannot be loaded")
        parts += _pages(command, top, name)
    return "\n".join(parts)


def _pages(command: click.Command, parent: click.Context, name: str) -> Iterator[str]:
    """A command's help, and that of the commands below it."""
    context = click.Context(command, info_name=name, parent=parent)
    yield _block(context.command_path, context)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from _pages(found, context, below)


def _block(title: str, context: click.Context) -> str:
    context.max_content_width = context.terminal_width = 100
    return f"## {title}\n\n```text\n{context.get_help().rstrip()}\n```\n"


def history(name: str) -> History:
    """A rollout that was saved with `headgate evidence ID --json`."""
    rows = json.loads((HISTORIES / f"{name}.json").read_text(encoding="utf-8"))
    mine = next(row["body"]["rollout"]["id"] for row in rows if row["kind"] == "rollout.created")
    return History.of(
        [Record(int(row["id"][1:]), row["at"], mine, row["kind"], row["body"], "", row["hash"]) for row in rows]
    )


def picture(name: str, which: str) -> str:
    """One of the drawings of a report, for a page of its own."""
    found = history(name)
    drawing = getattr(charts, which)(found, found.standing.at) if which == "weights" else getattr(charts, which)(found)
    if drawing is None:
        raise SystemExit(f"make_docs: {name} has nothing to draw for {which}")
    return standalone(drawing.svg)


def wanted() -> dict[Path, str]:
    """Every generated file and what belongs in it."""
    reference = ROOT / "docs" / "reference"
    files = {
        reference / "cli.md": command_line(),
        reference / "plan-schema.json": json.dumps(schema(), indent=2, ensure_ascii=False) + "\n",
    }
    for file, (name, which) in PICTURES.items():
        files[ROOT / "docs" / "img" / file] = picture(name, which)
    return files


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print("usage: make_docs.py [--check]", file=sys.stderr)
        return 2
    stale = [
        (path, text) for path, text in wanted().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path, text in stale:
        print(f"{'not up to date' if arguments else 'wrote'}: {path.relative_to(ROOT)}")
        if not arguments:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale and arguments:
        print("mend: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
