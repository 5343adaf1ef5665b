"""The file that `headgate simulate` plays: how sessions of the baseline go, and in what the candidate differs.

traffic: 30                                   # new sessions a minute, of both variants
baseline: {error: 1%, p50: 400ms, p95: 1500ms, cost: 0.01 USD, quality: 0.8, turns: 4}
candidate: {error: +2pp, latency: x1.3, cost: x1.1, quality: -0.05, after: 30m}
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, model_validator

from headgate.config.block import Block
from headgate.config.complaints import validate
from headgate.config.plan_types import Duration, Fall, Money, Percent, Points, Ratio, optional
from headgate.config.yaml_source import parse, read_text


class BaselineLaw(Block):
    """How a session of the baseline goes. Times are log-normal; half of their variance is the session's own."""

    error: Percent = optional("1%", description="Share of the sessions with a failure")
    p50: Duration = optional("400ms", description="Median time of a turn")
    p95: Duration = optional("1500ms", description="95th percentile of a turn's time")
    cost: Money = optional("0.01 USD", description="Mean cost of a session")
    quality: float = optional(0.8, gt=0, lt=1, description="Mean score of a session, if the plan asks for quality")
    turns: int = optional(4, ge=1, le=50, description="Turns of a session")

    @model_validator(mode="after")
    def _ordered(self) -> BaselineLaw:
        if not 0 < self.p50 < self.p95:
            raise ValueError("p95 is not above p50|give times as they are, e.g. p50: 400ms, p95: 1500ms")
        return self


class CandidateLaw(Block):
    """In what the candidate is worse; what is left out is as the baseline. With nothing, it is a good candidate."""

    error: Points | None = Field(None, description="More failing sessions, in points: +2pp")
    latency: Ratio | None = Field(None, description="All times longer: x1.3")
    cost: Ratio | None = Field(None, description="Dearer: x1.1")
    quality: Fall | None = Field(None, description="Scores lower: -0.05")
    after: Duration = optional(0, description="The harm begins so long after the first step")


class Scenario(Block):
    """A scenario file."""

    traffic: float = Field(gt=0, description="New sessions a minute, of both variants")
    baseline: BaselineLaw = optional({}, description="How the baseline's sessions go")
    candidate: CandidateLaw = optional({}, description="In what the candidate is worse")


def load_scenario(path: Path) -> Scenario:
    """Reads a scenario. Raises PlanError with every problem and its line."""
    return validate(parse(read_text(path), str(path)), Scenario)
