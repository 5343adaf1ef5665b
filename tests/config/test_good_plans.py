"""Plans that are right: accepted as written, every default resolved, the digest of the content and not of the place."""

import re
import shutil
from pathlib import Path

import pytest

from headgate.config.plan_file import load_plan, schema
from headgate.core import codec
from headgate.core.identity import Watched
from headgate.core.plan import Margin, Otherwise, Plan, SessionPolicy, Strategy

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "coach-companion"
CASES = "cases:\n" + "".join(f"  - {{name: c{i}, turns: [{{say: hi}}]}}\n" for i in range(5))

# the plan of the design, word for word
DESIGN = """\
version: 1
agent: coach-companion
platform: {kind: local, source: ./agent}            # or {kind: agentcore, runtime: coach_companion-0ZUOP04U5z, region: eu-west-1} | {kind: http, ...}
traffic: gateway                                    # or agentcore-gateway | envoy
gates:
  - {name: smoke, suite: suites/smoke.yaml, require: 5/5}
  - {name: load, suite: suites/load.yaml, sessions: 100, success_rate: 1.0, p95: 90s}
strategy:
  kind: canary                                      # or blue-green | all-at-once
  steps:
    - {weight: 10, bake: 10m, min_sessions: 200, margins: {error: +5pp, latency_p95: x2}}
    - {weight: 50, bake: 30m, min_sessions: 1000}
    - {weight: 100, bake: 1h, approval: {by: [release-managers], within: 4h, else: rollback}}
  on_rollback: {sessions: drain, deadline: 15m}     # or handover | evict
analysis:
  alpha: 0.05
  guardrails: {error: +1pp, latency_p95: x1.25, latency_p99: x1.5, cost: x1.10, quality: -0.03}
  observe: [tool_error]                             # measured and shown, decides nothing
alarms: default                                     # the seven, or a list
validation:
  window: [{until: 4h, every: 1m}, {until: 24h, every: 5m}]
  must: {error_rate: "< 5%", alarms: ok, incidents: none, cost_per_day: "< 10 USD"}
  should: {error_rate: "< 2%", p95: "< 10s"}
budget: {per_day: 10 USD, per_month: 300 USD}
notify: [{slack: env:SLACK_URL, on: [rollback, approval, incident]}]
handoff: {to: operations, rto: 15m, rpo: 0}
"""  # noqa: E501 - as it was written
SMALL = """\
version: 1
agent: coach
platform: {kind: local, source: agent}
strategy: {kind: KIND}
"""


@pytest.fixture
def project(tmp_path):
    """A folder with an agent and two suites of five cases; returns what writes a plan into it."""
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "main.py").touch()
    (tmp_path / "suites").mkdir()
    for name in ("smoke", "load"):
        (tmp_path / "suites" / f"{name}.yaml").write_text(CASES)

    def write(text: str) -> Path:
        (tmp_path / "headgate.yaml").write_text(text)
        return tmp_path / "headgate.yaml"

    return write


def test_approvals_by_groups_and_without_a_deadline(project):
    """A group stands for its people, each counted once; without `within` nobody's time runs out."""
    text = DESIGN.replace("by: [release-managers], within: 4h, else: rollback", "by: [leads, ben, eva], count: 2")
    plan = load_plan(project(f"{text}groups: {{leads: [ana, ben]}}\n")).plan
    asked = plan.steps[-1].approval
    assert asked is not None
    assert (asked.by, asked.people, asked.count) == (("leads", "ben", "eva"), ("ana", "ben", "eva"), 2)
    assert asked.within_s is None


