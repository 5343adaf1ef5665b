"""`headgate plan` and `headgate init` as a person types them: real processes, what they print and how they exit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from headgate.cli.main import cli

EXAMPLE = Path(__file__).parents[2] / "examples" / "coach-companion"


def headgate(*words, cwd=None):
    """Run the command; (exit code, stdout, stderr)."""
    command = [Path(sys.executable).with_name("headgate"), *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_check_says_good_and_exits_0():
    """One line for people."""
    code, out, err = headgate("plan", "check", EXAMPLE / "headgate.yaml")
    assert (code, err) == (0, "")
    assert "good. coach-companion, canary 10 -> 50 -> 100 %, digest " in out


def test_check_of_a_bad_plan_exits_2_with_the_lines(tmp_path):
    """Each problem is a line on stderr that an editor can jump to; nothing on stdout."""
    bad = (EXAMPLE / "headgate.yaml").read_text().replace("weight: 50", "wieght: 50")
    (tmp_path / "headgate.yaml").write_text(bad)
    code, out, err = headgate("plan", "check", "headgate.yaml", cwd=tmp_path)
    assert (code, out) == (2, "")
    assert "headgate.yaml:16:8: strategy.steps.1.wieght: unknown key. Did you mean `weight`?" in err
    assert "Traceback" not in err


def test_check_of_an_absent_plan_exits_2(tmp_path):
    """Wrong use, not a crash."""
    code, _, err = headgate("plan", "check", "none.yaml", cwd=tmp_path)
    assert code == 2
    assert "none.yaml: there is no such file" in err


def test_explain_for_people(tmp_path):
    """Steps, sessions, time, defaults and warnings are all there, within 80 columns."""
    code, out, err = headgate("plan", "explain", EXAMPLE / "headgate.yaml", "--rate", "600", cwd=tmp_path)
    assert (code, err) == (0, "")
    for words in (
        "traffic 600 sessions a minute (given)",
        "gate smoke: suites/smoke.yaml, needs 5/5",
        "step 1: 10 % of new sessions, at least 8s, at most 1m",
        "a minute: 540 sessions baseline, 60 candidate",
        "15 sessions of the candidate",
        "error +25pp is excluded",
        "no baseline runs beside it",
        "an estimate for a candidate that is no worse",
        "must: error_rate < 5%",
        "alarm error-rate: error_rate > 20%, 2 of 2 periods of 10s, no data: missing",
        "platform.env: {}",
        "warning: validation: a rehearsal at speed 7200",
    ):
        assert words in out
    assert max(map(len, out.splitlines())) <= 80


def test_explain_says_when_each_alarm_goes_off(tmp_path):
    """By a limit, by a band, by math, and by other alarms."""
    (tmp_path / "main.py").touch()
    (tmp_path / "headgate.yaml").write_text("""\
version: 1
agent: coach-companion
platform: {kind: local, source: .}
strategy: {kind: all-at-once}
alarms:
  more:
    - {name: typical, math: {t: "latency TM(10%:90%)"}, when: "> 3"}
    - name: trouble
      rule: "ALARM(typical) AND NOT ALARM(unusual-usage)"
      suppressed_by: no-invocations
