"""What a session has told about a person: the coach's memory. It is shown to the model as notes below its prompt."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date

STYLES = ("gentle", "pragmatic", "upbeat", "structured")
GOAL_TYPES = ("loss", "maintenance", "transition")
GAMIFICATION = ("high", "moderate", "low")
HEADING = "# What you know about this person"
_ENTRIES_SHOWN = 6


@dataclass
class Entry:
    """One report of progress: kg since the last (negative is lost), and what went well beside the scale."""

    change_kg: float = 0.0
    victory: str = ""
    day: date = field(default_factory=date.today)


@dataclass
class Journal:
    """Everything that outlives a turn."""

    name: str = ""
    style: str = "gentle"
    on_glp1: bool = False
    goal_type: str = "loss"
    gamification: str = "moderate"
    region: str = ""
    goal: str = ""
    entries: list[Entry] = field(default_factory=list)
    turns: int = 0

    def total_kg(self) -> float:
        return sum(entry.change_kg for entry in self.entries)

    def notes(self) -> str:
        """What the model is told of the person, as lines `key: value`."""
        victories = [entry.victory for entry in self.entries if entry.victory]
        known = {
            "name": self.name,
            "style": self.style,
            "on a GLP-1 medicine": "yes" if self.on_glp1 else "no",
            "aims at": self.goal_type,
            "gamification": self.gamification,
            "region": self.region,
            "goal": self.goal,
            "progress entries": str(len(self.entries)) if self.entries else "",
            "change so far": f"{self.total_kg():+g} kg" if self.entries else "",
            "victories": "; ".join(victories[-_ENTRIES_SHOWN:]),
            "turn": str(self.turns),
        }
        return "\n".join([HEADING, *(f"{key}: {value}" for key, value in known.items() if value)])


def one_line(text: str, longest: int) -> str:
    """What a person said, fit to stand in the notes: one line, no markup that could pass for an instruction."""
    return re.sub(r"[\s<>{}\[\]#`|]+", " ", text).strip()[:longest].strip()


def notes_in(prompt: str) -> dict[str, str]:
    """The notes that a prompt ends with, by key."""
    _, _, tail = prompt.rpartition(HEADING)
    return dict(line.split(": ", 1) for line in tail.splitlines() if ": " in line)