def test_the_plan_of_the_design_is_accepted_as_written(project):
    """Each of its members arrives where the core looks for it."""
    plan = load_plan(project(DESIGN)).plan
    first, second, last = plan.steps
    assert (first.weight, first.bake_s, first.min_sessions) == (10, 600, 200)
    assert first.margins[:2] == (Margin("error", 0.05, False), Margin("latency_p95", 2.0, True))
    assert first.margins[2:] == plan.analysis.guardrails[2:], "what a step does not say is as the plan says"
    assert second.margins == plan.analysis.guardrails
    assert last.approval is not None
    assert (last.approval.by, last.approval.within_s) == (("release-managers",), 14_400)
    assert last.approval.otherwise is Otherwise.ROLLBACK
    smoke, load = plan.gates
    assert (smoke.require_passed, smoke.require_total, smoke.suite_text) == (5, 5, CASES)
    assert (load.sessions, load.success_rate, load.p95_s) == (100, 1.0, 90.0)
    assert {(c.tier.value, c.name, c.op, c.limit) for c in plan.validation.criteria} == {
        ("must", "error_rate", "<", 0.05),
        ("must", "alarms", "is", "ok"),
        ("must", "incidents", "is", "none"),
        ("must", "cost_per_day", "<", 10.0),
        ("should", "error_rate", "<", 0.02),
        ("should", "p95", "<", 10.0),
    }
    assert [(alarm.metric, alarm.threshold) for alarm in plan.alarms] == [
        ("error_rate", 0.05),
        ("p95", 5.0),
        ("invocations", 1.0),
        ("cost", 10.0),
        ("cost_per_month", 300.0),
        ("invocations", 0.0),
        ("first_token_p95", 3.0),
    ]
    assert plan.notify[0].target == "env:SLACK_URL"
    assert (plan.usd_per_day, plan.usd_per_month, plan.rto_s, plan.rpo_s) == (10, 300, 900, 0)
    assert plan.analysis.observe == ("tool_error",)
    assert plan.analysis.hard[0].limit == 0.5


@pytest.mark.parametrize("kind", ["blue-green", "all-at-once"])
def test_strategies_without_steps_get_one_of_100(project, kind):
    """One switch, and then the watch."""
    plan = load_plan(project(SMALL.replace("KIND", kind))).plan
    assert plan.strategy is Strategy(kind)
    assert [(step.weight, step.bake_s) for step in plan.steps] == [(100, 600)]
    assert [part.until_s for part in plan.validation.window] == [14_400, 86_400]
    assert plan.rollback.sessions is SessionPolicy.DRAIN


def test_every_default_is_told(project):
    """What the file does not say is listed as a person would have written it, and pasted back it changes nothing."""
    loaded = load_plan(project(SMALL.replace("KIND", "blue-green")))
    told = {default.where: default.value for default in loaded.defaults}
    assert told["analysis.guardrails.error"] == "+1pp"
    assert told["analysis.hard.error"] == "50%"
    assert told["strategy.on_rollback.deadline"] == "15m"
    assert told["strategy.steps"] == "[{weight: 100, bake: 10m}]"
    assert told["validation.must.error_rate"] == "< 5%"
    assert told["validation.window"] == "[{until: 4h, every: 1m, invoke: true}, {until: 24h, every: 5m}]"
    assert "budget.per_day" not in told, "what has no default is not one"
    written = SMALL.replace("{kind: KIND}", "\n  kind: blue-green\n  steps: " + told["strategy.steps"]) + (
        "validation:\n  window: "
        + told["validation.window"]
        + "\n  must: {error_rate: '< 5%', alarms: ok, incidents: none}\n"
        "analysis: {alpha: 0.05, guardrails: {error: +1pp, latency_p95: x1.25}, hard: {error: 50%}}\n"
        "session: {idle: " + told["session.idle"] + ", turns: " + told["session.turns"] + "}\n"
    )
    again = load_plan(project(written))
    assert again.plan == loaded.plan
    assert len(again.defaults) < len(loaded.defaults)


def test_a_plan_that_moved_is_the_same_plan(project, tmp_path):
    """The digest is of what is released and how, not of where the folder stands; a changed suite is another plan."""
    here = load_plan(project(DESIGN))
    there = tmp_path.parent / f"{tmp_path.name}-moved"
    shutil.copytree(tmp_path, there)
    moved = load_plan(there / "headgate.yaml")
    assert moved.plan != here.plan
    assert moved.digest == here.digest
    (there / "suites" / "smoke.yaml").write_text(CASES.replace("say: hi", "say: ho"))
    assert load_plan(there / "headgate.yaml").digest != here.digest


def test_a_plan_is_as_good_from_elsewhere(project, tmp_path, monkeypatch):
    """Suites and source count from the plan, wherever the command was typed."""
    path = project(DESIGN)
    monkeypatch.chdir(tmp_path.parent)
    loaded = load_plan(path.relative_to(tmp_path.parent))
    assert loaded.plan.platform.get("source") == str((tmp_path / "agent").resolve())


