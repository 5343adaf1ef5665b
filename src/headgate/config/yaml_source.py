"""YAML files that remember where everything was written, so that each error names its line and column.

Scalars follow YAML 1.2: `no`, `on`, `12:30` and `2024-01-01` are text, `010` is ten. Used for plans, suites and fixed
gateway policies.
"""

from __future__ import annotations

import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from headgate.errors import PlanError

BIGGEST = 1_000_000  # bytes of a file
_MOST_VALUES = 50_000  # aliases can make a small file large
_DEEPEST = 40

Where = tuple[str | int, ...]

_CORE_SCHEMA = [
    ("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("tag:yaml.org,2002:int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        re.compile(
            r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"
        ),  # and no .inf, no .nan: we have no use
        list("-+0123456789."),
    ),
]
_COLLECTIONS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"})
_NOT_YAML = re.compile(r"[^\x09\x0A\x0D\x20-\x7E\x85\xA0-\uD7FF\uE000-\uFFFD\U00010000-\U0010ffff]")
_SYNTAX_HINTS = (
    ("mapping values are not allowed", "put quotes round a text that has `: ` in it, and check the indentation"),
    ("could not find expected ':'", "a key needs `: ` and its value on the same line, or deeper on the next"),
    ("expected ',' or", "close the bracket, or put a comma between the members"),
    ("quoted scalar", "close the quotes"),
    ("did not find expected key", "check the indentation of this line against the lines around it"),
    ("expected a single document", "keep one document in a file: drop the line with ---"),
    ("undefined alias", "define the anchor (&name) before its use (*name)"),
)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The C loader where there is one, with the resolvers of YAML 1.2 and no others."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own shape


for _tag, _pattern, _first in _CORE_SCHEMA:
    _Loader.add_implicit_resolver(_tag, _pattern, _first)


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, both numbers from 1, as editors count."""

    line: int
    column: int


@dataclass(slots=True)
class Source:
    """A file's data, and where each key and value of it stands."""

    name: str
    text: str
    data: Any = None
    keys: dict[Where, Mark] = field(default_factory=dict)
    values: dict[Where, Mark] = field(default_factory=dict)

    def problem(self, where: Where, what: str, mend: str = "", *, at_key: bool = False) -> str:
        """One line for people: `file:line:column: path: what. mend`; what is not written stands at its parent."""
        mark = (self.keys.get(where) if at_key else None) or self.place(where)
        return say(self.name, mark, ".".join(map(str, where)), what, mend)

    def place(self, where: Where) -> Mark:
        """Where a value stands, or else the nearest thing around it."""
        while where and where not in self.values:
            where = where[:-1]
        return self.values.get(where, Mark(1, 1))


def say(name: str, mark: Mark | None, where: str, what: str, mend: str) -> str:
    """The one shape of a message about a file."""
    place = f"{name}:{mark.line}:{mark.column}" if mark else name
    said = f"{where}: {what}" if where else what
    return f"{place}: {said}. {mend[:1].upper()}{mend[1:]}" if mend else f"{place}: {said}"


STARTER = "write one with `headgate init`"


def read_text(path: Path, name: str = "", starter: str = STARTER) -> str:
    """A file's text. Raises PlanError: absent, not a file, unreadable, too big, not UTF-8, empty.

    `starter`: how one gets a first one.
    """
    name = name or str(path)

    def refuse(what: str, mend: str) -> PlanError:
        return PlanError([say(name, None, "", what, mend)])

    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a directory" if stat.S_ISDIR(status.st_mode) else "not an ordinary file"
            raise refuse(f"this is {kind}", "name the file itself, e.g. headgate.yaml")
        if status.st_size > BIGGEST:
            raise refuse(f"{status.st_size} bytes are too many", f"keep it below {BIGGEST} bytes")
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise refuse("there is no such file", f"check the name, or {starter}") from None
    except UnicodeDecodeError as error:
        raise refuse(f"byte {error.start + 1} is not UTF-8", "save the file as UTF-8") from None
    except OSError as error:
        raise refuse(f"cannot be read: {error.strerror}", "check its permissions") from None
    if not text.strip():
        raise refuse("the file is empty", starter)
    return text


