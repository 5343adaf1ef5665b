"""The kept output of one version's process: a file that is rotated at a size, and its last lines for a failure's
reason.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import BinaryIO

MAX_BYTES = 2_000_000
TAIL_LINES = 12
LINE_CHARACTERS = 300


class LogFile:
    """Appends to `path`; at MAX_BYTES that becomes `path`.1 and a new one begins, so there are two at most."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max = max_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: BinaryIO | None = path.open("ab")
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def write(self, line: bytes) -> None:
        """One line, or a part of an overlong one. What cannot be written (a full disk) is dropped: the agent must not
        stop for it.
        """
        self._tail.append(line.decode("utf-8", "replace").rstrip()[:LINE_CHARACTERS])
        try:
            if self._file is None:
                self._file = self._path.open("ab")
            self._file.write(line)
            self._file.flush()
            if self._file.tell() >= self._max:
                self._file.close()
                self._file = None
                self._path.replace(self._path.with_name(self._path.name + ".1"))
        except OSError:
            self._file = None

    def begin(self) -> None:
        """A new process: its predecessor's last lines no longer explain anything."""
        self._tail.clear()

    def tail(self) -> str:
        return "\n".join(line for line in self._tail if line)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
