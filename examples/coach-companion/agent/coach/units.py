"""Units that people weigh, measure and walk in."""

from __future__ import annotations

# unit -> (what it measures, how many of the base unit it is)
UNITS = {
    "kg": ("weight", 1.0),
    "g": ("weight", 0.001),
    "lb": ("weight", 0.45359237),
    "st": ("weight", 6.35029318),
    "cm": ("length", 1.0),
    "m": ("length", 100.0),
    "in": ("length", 2.54),
    "ft": ("length", 30.48),
    "km": ("length", 100_000.0),
    "mi": ("length", 160_934.4),
    "kcal": ("energy", 1.0),
    "kj": ("energy", 1 / 4.184),
}
NAMES = {
    "kilo": "kg", "kilos": "kg", "kgs": "kg", "kilogram": "kg", "kilograms": "kg", "gram": "g", "grams": "g",
    "lbs": "lb", "pound": "lb", "pounds": "lb", "stone": "st", "stones": "st", "inch": "in", "inches": "in",
    "foot": "ft", "feet": "ft", "metre": "m", "metres": "m", "meter": "m", "meters": "m", "kilometre": "km",
    "kilometres": "km", "kilometer": "km", "kilometers": "km", "mile": "mi", "miles": "mi",
    "centimetre": "cm", "centimetres": "cm", "calories": "kcal", "calorie": "kcal",
}  # fmt: skip


def unit_of(word: str) -> str:
    """The unit that a word names. Raises ValueError."""
    word = word.strip().lower().rstrip(".")
    unit = NAMES.get(word, word)
    if unit not in UNITS:
        raise ValueError(f"{word!r} is no unit that I know; I know {', '.join(UNITS)}")
    return unit


def convert(value: float, unit: str, to: str) -> float:
    """The value in another unit of the same kind. Raises ValueError."""
    start, end = unit_of(unit), unit_of(to)
    if UNITS[start][0] != UNITS[end][0]:
        raise ValueError(f"{start} measures {UNITS[start][0]}, {end} measures {UNITS[end][0]}")
    return value * UNITS[start][1] / UNITS[end][1]
