"""What must be seen in a person's words before a coach answers: danger first, then what a coach has no business with.

Deterministic on purpose: a model may overlook it, this does not depend on one. Danger (CRISIS, EATING) is answered by
the application itself, before any model is asked; the rest is what the tool `check_safety` tells the model.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coach.helplines import crisis_lines, eating_lines

CRISIS, EATING, DOSE, MEDICAL, UNSAFE = "crisis", "eating_disorder", "dose", "medical", "unsafe_goal"
INJECTION, PRIVATE, OFF_TOPIC = "injection", "private", "off_topic"
URGENT = frozenset({CRISIS, EATING})

FASTEST_KG_A_WEEK = 1.0
LEAST_KCAL_A_DAY = 1200
LEAST_BMI = 18.5
LEAST_KG = 45.0  # where nobody said how tall they are

_TEXTS: dict[str, dict[str, Any]] = tomllib.loads(Path(__file__).with_name("safety.toml").read_text(encoding="utf-8"))
_PATTERNS = {kind: re.compile("|".join(f"(?:{each})" for each in some)) for kind, some in _TEXTS["patterns"].items()}
_KCAL_A_DAY = re.compile(r"\b(\d{2,4}) ?(?:k?cal|calories?|kcals?)(?: (?:a|per|each|every) |/| ?)?(?:day|daily)")
_INVISIBLE = re.compile(r"[\u200b-\u200f\u2060\ufeff\u00ad]")


@dataclass(frozen=True)
class Finding:
    """What was seen, and what a coach says to it."""

    kind: str
    say: str

    @property
    def urgent(self) -> bool:
        return self.kind in URGENT


def plain(text: str) -> str:
    """Text as the patterns read it: one case, one form of each letter, nothing invisible in between."""
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).replace("’", "'")
    return " ".join(text.casefold().split())


def look(text: str, region: str = "") -> Finding | None:
    """The most urgent thing in a text, or None."""
    said = plain(text)
    for kind, pattern in _PATTERNS.items():
        if pattern.search(said) or (kind == UNSAFE and _starves(said)):
            return Finding(kind, answer_to(kind, region))
    return None


def _starves(said: str) -> bool:
    return any(int(found[1]) < LEAST_KCAL_A_DAY for found in _KCAL_A_DAY.finditer(said)) and "burn" not in said


def unsafe_goal(kg: float, weeks: float, target_kg: float = 0.0, height_cm: float = 0.0) -> str:
    """Why a goal would harm, or "". `kg` is to be lost in so many weeks; what is 0 was not said."""
    if kg > 0 and weeks > 0 and kg / weeks > FASTEST_KG_A_WEEK:
        slow = kg / FASTEST_KG_A_WEEK
        rate = (
            f"{kg:g} kg in {weeks:g} weeks is {kg / weeks:.1f} kg a week, and more than {FASTEST_KG_A_WEEK:g} does harm"
        )
        return f"{rate}; {slow:.0f} to {2 * slow:.0f} weeks would be kind to your body"
    if target_kg > 0 and height_cm > 100:
        bmi = target_kg / (height_cm / 100) ** 2
        if bmi < LEAST_BMI:
            least = LEAST_BMI * (height_cm / 100) ** 2
            return f"{target_kg:g} kg is underweight for {height_cm:g} cm; {least:.0f} kg is the least that is healthy"
    elif 0 < target_kg < LEAST_KG:
        return f"{target_kg:g} kg is underweight for most adults"
    return ""


def answer_to(kind: str, region: str = "") -> str:
    """What a coach says where coaching is not what is needed."""
    lines = {"crisis_lines": crisis_lines(region), "eating_lines": eating_lines(region)}
    return str(_TEXTS["answers"][kind]).format(**lines)
