"""docs/plan.md says what the code does: its examples are accepted, every key is there, the defaults are real."""

import re
from pathlib import Path

import pytest

from headgate.config.plan_file import load_plan, schema
from headgate.config.resolve import DEFAULT_ALARMS
from headgate.config.suite_schema import Suite, parse_suite
from headgate.config.units import duration_text

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "plan.md").read_text(encoding="utf-8")
GATES = (DOCS / "gates.md").read_text(encoding="utf-8")


def block(kind, page=PAGE):
    """The text of a fenced block of the page."""
    return re.search(rf"^```{kind}\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1]


def keys(part):
    """Every key that a JSON Schema knows."""
    found = set(part.get("properties", {}))
    return found.union(*(keys(definition) for definition in part.get("$defs", {}).values()))


def test_the_whole_plan_of_the_page_is_accepted(tmp_path):
    """A reader who copies it has a plan."""
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "main.py").touch()
    (tmp_path / "suites").mkdir()
    cases = "".join(f"  - {{name: c{i}, turns: [{{say: hi}}]}}\n" for i in range(5))
    for name in ("smoke", "load"):
        (tmp_path / "suites" / f"{name}.yaml").write_text(f"cases:\n{cases}")
    (tmp_path / "headgate.yaml").write_text(block("yaml"))
    loaded = load_plan(tmp_path / "headgate.yaml")
    left_out = {default.where.rpartition(".")[2] for default in loaded.defaults}
    assert left_out == {"entry", "env", "python", "min_sessions", "within", "speed", "name", "person"}


def test_the_alarms_of_the_page_are_accepted(tmp_path):
    """Every way to write one, in one plan: the default ones but the one that is off, and four more."""
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "main.py").touch()
    head = "version: 1\nagent: coach\nplatform: {kind: local, source: ./agent}\nstrategy: {kind: blue-green}\n"
    (tmp_path / "headgate.yaml").write_text(head + block("yaml alarms"))
    plan = load_plan(tmp_path / "headgate.yaml").plan
    default = [alarm.name for alarm in DEFAULT_ALARMS]
    own = ["long-gaps", "errors-under-load", "typical", "quiet"]
    assert [alarm.name for alarm in plan.alarms] == [*default[:-1], *own]
    assert (plan.alarms[0].threshold, plan.alarms[2].period_s, plan.alarms[5].band) == (0.02, 1800.0, 6.0)
    assert [(c.name, c.suppressor, c.extension_s) for c in plan.composites] == [("trouble", "quiet", 120.0)]


@pytest.mark.parametrize(
    ("page", "kind"), [("plan", "cloudwatch"), ("agentcore", "cloudwatch"), ("agentcore", "evaluation")]
)
def test_what_the_pages_write_about_aws_is_accepted(tmp_path, page, kind):
    """Alarms on CloudWatch and quality by AgentCore, in a plan of an agent there."""
    image = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/coach:v2"
    place = f"platform: {{kind: agentcore, runtime: coach-0123456789, region: eu-west-1, container: '{image}'}}"
    text = f"version: 1\nagent: coach\n{place}\nstrategy: {{kind: blue-green}}\n"
    (tmp_path / "headgate.yaml").write_text(text + block(f"yaml {kind}", (DOCS / f"{page}.md").read_text()))
    plan = load_plan(tmp_path / "headgate.yaml").plan
    assert plan.cloudwatch.create if kind == "cloudwatch" else plan.quality.evaluation


def test_the_suite_of_the_gates_page_is_accepted():
    """And uses every expectation there is; every other key of a suite is on that page."""
    suite = parse_suite(block("yaml suite", GATES), "page")
    used = {name for case in suite.cases for turn in case.turns for e in turn.expect for name in e.model_fields_set}
    assert used == keys(Suite.model_json_schema()["$defs"]["Expect"])
    for key in sorted(keys(Suite.model_json_schema())):
        assert re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", GATES), key


@pytest.mark.parametrize("key", sorted(keys(schema())))
def test_every_key_is_on_the_page(key):
    """A key that is added to the schema is added to the page."""
    assert re.search(rf"(?<![\w-]){re.escape(key)}(?![\w-])", PAGE), key


def test_the_default_alarms_are_those_of_the_page():
    """Names, thresholds and periods."""
    for alarm in DEFAULT_ALARMS:
        row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{alarm.name}` |"))
        limits = {"error_rate": "5%", "p95": "5s", "first_token_p95": "3s"}
        limit = f"{alarm.band:g} spreads" if alarm.band else limits.get(alarm.metric, f"{alarm.threshold:g}")
        assert limit in row
        assert f"{alarm.evaluation_periods} period" in row
        assert f"of {duration_text(alarm.period_s)}" in row
    assert len(re.findall(r"^\| `[\w-]+` \|.*\d period", PAGE, re.MULTILINE)) == len(DEFAULT_ALARMS)
