"""A request, read: the prompt, who asks, and how. What cannot be answered is refused with what is wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from coach.helplines import region_of
from coach.journal import GAMIFICATION, GOAL_TYPES, STYLES, Journal, one_line

LONGEST = 20_000  # characters of a prompt
_MEMBERS = {  # of user_context -> of the journal
    "name": "name",
    "coaching_style": "style",
    "on_glp1": "on_glp1",
    "goal_type": "goal_type",
    "gamification_preference": "gamification",
    "region": "region",
    "goal": "goal",
}
_CHOICES = {"coaching_style": STYLES, "goal_type": GOAL_TYPES, "gamification_preference": GAMIFICATION}
_LONGEST = {"name": 40, "goal": 100}
_NAMED = re.compile(r"\bmy name is ([^\W\d_][\w-]{0,30})", re.IGNORECASE)
EXAMPLE = 'send {"prompt": "I want to lose 5 kg in 3 months"}'


class Refused(Exception):
    """The payload is not one that a coach can answer; the text says what to send instead."""


@dataclass(frozen=True)
class Ask:
    """One turn of a person. `context`: what was told about them, checked."""

    prompt: str
    stream: bool = False
    context: dict[str, Any] = field(default_factory=dict)

    def told_to(self, journal: Journal) -> None:
        """What the request says about the person goes into the memory; what it leaves out stays."""
        if named := _NAMED.search(self.prompt):
            journal.name = named[1]
        for name, value in self.context.items():
            if name != "goal" or not journal.goal:
                setattr(journal, name, value)


def prompt_of(payload: Any) -> str:
    """The words of a payload, whatever else is wrong with it; "" where there are none."""
    prompt = payload.get("prompt") if isinstance(payload, dict) else None
    # a lone half of a surrogate pair is legal in JSON, and cannot be sent back
    return prompt.encode("utf-8", "replace").decode() if isinstance(prompt, str) else ""


def read(payload: Any) -> Ask:
    """Raises Refused."""
    if not isinstance(payload, dict):
        raise Refused(f"the payload is not an object; {EXAMPLE}")
    prompt = prompt_of(payload)
    if not prompt.strip():
        raise Refused(f"there is no prompt; {EXAMPLE}")
    if len(prompt) > LONGEST:
        raise Refused(f"the prompt has {len(prompt)} characters, and {LONGEST} are the most that I read; send less")
    stream = payload.get("stream", False)
    if not isinstance(stream, bool):
        raise Refused("`stream` is true or false; leave it out for one JSON answer")
    return Ask(prompt, stream, _context(payload.get("user_context")))


def _context(data: Any) -> dict[str, Any]:
    """What `user_context` says, by the names of the journal; what it says in other keys is no concern of ours."""
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise Refused('user_context is not an object; leave it out, or send e.g. {"coaching_style": "gentle"}')
    told = {key: value for key, value in data.items() if value is not None}
    return {name: _checked(key, told[key]) for key, name in _MEMBERS.items() if key in told}


def _checked(key: str, value: Any) -> Any:
    if key in _CHOICES:
        if value not in _CHOICES[key]:
            raise Refused(f"user_context.{key} is one of {', '.join(_CHOICES[key])}")
        return value
    wanted = bool if key == "on_glp1" else str
    if not isinstance(value, wanted):
        raise Refused(f"user_context.{key} is {'true or false' if wanted is bool else 'a text'}")
    if key == "region":
        return region_of(value)
    return one_line(value, _LONGEST[key]) if key in _LONGEST else value


def region_in(payload: Any) -> str:
    """The region that a payload tells, whatever else is wrong with it."""
    context = payload.get("user_context") if isinstance(payload, dict) else None
    region = context.get("region") if isinstance(context, dict) else None
    return region_of(region) if isinstance(region, str) else ""
