"""Metric math as in CloudWatch's alarms: a small parser, no eval. Values are numbers, or series with missing points.

What AWS documents holds: arithmetic and comparisons read a missing side as 0 and give no point where both are missing;
a division by zero gives no point; IF gives none where its condition has none. Left out, and refused by name: functions
that search, sort, or return several series. Source: "Using math expressions with CloudWatch metrics".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from headgate.analysis.math_functions import FUNCTIONS, Node, Series, World, as_series, is_series, two

_LONGEST = 1024  # characters of an expression
_DEEPEST = 40  # parentheses within parentheses
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<op>&&|\|\||==|!=|<=|>=|[-+*/^<>(),\[\]]))"
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression. `ids`: the series that it reads."""

    text: str
    ids: frozenset[str]
    node: Node

    def series(self, world: World) -> Series:
        """Its value as a series. Raises ValueError where it has none."""
        value = self.node(world)
        if not is_series(value):
            raise ValueError(f"{self.text!r} is not one series: an alarm compares one")
        return value


def parse(text: str, ids: Iterable[str]) -> Expression:
    """An expression over these ids. Raises ValueError that says what is wrong and at which character."""
    if len(text) > _LONGEST:
        raise ValueError(f"an expression of {len(text)} characters is longer than {_LONGEST}")
    reader = _Reader(text, frozenset(ids))
    node = reader.whole()
    made = Expression(text, frozenset(reader.used), node)
    made.series(World({name: [1.0, 2.0] for name in ids}, 60.0))
    return made


class _Reader:
    """Recursive descent: or < and < comparison < sum < product < sign < power < atom."""

    def __init__(self, text: str, ids: frozenset[str]) -> None:
        self.text, self.ids = text, ids
        self.used: set[str] = set()
        self.tokens = list(_tokens(text))
        self.at = self.depth = 0

    def whole(self) -> Node:
        node = self.choice()
        if self.at < len(self.tokens):
            raise self.wrong(f"{self.peek()!r} is not expected here")
        return node

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        found = self.peek()
        if found and (found in wanted or found.upper() in wanted):
            self.at += 1
            return found.upper()
        return ""

    def need(self, wanted: str) -> None:
        if not self.take(wanted):
            raise self.wrong(f"{wanted!r} is missing")

    def wrong(self, what: str) -> ValueError:
        place = self.tokens[self.at][0] if self.at < len(self.tokens) else len(self.text)
        return ValueError(f"{self.text!r}: {what}, at character {place + 1}")

    def choice(self) -> Node:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.wrong(f"more than {_DEEPEST} levels")
        node = self._binary(self._both, {"OR": "||", "||": "||"})
        self.depth -= 1
        return node

    def _both(self) -> Node:
        return self._binary(self._comparison, {"AND": "&&", "&&": "&&"})

    def _comparison(self) -> Node:
        return self._binary(self._sum, {op: op for op in ("==", "!=", "<=", ">=", "<", ">")})

    def _sum(self) -> Node:
        return self._binary(self._product, {"+": "+", "-": "-"})

    def _product(self) -> Node:
        return self._binary(self._sign, {"*": "*", "/": "/"})

    def _binary(self, below: Callable[[], Node], ops: Mapping[str, str]) -> Node:
        node = below()
        while op := self.take(*ops):
            node = two(ops[op], node, below())
        return node

    def _sign(self) -> Node:
        minus = 0
        while sign := self.take("-", "+"):
            minus += sign == "-"
        node = self._power()
        return two("-", lambda _w: 0.0, node) if minus % 2 else node

    def _power(self) -> Node:
        base = self._atom()
        if self.take("^"):
            return two("^", base, self._sign())
        return base

    def _atom(self) -> Node:
        if self.at >= len(self.tokens):
            raise self.wrong("it ends too early")
        kind, word = self.tokens[self.at][2], self.peek()
        if self.take("("):
            node = self.choice()
            self.need(")")
            return node
        if self.take("["):
            items = self._items("]")
            return lambda w: [as_series(item(w), w) for item in items]
        self.at += 1
        if kind == "number":
            number = float(word)
            return lambda _w: number
        if kind == "name":
            return self._call(word) if self.take("(") else self._named(word)
        self.at -= 1
        raise self.wrong(f"{word!r} is not expected here")

    def _named(self, word: str) -> Node:
        if word in self.ids:
            self.used.add(word)
            return lambda w: w.series[word]
        if word in {"REPEAT", "LINEAR"}:
            return lambda _w: word
        known = ", ".join(sorted(self.ids)) or "none"
        self.at -= 1
        raise self.wrong(f"there is no id {word!r} (there are: {known})")

    def _call(self, word: str) -> Node:
        name, begun = word.upper(), self.at - 2
        if name not in FUNCTIONS:
            self.at = begun
            raise self.wrong(f"no function {word} is known here (there are: {', '.join(sorted(FUNCTIONS))})")
        items = self._items(")")
        least, most, function = FUNCTIONS[name]
        if not least <= len(items) <= most:
            self.at = begun
            raise self.wrong(f"{name} takes {least if least == most else f'{least} to {most}'} arguments")
        if name == "METRICS":
            self.used |= self.ids
        return lambda w: function(w, *[item(w) for item in items])

    def _items(self, end: str) -> list[Node]:
        items: list[Node] = []
        if self.take(end):
            return items
        items.append(self.choice())
        while self.take(","):
            items.append(self.choice())
        self.need(end)
        return items


def _tokens(text: str) -> Iterable[tuple[int, str, str]]:
    """(place, word, kind) of each."""
    at = 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ValueError(f"{text!r}: {text[at:].strip()[:1]!r} means nothing, at character {at + 1}")
        kind = found.lastgroup or ""
        yield found.start(kind), found[kind], kind
        at = found.end()
