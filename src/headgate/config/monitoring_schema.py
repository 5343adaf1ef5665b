"""The blocks of a plan about what is watched: alarms, the validation window, budgets."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationInfo, WithJsonSchema, model_validator
from pydantic import field_validator as check

from headgate.analysis.composite import parse_rule
from headgate.analysis.wall_clock import PERIODS, zone_of
from headgate.config import plan_types as t
from headgate.config import units
from headgate.config.block import Block
from headgate.config.metrics import wrong_query
from headgate.config.plan_types import Comparison, Duration, Money, Name, optional

BAND_WORDS = ("above", "below", "outside")

Metric = Literal[
    "error_rate",
    "p50",
    "p95",
    "p99",
    "ttfb_p95",
    "first_token_p95",
    "token_gap_p95",
    "invocations",
    "sessions",
    "tokens",
    "cost",
    "cost_per_day",
    "cost_per_month",
]


class Alarm(Block):
    """One alarm with CloudWatch's rules, kept for each variant."""

    name: Name = Field(description="Name of the alarm")
    metric: Metric | None = Field(None, description="What it watches; or say it with `math`")
    math: dict[str, str] | None = Field(
        None,
        min_length=1,
        max_length=10,
        description='Metric math: ids with "errors Sum" or "latency p95", or an expression over earlier ids; '
        "the last is compared",
    )
    when: Annotated[Comparison, t.text(r"^((<=|>=|<|>)\s*\d.*|above|below|outside)$", "> 5%")] = Field(
        description='When it is breached: "> 5%", "> 5s", "< 1", "> 10 USD"; of a band: above, below, outside'
    )
    band: float | None = Field(
        None, gt=0, le=100, description="Compare with an anomaly band so many spreads wide, e.g. 4"
    )
    period: Duration = optional("1m", description="Length of a period: 10s, 20s, 30s, or whole minutes")
    periods: int = optional(1, ge=1, description="Periods that are looked at")
    datapoints: int | None = Field(
        None, ge=1, description="Breaching periods that make an ALARM; left out: all of them"
    )
    missing: Literal["missing", "ignore", "breaching", "notBreaching"] = optional(
        "missing", description="What a period without data counts as"
    )
    low_samples: Literal["evaluate", "ignore"] = optional(
        "evaluate", description="A percentile of too few requests: evaluate it, or keep the state"
    )
    scope: Literal["variant", "agent"] = optional(
        "variant", description="variant: each version has its own state; agent: both together have one"
    )
    warm_up: Duration = optional(0, description="For so long after it was made, silence is no ALARM")
    critical: bool = optional(False, description="An ALARM of the candidate is an event for people")
    wall_clock: str | None = Field(
        None, description="Periods are whole hours, days or weeks of this time zone: UTC, Europe/London, +05:30"
    )

    @check("wall_clock")
    @classmethod
    def _of_the_clock(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None:
            return None
        try:
            zone_of(value)
        except ValueError as error:
            what, _, mend = str(error).partition("; ")
            units.refuse(what, mend or "write a time zone")
        if info.data.get("period", 60.0) not in PERIODS:
            there = ", ".join(units.duration_text(period) for period in PERIODS)
            units.refuse(f"{units.duration_text(info.data['period'])} is no period of the clock", f"use {there}")
        return value

    @check("math")
    @classmethod
    def _math_is_right(cls, value: dict[str, str] | None, info: ValidationInfo) -> dict[str, str] | None:
        if (value is None) == (info.data.get("metric") is None) and "metric" in info.data:
            units.refuse("an alarm has a metric or math, one of them", "drop one, or add `metric: error_rate`")
        ids: list[str] = []
        for name, text in (value or {}).items():
            if not re.fullmatch(r"[a-z]\w*", name):
                units.refuse(f"{units.shown(name)} is no id", "an id begins with a small letter: errors, m1")
            if problem := wrong_query(text, ids):
                units.refuse(problem, 'write "errors Sum", "latency p95", or an expression over earlier ids')
            ids.append(name)
        return value

    @check("when", mode="before")
    @classmethod
    def _in_its_unit(cls, value: Any, info: ValidationInfo) -> Comparison:
        if "metric" not in info.data:  # already complained of; its unit is not known
            return Comparison(">", 0.0, "")
        if value in BAND_WORDS:
            return Comparison(str(value), 0.0, str(value))
        op, limit = units.parse_comparison(info.data["metric"] or "", value)
        return Comparison(op, limit, str(value))

    @check("band")
    @classmethod
    def _a_band_has_its_own_words(cls, value: float | None, info: ValidationInfo) -> float | None:
        op = info.data["when"].op if "when" in info.data else ""
        if value is not None and op and op not in BAND_WORDS:
            units.refuse(f"a band is not compared with {units.shown(op)}", "write `when: above`, below or outside")
        return value

    @check("period")
    @classmethod
    def _cloudwatch_period(cls, value: float) -> float:
        if value not in {10, 20, 30} and (value < 60 or value % 60):
            units.refuse(f"{units.duration_text(value)} is no period", "use 10s, 20s, 30s, or whole minutes")
        return value

    @check("periods")
    @classmethod
    def _cloudwatch_range(cls, value: int, info: ValidationInfo) -> int:
        period = info.data.get("period", 60.0)
        longest = 604_800 if period >= 3600 else 86_400
        if value * period > longest:
            mend = f"keep periods x period within {units.duration_text(longest)}"
            units.refuse(f"{value} periods of {units.duration_text(period)} are too long", mend)
        return value

    @check("datapoints")
    @classmethod
    def _no_more_than_periods(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and value > info.data.get("periods", value):
            units.refuse(f"{value} of {info.data['periods']} periods cannot breach", "make it at most `periods`")
        return value

    @model_validator(mode="after")
    def _words_need_a_band(self) -> Alarm:
        if self.when.op in BAND_WORDS and self.band is None:
            units.refuse(f"`when: {self.when.op}` is about a band, and there is none", "add `band: 4`")
        return self


class Composite(Block):
    """An alarm over other alarms; those that it names do not count by themselves any more."""

    name: Name = Field(description="Name of the alarm")
    rule: str = Field(min_length=1, description="ALARM(a) AND NOT OK(b); also AT_LEAST(2, ALARM, (a, b, c))")
    suppressed_by: Name | None = Field(None, description="While this alarm is in ALARM, it leads to nothing")
    wait: Duration = optional("1m", description="How long the suppressor may take to go into ALARM")
    extension: Duration = optional("1m", description="How long it goes on suppressing after that")
    critical: bool = optional(False, description="An ALARM of the candidate is an event for people")

    @check("rule")
    @classmethod
    def _can_be_read(cls, value: str) -> str:
        try:
            parse_rule(value)
        except ValueError as error:
            units.refuse(str(error).partition(";")[0], "write a rule like ALARM(a) AND NOT OK(b)")
        return value


def _kind_of(value: Any) -> str:
    return "Composite" if isinstance(value, Composite) or (isinstance(value, dict) and "rule" in value) else "Alarm"


AnyAlarm = Annotated[
    Annotated[Alarm, Tag("Alarm")] | Annotated[Composite, Tag("Composite")],
    Discriminator(
        lambda value: "Composite" if isinstance(value, dict | Composite) and "rule" in dict(value) else "Alarm"
    ),
]


def _threshold(metric: str) -> Any:
    """`off`, or a comparison in the metric's unit."""

    def parse(value: Any) -> Comparison | None:
        if value == "off":
            return None
        op, limit = units.parse_comparison(metric, value)
        if op not in {">", ">="}:
            units.refuse(f"a threshold is what is too much, and {op} says what is too little", "use >, or write off")
        return Comparison(op, limit, str(value))

    return BeforeValidator(parse)


_OVER = r"^(off|>=?\s*\d.*)$"


def _silence(value: Any) -> float | None:
    if value == "off":
        return None
    seconds = units.parse_duration(value)
    if seconds < 60 or seconds % 60 or seconds > 86_400:
        units.refuse(f"{units.shown(value)} is no period", "use whole minutes, up to a day, or write off")
    return seconds


Silence = Annotated[
    float | None,
    BeforeValidator(_silence),
    t.text(r"^(off|\d.*)$", "1h"),
]
Width = Annotated[
    float | None,
    BeforeValidator(lambda value: None if value == "off" else value),
    WithJsonSchema({"anyOf": [{"const": "off"}, {"type": "number", "exclusiveMinimum": 0}]}),
]


class Seven(Block):
    """The default alarms, each with its threshold, or `off`; and more beside them."""

    error_rate: Annotated[Comparison | None, _threshold("error_rate"), t.text(_OVER, "> 5%")] = optional(
        "> 5%", alias="error-rate", description="Share of failed invocations in five minutes"
    )
    latency: Annotated[Comparison | None, _threshold("p95"), t.text(_OVER, "> 5s")] = optional(
        "> 5s", alias="latency-p95", description="Time until a caller has an answer, or the next token of it"
    )
    silence: Silence = optional("1h", alias="no-invocations", description="No invocation for so long")
    per_day: Annotated[Comparison | None, _threshold("cost"), t.text(_OVER, "> 10 USD")] = optional(
        "> 10 USD", alias="cost-per-day", description="Cost of the last day"
    )
    per_month: Annotated[Comparison | None, _threshold("cost"), t.text(_OVER, "> 300 USD")] = optional(
        "> 300 USD", alias="cost-per-month", description="Cost of a month like the last day"
    )
    usage: Width = optional(4.0, alias="unusual-usage", description="Invocations, in spreads above what is usual")
    first_token: Annotated[Comparison | None, _threshold("p95"), t.text(_OVER, "> 3s")] = optional(
        "> 3s", alias="first-token-p95", description="Time to the first token of a stream"
    )
    more: list[AnyAlarm] = optional([], description="Alarms of your own")


Alarms = Annotated[
    Annotated[Literal["default"], Tag("word")]
    | Annotated[list[AnyAlarm], Tag("items")]
    | Annotated[Seven, Tag("block")],
    Discriminator(lambda value: "word" if isinstance(value, str) else "items" if isinstance(value, list) else "block"),
]


class WindowPart(Block):
    """One part of the validation window."""

    until: Duration = Field(description="End of this part, counted from 100 %: 4h")
    every: Duration = Field(description="Time between two checks: 1m")
    invoke: bool | str = optional(
        False, description="Each check says this to the version, in a session of its own; true: Hello"
    )


class Criteria(Block):
    """What the new version must show at 100 %."""

    error_rate: t.ErrorRate | None = Field(None, description='Share of failed invocations: "< 5%"')
    p95: t.Time | None = Field(None, description='95th percentile of an invocation\'s time: "< 10s"')
    p99: t.Time | None = Field(None, description='99th percentile of an invocation\'s time: "< 20s"')
    first_token: t.Time | None = Field(None, description='95th percentile of the time to a first token: "< 3s"')
    token_gap: t.Time | None = Field(None, description='95th percentile of the longest wait within a stream: "< 2s"')
    cost_per_day: t.Cost | None = Field(None, description='Cost, projected to a day: "< 10 USD"')
    incidents: t.Incidents | None = Field(None, description="none: no critical incident (P1, P2) was opened")
    alarms: t.Alarms | None = Field(None, description="ok: every alarm is OK, and was all the time")
    status: t.Status | None = Field(None, description="READY: the platform says so at every check")
    test_invocations: t.Passed | None = Field(None, description="passed: all that were made")
    uptime: t.Uptime | None = Field(None, description='Share of checks that found it healthy: "> 99.9%"')


class Validation(Block):
    """The monitored time after 100 %."""

    window: list[WindowPart] = optional(
        [{"until": "4h", "every": "1m", "invoke": True}, {"until": "24h", "every": "5m"}],
        description="Parts of the window, in order",
    )
    must: Criteria = optional(
        {"error_rate": "< 5%", "alarms": "ok", "incidents": "none"},
        description="Broken: rolled back",
    )
    should: Criteria = optional({}, description="Broken: reported")
    stretch: Criteria = optional({}, description="Wished for")
    after: Duration = optional("15m", description="Time between two checks after the window; 0: none")
    speed: float = optional(1.0, ge=1, le=100_000, description="Above 1: a rehearsal, window time = real time x speed")


class Limit(Block):
    """What may be spent, and what follows when it is more."""

    money: Money | None = Field(None, description="10 USD")
    tokens: int | None = Field(None, ge=1, description="Tokens read and written, 2000000")
    spent: Literal["warn", "hold", "rollback"] = optional("hold", description="What follows when it is spent")
    projected: Literal["warn", "hold", "rollback"] = optional(
        "warn", description="What follows when it will be, at the present rate"
    )

    @model_validator(mode="after")
    def _limits_something(self) -> Limit:
        if self.money is None and self.tokens is None:
            units.refuse("a budget without an amount", "add `money: 10 USD`, `tokens: 2000000`, or both")
        return self


AnyLimit = Annotated[
    Annotated[Money, Tag("money")] | Annotated[Limit, Tag("limit")],
    Discriminator(lambda value: "limit" if isinstance(value, dict | Limit) else "money"),
]


class Budget(Block):
    """What the agent may cost."""

    per_day: AnyLimit | None = Field(None, description="Of the agent, in a day (UTC): 10 USD")
    per_month: AnyLimit | None = Field(None, description="Of the agent, in a calendar month (UTC): 300 USD")
    per_rollout: AnyLimit | None = Field(None, description="Of the candidate, in one rollout: 5 USD")
    per_evaluation: AnyLimit | None = Field(None, description="Of the gates that try it, in one rollout: 1 USD")
