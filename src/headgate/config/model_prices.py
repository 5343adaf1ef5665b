"""A dated table of what models cost: a file beside the plan, or the one that Headgate ships (model_prices.yaml)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from headgate.config.block import Block
from headgate.config.complaints import validate
from headgate.config.plan_types import optional
from headgate.config.yaml_source import parse, read_text
from headgate.core import codec

SHIPPED = "shipped"  # the word that names Headgate's own table
_OWN = Path(__file__).with_name("model_prices.yaml")
_STARTER = f"write one like {_OWN.name}: date, unit, rows"


class ModelRow(Block):
    """What one model, or all whose ids have this in them, costs in a region."""

    model: str = Field(min_length=1, description="Part of the model's id, e.g. claude-sonnet-4-6")
    region: str = optional("*", min_length=1, description='AWS region, or "*" for any')
    input: float = Field(ge=0, description="For a million tokens read, in USD")
    output: float = Field(ge=0, description="For a million tokens written, in USD")
    source: str = Field(min_length=1, description="Where it stands: an address")


class ModelPrices(Block):
    """A price table."""

    date: str = Field(pattern=r"^\d{4}-\d\d-\d\d$", description="When it was so, e.g. 2026-11-23")
    unit: Literal["USD per million tokens"] = Field(description="USD per million tokens")
    rows: list[ModelRow] = Field(min_length=1, description="A model each")


def load_prices(name: str, folder: Path) -> str:
    """The table as canonical JSON: {"date", "rows": [{"model", "region", "input", "output", "source"}]}.

    Raises PlanError with every problem and its line.
    """
    path = _OWN if name == SHIPPED else folder / name
    source = parse(read_text(path, starter=_STARTER), str(path), _STARTER)
    found = validate(source, ModelPrices)
    return codec.canonical({"date": found.date, "rows": [row.model_dump() for row in found.rows]})