def test_a_plan_survives_the_store(project):
    """What the ledger keeps of a plan is the plan."""
    plan = load_plan(project(DESIGN)).plan
    assert codec.from_data(Plan, codec.to_data(plan)) == plan


def test_an_empty_list_of_alarms_is_none(project):
    """`alarms: []` is not `alarms: default`."""
    assert load_plan(project(SMALL.replace("KIND", "blue-green") + "alarms: []\n")).plan.alarms == ()


def test_how_versions_are_watched(project):
    """As it is written, and half a minute with a hold where nothing is."""
    text = "identity: {every: 5s, ask: true, drift: go-on, variables: {model: env:MODEL_ID, prompt: env:PROMPT}}\n"
    small = SMALL.replace("KIND", "blue-green")
    plan = load_plan(project(small + text)).plan
    assert plan.watched == Watched(5.0, ask=True, hold=False, variables=(("model", "MODEL_ID"), ("prompt", "PROMPT")))
    assert load_plan(project(small)).plan.watched == Watched(30.0, ask=False, hold=True)


def test_env_and_python_reach_the_platform(project):
    """The settings are text: env as JSON."""
    text = SMALL.replace("KIND", "blue-green").replace(
        "source: agent", 'source: agent, python: "3.12", env: {B: "2", A: "1"}'
    )
    platform = load_plan(project(text)).plan.platform
    assert (platform.get("env"), platform.get("python"), platform.get("entry")) == (
        '{"A":"1","B":"2"}',
        "3.12",
        "main.py",
    )


def test_the_example_that_goes_by_what_users_said():
    """A replay gate that 31 sessions alike can pass, and scores by the same evaluators."""
    plan = load_plan(EXAMPLE / "headgate-quality.yaml").plan
    (_, replay) = plan.gates
    assert (replay.replay, replay.margin, replay.suite) == (40, 0.1, plan.quality.suite)
    assert plan.recording.consent
    assert load_plan(EXAMPLE / "headgate-v1.yaml").plan.recording.consent


@pytest.mark.parametrize("name", ["headgate.yaml", "headgate-v3.yaml"])
def test_the_examples_are_good(name):
    """Both plans of Coach Companion load, with their smoke suite of five."""
    plan = load_plan(EXAMPLE / name).plan
    assert [step.weight for step in plan.steps] == [10, 50, 100]
    assert plan.gates[0].require_total == 5
    built = {"headgate.yaml": "v2", "headgate-v3.yaml": "v3"}[name]
    assert plan.platform.get("source") == str(EXAMPLE / "build" / built)


def members(part, where=""):
    """(path, schema) of every named member in a JSON Schema."""
    for name, definition in part.get("$defs", {}).items():
        yield from members(definition, name)
    for name, member in part.get("properties", {}).items():
        yield f"{where}.{name}", member


def test_the_schema_describes_every_member():
    """An editor can show what each key is for; no null is offered, and no member is without words."""
    found = dict(members(schema()))
    assert len(found) > 80
    assert [path for path, member in found.items() if not member.get("description")] == []
    assert '"null"' not in str(schema()).replace("'", '"')
    assert schema()["additionalProperties"] is False


def accepts(whole, part, value):
    """A small JSON Schema validator: what our schema uses, and an error for what it does not know."""
    if "$ref" in part:
        return accepts(whole, whole["$defs"][part["$ref"].rpartition("/")[2]], value)
    checks = {
        "anyOf": lambda options: any(accepts(whole, option, value) for option in options),
        "oneOf": lambda options: sum(accepts(whole, option, value) for option in options) == 1,
        "const": lambda only: value == only and type(value) is type(only),
        "enum": lambda several: value in several,
        "type": lambda kind: is_a(value, kind),
        "pattern": lambda pattern: re.search(pattern, value) is not None,
        "minimum": lambda least: value >= least,
        "maximum": lambda most: value <= most,
        "exclusiveMinimum": lambda least: value > least,
        "exclusiveMaximum": lambda most: value < most,
        "multipleOf": lambda size: abs(value / size - round(value / size)) < 1e-9,
        "minLength": lambda least: len(value) >= least,
        "minItems": lambda least: len(value) >= least,
        "minProperties": lambda least: len(value) >= least,
        "required": lambda names: set(names) <= set(value),
        "items": lambda item: all(accepts(whole, item, each) for each in value),
        "properties": lambda known: all(accepts(whole, known[k], v) for k, v in value.items() if k in known),
        "additionalProperties": lambda rest: rest is not False or set(value) <= set(part.get("properties", {})),
    }
    silent = {"title", "description", "default", "examples", "$defs", "$schema", "discriminator"}
    order = ["type", *(key for key in part if key != "type")] if "type" in part else list(part)
    return all(checks[key](part[key]) for key in order if key not in silent)


