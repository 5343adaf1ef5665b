"""What scores sessions of real users: the plan's `recording` and `quality` blocks, and the file of evaluators.

judges:
  strict: {kind: bedrock, model: anthropic.claude-sonnet-4-20250514-v1:0, region: eu-west-1}
evaluate:
  - {not_regex: '(?i)\\b\\d+ ?mg\\b', weight: 3}
  - {judge: {rubric: "Kind, useful, and no medical advice"}}
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Annotated, Any

from pydantic import Field, model_validator
from pydantic import field_validator as check

from headgate.config import units
from headgate.config.block import Block
from headgate.config.complaints import validate
from headgate.config.expect_schema import Expect
from headgate.config.judge_schema import Judge
from headgate.config.plan_types import Duration, Percent, optional
from headgate.config.yaml_source import parse
from headgate.errors import PlanError

# of a recording there are words, tools and tokens; times, statuses and what another session would say are not in it
_SCORED = frozenset(
    {
        "contains",
        "contains_any",
        "not_contains",
        "regex",
        "not_regex",
        "json_schema",
        "similar",
        "language",
        "refused",
        "tool_called",
        "tool_not_called",
        "max_tokens",
        "judge",
        "pydantic_evals",
    }
)


_EVALUATOR = (
    r"^(Builtin\.[a-zA-Z0-9._-]+|ThirdParty\.[a-zA-Z0-9_-]+\.[a-zA-Z0-9_-]+"
    r"|[a-zA-Z][a-zA-Z0-9_-]{0,99}-[a-zA-Z0-9]{10})$"
)


class Recording(Block):
    """What of the sessions is kept, redacted, for replays and scores."""

    share: Percent = Field(description="Share of the sessions that is recorded, e.g. 20%")
    consent: bool = optional(True, description="true: only sessions whose client consents by header")
    failing: Percent | None = Field(
        None, description="Share of the sessions whose failing turns incidents keep as evidence; left out: as share"
    )
    keep: Duration = optional("7d", description="Recordings are dropped after so long")
    redact: list[Annotated[str, Field(min_length=1)]] = optional(
        [], description="Regular expressions of what must not be kept, beside addresses, secrets and long numbers"
    )

    @check("redact")
    @classmethod
    def _patterns_compile(cls, value: list[str]) -> list[str]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                units.refuse(f"{units.shown(pattern)} is not a regular expression: {error}", "mend it")
        return value


class AgentCoreEvaluation(Block):
    """AgentCore's own online evaluation scores live sessions, one configuration for each variant."""

    evaluators: list[Annotated[str, Field(pattern=_EVALUATOR)]] = Field(
        min_length=1, max_length=25, description="Ids of evaluators: Builtin.GoalSuccessRate, or your own"
    )
    role: str = Field(
        pattern=r"^arn:aws(-[^:]+)?:iam::\d{12}:role/.+$", description="ARN of the role that AgentCore evaluates with"
    )
    share: Percent = optional("100%", description="Share of the sessions that is evaluated")
    session: Duration = optional("15m", description="A session that was quiet for so long is evaluated: 1m to 24h")

    @check("share")
    @classmethod
    def _some(cls, value: float) -> float:
        if value < 0.0001:
            units.refuse("nothing would be evaluated", "evaluate at least 0.01%")
        return value

    @check("session")
    @classmethod
    def _as_agentcore_has_it(cls, value: float) -> float:
        if not 60 <= value <= 86_400 or value % 60:
            units.refuse(f"{units.duration_text(value)} is no such time", "use whole minutes, from 1m to 24h")
        return value


class Quality(Block):
    """How sessions are scored, 0 to 1, by variant: recorded ones by a file of evaluators, or live ones by AgentCore."""

    suite: str = optional("", description="File of evaluators, relative to the plan, e.g. suites/quality.yaml")
    agentcore: AgentCoreEvaluation | None = Field(None, description="Instead of a file: AgentCore's online evaluation")
    scored: Percent = optional(
        "90%", description="No step is left before this share of the sessions that it is asked of has a score"
    )
    per_hour: int = optional(600, ge=1, le=1_000_000, description="Most scores in an hour: what judges cost is bounded")

    @model_validator(mode="after")
    def _one_of_both(self) -> Quality:
        if bool(self.suite) == (self.agentcore is not None):
            units.refuse(
                "quality comes from a suite or from agentcore, one of them", "give `suite: FILE`, or `agentcore`"
            )
        return self


class Borrowed(Block):
    """An evaluator of pydantic-evals: a class that is installed where the controller runs, and works there."""

    use: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="Its class, module:Class, e.g. acme.evals:Politeness"
    )
    arguments: dict[str, Any] = optional({}, alias="with", description="What it is made with")

    @check("use")
    @classmethod
    def _library_is_there(cls, value: str) -> str:
        if find_spec("pydantic_evals") is None:
            units.refuse("pydantic-evals is not installed here", "pip install 'headgate[evals]'")
        return value


class Evaluator(Expect):
    """One check, and what it counts."""

    pydantic_evals: Borrowed | None = Field(
        None, description="An evaluator of pydantic-evals: {use: module:Class, with: {...}}; asked of each turn"
    )
    weight: float = optional(1.0, gt=0, le=1000, description="Its part in the score, beside the others")


class Evaluators(Block):
    """A score is the weighted mean of all checks: of a judge its score, of another the share of turns that meet it."""

    judges: dict[str, Judge] = optional({}, description="Models that judge, by name")
    evaluate: list[Evaluator] = Field(min_length=1, description="The checks")


def parse_evaluators(text: str, name: str) -> Evaluators:
    """Evaluators of a file's text. Raises PlanError with every problem as `name:line:column: where: what`."""
    source = parse(text, name)
    found = validate(source, Evaluators)
    problems = []
    for i, each in enumerate(found.evaluate):
        where, checks = ("evaluate", i), sorted(each.model_fields_set - {"weight"})
        if len(checks) != 1:
            problems.append(source.problem(where, f"{len(checks)} checks in one", "give each its own item"))
        elif checks[0] not in _SCORED:
            what = f"{checks[0]} cannot be seen in a recording"
            problems.append(source.problem((*where, checks[0]), what, f"use one of {', '.join(sorted(_SCORED))}"))
        elif each.judge is not None and (each.judge.by or next(iter(found.judges), "")) not in found.judges:
            problems.append(source.problem((*where, "judge"), "there is no such judge", "add it under `judges`"))
        elif each.judge is not None and not each.judge.by and len(found.judges) > 1:
            names = ", ".join(found.judges)
            problems.append(source.problem((*where, "judge"), "which judge?", f"say `by:` one of {names}"))
    if problems:
        raise PlanError(problems)
    return found
