"""A suite file: conversations, and what each answer must be like. Read from frozen text: a gate runs what the plan saw.

kind: smoke
judges:
  strict: {kind: openai, model: gpt-5, key: env:OPENAI_API_KEY}
cases:
  - name: sets a goal and remembers it
    tags: [goals]
    turns:
      - {say: "I want to lose 5 kg in 3 months", expect: [{contains: goal}, {tool_called: set_goal}, {max_seconds: 5}]}
      - {say: "What was my goal?", expect: [{remembers: 5 kg}, {judge: {rubric: "Kind, and exact about the goal"}}]}
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from headgate.config import units
from headgate.config.block import Block
from headgate.config.complaints import validate
from headgate.config.expect_schema import Expect
from headgate.config.json_schema import without_nulls
from headgate.config.judge_schema import Judge
from headgate.config.plan_types import Duration, Percent, optional
from headgate.config.yaml_source import Source, Where, parse
from headgate.errors import PlanError

_MOST_SENT = 20_000_000  # bytes of one payload: more than any platform takes


class Turn(Block):
    """One thing sent, and what must come back. Without `expect`: status 200 and no error in it."""

    say: str | None = Field(None, min_length=1, description='What the user says; sent as {"prompt": ...}')
    payload: Any = Field(None, description="Instead of `say`: JSON to send as it is, e.g. {prompt: 5}")
    raw: str | None = Field(None, description="Instead of `say`: text to send as it is, malformed too")
    times: int = optional(
        1, ge=1, le=5_000_000, description="Oversized input: the text of `say` or `raw` so many times"
    )
    content_type: str = optional("application/json", pattern=r"^[ -~]+$", description="Content-Type of what is sent")
    session: str = optional("", description="Another session of this case, by a name of your own: a stranger's")
    expect: list[Expect] = Field([], description="What the answer must be like; all of it")


class Case(Block):
    """One conversation, held in a session of its own."""

    name: str = Field(min_length=1, max_length=100, description="Name of the case")
    tags: list[str] = optional([], description="Words to choose cases by: headgate gate run --tag WORD")
    stream: bool = Field(False, description="Ask for a stream of events (SSE) instead of one JSON answer")
    context: dict[str, Any] = optional({}, description="Sent with every `say` as user_context, over the suite's own")
    turns: list[Turn] = Field(min_length=1, description="The turns, in order")


class Load(Block):
    """How a load suite is driven, where neither plan nor command line says otherwise."""

    sessions: int = optional(100, ge=1, le=1_000_000, description="Sessions to hold in all, the cases in turn")
    users: int = optional(0, ge=0, le=20_000, description="Sessions held at once; 0: all of them, at most 100")
    ramp: Duration = optional(0, description="Over how long the users arrive, one after the other")
    soak: Duration = optional(0, description="Hold that many users for so long, with as many sessions as it takes")
    think: Duration = optional(0, description="Pause of a user between two turns")
    success_rate: Percent = optional("100%", description="Least share of sessions that pass")
    p95: Duration | None = Field(None, description="95th percentile of a turn's time, at most")
    p99: Duration | None = Field(None, description="99th percentile of a turn's time, at most")
    first_token: Duration | None = Field(None, description="95th percentile of the time to the first token, at most")


class Suite(Block):
    """Conversations that a version must hold well before any user sees it."""

    kind: Literal["smoke", "integration", "load", "security"] = optional("smoke", description="What the suite is for")
    timeout: Duration = optional("30s", description="Most time for one turn")
    context: dict[str, Any] = optional({}, description="Sent with every `say` as user_context")
    pass_rate: Percent | None = Field(None, description="Least share of cases that pass; left out: all of them")
    pass_rate_bound: Percent | None = Field(
        None, description="Least lower 95 % confidence bound of that share: 18 of 21 proves 67%"
    )
    load: Load = optional({}, description="How a load suite is driven")
    judges: dict[str, Judge] = optional({}, description="Models that judge answers, by name")
    cases: list[Case] = Field(min_length=1, description="The conversations")


def parse_suite(text: str, name: str) -> Suite:
    """A suite of its text. Raises PlanError with every problem as `name:line:column: where: what`."""
    source = parse(text, name)
    suite = validate(source, Suite)
    if problems := [*_turn_problems(source, suite), *_twins(source, suite), *_judge_problems(source, suite)]:
        raise PlanError(problems)
    return suite


def suite_json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a suite file."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Headgate suite"}
    return {**without_nulls(Suite.model_json_schema()), **head}


def _turns(suite: Suite) -> Iterator[tuple[Where, Case, int, Turn]]:
    for c, case in enumerate(suite.cases):
        for t, turn in enumerate(case.turns):
            yield ("cases", c, "turns", t), case, t, turn


def _turn_problems(source: Source, suite: Suite) -> Iterator[str]:
    for where, case, number, turn in _turns(suite):
        if len({"say", "payload", "raw"} & turn.model_fields_set) != 1:
            yield source.problem(where, "one of `say`, `payload` and `raw` is what is sent", "give exactly one of them")
        elif turn.times > 1 and "payload" in turn.model_fields_set:
            yield source.problem((*where, "times"), "a payload is not repeated", "repeat `say` or `raw`")
        elif len((turn.say or turn.raw or "").encode()) * turn.times > _MOST_SENT:
            yield source.problem((*where, "times"), f"more than {_MOST_SENT} bytes", "send less")
        for e, expect in enumerate(turn.expect):
            yield from _expect_problems(source, (*where, "expect", e), expect, case, number)


def _expect_problems(source: Source, where: Where, expect: Expect, case: Case, number: int) -> Iterator[str]:
    if len(expect.model_fields_set) != 1:
        what = f"{len(expect.model_fields_set)} expectations in one"
        yield source.problem(where, what, "give each its own item: [{contains: a}, {max_seconds: 5}]")
    if (word := expect.remembers) is not None:
        session = case.turns[number].session
        before = [turn.say or turn.raw or str(turn.payload) for turn in case.turns[:number] if turn.session == session]
        if not any(word.casefold() in said.casefold() for said in before):
            what = f"nobody said {units.shown(word)} in an earlier turn of this session"
            yield source.problem((*where, "remembers"), what, "say it earlier, or expect `contains`")


def _judge_problems(source: Source, suite: Suite) -> Iterator[str]:
    for where, _, _, turn in _turns(suite):
        for e, expect in enumerate(turn.expect):
            if (judged := expect.judge) is None:
                continue
            place = (*where, "expect", e, "judge")
            if not suite.judges:
                yield source.problem(place, "the suite has no judge", "add one under `judges`")
            elif judged.by and judged.by not in suite.judges:
                names = ", ".join(suite.judges)
                yield source.problem((*place, "by"), f"{units.shown(judged.by)} is no judge here", f"known: {names}")
            elif not judged.by and len(suite.judges) > 1:
                yield source.problem(place, "which judge?", f"say `by:` one of {', '.join(suite.judges)}")


def _twins(source: Source, suite: Suite) -> list[str]:
    names = [case.name for case in suite.cases]
    return [
        source.problem(("cases", i, "name"), f"{units.shown(name)} is the name of an earlier case", "name it otherwise")
        for i, name in enumerate(names)
        if name in names[:i]
    ]
