"""What the tests of the documents share: the Markdown files of the project and the code blocks in them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def documents():
    """Every Markdown file that a reader may open; golden files of tests are none."""
    folders = [ROOT, *(ROOT / name for name in ("docs", "examples"))]
    found = [*ROOT.glob("*.md"), *(path for folder in folders[1:] for path in folder.rglob("*.md"))]
    return sorted(found)


def name_of(path):
    """The file as a reader would name it."""
    return path.relative_to(ROOT).as_posix()


@dataclass(frozen=True)
class Block:
    """A fenced code block and where it is."""

    path: Path
    line: int
    language: str
    text: str

    def __str__(self):
        return f"{name_of(self.path)}:{self.line}"


def blocks(*languages):
    """All code blocks of these languages."""
    found = []
    for path in documents():
        text = path.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            if match[2] in languages:
                line = text[: match.start()].count("\n") + 1
                found.append(Block(path, line, match[2], match[3]))
    return found


_PLACES = {
    "ID": "coach-companion-20260208-1",
    "PLAN": "headgate.yaml",
    "AGENT": "coach-companion",
    "NAME": "ines",
    "TEXT": "because",
    "VERSION": "3",
    "FILE": "file.yaml",
    "DIR": "dir",
    "HASH": "0" * 64,
    "N": "10",
    "SUITE": "suites/smoke.yaml",
    "URL": "http://127.0.0.1:8700",
    "HOST:PORT": "127.0.0.1:0",
}


def command_lines():
    """(where, arguments, whole) of every `headgate ...` in shell blocks, transcripts and inline code.

    `whole`: it is typed like this; a mention in a sentence may leave arguments out. Lists of words ("list | status")
    are none.
    """
    found = []
    for path in documents():
        text = path.read_text(encoding="utf-8")
        typed = [
            (*pair, True) for block in blocks("sh", "console") if block.path == path for pair in shell_lines(block)
        ]
        inline = re.findall(r"`([^`\n]*\bheadgate [^`\n]+)`", _FENCE.sub("", text))
        for where, line, whole in [*typed, *((name_of(path), line, False) for line in inline)]:
            # brackets of a mention are around what may be left out
            words = shlex.split(line if whole else line.replace("[", "").replace("]", ""), comments=True)
            while words and "=" in words[0] and not words[0].startswith("-"):
                words = words[1:]  # NAME=value before a command
            words = words[: words.index(">")] if ">" in words else words
            if words and words[0].rsplit("/", 1)[-1] == "headgate" and "|" not in words:
                found.append((where, tuple(_PLACES.get(word, word) for word in words[1:]), whole))
    return found


def shell_lines(block):
    """(where, line) of what is typed: all lines of `sh`, those after `$` of `console`; continued lines are joined."""
    text = block.text.replace("\\\n", " ")
    for line in text.splitlines():
        typed = line.strip()
        if block.language == "console":
            if not typed.startswith("$ "):
                continue
            typed = typed[2:]
        typed = typed.rstrip("&").strip()
        if typed:
            yield str(block), typed
