"""What tokens cost: by the plan's dated table where a span names its model, else by the plan's two prices."""

from __future__ import annotations

import json
from dataclasses import dataclass

from headgate.core.plan import Plan

ANYWHERE = "*"


@dataclass(frozen=True, slots=True)
class Row:
    """USD for a million tokens read and written, of every model whose id has `model` in it."""

    model: str
    region: str
    input: float
    output: float


@dataclass(frozen=True, slots=True)
class Prices:
    """`rows` of the agent's region or of any; `otherwise` (read, written) where no row fits, None: not known."""

    rows: tuple[Row, ...]
    otherwise: tuple[float, float] | None

    @classmethod
    def of(cls, plan: Plan) -> Prices:
        region, told = plan.platform.get("region"), json.loads(plan.platform.get("prices") or "{}")
        rows = tuple(Row(r["model"], r["region"], r["input"], r["output"]) for r in told.get("rows", ()))
        both = (plan.usd_per_million_input, plan.usd_per_million_output)
        return cls(tuple(row for row in rows if row.region in {region, ANYWHERE}), both if any(both) else None)

    def cost(self, model: str, tokens_in: int, tokens_out: int) -> float | None:
        """USD; None where nobody says what the model costs."""
        fitting = [row for row in self.rows if row.model in model]
        price = self.otherwise
        if fitting:
            best = max(fitting, key=lambda row: (len(row.model), row.region != ANYWHERE))
            price = (best.input, best.output)
        return None if price is None else (tokens_in * price[0] + tokens_out * price[1]) / 1_000_000
