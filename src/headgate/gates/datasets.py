"""A dataset of pydantic-evals (its YAML or JSON file) as a suite: each case one conversation of one turn.

What has no counterpart here is left out and said. Its shape: {cases: [{name, inputs, expected_output, evaluators}],
evaluators}, an evaluator being `Name`, {Name: first argument} or {Name: {argument: value}}.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from headgate.config.yaml_source import Source, parse
from headgate.errors import PlanError

Expects = list[dict[str, Any]]

_JUDGE = {"kind": "openai", "model": "gpt-5", "key": "env:OPENAI_API_KEY"}


def suite_of(text: str, name: str) -> tuple[str, list[str]]:
    """(the suite's text, what was left out, line by line). Raises PlanError where it is no such dataset."""
    source = parse(text, name)
    cases = source.data.get("cases") if isinstance(source.data, dict) else None
    if not isinstance(cases, list) or not cases:
        raise PlanError([source.problem((), "this is no dataset of pydantic-evals", "it has a list `cases`")])
    left_out: list[str] = []
    suite: dict[str, Any] = {"kind": "integration"}
    common = source.data.get("evaluators", [])
    made = [_case(source, i, case, common, left_out) for i, case in enumerate(cases)]
    if any("judge" in expect for case in made for turn in case["turns"] for expect in turn.get("expect", [])):
        suite["judges"] = {"judge": _JUDGE}
        left_out.append(f"{name}: the judge is {_JUDGE['model']} by {_JUDGE['key']}: change `judges` to yours")
    text = yaml.safe_dump({**suite, "cases": made}, sort_keys=False, allow_unicode=True, width=120)
    return f"# from {name.rpartition('/')[2]}\n{text}", left_out


def _case(source: Source, i: int, case: Any, common: Any, left_out: list[str]) -> dict[str, Any]:
    where = ("cases", i)
    if not isinstance(case, dict) or "inputs" not in case:
        raise PlanError([source.problem(where, "a case without `inputs`", "give it inputs")])
    inputs = case["inputs"]
    turn: dict[str, Any] = {"payload": inputs}
    if isinstance(inputs, str):
        turn = {"say": inputs}
    elif isinstance(inputs, dict) and inputs.keys() == {"prompt"} and isinstance(inputs["prompt"], str):
        turn = {"say": inputs["prompt"]}
    expects: Expects = []
    for spec in [*_listed(case.get("evaluators")), *_listed(common)]:
        found = list(_expects(spec, case.get("expected_output")))
        if not found:
            left_out.append(source.problem(where, f"evaluator {_named(spec)[0]} has no counterpart here: left out"))
        expects += found
    if expects:
        turn["expect"] = expects
    return {"name": str(case.get("name") or f"case {i + 1}")[:100], "turns": [turn]}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _named(spec: Any) -> tuple[str, dict[str, Any], Any]:
    """(name, named arguments, the only argument) of an evaluator."""
    if isinstance(spec, dict) and len(spec) == 1:
        ((name, argument),) = spec.items()
        return str(name), argument if isinstance(argument, dict) else {}, argument
    return str(spec), {}, None


def _expects(spec: Any, expected: Any) -> Iterator[dict[str, Any]]:
    name, named, only = _named(spec)
    match name:
        case "Contains" if isinstance(value := named.get("value", only), str):
            if named.get("case_sensitive", True):
                yield {"regex": re.escape(value)}
            else:
                yield {"contains": value}
        case "Equals" if isinstance(value := named.get("value", only), str):
            yield _exactly(value)
        case "EqualsExpected" if isinstance(expected, str):
            yield _exactly(expected)
        case "MaxDuration" if isinstance(value := named.get("seconds", only), int | float):
            yield {"max_seconds": value}
        case "LLMJudge" if isinstance(value := named.get("rubric", only), str):
            yield {"judge": {"rubric": value}}


def _exactly(text: str) -> dict[str, Any]:
    return {"regex": rf"\A\s*{re.escape(text)}\s*\Z"}
