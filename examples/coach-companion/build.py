"""Builds the versions of Coach Companion: `python build.py [NAME ...]`, without names all of them.

A version is the agent's code with what that version changes laid over it: build/NAME is agent/ and then
versions/NAME/, where a file of the same name wins. So each build holds all of its version and nothing of another, as
what a pipeline hands to a platform does. A build that is up to date is left as it is.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
_LEFT_OUT = {"__pycache__", ".DS_Store"}


def names() -> list[str]:
    """All versions."""
    return sorted(folder.name for folder in (HERE / "versions").iterdir() if (folder / "version.toml").is_file())


def build(name: str, into: Path = HERE / "build") -> Path:
    """The folder that a platform is given."""
    wanted = _files(HERE / "agent") | _files(HERE / "versions" / name)
    target = into / name
    for path in _files(target) if target.exists() else {}:
        if path not in wanted:
            (target / path).unlink()
    for path, source in wanted.items():
        copy = target / path
        if not copy.is_file() or copy.read_bytes() != source.read_bytes():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
    return target


def _files(root: Path) -> dict[Path, Path]:
    return {
        path.relative_to(root): path
        for path in sorted(root.rglob("*"))
        if path.is_file() and not _LEFT_OUT & set(path.parts)
    }


def main(wanted: list[str]) -> int:
    if unknown := set(wanted) - set(names()):
        print(f"no version {', '.join(sorted(unknown))}; there are {', '.join(names())}", file=sys.stderr)
        return 2
    for name in wanted or names():
        print(f"built {build(name).relative_to(HERE)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
