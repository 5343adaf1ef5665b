"""The shape of `headgate.yaml`: one pydantic model per block. The source of `plan schema` and of docs/plan.md.

Strict: `weight: "10"` is text, and refused. Defaults are written as a person would write them, so that `plan explain`
can print them.
Rules that span blocks are in `core.plan.problems` and `plan_file`.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationInfo
from pydantic import field_validator as check

from headgate.config import monitoring_schema as m
from headgate.config import plan_types as t
from headgate.config import units
from headgate.config.block import Block as Block  # noqa: PLC0414 - the other schemas take it from here
from headgate.config.cloudwatch_schema import CloudWatch
from headgate.config.evaluator_schema import Quality, Recording
from headgate.config.gate_schema import Gate
from headgate.config.own_metrics import OwnMargin, OwnMetric, Wish
from headgate.config.plan_notify import Incidents, Receiver
from headgate.config.plan_types import Duration, Money, Name, Percent, Weight, optional


class Local(Block):
    """The local runtime of this machine: each version is a process of its own."""

    kind: Literal["local"] = Field(description="local")
    source: str = Field(min_length=1, description="Directory of the agent's code, relative to the plan, e.g. ./agent")
    entry: str = optional("main.py", min_length=1, description="The file in it that starts the agent")
    env: dict[str, str] = optional({}, description="Environment variables of the agent's process; part of the version")
    python: str = optional(
        "",
        pattern=r"^(3\.\d+)?$",
        description='Version of Python for the agent, e.g. "3.12"; empty: the platform\'s own',
    )


class AgentCore(Block):
    """Amazon Bedrock AgentCore."""

    kind: Literal["agentcore"] = Field(description="agentcore")
    runtime: str = optional(
        "",
        pattern=r"^([a-zA-Z][a-zA-Z0-9_]{0,99}-[a-zA-Z0-9]{10})?$",
        description="Id of the agent runtime, e.g. coach_companion-0ZUOP04U5z; empty: by the agent's name",
    )
    region: str = Field(pattern=r"^[a-z]{2}(-[a-z]+)+-\d$", description="AWS region, e.g. eu-west-1")
    regions: list[str] = optional([], description="The only regions that this agent may be in; empty: any")
    profile: str = optional("", description="Profile of the AWS configuration; empty: the default one")
    source: str = optional("", description="Directory of the candidate's code, relative to the plan, e.g. ./agent")
    bucket: str = optional("", description="S3 bucket that the code is put in, as a zip; needed with source")
    prefix: str = optional("headgate/", description="Where in the bucket")
    entry: str = optional("main.py", min_length=1, description="The file in source that starts the agent")
    python: str = optional(
        "", pattern=r"^(3\.\d+)?$", description='Version of Python for the agent, e.g. "3.12"; empty: as it is'
    )
    container: str = optional("", description="URI of the candidate's container image, instead of source")
    env: dict[str, str] = optional({}, description="Variables to set for the candidate; the runtime's others stay")
    role: str = optional("", description="ARN of the execution role; empty: the one the runtime has")
    gateway: str = optional("", description="Id of the AgentCore Gateway that splits: for `traffic: agentcore-gateway`")
    ab_test: str = optional(
        "",
        pattern=r"^([a-zA-Z][a-zA-Z0-9_-]{0,99}-[a-zA-Z0-9]{10})?$",
        description="Id of an A/B test of AgentCore that is read as evidence; it decides nothing",
    )
    prices: str = optional(
        "", description="What tokens cost by model, where spans name it: `shipped`, or a file; empty: `prices` below"
    )
    endpoint_url: str = optional("", description="Another address of AgentCore's APIs, for tests")


class Http(Block):
    """Any agent that has a URL per version."""

    kind: Literal["http"] = Field(description="http")
    versions: dict[str, str] = Field(min_length=1, description="URL of each version, by its number")


class Margins(Block):
    """How much worse than the baseline the candidate may be; harm beyond it must be excluded."""

    model_config = ConfigDict(**{**Block.model_config, "extra": "allow"})  # own metrics; `own_metrics` checks them
    __pydantic_extra__: dict[str, OwnMargin]

    error: t.Points | None = Field(None, description="Share of sessions with a failure, in points: +1pp")
    error_per_request: t.Points | None = Field(None, description="Share of turns that fail, in points: +0.5pp")
    latency_p95: t.Ratio | None = Field(None, description="95th percentile of a turn's time, as a ratio: x1.25")
    latency_p99: t.Ratio | None = Field(None, description="99th percentile of a turn's time, as a ratio: x1.5")
    ttft_p95: t.Ratio | None = Field(None, description="95th percentile of the time to the first byte, as a ratio")
    ttft_p99: t.Ratio | None = Field(None, description="99th percentile of the time to the first byte, as a ratio")
    cost: t.Ratio | None = Field(None, description="Mean cost of a session, as a ratio: x1.10")
    tokens: t.Ratio | None = Field(None, description="Mean tokens of a session, as a ratio: x1.10")
    quality: t.Fall | None = Field(None, description="Score from 0 to 1, how far it may fall: -0.03")


class Approval(Block):
    """Named people must agree before the step begins."""

    by: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1, description="People or groups who may agree")
    count: int = optional(1, ge=1, description="How many different people of them must agree")
    within: Duration | None = Field(None, description="How long to wait for them, e.g. 4h; left out: for ever")
    otherwise: Literal["rollback", "hold"] | None = Field(
        None, alias="else", description="What follows when they do not agree in time; needed with `within`"
    )

    @check("otherwise")
    @classmethod
    def _needs_a_deadline(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("within", 0) is None:
            units.refuse("an outcome without a deadline never comes", "add `within: 4h`, or drop `else`")
        return value


class Step(Block):
    """One step: a weight, watched for a bake time."""

    weight: Weight = Field(description="Percent of NEW sessions that go to the candidate, 0.1 to 100")
    bake: Duration = Field(description="Least time to watch at this weight, e.g. 10m")
    min_sessions: int = optional(100, ge=1, description="Least number of finished sessions of the candidate")
    within: Duration | None = Field(
        None, description="What is not proven by then is INCONCLUSIVE; left out: 6 times bake, at least 1h"
    )
    margins: Margins = optional({}, description="Margins of this step; what is left out is as in analysis.guardrails")
    approval: Approval | None = Field(None, description="A person's word that is needed before this step")


class OnRollback(Block):
    """What happens to the sessions that are pinned to a candidate that is taken back."""

    sessions: Literal["drain", "handover", "evict"] = optional(
        "drain", description="drain: finish where they began; handover: move at the next turn; evict: move now"
    )
    deadline: Duration = optional("15m", description="By then every session has moved")


class Strategy(Block):
    """How the candidate gets to 100 %."""

    kind: Literal["canary", "blue-green", "all-at-once"] = Field(
        description="canary: in steps; blue-green: both warm, one switch; all-at-once: switch, then watch"
    )
    steps: list[Step] | None = Field(
        None, min_length=1, description="Steps, weights rising to 100; needed by canary, else one of 100 that bakes 10m"
    )
    on_rollback: OnRollback = optional({}, description="What a rollback does with open sessions")


class Hard(Block):
    """Absolute limits: a candidate beyond them is taken back, unless the baseline is beyond them too."""

    error: Percent = optional("50%", description="Share of sessions with a failure")


class Analysis(Block):
    """How candidate and baseline are compared."""

    alpha: float = optional(
        0.05, gt=0, lt=0.5, description="Chance of taking back a candidate that is no worse, per rollout"
    )
    guardrails: Margins = optional(
        {"error": "+1pp", "latency_p95": "x1.25"},
        description="What may only not get worse, with the margins of the last step",
    )
    metrics: dict[str, OwnMetric] = optional({}, description="Metrics of your own, that the agent tells with its turns")
    objectives: dict[str, Wish] = optional(
        {}, description="What the release is to improve; it never takes a candidate back: {cost: reported}"
    )
    observe: list[Name] = optional([], description="Metrics that are measured and shown and decide nothing")
    hard: Hard = optional({}, description="Absolute limits of the candidate")


class Prices(Block):
    """What tokens cost, where the agent reports tokens and no cost."""

    input_per_million: Money = optional("0 USD", description="A million tokens read: 3 USD")
    output_per_million: Money = optional("0 USD", description="A million tokens written: 15 USD")


class SessionRules(Block):
    """When a session has ended, and when it is judged."""

    idle: Duration = optional("15m", description="A session without a turn for so long has ended")
    turns: int = optional(20, ge=1, le=10_000, description="It is judged at this turn at the latest")


class Handoff(Block):
    """Who runs the agent afterwards."""

    to: str = optional("operations", min_length=1, description="The team that takes over")
    rto: Duration = optional("15m", description="Target: the baseline is restored within")
    rpo: Duration = optional(0, description="Target: data that may be lost")


class Identity(Block):
    """How versions are watched for changes that nobody deployed: a model behind an alias, a prompt in a store."""

    every: Duration = optional("30s", description="How often both versions say what they are made of")
    ask: bool = optional(
        False, description='true: the agent answers {"headgate": "identity"}; for AgentCore, where no /ping is reached'
    )
    drift: Literal["hold", "go-on"] = optional(
        "hold", description="When the candidate alone changed: a person decides, or its evidence just begins anew"
    )
    variables: dict[Literal["prompt", "model", "tools", "guardrail", "memory"], str] = optional(
        {}, description="Parts that an environment variable of the agent holds: {model: env:MODEL_ID}"
    )

    @check("every")
    @classmethod
    def _every_is_some_time(cls, value: float) -> float:
        if value < 1.0:
            units.refuse("a version is asked at most once a second", "write e.g. `every: 30s`")
        return value

    @check("variables")
    @classmethod
    def _variables_are_named(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value.values():
            if not re.fullmatch(r"env:[A-Za-z_][A-Za-z0-9_]*", name):
                mend = "write env:NAME, by the NAME that the agent's process knows"
                units.refuse(f"{units.shown(name)} names no variable", mend)
        return value


class PlanFile(Block):
    """A plan: how one agent's next version is released."""

    version: Literal[1] = Field(description="Version of this format: 1")
    agent: Name = Field(description="Name of the agent")
    platform: Annotated[Local | AgentCore | Http, Field(discriminator="kind")] = Field(
        description="Where the agent runs"
    )
    traffic: Literal["gateway", "agentcore-gateway", "envoy"] = optional(
        "gateway", description="What splits the sessions"
    )
    gates: list[Gate] = optional([], description="Suites that must pass before the first step")
    strategy: Strategy = Field(description="How the candidate gets to 100 %")
    analysis: Analysis = optional({}, description="How candidate and baseline are compared")
    alarms: m.Alarms = optional(
        "default", description="The word default, the thresholds of its seven, or a list of alarms"
    )
    cloudwatch: CloudWatch | None = Field(None, description="Alarms on AWS: the plan's own, and ones that are there")
    validation: m.Validation = optional({}, description="The monitored time after 100 %")
    budget: m.Budget = optional({}, description="What the agent may cost")
    prices: Prices = optional({}, description="What tokens cost")
    session: SessionRules = optional({}, description="When a session has ended, and when it is judged")
    groups: dict[str, Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]] = optional(
        {}, description="Names for several people, for `approval.by`: {release-managers: [ana, ben]}"
    )
    notify: list[Receiver] = optional([], description="Who is told of what")
    incidents: Incidents = optional({}, description="What happens to incidents")
    handoff: Handoff = optional({}, description="Who runs the agent afterwards")
    recording: Recording | None = Field(None, description="What of the sessions is kept, redacted; left out: nothing")
    identity: Identity = optional({}, description="How versions are watched for changes that nobody deployed")
    quality: Quality | None = Field(None, description="How sessions are scored; left out: not at all")
