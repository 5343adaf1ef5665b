"""`headgate.yaml` -> `core.plan.Plan`: read, checked, every default resolved, suites frozen into it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from headgate.config import plan_schema as schema_of
from headgate.config.cloudwatch_schema import cloudwatch_problems
from headgate.config.complaints import validate
from headgate.config.defaults import Default, filled_in
from headgate.config.evaluator_schema import parse_evaluators
from headgate.config.gate_schema import Gate
from headgate.config.json_schema import without_nulls
from headgate.config.monitoring_resolve import alarm_problems
from headgate.config.own_metrics import metric_problems
from headgate.config.places import managed_problems, not_in_this_version, platform_of
from headgate.config.resolve import resolve
from headgate.config.suite_schema import parse_suite
from headgate.config.units import shown
from headgate.config.yaml_source import Source, parse, read_text
from headgate.core import codec
from headgate.core import plan as core
from headgate.core.recorded import Evaluation
from headgate.core.recorded import Quality as Graded
from headgate.errors import PlanError


@dataclass(frozen=True, slots=True)
class LoadedPlan:
    """A plan that may start. `digest` names its content, not its place; `defaults` is what the file left out."""

    plan: core.Plan
    digest: str
    path: Path
    text: str
    defaults: tuple[Default, ...]


def load_plan(path: Path, *, files: bool = True) -> LoadedPlan:
    """Reads a plan and all that it names. Raises PlanError with every problem and its line.

    `files` False: sources, suites and evaluators are not looked for, and left out: enough to judge by.
    """
    text = read_text(path)
    source = parse(text, str(path))
    written = validate(source, schema_of.PlanFile)
    problems = not_in_this_version(source, written)
    if problems:
        raise PlanError(problems)
    platform, platform_problems = platform_of(source, written, path.parent)
    gates, gate_problems = _gates(source, written, path.parent) if files else ((), [])
    quality, quality_problems = _quality(source, written, path.parent) if files else (None, [])
    plan = replace(resolve(written, platform, gates), quality=quality)
    problems = [*(platform_problems if files else []), *gate_problems, *quality_problems]
    problems += [*_rules(source, written), *managed_problems(source, written)]
    own = [each.name for each in plan.every_alarm]
    problems += cloudwatch_problems(source, written.cloudwatch, plan.platform.kind, own)
    problems += [source.problem(p.path, p.what, p.mend) for p in core.problems(plan)]
    if problems:
        raise PlanError(problems)
    return LoadedPlan(plan, _digest(plan, written), path, text, tuple(filled_in(written, plan)))


def schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a plan file."""
    raw = schema_of.PlanFile.model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Headgate plan"}
    return {**without_nulls(raw), **head}


def _gates(source: Source, written: schema_of.PlanFile, folder: Path) -> tuple[tuple[core.Gate, ...], list[str]]:
    gates, problems = [], []
    for i, gate in enumerate(written.gates):
        where = ("gates", i, "suite")
        path = folder / gate.suite
        if gate.name in [each.name for each in written.gates[:i]]:
            what = f"{shown(gate.name)} is the name of an earlier gate"
            problems.append(source.problem(("gates", i, "name"), what, "name it otherwise"))
        if not path.is_file():
            what = f"there is no suite file {shown(gate.suite)}"
            problems.append(source.problem(where, what, f"looked at {path}; give it relative to the plan"))
            continue
        try:
            text = read_text(path)
            if gate.replay:
                parse_evaluators(text, str(path))
            cases = 0 if gate.replay else len(parse_suite(text, str(path)).cases)
        except PlanError as error:
            problems += error.problems
            continue
        passed, total = map(int, gate.require.split("/")) if gate.require else (None, None)
        if total is not None and total != cases:
            what = f"{gate.require} of a suite that has {cases} case{'s' * (cases != 1)}"
            problems.append(
                source.problem(("gates", i, "require"), what, f"write {cases}/{cases}, or mend {gate.suite}")
            )
        gates.append(_gate(gate, text, passed, total))
    return tuple(gates), problems


def _gate(gate: Gate, text: str, passed: int | None, total: int | None) -> core.Gate:
    return core.Gate(
        gate.name,
        gate.suite,
        text,
        sha256(text.encode()).hexdigest(),
        passed,
        total,
        gate.sessions,
        gate.success_rate,
        gate.p95,
        pass_rate=gate.pass_rate,
        pass_rate_bound=gate.pass_rate_bound,
        users=gate.users,
        ramp_s=gate.ramp,
        soak_s=gate.soak,
        p99_s=gate.p99,
        first_token_s=gate.first_token,
        replay=gate.replay,
        margin=gate.margin,
    )


