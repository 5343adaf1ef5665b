"""Core values <-> plain JSON data, so that ledger and store keep exactly what was decided.

Dataclasses become objects that carry their class name as "is", so that a union is read back as what it was. Canonical
text (sorted keys, no spaces) is what digests are made of.
"""

from __future__ import annotations

import json
import types
from dataclasses import field, fields, is_dataclass
from enum import Enum
from functools import cache
from hashlib import sha256
from typing import Any, Union, get_args, get_origin, get_type_hints

_PLAIN = frozenset({str, int, bool, type(None)})
_ALWAYS = object()  # in the place of a default: never left out


def later(default: Any) -> Any:
    """A member that a class got after ledgers with it were written: left out of the data while it has its default.

    So the digests in old ledgers stay what they are, and replay finds only what is really decided otherwise.
    """
    return field(default=default, metadata={"later": True})


def to_data(value: Any) -> Any:
    """Any core value as JSON data."""
    kind: Any = type(value)
    if kind in _PLAIN:
        return value
    if (members := _members(kind)) is not None:
        data = {"is": kind.__name__}
        for name, default in members:
            each = getattr(value, name)
            if default is _ALWAYS or each != default:
                data[name] = to_data(each)
        return data
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, frozenset):
        return sorted(to_data(v) for v in value)
    if isinstance(value, tuple | list):
        return [to_data(v) for v in value]
    if isinstance(value, dict):
        return {str(k): to_data(v) for k, v in value.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value)  # 10 % and 10.0 % are one number, and have one digest
    return value


def from_data(kind: Any, data: Any) -> Any:
    """The inverse of `to_data` for a known type. Raises ValueError where the data does not fit."""
    origin = get_origin(kind)
    if origin in {Union, types.UnionType}:
        return _from_union(get_args(kind), data)
    if origin in {tuple, list, frozenset}:
        return _from_sequence(origin, get_args(kind), data)
    if is_dataclass(kind):
        return _from_object(kind, data)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if isinstance(kind, type) and not isinstance(data, kind):
        raise ValueError(f"{data!r} is not a {kind.__name__}")
    return data


def _from_union(kinds: tuple[Any, ...], data: Any) -> Any:
    if data is None and type(None) in kinds:
        return None
    named: dict[str, Any] = {k.__name__: k for k in kinds if is_dataclass(k) and isinstance(k, type)}
    if isinstance(data, dict) and data.get("is") in named:
        return from_data(named[data["is"]], data)
    for kind in kinds:
        if kind is not type(None) and not is_dataclass(kind):
            try:
                return from_data(kind, data)
            except ValueError:
                continue
    raise ValueError(f"{data!r} is none of {', '.join(getattr(k, '__name__', str(k)) for k in kinds)}")


def _from_sequence(origin: Any, args: tuple[Any, ...], data: Any) -> Any:
    if origin is tuple and len(args) == 2 and args[1] is not Ellipsis:
        return tuple(from_data(a, d) for a, d in zip(args, data, strict=True))
    return origin(from_data(args[0], d) for d in data)


def _from_object(kind: Any, data: Any) -> Any:
    if not isinstance(data, dict):
        raise ValueError(f"{data!r} is not a {kind.__name__}")
    hints = _hints(kind)
    known = {k: v for k, v in data.items() if k != "is"}
    if unknown := known.keys() - hints.keys():
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    try:
        return kind(**{k: from_data(hints[k], v) for k, v in known.items()})
    except TypeError as error:
        raise ValueError(str(error)) from error


@cache
def _members(kind: Any) -> tuple[tuple[str, Any], ...] | None:
    """(name, the default with which it is left out) of each member; None for what is no dataclass."""
    if not is_dataclass(kind):
        return None
    return tuple((f.name, f.default if f.metadata.get("later") else _ALWAYS) for f in fields(kind))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def canonical(data: Any) -> str:
    """The one text of some JSON data: sorted keys, no spaces, no NaN."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(data: Any) -> str:
    """SHA-256 (hex) of the canonical text of JSON data."""
    return sha256(canonical(data).encode()).hexdigest()
