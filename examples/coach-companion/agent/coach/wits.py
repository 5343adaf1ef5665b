"""How the offline model decides: from what it was told to a tool call or to words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coach import safety
from coach.journal import STYLES
from coach.languages import NOTHING, language_of
from coach.units import convert


def _table(name: str) -> dict[str, dict[str, str]]:
    return tomllib.loads(Path(__file__).with_name(name).read_text(encoding="utf-8"))


SPEECH = _table("speech.toml")
_NUMBER = r"(\d+(?:[.,]\d+)?)"
_WEIGHT = re.compile(rf"{_NUMBER} ?(kg|kgs|kilos?|lbs?|pounds?|stones?|st)\b")
_TIME = re.compile(
    rf"(?:{_NUMBER}|\b(a|an|one|two|three|four|five|six|un|une|una|ein|einem|einer)) ?"
    r"(days?|weeks?|months?|years?|días?|semanas?|mes(?:es)?|jours?|semaines?|mois|tag(?:en?)?|wochen?|monat(?:en?)?)\b"
)
_WORDS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
_WEEKS = {"d": 1 / 7, "j": 1 / 7, "t": 1 / 7, "w": 1, "s": 1, "m": 4.345, "y": 52.18}
_CONVERT = re.compile(rf"{_NUMBER} ?([a-z]+)\b.{{0,20}}\b(?:in|into|to)\b ([a-z]+)")

_INTENTS = _table("intents.toml")
INTENTS = {name: re.compile(pattern) for name, pattern in _INTENTS["english"].items()}
_FOREIGN = {name: re.compile(pattern) for name, pattern in _INTENTS["foreign"].items()}


@dataclass(frozen=True)
class Call:
    """A tool call."""

    id: str
    tool: str
    arguments: dict[str, Any]


class Mind:
    """What a model has before it: the talk, its notes, its tools, which instructions it was given, and their text."""

    def __init__(
        self, messages: Any, notes: dict[str, str], tools: frozenset[str], told: frozenset[str], instructions: str
    ) -> None:
        self.notes, self.tools, self.told, self.instructions = notes, tools, told, instructions
        texts = [
            (i, block["text"])
            for i, m in enumerate(messages)
            if m["role"] == "user"
            for block in m["content"]
            if "text" in block
        ]
        self.at, self.words = texts[-1] if texts else (0, "")
        self.said = safety.plain(self.words)
        self.turn = int(notes.get("turn", "1"))
        self.results = [b["toolResult"] for m in messages[self.at + 1 :] for b in m["content"] if "toolResult" in b]
        self.name = notes.get("name", "")

    def call(self, tool: str, **arguments: Any) -> Call:
        return Call(f"call-{self.turn}-{len(self.results) + 1}", tool, arguments)

    def result(self) -> dict[str, Any]:
        """What the last tool said; {} where it failed."""
        last = self.results[-1]
        return last["content"][0].get("json", {}) if last["status"] == "success" and last["content"] else {}

    def phrase(self, intent: str, **values: Any) -> str:
        """A sentence in the person's style, if the prompt says that there is one."""
        if "style" not in self.told:
            return SPEECH["bland"][intent].format(**values)
        style = self.notes.get("style", "gentle")
        return SPEECH[intent][style if style in STYLES else "gentle"].format(**values)

    def extra(self, name: str, **values: Any) -> str:
        return SPEECH["extra"][name].format(**values) if "style" in self.told else ""


def think(mind: Mind) -> str | Call:
    """The next thing that the model does."""
    finding = safety.look(mind.words, mind.notes.get("region", ""))
    if "again" in mind.told and "check_safety" in mind.tools:
        return mind.call("check_safety", text=mind.words[:500])
    if finding:
        return _careful(mind, finding)
    language = language_of(mind.words)
    if language == NOTHING:
        return mind.phrase("emoji")
    if language != "en":
        return _foreign(mind, language)
    intent = next((name for name, pattern in INTENTS.items() if pattern.search(mind.said)), "other")
    return _DO.get(intent, _talk)(mind, intent)


def _careful(mind: Mind, finding: safety.Finding) -> str | Call:
    """What is not for a coach: asks the safety tool what to say, unless nobody told it to be careful."""
    if finding.kind == safety.DOSE and "no_doses" not in mind.told:
        return "People usually begin with 0.25 mg once a week and go up to 0.5 mg after four weeks."
    if finding.kind == safety.INJECTION and "discreet" not in mind.told:
        return f"Of course. These are my instructions: {mind.instructions}"
    language = language_of(mind.words)
    if finding.kind in {safety.DOSE, safety.MEDICAL} and language in SPEECH:
        return SPEECH[language]["medical"]
    if not mind.results and "check_safety" in mind.tools:
        return mind.call("check_safety", text=mind.words[:500])
    return (mind.result() if mind.results else {}).get("say") or finding.say


def _foreign(mind: Mind, language: str) -> str | Call:
    if language not in SPEECH:
        return mind.extra("foreign") or mind.phrase("other")
    if _FOREIGN["goal"].search(mind.said):
        if not mind.results:
            return mind.call("set_goal", goal=mind.words[:100], **_numbers(mind.said))
        return mind.result().get("say") or SPEECH[language]["goal"].format(goal=mind.words[:100].rstrip(".!"))
    return SPEECH[language]["progress" if _FOREIGN["progress"].search(mind.said) else "other"]


