"""Documents for people, as files: reports/<rollout>/<name>, replaced whole."""

from __future__ import annotations

from pathlib import Path

from headgate.errors import Unavailable


class FileShelf:
    """Implements ports.Shelf below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, rollout: str, name: str, text: str) -> str:
        """Write the document and answer its path. Raises Unavailable where the disk refuses."""
        path = self._folder / rollout / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(path.name + ".draft")
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            raise Unavailable(
                f"{path} cannot be written: {error.strerror}", "free space, or choose another --home"
            ) from error
        return str(path)
