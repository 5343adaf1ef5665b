"""A suite file: conversations, and what each answer must be like. Read from frozen text: a gate runs what the plan saw.

cases:
  - name: sets a goal
    turns:
      - {say: "I want to lose 5 kg in 3 months", expect: [{contains: goal}, {max_seconds: 5}]}
"""

from __future__ import annotations

import re

from pydantic import Field
from pydantic import field_validator as check

from headgate.config import units
from headgate.config.complaints import validate
from headgate.config.plan_schema import Block
from headgate.config.plan_types import Duration, optional
from headgate.config.yaml_source import Source, parse
from headgate.errors import PlanError


class Expect(Block):
    """One thing that an answer must be like."""

    contains: str | None = Field(None, min_length=1, description="Text in the answer, in any case")
    not_contains: str | None = Field(None, min_length=1, description="Text that is not in the answer, in any case")
    regex: str | None = Field(None, min_length=1, description="Regular expression (Python's) found in the answer")
    max_seconds: float | None = Field(None, gt=0, description="Most seconds until the answer is whole, e.g. 5")
    status: int | None = Field(None, ge=100, le=599, description="HTTP status of the answer, e.g. 400; left out: 200")

    @check("regex")
    @classmethod
    def _regex_compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            units.refuse(f"{units.shown(value)} is not a regular expression: {error}", "mend it, or use `contains`")
        return value


class Turn(Block):
    """One thing said, and what must come back. Without `expect`: status 200 and no error in it."""

    say: str = Field(min_length=1, description='What the user says; sent as {"prompt": ...}')
    expect: list[Expect] = Field([], description="What the answer must be like; all of it")


class Case(Block):
    """One conversation, held in a session of its own."""

    name: str = Field(min_length=1, max_length=100, description="Name of the case")
    stream: bool = Field(False, description="Ask for a stream of events (SSE) instead of one JSON answer")
    turns: list[Turn] = Field(min_length=1, description="The turns, in order")


class Suite(Block):
    """Conversations that a version must hold well before any user sees it."""

    cases: list[Case] = Field(min_length=1, description="The conversations")
    timeout: Duration = optional("30s", description="Most time for one turn")


def parse_suite(text: str, name: str) -> Suite:
    """A suite of its text. Raises PlanError with every problem as `name:line:column: where: what`."""
    source = parse(text, name)
    suite = validate(source, Suite)
    if problems := [*_one_each(source, suite), *_twins(source, suite)]:
        raise PlanError(problems)
    return suite


def _one_each(source: Source, suite: Suite) -> list[str]:
    return [
        source.problem(
            ("cases", c, "turns", t, "expect", e),
            f"{len(expect.model_fields_set)} expectations in one",
            "give each its own item: [{contains: a}, {max_seconds: 5}]",
        )
        for c, case in enumerate(suite.cases)
        for t, turn in enumerate(case.turns)
        for e, expect in enumerate(turn.expect)
        if len(expect.model_fields_set) != 1
    ]


def _twins(source: Source, suite: Suite) -> list[str]:
    names = [case.name for case in suite.cases]
    return [
        source.problem(("cases", i, "name"), f"{units.shown(name)} is the name of an earlier case", "name it otherwise")
        for i, name in enumerate(names)
        if name in names[:i]
    ]