def _quality(source: Source, written: schema_of.PlanFile, folder: Path) -> tuple[Graded | None, list[str]]:
    quality = written.quality
    if quality is None:
        return None, []
    if (asked := quality.agentcore) is not None:
        if written.platform.kind != "agentcore":
            what = f"AgentCore evaluates no sessions of platform {written.platform.kind}"
            return None, [source.problem(("quality", "agentcore"), what, "give `suite: FILE`")]
        evaluation = Evaluation(tuple(asked.evaluators), asked.role, asked.share, asked.session)
        digest = codec.digest(sorted(asked.evaluators))
        return Graded("", "", digest, quality.scored, quality.per_hour, evaluation), []
    if written.recording is None:
        mend = "add `recording: {share: 20%}`"
        return None, [source.problem(("quality",), "what is not recorded cannot be scored", mend)]
    path = folder / quality.suite
    if not path.is_file():
        what = f"there is no file of evaluators {shown(quality.suite)}"
        mend = f"looked at {path}; give it relative to the plan"
        return None, [source.problem(("quality", "suite"), what, mend)]
    try:
        text = read_text(path)
        parse_evaluators(text, str(path))
    except PlanError as error:
        return None, error.problems
    digest = sha256(text.encode()).hexdigest()
    return Graded(quality.suite, text, digest, quality.scored, quality.per_hour), []


def _rules(source: Source, written: schema_of.PlanFile) -> list[str]:
    """The rules that span blocks and need what was written, not what was resolved."""
    problems = []
    if written.strategy.kind == "canary" and written.strategy.steps is None:
        mend = "give steps, e.g. `steps: [{weight: 10, bake: 10m}, {weight: 100, bake: 1h}]`"
        problems.append(source.problem(("strategy",), "a canary without steps", mend))
    if not written.validation.window and {"must", "should", "stretch"} & written.validation.model_fields_set:
        what = "criteria, and no window in which they could be checked"
        problems.append(
            source.problem(("validation", "window"), what, "give a window, or drop must, should and stretch")
        )
    if written.analysis.guardrails.model_fields_set == {"quality"}:
        mend = "add at least one of error, latency_p95, latency_p99, cost"
        problems.append(source.problem(("analysis", "guardrails"), "quality alone cannot be judged", mend))
    problems += _deadlines(source, written)
    problems += alarm_problems(source, written.alarms)
    problems += metric_problems(source, written)
    problems += _receivers(source, written)
    return problems


def _deadlines(source: Source, written: schema_of.PlanFile) -> list[str]:
    """A deadline says what follows when it passes: nobody is to be surprised by what happens at night."""
    what = "a deadline without an outcome"
    mend = "say what follows when nobody agrees in time: `else: rollback`, or `else: hold`"
    return [
        source.problem(("strategy", "steps", i, "approval", "within"), what, mend)
        for i, step in enumerate(written.strategy.steps or [])
        if step.approval and step.approval.within is not None and step.approval.otherwise is None
    ]


def _receivers(source: Source, written: schema_of.PlanFile) -> list[str]:
    """Each name once, and an escalation only to those that are there."""
    names, problems = [each.name for each in written.notify], []
    for i, name in enumerate(names):
        if name and name in names[:i]:
            what = f"{shown(name)} is the name of an earlier receiver"
            problems.append(source.problem(("notify", i, "name"), what, "name it otherwise"))
    problems += _persons(source, written)
    for i, step in enumerate(written.incidents.escalate):
        for j, to in enumerate(step.to):
            if to not in names:
                known = ", ".join(name for name in names if name)
                mend = f"write one of: {known}" if known else "give a receiver of `notify` that name: `name: lead`"
                what = f"there is no receiver {shown(to)}"
                problems.append(source.problem(("incidents", "escalate", i, "to", j), what, mend))
    return problems


def _persons(source: Source, written: schema_of.PlanFile) -> list[str]:
    """A person is one, and reads alone: whoever has a person's link speaks in that name."""
    problems, known = [], dict[tuple[str, object], str]()
    for i, each in enumerate(written.notify):
        where, target = ("notify", i, "person"), getattr(each, (kind := type(each).__name__.lower()))
        if each.person in written.groups:
            what = f"{shown(each.person)} is a group, and a link is for one person"
            problems.append(source.problem(where, what, "give each member a receiver of their own"))
        elif each.person and isinstance(target, tuple) and len(target) > 1:
            what = f"{len(target)} addresses cannot be {shown(each.person)} alone"
            problems.append(source.problem(where, what, "give each person a receiver of their own"))
        elif (other := known.setdefault((kind, target), each.person)) != each.person:
            what = (
                f"the same address is {shown(each.person or 'a channel')} here, and {shown(other or 'a channel')} above"
            )
            problems.append(source.problem(("notify", i), what, "where several read, name no person"))
    return problems


def _digest(plan: core.Plan, written: schema_of.PlanFile) -> str:
    """The digest of what was resolved; the source as it was written, so that a moved folder is the same plan."""
    settings = dict(plan.platform.settings)
    if "source" in settings:
        settings["source"] = getattr(written.platform, "source", "")
    place_free = replace(plan, platform=core.Platform(plan.platform.kind, tuple(sorted(settings.items()))))
    return codec.digest(codec.to_data(place_free))