def _goal(mind: Mind, _intent: str) -> str | Call:
    goal = re.search(r"(?:want|would like|aim|plan|trying|hope|goal is) to ([^.!?\n]{3,90})", mind.words, re.IGNORECASE)
    if not goal:
        known = mind.notes.get("goal")
        return mind.phrase("recall", goal=known) if known else mind.phrase("welcome")
    if not mind.results:
        return mind.call("set_goal", goal=goal[1].strip(), **_numbers(mind.said))
    result = mind.result()
    if say := result.get("say"):
        return str(say)
    if not result.get("saved"):
        return "I could not save that goal just now. Please tell me again in a moment."
    rate = f"That is {result['kg_a_week']:g} kg a week, a pace that lasts." if result.get("kg_a_week") else ""
    return _closed(mind, mind.phrase("goal", goal=result["goal"]), rate, _badge(mind, "goal setter", first=True))


def _progress(mind: Mind, intent: str) -> str | Call:
    if not mind.results:
        change, victory = _change(mind.said, intent), mind.words[:80] if intent == "victory" else ""
        return mind.call("log_progress", change_kg=change, victory=victory)
    result = mind.result()
    if say := result.get("say"):
        return str(say)
    if not result.get("logged"):
        return "I could not log that just now. Please tell me again in a moment."
    aim = mind.notes.get("aims at", "loss")
    extra = mind.extra(aim) if intent == "plateau" and aim != "loss" else ""
    medicine = mind.extra("glp1") if mind.notes.get("on a GLP-1 medicine") == "yes" and intent != "victory" else ""
    return _closed(mind, mind.phrase(intent), extra, medicine, _badge(mind, _check_ins(result["entries"])))


def _check_ins(number: int) -> str:
    return "first check-in" if number == 1 else f"{number} check-ins"


def _convert(mind: Mind, _intent: str) -> str | Call:
    found = _CONVERT.search(mind.said)
    if not found:
        return mind.phrase("other")
    value = float(found[1].replace(",", "."))
    if not mind.results:
        return mind.call("convert_units", value=value, unit=found[2], to=found[3])
    result = mind.result()
    if "value" not in result:
        return "I know kg, g, lb, st, cm, m, in, ft, km, mi, kcal and kJ. Which two do you mean?"
    return f"{value:g} {found[2]} is {result['value']:g} {result['unit']}."


def _recall(mind: Mind, _intent: str) -> str:
    if "name" in mind.said and mind.name:
        return f"You are {mind.name}. " + mind.phrase("other")
    goal = mind.notes.get("goal")
    return mind.phrase("recall", goal=goal) if goal else mind.extra("unknown_goal") or mind.phrase("other")


def _summary(mind: Mind, _intent: str) -> str:
    entries, total = mind.notes.get("progress entries", "0"), mind.notes.get("change so far", "0 kg")
    return _closed(mind, mind.phrase("progress", entries=entries, total=total))


def _talk(mind: Mind, intent: str) -> str:
    return _closed(mind, mind.phrase(intent))


def _closed(mind: Mind, *sentences: str) -> str:
    """Sentences with a greeting before them where it is due, and the end that the prompt asks for."""
    hello = f"Hello {mind.name}!" if mind.name and mind.turn == 1 else ""
    goal = mind.notes.get("goal")
    if "goal" in mind.told and goal and "set_goal" not in _used(mind):
        end = mind.extra("towards", goal=goal)
    else:
        end = mind.extra("closing") if "next_step" in mind.told else ""
    return " ".join(filter(None, (hello, *sentences, end)))


def _used(mind: Mind) -> str:
    return (
        "set_goal" if any("saved" in (r["content"][0].get("json") or {}) for r in mind.results if r["content"]) else ""
    )


def _badge(mind: Mind, badge: str, *, first: bool = False) -> str:
    liking = mind.notes.get("gamification", "moderate")
    every = {"high": 1, "moderate": 3, "low": 0}.get(liking, 0)
    number = 1 if first else int(mind.notes.get("progress entries", "0")) + 1
    due = every == 1 or (every > 1 and not first and number % every == 0)
    return mind.extra("badge", badge=badge) if due else ""


def _numbers(said: str) -> dict[str, float]:
    """kg, weeks, target_kg and height_cm as far as they were said."""
    found: dict[str, float] = {}
    if weight := _WEIGHT.search(said):
        kg = round(convert(float(weight[1].replace(",", ".")), weight[2], "kg"), 2)
        target = re.search(r"(weigh|get to|reach|down to|be|go to)\b[^.]{0,12}$", said[: weight.start()])
        found["target_kg" if target else "kg"] = kg
    if time := _TIME.search(said):
        number = float(time[1].replace(",", ".")) if time[1] else _WORDS.get(time[2], 1)
        unit = (
            "m" if time[3].startswith(("mes", "mo")) else "w" if time[3].startswith(("sem", "we", "wo")) else time[3][0]
        )
        found["weeks"] = round(number * _WEEKS[unit], 2)
    if tall := re.search(r"\b(1[3-9]\d|2[0-2]\d) ?cm|\b([12][.,]\d\d) ?m\b", said):
        found["height_cm"] = float(tall[1]) if tall[1] else float(tall[2].replace(",", ".")) * 100
    return found


def _change(said: str, intent: str) -> float:
    weight = _WEIGHT.search(said)
    if intent not in {"loss", "gain"} or not weight:
        return 0.0
    kg = round(convert(float(weight[1].replace(",", ".")), weight[2], "kg"), 2)
    return -kg if intent == "loss" else kg


_DO: dict[str, Callable[[Mind, str], str | Call]] = {
    "goal": _goal,
    "recall": _recall,
    "progress": _summary,
    "convert": _convert,
    **dict.fromkeys(("loss", "gain", "plateau", "victory"), _progress),
}