def parse(text: str, name: str, starter: str = STARTER) -> Source:
    """YAML text as data with marks. Raises PlanError: syntax, duplicate or non-text keys, tags, loops."""
    if bad := _NOT_YAML.search(text):
        line = text.count("\n", 0, bad.start()) + 1
        column = bad.start() - (text.rfind("\n", 0, bad.start()) + 1) + 1
        what = f"character U+{ord(bad.group()):04X} is not allowed in YAML"
        raise PlanError([say(name, Mark(line, column), "", what, "remove it")])
    try:
        _measure_depth(text, name)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise PlanError([_syntax(error, name, text)]) from None
    source = Source(name, text)
    if node is None:
        raise PlanError([say(name, Mark(1, 1), "", "nothing but comments", starter)])
    builder = _Builder(source)
    source.data = builder.build(node, ())
    if builder.problems:
        raise PlanError(builder.problems)
    return source


def _finite(text: str) -> float:
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        raise ValueError(text)
    return value


def _measure_depth(text: str, name: str) -> None:
    """Composing is recursive in C, where too deep is a crash: count the levels first, event by event."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                start = event.start_mark
                mark = Mark(start.line + 1, start.column + 1) if start else None
                raise PlanError([say(name, mark, "", "nested too deep", f"keep it below {_DEEPEST} levels")])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _syntax(error: yaml.YAMLError, name: str, text: str) -> str:
    mark, what = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
    context = getattr(error, "context", None) or ""
    what = f"{context}, {what}" if context else what
    mend = next((hint for sign, hint in _SYNTAX_HINTS if sign in what), "mend the YAML here")
    if mark and _tabbed(text, mark.line):
        mend = "indent with spaces, not with tabs"
    place = Mark(mark.line + 1, mark.column + 1) if mark else None
    return say(name, place, "", f"not YAML: {what}", mend)


def _tabbed(text: str, line: int) -> bool:
    """Whether this line (from 0) is indented with a tab."""
    found = text.split("\n")[line : line + 1]
    return bool(found) and "\t" in found[0][: len(found[0]) - len(found[0].lstrip())]


class _Builder:
    """Walks the nodes once: data out, marks noted, what YAML allows and we do not refused."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._values = 0
        self.problems: list[str] = []

    def build(self, node: yaml.Node, where: Where) -> Any:
        mark = Mark(node.start_mark.line + 1, node.start_mark.column + 1)
        self._source.values[where] = mark
        self._values += 1
        if len(where) > _DEEPEST:
            raise self._stop(
                where, "nested too deep", f"keep it below {_DEEPEST} levels, and no alias inside its own anchor"
            )
        if self._values > _MOST_VALUES:
            raise self._stop(where, f"more than {_MOST_VALUES} values", "use fewer aliases")
        if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
            self.problems.append(self._source.problem(where, f"the tag {node.tag} means nothing here", "remove it"))
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*where, i)) for i, child in enumerate(node.value)]
        return self._scalar(node, where)

    def _stop(self, where: Where, what: str, mend: str) -> PlanError:
        return PlanError([self._source.problem(where[:3], what, mend)])

    def _mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            mark = Mark(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                self._note(mark, where, "a key must be text", "put quotes round it")
                continue
            key = str(key_node.value)
            if key in data:
                first = self._source.keys[(*where, key)].line
                self._note(mark, (*where, key), f"the same key again, first on line {first}", "keep one of them")
                continue
            self._source.keys[(*where, key)] = mark
            data[key] = self.build(value_node, (*where, key))
        return data

    def _scalar(self, node: yaml.Node, where: Where) -> Any:
        text, kind = str(node.value), node.tag.removeprefix("tag:yaml.org,2002:")
        try:
            match kind:
                case "str":
                    return text
                case "null":
                    return None
                case "bool":
                    return text.lower() == "true"
                case "int":
                    return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
                case "float":
                    return _finite(text)
        except ValueError:
            self.problems.append(
                self._source.problem(where, f"{text[:40]} is not a number we can hold", "write it shorter")
            )
            return None
        self.problems.append(self._source.problem(where, f"the tag {node.tag} means nothing here", "remove it"))
        return None

    def _note(self, mark: Mark, where: Where, what: str, mend: str) -> None:
        self.problems.append(say(self._source.name, mark, ".".join(map(str, where)), what, mend))
