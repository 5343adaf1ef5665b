"""The base of every block of a plan or a suite file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Block(BaseModel):
    """What every block of a plan has in common: unknown keys refused, nothing converted, nothing changed afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, validate_default=True)
