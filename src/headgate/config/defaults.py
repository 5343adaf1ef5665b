"""What a plan left out, and what stands there instead: written as a person would have written it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from headgate.config import plan_schema as written_as
from headgate.config.block import Block
from headgate.config.resolve import default_within
from headgate.config.units import duration_text
from headgate.config.yaml_source import Where
from headgate.core import plan as core


@dataclass(frozen=True, slots=True)
class Default:
    """A member that the file does not have, by its dotted path, and its value."""

    where: str
    value: str


def filled_in(written: written_as.PlanFile, plan: core.Plan) -> Iterator[Default]:
    """Every default that was used, in the order of the schema."""
    yield from _block(written, ())
    if written.strategy.steps is None:
        only = plan.steps[0]
        yield Default("strategy.steps", f"[{{weight: {only.weight:g}, bake: {duration_text(only.bake_s)}}}]")
    for i, step in enumerate(written.strategy.steps or []):
        if step.within is None:
            yield Default(f"strategy.steps.{i}.within", duration_text(default_within(step.bake)))


def _block(block: Block, where: Where, given: frozenset[str] | None = None) -> Iterator[Default]:
    """Walks the blocks; `given` are the members that the file has (those that a default has are none of them)."""
    given = frozenset(block.model_fields_set) if given is None else given
    for name, field in type(block).model_fields.items():
        value, here = getattr(block, name), (*where, field.alias or name)
        if name in given:
            yield from _within(value, here)
        elif isinstance(value, Block):
            raw = field.default or {}
            for key, text in raw.items():
                yield Default(".".join(map(str, (*here, key))), _text(text))
            yield from (d for d in _block(value, here, frozenset()) if d.where.rpartition(".")[2] not in raw)
        elif field.default is not None:
            yield Default(".".join(map(str, here)), _text(field.default))


def _within(value: Any, where: Where) -> Iterator[Default]:
    if isinstance(value, Block):
        yield from _block(value, where)
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from _within(each, (*where, i))


def _text(value: Any) -> str:
    """A default in YAML's flow style."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_text, value)) + "]"
    if value == "":
        return '""'
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
