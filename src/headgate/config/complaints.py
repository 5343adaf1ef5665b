"""pydantic's complaints as lines for people: `file:line:column: path: what. mend`; unknown keys get the nearest one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from headgate.config.plan_notify import RECEIVERS
from headgate.config.units import shown
from headgate.config.yaml_source import Source, Where
from headgate.errors import PlanError

M = TypeVar("M", bound=BaseModel)

_WANTED = {
    "string_type": ("text", "put it in quotes"),
    "int_type": ("a whole number", "write it without quotes"),
    "float_type": ("a number", "write it without quotes"),
    "int_from_float": ("a whole number", "drop the fraction"),
    "bool_type": ("true or false", "write true or false"),
    "list_type": ("a list", "write the members in [ ] or as lines that begin with -"),
    "dict_type": ("a block of keys and values", "write `key: value` lines, or {key: value}"),
    "model_type": ("a block of keys and values", "write `key: value` lines, or {key: value}"),
    "model_attributes_type": ("a block of keys and values", "write `key: value` lines, or {key: value}"),
}
_BOUNDS = {
    "greater_than": "not above",
    "greater_than_equal": "below",
    "less_than": "not below",
    "less_than_equal": "above",
}


def validate(source: Source, model: type[M]) -> M:
    """The file's data as a model. Raises PlanError with every problem of the file, in the order of its lines."""
    if blanks := list(_blanks(source)):
        raise PlanError(blanks)
    try:
        return model.model_validate(source.data)
    except ValidationError as error:
        lines = {_line(source, model, each) for each in error.errors(include_url=False)}
        raise PlanError(sorted(lines, key=_order)) from None


def _order(line: str) -> tuple[int, int, str]:
    found = re.match(r".*?:(\d+):(\d+):", line)
    return (int(found[1]), int(found[2]), line) if found else (0, 0, line)


def _blanks(source: Source) -> Iterator[str]:
    """Keys without a value: nothing in our files may be nothing."""

    def walk(data: Any, where: Where) -> Iterator[str]:
        if data is None:
            yield source.problem(
                where, "there is no value", "give one, or drop the key to get its default", at_key=True
            )
        elif isinstance(data, dict):
            for key, value in data.items():
                yield from walk(value, (*where, key))
        elif isinstance(data, list):
            for i, value in enumerate(data):
                yield from walk(value, (*where, i))

    return walk(source.data, ())


def _line(source: Source, model: type[BaseModel], error: Any) -> str:
    where, known = _follow(source.data, model, error["loc"])
    kind, value = error["type"], error["input"]
    if kind == "extra_forbidden":
        key = str(where[-1])
        mend = nearest(key, known)
        return source.problem(where, "unknown key", mend, at_key=True)
    if kind == "missing":
        key = str(error["loc"][-1])
        return source.problem(where, f"`{key}` is missing", f"add `{key}`: {known.get(key, '')}")
    if kind in {"union_tag_invalid", "union_tag_not_found"}:
        return _union(source, where, error)
    what, mend = _said(kind, value, error, _description(source.data, model, error["loc"]))
    return source.problem(where, what, mend)


def _said(kind: str, value: Any, error: Any, description: str) -> tuple[str, str]:
    context = error.get("ctx", {})
    if kind == "value_error":
        what, _, mend = str(context["error"]).partition("|")
        return what, mend
    if kind in _WANTED:
        wanted, mend = _WANTED[kind]
        scalar = not isinstance(value, dict | list)
        fits = isinstance(value, str) if mend == "write it without quotes" else scalar or "quotes" not in mend
        return f"{_kind_of(value)} where {wanted} belongs", mend if fits else description
    if kind == "literal_error":
        expected = [a or b for a, b in re.findall(r"'([^']*)'|(\d+)", context["expected"])]
        if isinstance(value, str) and value in expected:
            return f"{shown(value)} where a number belongs", "write it without quotes"
        return f"{shown(value)} is not known here", nearest(str(value), expected, "write") if expected[
            1:
        ] else description
    if kind in _BOUNDS:
        bound = context.get("ge", context.get("gt", context.get("le", context.get("lt"))))
        return f"{shown(value)} is {_BOUNDS[kind]} {bound:g}", description
    if kind in {"too_short", "string_too_short"}:
        return "this is empty", description
    if kind == "string_pattern_mismatch":
        return f"{shown(value)} does not fit", description
    return str(error["msg"]), description


