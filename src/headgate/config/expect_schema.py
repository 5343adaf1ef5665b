"""What one answer must be like: one check each, so that a failure names the one that failed."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field
from pydantic import field_validator as check

from headgate.config import units
from headgate.config.block import Block
from headgate.config.judge_schema import Judged
from headgate.config.plan_types import optional

Language = Literal["ar", "de", "el", "en", "es", "fr", "he", "hi", "it", "ja", "ko", "nl", "pl", "pt", "ru", "tr", "zh"]


class Similar(Block):
    """Closeness of words to a model answer."""

    to: str = Field(min_length=1, description="An answer that would do")
    at_least: float = optional(0.5, gt=0, le=1, description="0: no word in common, 1: the same words")


class Expect(Block):
    """One thing that an answer must be like."""

    contains: str | None = Field(None, min_length=1, description="Text in the answer, in any case")
    contains_any: list[str] | None = Field(None, min_length=1, description="One of these texts in it, in any case")
    not_contains: str | None = Field(None, min_length=1, description="Text that is not in the answer, in any case")
    regex: str | None = Field(None, min_length=1, description="Regular expression (Python's) found in the answer")
    not_regex: str | None = Field(None, min_length=1, description="Regular expression (Python's) not found in it")
    json_schema: dict[str, Any] | None = Field(None, description="JSON Schema that the answer's JSON meets")
    similar: Similar | None = Field(None, description="Close to a model answer: {to: TEXT, at_least: 0.5}")
    language: Language | None = Field(None, description="Language of the answer, e.g. de")
    refused: bool | None = Field(None, description="true: it declines; false: it does not")
    remembers: str | None = Field(
        None, min_length=1, description="Text said earlier in this session, and in the answer; a new session has it not"
    )
    tool_called: str | None = Field(None, min_length=1, description="Name of a tool that was called in this turn")
    tool_not_called: str | None = Field(None, min_length=1, description="Name of a tool that was not called")
    max_seconds: float | None = Field(None, gt=0, description="Most seconds until the answer is whole, e.g. 5")
    max_first_token: float | None = Field(None, gt=0, description="Most seconds until its first token")
    max_tokens: int | None = Field(None, ge=1, description="Most tokens written in this turn, as it reports them")
    status: int | None = Field(None, ge=100, le=599, description="HTTP status of the answer, e.g. 400; left out: 200")
    status_below: int | None = Field(None, ge=101, le=600, description="Any HTTP status below, e.g. 500: no crash")
    judge: Judged | None = Field(None, description='A judge\'s score: {rubric: "Kind and safe", at_least: 0.7}')

    @check("regex", "not_regex")
    @classmethod
    def _regex_compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            units.refuse(f"{units.shown(value)} is not a regular expression: {error}", "mend it, or use `contains`")
        return value

    @check("json_schema")
    @classmethod
    def _schema_is_one(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError

        try:
            Draft202012Validator.check_schema(value or {})
        except SchemaError as error:
            units.refuse(f"this is no JSON Schema: {error.message}", "see json-schema.org, draft 2020-12")
        return value
