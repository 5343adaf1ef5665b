"""The kinds of values that a plan holds: what YAML may say, and what becomes of it, with its JSON Schema."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, WithJsonSchema

from headgate.config import units


def optional(default: Any, **rest: Any) -> Any:
    """A field that may be left out. Its default is as a person would write it, and validated like that."""
    return Field(default, **rest)


_DURATION = r"^(0|(\d+(\.\d+)?d)?(\d+(\.\d+)?h)?(\d+(\.\d+)?m)?(\d+(\.\d+)?s)?(\d+(\.\d+)?ms)?)$"


class Comparison(NamedTuple):
    """`< 5%` as (op, limit, what was written)."""

    op: str
    limit: float | str
    text: str


class Worse(NamedTuple):
    """A margin: (value, is it a ratio)."""

    value: float
    ratio: bool


def _margin(metric: str) -> BeforeValidator:
    return BeforeValidator(lambda value: Worse(*units.parse_margin(metric, value)))


def _comparison(name: str) -> BeforeValidator:
    return BeforeValidator(lambda value: Comparison(*units.parse_comparison(name, value), str(value)))


def text(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


Duration = Annotated[
    float,
    BeforeValidator(units.parse_duration),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": _DURATION}, {"const": 0}], "examples": ["90s", "4h30m"]}),
]
Percent = Annotated[
    float,
    BeforeValidator(units.parse_percent),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$"},
                {"type": "number", "minimum": 0, "maximum": 1},
            ],
            "examples": ["25%", 0.25],
        }
    ),
]
Money = Annotated[float, BeforeValidator(units.parse_money), text(r"^\d+(\.\d+)?\s*USD$", "10 USD")]
Weight = Annotated[
    float,
    BeforeValidator(units.parse_weight),
    WithJsonSchema({"type": "number", "minimum": 0.1, "maximum": 100, "multipleOf": 0.1}),
]
Points = Annotated[Worse, _margin("error"), text(r"^\+\d+(\.\d+)?pp$", "+1pp")]
Ratio = Annotated[Worse, _margin("latency_p95"), text(r"^x\d+(\.\d+)?$", "x1.25")]
Fall = Annotated[
    Worse, _margin("quality"), WithJsonSchema({"type": "number", "exclusiveMinimum": -1, "exclusiveMaximum": 0})
]
Name = Annotated[str, BeforeValidator(units.parse_name), text(f"^{units.NAME.pattern}$", "coach-companion")]
Target = Annotated[
    str, BeforeValidator(units.parse_target), text(f"^({units.TARGET.pattern})$", "env:SLACK_URL", "https://host/path")
]
Variable = Annotated[
    str, BeforeValidator(units.parse_variable), text(f"^{units.VARIABLE.pattern}$", "env:PAGERDUTY_KEY")
]
Addresses = Annotated[
    tuple[str, ...],
    BeforeValidator(units.parse_addresses),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": f"^{units.ADDRESS.pattern}$"},
                {"type": "array", "minItems": 1, "items": {"type": "string", "pattern": f"^{units.ADDRESS.pattern}$"}},
            ],
            "examples": ["ops@example.com"],
        }
    ),
]
Event = Literal[
    "started",
    "advanced",
    "approval",
    "hold",
    "rollback",
    "incident",
    "drift",
    "budget",
    "escalation",
    "resolved",
    "completed",
]
Severity = Literal["P1", "P2", "P3", "P4"]


_OP = r"^(<=|>=|<|>)\s*"
ErrorRate = Annotated[Comparison, _comparison("error_rate"), text(_OP + r"\d+(\.\d+)?\s*%$", "< 5%")]
Uptime = Annotated[Comparison, _comparison("uptime"), text(_OP + r"\d+(\.\d+)?\s*%$", "> 99.9%")]
Time = Annotated[Comparison, _comparison("p95"), text(_OP + r"(\d+(\.\d+)?(ms|s|m|h|d))+$", "< 10s")]
Cost = Annotated[Comparison, _comparison("cost_per_day"), text(_OP + r"\d+(\.\d+)?\s*USD$", "< 10 USD")]
Incidents = Annotated[Comparison, _comparison("incidents"), WithJsonSchema({"const": "none"})]
Alarms = Annotated[Comparison, _comparison("alarms"), WithJsonSchema({"const": "ok"})]
Passed = Annotated[Comparison, _comparison("test_invocations"), WithJsonSchema({"const": "passed"})]
Status = Annotated[Comparison, _comparison("status"), WithJsonSchema({"const": "READY"})]
