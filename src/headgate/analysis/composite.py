"""Composite alarms: a rule over other alarms' states, and the suppression of what their changes lead to.

Rules and suppression are CloudWatch's ("Combining alarms", "Suppressing composite alarm actions").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil

from headgate.analysis.alarms import ALARM, INSUFFICIENT_DATA, OK
from headgate.core.plan import CompositeSpec

STATES = (ALARM, OK, INSUFFICIENT_DATA)

_LONGEST = 10_240
_DEEPEST = 40
_TOKEN = re.compile(r"\s*(?:(?P<word>[A-Za-z_][\w.-]*)|\"(?P<quoted>[^\"]+)\"|(?P<number>\d+%?)|(?P<op>[(),]))")

Node = Callable[[Mapping[str, str]], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """A parsed rule. `names`: the alarms that it is about, each once, as they come."""

    text: str
    names: tuple[str, ...]
    holds: Node


def parse_rule(text: str) -> Rule:
    """ALARM(x), OK(x), INSUFFICIENT_DATA(x), AT_LEAST(2 or 50%, ALARM, (x, y)), AND, OR, NOT, TRUE, FALSE.

    Raises ValueError that says what is wrong.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"a rule of {len(text)} characters is longer than {_LONGEST}")
    reader = _Reader(text)
    return Rule(text, tuple(dict.fromkeys(reader.names)), reader.whole())


def renamed(text: str, names: Mapping[str, str]) -> str:
    """The rule with other names for its alarms, each in quotes, as CloudWatch reads it."""
    reader, said = _Reader(text), ""
    for place, token in enumerate(reader.tokens):
        word = f'"{names[token]}"' if place in reader.places else token.upper()
        said += {"AND": " AND ", "OR": " OR ", "NOT": "NOT ", ",": ", "}.get(word, word)
    return said


class _Reader:
    """Recursive descent: or < and < not < atom."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.at = self.depth = 0
        self.names: list[str] = []
        self.places: set[int] = set()  # of the tokens that name an alarm
        self.node = self._or()
        if self.at < len(self.tokens):
            raise self.wrong(f"{self.tokens[self.at]!r} is not expected here")

    def whole(self) -> Node:
        return self.node

    def wrong(self, what: str) -> ValueError:
        return ValueError(f"{self.text!r}: {what}; a rule is like ALARM(a) AND NOT OK(b)")

    def next(self) -> str:
        if self.at >= len(self.tokens):
            raise self.wrong("it ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def take(self, wanted: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at].upper() == wanted:
            self.at += 1
            return True
        return False

    def need(self, wanted: str) -> None:
        if not self.take(wanted):
            raise self.wrong(f"{wanted!r} is missing")

    def _or(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.wrong(f"more than {_DEEPEST} levels")
        parts = [self._and()]
        while self.take("OR"):
            parts.append(self._and())
        self.depth -= 1
        return lambda states: any(part(states) for part in parts)

    def _and(self) -> Node:
        parts = [self._not()]
        while self.take("AND"):
            parts.append(self._not())
        return lambda states: all(part(states) for part in parts)

    def _not(self) -> Node:
        turns = 0
        while self.take("NOT"):
            turns += 1
        node = self._atom()
        return (lambda states: not node(states)) if turns % 2 else node

    def _atom(self) -> Node:
        if self.take("("):
            node = self._or()
            self.need(")")
            return node
        word = self.next().upper()
        if word in {"TRUE", "FALSE"}:
            return lambda _states: word == "TRUE"
        if word == "AT_LEAST":
            return self._at_least()
        if word not in STATES:
            raise self.wrong(f"{word!r} is no state")
        self.need("(")
        name = self._name()
        self.need(")")
        return lambda states: states.get(name, INSUFFICIENT_DATA) == word

    def _name(self) -> str:
        name = self.next()
        if name in {"(", ")", ","}:
            raise self.wrong("the name of an alarm is missing")
        self.names.append(name)
        self.places.add(self.at - 1)
        return name

    def _at_least(self) -> Node:
        self.need("(")
        amount = self.next()
        self.need(",")
        wanted = not self.take("NOT")
        state = self.next().upper()
        if state not in STATES or not re.fullmatch(r"\d+%?", amount):
            raise self.wrong("AT_LEAST is written AT_LEAST(2, ALARM, (a, b, c)) or AT_LEAST(50%, NOT OK, (a, b))")
        self.need(",")
        self.need("(")
        names = [self._name()]
        while self.take(","):
            names.append(self._name())
        self.need(")")
        self.need(")")
        least = ceil(int(amount[:-1]) / 100 * len(names)) if amount.endswith("%") else int(amount)
        if not 1 <= least <= len(names):
            raise self.wrong(f"AT_LEAST({amount}) of {len(names)} alarms")
        return lambda states: sum((states.get(name, INSUFFICIENT_DATA) == state) is wanted for name in names) >= least


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"{text!r}: {text[at:].strip()[:1]!r} means nothing, at character {at + 1}")
        yield found[found.lastgroup or 0]
        at = found.end()


class Composite:
    """One composite alarm of one variant. `acted`: the last state that led to something."""

    def __init__(
        self, spec: CompositeSpec, state: str = INSUFFICIENT_DATA, acted: str | None = None, *, speed: float = 1.0
    ) -> None:
        self.spec, self.rule = spec, parse_rule(spec.rule)
        self.state, self.acted = state, state if acted is None else acted
        self._wait_s, self._extension_s = spec.wait_s / speed, spec.extension_s / speed
        self._due: float | None = None  # when the present state is acted on, unless the suppressor says no
        self._suppressing = self.suppressed  # after a restart, what was held back waits for its extension again

    @property
    def suppressed(self) -> bool:
        """Whether the present state has led to nothing, or not yet."""
        return self.acted != self.state

    def step(self, states: Mapping[str, str], now: float) -> tuple[bool, bool]:
        """(has it changed, does its state act now) at `now` (Unix s), by the states of the other alarms."""
        state = ALARM if self.rule.holds(states) else OK
        changed, self.state = state != self.state, state
        acts = self._acts(states, now, changed=changed)
        if acts:
            self.acted = self.state
        return changed, acts

    def _acts(self, states: Mapping[str, str], now: float, *, changed: bool) -> bool:
        if not self.spec.suppressor:
            return changed
        suppressing = states.get(self.spec.suppressor) == ALARM
        ended, self._suppressing = self._suppressing and not suppressing, suppressing
        if suppressing:
            self._due = None  # a wait that runs is discarded
            return False
        if changed:
            self._due = now + self._wait_s  # each change begins a wait of its own, also within an extension
        elif ended:
            self._due = now + self._extension_s
        if self._due is None or now < self._due:
            return False
        self._due = None
        return self.suppressed


def parts_of(specs: Iterable[CompositeSpec]) -> frozenset[str]:
    """Alarms that composites are made of, or that suppress them: they do not count by themselves."""
    found: set[str] = set()
    for spec in specs:
        found |= {*parse_rule(spec.rule).names, *([spec.suppressor] if spec.suppressor else [])}
    return frozenset(found)
