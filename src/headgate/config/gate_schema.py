"""A plan's `gates`: what must pass before any user sees the candidate."""

from __future__ import annotations

from pydantic import Field, ValidationInfo
from pydantic import field_validator as check

from headgate.config import units
from headgate.config.block import Block
from headgate.config.plan_types import Duration, Name, Percent


class Gate(Block):
    """A suite that must pass before the first step."""

    name: Name = Field(description="Name of the gate, e.g. smoke")
    suite: str = Field(min_length=1, description="Suite file, relative to the plan, e.g. suites/smoke.yaml")
    require: str | None = Field(None, pattern=r"^\d+/\d+$", description="Cases that must pass, e.g. 5/5; left out: all")
    sessions: int | None = Field(None, ge=1, le=100_000, description="Load gate: hold so many sessions, cases in turn")
    success_rate: Percent | None = Field(
        None, description="Load gate: least share of sessions that pass; 100% if left out"
    )
    p95: Duration | None = Field(None, description="Load gate: the 95th percentile of a turn's time must be below")
    p99: Duration | None = Field(None, description="Load gate: the 99th percentile of a turn's time must be below")
    first_token: Duration | None = Field(
        None, description="Load gate: the 95th percentile of the time to the first token must be below"
    )
    users: int | None = Field(None, ge=1, le=20_000, description="Load gate: sessions held at once")
    ramp: Duration | None = Field(None, description="Load gate: over how long the users arrive")
    soak: Duration | None = Field(None, description="Load gate: go on for so long, with as many sessions as it takes")
    pass_rate: Percent | None = Field(None, description="Least share of cases that pass, e.g. 90%")
    pass_rate_bound: Percent | None = Field(
        None, description="Least lower 95 % confidence bound of that share, e.g. 65%: 18 of 21 has 67.1%"
    )

    replay: int | None = Field(
        None, ge=1, le=1000, description="Replay gate: so many recorded sessions on both versions; `suite`: evaluators"
    )
    margin: Percent | None = Field(
        None, description="Replay gate: by what share of sessions the candidate may be worse; 10% if left out"
    )

    @check("require")
    @classmethod
    def _require_is_possible(cls, value: str | None) -> str | None:
        if value is not None:
            passed, total = map(int, value.split("/"))
            if not 1 <= passed <= total:
                units.refuse(
                    f"{units.shown(value)} asks for {passed} of {total}", "ask for at least 1 and at most all, e.g. 5/5"
                )
        return value

    @check("sessions")
    @classmethod
    def _one_kind(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("require") is not None:
            units.refuse("a gate counts cases or sessions, not both", "drop `require`, or drop `sessions`")
        return value

    @check("success_rate", "p95", "p99", "first_token", "users", "ramp", "soak")
    @classmethod
    def _needs_sessions(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("sessions") is None:
            units.refuse("only a load gate measures this", "add `sessions: 100`, or drop it")
        return value

    @check("replay")
    @classmethod
    def _replay_is_alone(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and any(info.data.get(n) is not None for n in ("require", "sessions", "pass_rate")):
            units.refuse("a replay gate has a rule of its own", "drop `require`, `sessions` and `pass_rate`")
        return value

    @check("margin")
    @classmethod
    def _needs_replay(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and info.data.get("replay") is None:
            units.refuse("only a replay gate has a margin", "add `replay: 50`, or drop it")
        return value

    @check("pass_rate", "pass_rate_bound")
    @classmethod
    def _counts_cases(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is not None and (info.data.get("require") or info.data.get("sessions")):
            units.refuse("a gate has one rule: `require`, a pass rate, or `sessions`", "keep one of them")
        return value