""")
    code, out, _ = headgate("--home", tmp_path, "plan", "explain", tmp_path / "headgate.yaml", "--json")
    assert code == 0
    alarms = json.loads(out)["alarms"]
    assert alarms[0] == "error-rate: error_rate > 5%, 1 of 1 periods of 5m, no data: missing"
    assert any(each.startswith("unusual-usage: invocations above what is usual by 4 spreads, ") for each in alarms)
    assert any(each.startswith("typical: latency TM(10%:90%) > 3, ") for each in alarms)
    assert alarms[-1] == "trouble: ALARM(typical) AND NOT ALARM(unusual-usage), suppressed by no-invocations"


def test_explain_says_who_scores_sessions():
    """The share that is recorded, by whom it is scored, and what a step waits for."""
    code, out, err = headgate("plan", "explain", EXAMPLE / "headgate-quality.yaml")
    assert (code, err) == (0, "")
    assert (
        "quality: 100% of the sessions are recorded, and scored by suites/quality.yaml, at most 20000 an hour; "
        "a step waits for 90% of them"
    ) in " ".join(out.split())


def test_explain_without_traffic_says_so(tmp_path):
    """What is not known is not made up."""
    code, out, _ = headgate("--home", tmp_path, "plan", "explain", EXAMPLE / "headgate.yaml", "--json")
    data = json.loads(out)
    assert code == 0
    assert data["traffic"] == {"sessions_per_minute": None, "source": "unknown"}
    assert [step["decision_s"] for step in data["steps"]] == [None, None, None]
    assert data["steps"][0]["sessions_needed"]["min_sessions"] == 150


@pytest.mark.parametrize(("rate", "per_minute"), [("20000", 20000.0), ("1000/s", 60000.0)])
def test_explain_at_more_traffic_than_is_simulated(tmp_path, rate, per_minute):
    """The formulas are all there is: a decision for each step, nothing simulated."""
    path = str(EXAMPLE / "headgate.yaml")
    result = CliRunner().invoke(cli, ["--home", str(tmp_path), "plan", "explain", path, "--rate", rate, "--json"])
    data = json.loads(result.stdout)
    assert data["traffic"]["sessions_per_minute"] == per_minute
    assert data["simulated"] is None
    assert all(step["decision_s"] >= step["bake_s"] for step in data["steps"])


def test_explain_plays_the_plan(tmp_path):
    """A candidate like the baseline, and one for each thing that is guarded; a decision for each step."""
    path = str(EXAMPLE / "headgate.yaml")
    result = CliRunner().invoke(cli, ["--home", str(tmp_path), "plan", "explain", path, "--rate", "40/s", "--json"])
    data = json.loads(result.stdout)
    like, *worse = data["simulated"]["candidates"]
    assert like["promoted"]["count"] > like["rolled_back"]["count"]
    assert [each["candidate"] for each in worse] == ["with error +10pp", "with latency x2"]
    for step in data["steps"]:
        assert step["bake_s"] <= step["decision_s"] <= step["within_s"]
        assert step["simulated"]["passed"] <= step["simulated"]["reached"]


@pytest.mark.parametrize("rate", ["0", "-1", "many"])
def test_explain_refuses_a_rate_that_is_none(rate):
    """Exit 2."""
    code, _, err = headgate("plan", "explain", EXAMPLE / "headgate.yaml", "--rate", rate)
    assert code == 2
    assert "--rate" in err


def test_schema_is_json():
    """For editors."""
    code, out, _ = headgate("plan", "schema")
    assert code == 0
    assert json.loads(out)["title"] == "Headgate plan"


def test_init_writes_what_check_accepts(tmp_path):
    """A starter plan, its four suites and an agent."""
    code, out, err = headgate("init", tmp_path / "my agent")
    assert (code, err) == (0, "")
    assert out.count("wrote ") == 6
    assert headgate("plan", "check", tmp_path / "my agent" / "headgate.yaml")[0] == 0
    assert "agent: my-agent\n" in (tmp_path / "my agent" / "headgate.yaml").read_text()


def test_init_overwrites_nothing(tmp_path):
    """One file that is there stops all: exit 2, named, and nothing else is written."""
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "smoke.yaml").write_text("mine")
    code, _, err = headgate("init", tmp_path)
    assert code == 2
    assert "smoke.yaml is already there; nothing was written" in err
    assert (tmp_path / "suites" / "smoke.yaml").read_text() == "mine"
    assert not (tmp_path / "headgate.yaml").exists()


def test_init_keeps_an_agent_that_is_there(tmp_path):
    """main.py is named in the plan and not touched."""
    (tmp_path / "main.py").write_text("mine")
    assert headgate("init", cwd=tmp_path)[0] == 0
    assert (tmp_path / "main.py").read_text() == "mine"
    assert "source: ., entry: main.py" in (tmp_path / "headgate.yaml").read_text()


AGENTCORE_JSON = json.dumps(
    {
        "name": "shop",
        "version": 1,
        "runtimes": [{"name": "helper", "entrypoint": "app.py", "codeLocation": "app/helper/"}],
    }
)
STARTER_YAML = """\
default_agent: helper
agents:
  other: {name: other, entrypoint: x.py}
  helper: {name: helper, entrypoint: app/helper/app.py:handler, source_path: FOLDER/app/helper}
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("agentcore.json", AGENTCORE_JSON),
        ("agentcore/agentcore.json", AGENTCORE_JSON),
        (".bedrock_agentcore.yaml", STARTER_YAML),
    ],
)
def test_init_reads_what_agentcore_tools_wrote(tmp_path, name, text):
    """Name, folder and entry point come from the project's own file, and the plan is good."""
    (tmp_path / "app" / "helper").mkdir(parents=True)
    (tmp_path / "app" / "helper" / "app.py").touch()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text.replace("FOLDER", str(tmp_path)))
    code, out, err = headgate("init", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert "agent helper" in out
    plan = (tmp_path / "headgate.yaml").read_text()
    assert "agent: helper\n" in plan
    assert "source: app/helper, entry: app.py" in plan
    assert headgate("plan", "check", "headgate.yaml", cwd=tmp_path)[0] == 0


ARN = "arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/helper-0ZUOP04U5z"


@pytest.mark.parametrize("tool", ["npm", "starter toolkit"])
def test_init_fills_in_where_the_agent_runs_on_aws(tmp_path, tool):
    """Runtime and region of the last deployment stand ready in the plan; uncommented, it is a good plan for AWS."""
    (tmp_path / "app" / "helper").mkdir(parents=True)
    (tmp_path / "app" / "helper" / "app.py").touch()
    if tool == "npm":
        (tmp_path / "agentcore" / ".cli").mkdir(parents=True)
        (tmp_path / "agentcore" / "agentcore.json").write_text(AGENTCORE_JSON)
        state = {"targets": {"default": {"resources": {"runtimes": {"helper": {"runtimeArn": ARN}}}}}}
        (tmp_path / "agentcore" / ".cli" / "deployed-state.json").write_text(json.dumps(state))
    else:
        more = f"    bedrock_agentcore: {{agent_arn: '{ARN}'}}\n    aws: {{s3_path: s3://code-of-mine/agents}}\n"
        text = "agents:\n  helper:\n    entrypoint: app/helper/app.py\n    source_path: app/helper\n" + more
        (tmp_path / ".bedrock_agentcore.yaml").write_text(text)
    assert headgate("init", cwd=tmp_path)[0] == 0
    plan = (tmp_path / "headgate.yaml").read_text()
    bucket = "NAME_OF_YOUR_BUCKET" if tool == "npm" else "code-of-mine"
    assert "kind: agentcore, runtime: helper-0ZUOP04U5z, region: eu-west-1, source: app/helper, entry: app.py" in plan
    assert f"bucket: {bucket}}}" in plan
    lines = [line for line in plan.splitlines() if not line.startswith("platform:")]
    (tmp_path / "aws.yaml").write_text("\n".join(line.replace("# platform:", "platform:") for line in lines))
    assert headgate("plan", "check", "aws.yaml", cwd=tmp_path)[0] == 0


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"runtimes": []}', '{"runtimes": [3]}'])
def test_init_with_a_strange_agentcore_json(tmp_path, text):
    """Broken: exit 2 and its line. Of another shape: the starter, as if it were not there."""
    (tmp_path / "agentcore.json").write_text(text)
    code, _, err = headgate("init", cwd=tmp_path)
    assert code == (2 if text == "{" else 0)
    assert "Traceback" not in err