def is_a(value, kind):
    """JSON's types."""
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "number": (int, float)}
    return isinstance(value, kinds[kind]) and (kind == "boolean" or not isinstance(value, bool))


def test_the_schema_accepts_what_we_accept_and_no_typing_errors():
    """Editors that check against the schema agree with `plan check` on the design's plan and on simple mistakes."""
    from headgate.config.yaml_source import parse

    whole = schema()
    assert accepts(whole, whole, parse(DESIGN, "f").data)
    for name in ("headgate.yaml", "headgate-v3.yaml"):
        assert accepts(whole, whole, parse((EXAMPLE / name).read_text(), "f").data)
    for wrong, right in (
        ("weight: 10,", 'weight: "10",'),
        ("weight: 10,", "wieght: 10,"),
        ("bake: 10m", "bake: 10 minutes"),
        ("error: +5pp", "error: 5%"),
        ("kind: canary", "kind: canari"),
        ("alarms: default", "alarms: standard"),
        ("alarms: ok", "alarms: green"),
        ("slack: env:SLACK_URL", "pigeon: a@b"),
        ("version: 1", "version: 2"),
    ):
        assert wrong in DESIGN
        assert not accepts(whole, whole, parse(DESIGN.replace(wrong, right, 1), "f").data), right


def test_own_metrics_are_resolved(tmp_path):
    """Kinds, which way is better, and margins in each way they may be written; steps go over the plan's own."""
    text = """
version: 1
agent: coach
platform: {kind: local, source: ./agent}
strategy:
  kind: canary
  steps:
    - {weight: 10, bake: 10m, margins: {tool_calls: x2}}
    - {weight: 100, bake: 1h}
analysis:
  metrics:
    tool_calls: {kind: count}
    found: {kind: amount, better: higher}
    helpful: {kind: score}
    search: {kind: time}
  guardrails: {error: +1pp, error_per_request: +0.5pp, tool_calls: +0.5, found: x0.9, helpful: -3pp, search_p99: x1.5}
  objectives: {helpful: improved, latency_p95: reported}
"""
    (tmp_path / "headgate.yaml").write_text(text)
    plan = load_plan(tmp_path / "headgate.yaml", files=False).plan
    assert [(m.name, m.kind.value, m.higher) for m in plan.analysis.metrics] == [
        ("tool_calls", "count", False),
        ("found", "amount", True),
        ("helpful", "score", True),
        ("search", "time", False),
    ]
    assert [(m.metric, m.value, m.ratio) for m in plan.analysis.guardrails] == [
        ("error", 0.01, False),
        ("error_per_request", 0.005, False),
        ("tool_calls", 0.5, False),
        ("found", 0.9, True),
        ("helpful", 0.03, False),
        ("search_p99", 1.5, True),
    ]
    assert ("tool_calls", 2.0, True) in [(m.metric, m.value, m.ratio) for m in plan.steps[0].margins]
    assert [(o.metric, o.required) for o in plan.analysis.objectives] == [("helpful", True), ("latency_p95", False)]
    assert codec.from_data(Plan, codec.to_data(plan)) == plan


def test_a_plan_without_metrics_has_the_digest_that_it_had(tmp_path):
    """What came later is left out of the data while it is not used: old ledgers and rollouts stay what they are."""
    text = "version: 1\nagent: coach\nplatform: {kind: local, source: .}\nstrategy: {kind: blue-green}\n"
    (tmp_path / "headgate.yaml").write_text(text)
    data = codec.to_data(load_plan(tmp_path / "headgate.yaml", files=False).plan)
    assert set(data["analysis"]) == {"is", "alpha", "guardrails", "observe", "hard"}