def _kind_of(value: Any) -> str:
    if isinstance(value, dict):
        return "a block of keys and values"
    return "a list" if isinstance(value, list) else shown(value)


def _union(source: Source, where: Where, error: Any) -> str:
    context = error["ctx"]
    if "tag" in context:
        expected = re.findall(r"'([^']*)'", context["expected_tags"])
        mend = nearest(str(context["tag"]), expected, "write")
        return source.problem((*where, "kind"), f"{shown(context['tag'])} is not known here", mend)
    if where[:1] == ("notify",):
        kinds = [kind.__name__.lower() for kind in RECEIVERS]
        return source.problem(
            where, "no way to send is named", f"write one of {', '.join(kinds)}: {{slack: env:NAME, ...}}"
        )
    return source.problem(where, "`kind` is missing", "say which kind it is")


def nearest(word: str, known: Iterable[str], verb: str = "known") -> str:
    """The mend of a word that is none of those known here."""
    words = list(known)
    if near := difflib.get_close_matches(word, words, n=1, cutoff=0.6):
        return f"did you mean `{near[0]}`?"
    listed = ", ".join(words)
    return f"known keys: {listed}" if verb == "known" else f"write one of: {listed}"


def _follow(data: Any, model: type[BaseModel], loc: tuple[str | int, ...]) -> tuple[Where, dict[str, str]]:
    """The path in the file of a pydantic location (it holds union tags too), and the keys known at its parent."""
    where: Where = ()
    models: list[Any] = [model]
    known = _keys(models)
    named = False  # the next part is a name that the file chose
    for part in loc:
        inside = (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        )
        if not inside:
            models = [m for m in models if _tag_of(m) == part] or models
            known = _keys(models)
            continue
        known = _keys(models)
        if not named and not isinstance(part, int):
            named = any(_is_mapping(m, part) for m in models)
            models = [inner for m in models for inner in _inner(m, part)]
        elif named:
            known, named = {}, False
        where, data = (*where, part), data[part]
    return where, known


def _tag_of(model: Any) -> str:
    kind = model.model_fields.get("kind")
    return str(get_args(kind.annotation)[0]) if kind and get_args(kind.annotation) else str(model.__name__)


def _keys(models: list[Any]) -> dict[str, str]:
    return {field.alias or name: field.description or "" for m in models for name, field in m.model_fields.items()}


def _inner(model: Any, key: str | int) -> list[Any]:
    """The blocks that a member of a block may hold."""
    for name, field in model.model_fields.items():
        if (field.alias or name) == key:
            return list(_blocks(field.annotation))
    return []


def _is_mapping(model: Any, key: str | int) -> bool:
    """Whether a member of a block holds blocks by names that the file chooses."""
    field = next((f for name, f in model.model_fields.items() if (f.alias or name) == key), None)
    return field is not None and get_origin(field.annotation) is dict and bool(list(_blocks(field.annotation)))


def _blocks(annotation: Any) -> Iterator[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _blocks(argument)


def _description(data: Any, model: type[BaseModel], loc: tuple[str | int, ...]) -> str:
    """What the schema says of the member at a location, or of the list that it is in."""
    where, known = _follow(data, model, loc)
    for i in range(len(where), 0, -1):
        if isinstance(where[i - 1], str):
            _, known = _follow(data, model, where[:i])
            return known.get(str(where[i - 1]), "")
    return ""