def test_explain_says_what_is_made_on_aws_and_what_it_costs(tmp_path):
    """How many alarms and metrics, what stays here and why, the date of the prices, who is told; and who scores."""
    (tmp_path / "headgate.yaml").write_text("""
version: 1
agent: coach
platform:
  kind: agentcore
  runtime: coach-0123456789
  region: eu-west-1
  container: 123456789012.dkr.ecr.eu-west-1.amazonaws.com/coach:v2
strategy: {kind: canary, steps: [{weight: 10, bake: 10m, within: 20m}, {weight: 100, bake: 1h}]}
analysis: {guardrails: {error: +1pp, quality: -0.03}}
cloudwatch: {create: true, on_end: leave, watch: [{alarm: tools, critical: true}]}
quality: {agentcore: {evaluators: [Builtin.Helpfulness], role: "arn:aws:iam::123456789012:role/e"}}
""")
    code, out, err = headgate("plan", "explain", "headgate.yaml", cwd=tmp_path)
    said = " ".join(out.split())
    assert (code, err) == (0, "")
    assert "7 alarms on 16 metrics, 0 composites: about 0.053 USD a day, 1.6 a month" in said
    assert "prices of 2026-02-15" in said
    assert "cost-per-day is evaluated by Headgate: AgentCore sends no cost to CloudWatch" in said
    assert "watched on CloudWatch: tools (of auto, critical)" in said
    assert "AgentCore evaluates 100% of the live sessions" in said
    assert (
        "warning: step 1: AgentCore's scores come about 40m after a session began, and the step ends after 20m" in said
    )
    code, out, _ = headgate("plan", "explain", "headgate.yaml", "--json", cwd=tmp_path)
    assert json.loads(out)["cloudwatch"]["metrics"] == 16
