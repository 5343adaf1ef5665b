"""Where a plan's agent runs: the platform block -> `core.plan.Platform`, paths made absolute; what of it cannot be."""

from __future__ import annotations

from pathlib import Path

from headgate.config import plan_schema as schema_of
from headgate.config.model_prices import load_prices
from headgate.config.units import shown
from headgate.config.yaml_source import Source
from headgate.core import codec
from headgate.core import plan as core
from headgate.errors import PlanError

_WHERE = ("platform",)


def not_in_this_version(source: Source, written: schema_of.PlanFile) -> list[str]:
    """What the format knows and no adapter does yet."""
    problems = []
    if isinstance(written.platform, schema_of.Http):
        mend = "what works: `platform: {kind: local, ...}` and `platform: {kind: agentcore, ...}`"
        problems.append(source.problem(("platform", "kind"), "http is not in this version", mend))
    if written.traffic == "envoy":
        mend = "what works: `traffic: gateway`, and on AgentCore `traffic: agentcore-gateway`"
        problems.append(source.problem(("traffic",), "envoy is not in this version", mend))
    return problems


def platform_of(source: Source, written: schema_of.PlanFile, folder: Path) -> tuple[core.Platform, list[str]]:
    """The platform's settings as text, sorted; and what is wrong with them."""
    place = written.platform
    if isinstance(place, schema_of.AgentCore):
        settings, problems = _agentcore(source, place, folder)
    else:
        assert isinstance(place, schema_of.Local)
        settings, problems = _code(source, place, folder)
    if place.python:
        settings["python"] = place.python
    if place.env:
        settings["env"] = codec.canonical(place.env)
    return core.Platform(place.kind, tuple(sorted(settings.items()))), problems


def _code(
    source: Source, place: schema_of.Local | schema_of.AgentCore, folder: Path
) -> tuple[dict[str, str], list[str]]:
    code, problems = (folder / place.source).resolve(), []
    if not code.is_dir():
        what = f"there is no directory {shown(place.source)}"
        problems.append(source.problem((*_WHERE, "source"), what, f"looked at {code}; give it relative to the plan"))
    elif not (code / place.entry).is_file():
        what = f"{shown(place.source)} has no file {shown(place.entry)}"
        problems.append(
            source.problem((*_WHERE, "entry"), what, "name the file that starts the agent: `entry: main.py`")
        )
    return {"source": str(code), "entry": place.entry}, problems


def _agentcore(source: Source, place: schema_of.AgentCore, folder: Path) -> tuple[dict[str, str], list[str]]:
    settings, problems = dict[str, str](), list[str]()
    if place.regions and place.region not in place.regions:
        what = f"{shown(place.region)} is none of the regions that this agent may be in"
        problems.append(source.problem((*_WHERE, "region"), what, f"use one of {', '.join(place.regions)}"))
    if bool(place.source) == bool(place.container):
        what = "names both a directory and an image" if place.source else "names nothing to build a candidate from"
        mend = "give `source: ./agent` with `bucket: NAME`, or `container: URI`"
        problems.append(source.problem(_WHERE, what, mend))
    if place.source:
        settings, more = _code(source, place, folder)
        problems += more
        if not place.bucket:
            mend = "add `bucket: NAME`, an S3 bucket of the same region"
            problems.append(source.problem(_WHERE, "code needs a bucket to be put in", mend))
    if place.prices:
        try:
            settings["prices"] = load_prices(place.prices, folder)
        except PlanError as error:
            problems += error.problems
    plain = ("runtime", "region", "profile", "bucket", "container", "role", "gateway", "ab_test", "endpoint_url")
    settings |= {name: getattr(place, name) for name in plain if getattr(place, name)}
    if place.source:
        settings["prefix"] = place.prefix
    return settings, problems


def managed_problems(source: Source, written: schema_of.PlanFile) -> list[str]:
    """What an AgentCore Gateway cannot do for this plan."""
    if written.traffic != "agentcore-gateway":
        return []
    problems = []
    if not isinstance(written.platform, schema_of.AgentCore):
        what = f"an AgentCore Gateway cannot split sessions of platform {written.platform.kind}"
        problems.append(source.problem(("traffic",), what, "use `traffic: gateway`"))
    elif not written.platform.gateway:
        problems.append(source.problem(_WHERE, "names no AgentCore Gateway to split", "add `gateway: ID`"))
    if "_" in written.agent:
        what = f"{shown(written.agent)} cannot be a target's name"
        problems.append(source.problem(("agent",), what, "use letters, digits and -"))
    for i, step in enumerate(written.strategy.steps or ()):
        if step.weight != int(step.weight):
            what = f"AgentCore Gateway splits in whole percents, not {step.weight:g}"
            mend = f"use {max(1, round(step.weight))}, or `traffic: gateway`"
            problems.append(source.problem(("strategy", "steps", i, "weight"), what, mend))
    return problems
