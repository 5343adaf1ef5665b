"""The ways of `headgate gate run`: repeated, only the failed, side by side, under load, until it breaks, for CI."""

import json
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from headgate.cli.gate import gate
from headgate.config.suite_schema import parse_suite
from headgate.errors import Unavailable, UsageError
from headgate.gates.datasets import suite_of
from headgate.gates.load import Rate, Tally, Users, drive, run

SUITE = """
kind: integration
cases:
  - {name: good, tags: [fast], turns: [{say: hello}]}
  - {name: bad, tags: [slow, broken], turns: [{say: refuse}]}
  - {name: third, turns: [{say: hi}, {say: hi}]}
"""


@pytest.fixture
def go(tmp_path, agent):
    """Runs the suite with these options against the agent; (exit code, output)."""

    def call(*words, suite=SUITE):
        path = tmp_path / "suite.yaml"
        path.write_text(suite)
        done = CliRunner().invoke(gate, ["run", str(path), "--against", agent.url, *words], obj=str(tmp_path / "home"))
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.output

    return call


def test_only_the_failed_again(go, agent):
    """What failed last time, and nothing else; once nothing failed there is nothing to run."""
    assert go()[0] == 1
    before = len(agent.asked)
    code, out = go("--failed")
    assert code == 1
    assert [prompt for _, prompt, _ in agent.asked[before:]] == ["refuse"]
    assert "0/1 passed" in out
    mended = SUITE.replace("refuse", "hello")
    assert go("--failed", suite=mended)[0] == 0
    code, out = go("--failed", suite=mended)
    assert (code, out) == (0, "no case failed in the last run\n")


def test_by_tag_and_by_name(go):
    """Only the cases asked for; an unknown word is refused with those that are known."""
    assert "1/1 passed" in go("--tag", "fast")[1]
    assert "1/1 passed" in go("--case", "third")[1]
    with pytest.raises(Exception, match="no case has the tag quick") as told:
        go("--tag", "quick")
    assert told.value.mend == "there are: broken, fast, slow"
    with pytest.raises(Exception, match="has no case 'forth'"):
        go("--case", "forth")


def test_a_flaky_case_is_told(go, agent):
    """Passed sometimes: neither good nor bad, and said by name."""
    suite = "cases: [{name: good, turns: [{say: hello}]}, {name: moody, turns: [{say: moody}]}]"
    code, out = go("--repeat", "4", "--json", suite=suite)
    rows = {row["name"]: row for row in json.loads(out)["cases"]}
    assert code == 1
    assert rows["good"] == {"name": "good", "passed": 4, "of": 4, "flaky": False}
    assert rows["moody"] == {"name": "moody", "passed": 2, "of": 4, "flaky": True}
    assert "flaky" in go("--repeat", "2", suite=suite)[1]


def test_junit_for_ci(go, tmp_path):
    """One test case per conversation; failures with their reason and the redacted conversation."""
    go("--junit", str(tmp_path / "junit.xml"))
    (suite,) = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    failed = {case.get("name"): case.find("failure") for case in suite}
    assert failed["good"] is failed["third"] is None
    assert failed["bad"].get("message") == "turn 1: status 400, expected 200"
    assert "token=[secret] of [e-mail]" in failed["bad"].text


def test_side_by_side(go, agent):
    """The same cases on both: alike is passed, though one case fails on both; a case lost is not."""
    code, out = go("--baseline", agent.url, "--json")
    data = json.loads(out)
    assert (code, data["pairs"], data["same"]) == (0, 3, 3)
    code, out = go("--baseline", f"{agent.url}/better", "--json")
    data = json.loads(out)
    assert (code, data["worse"], data["better"], data["candidate_is_worse"]) == (1, 1, 0, False)
    code, out = go("--baseline", f"{agent.url}/better", "--repeat", "5")
    assert code == 1
    assert "15 pairs: worse in 5, better in 0, alike in 10; the candidate is worse (one-sided p 0.0313" in out


def test_side_by_side_a_case_lost_once_is_not_worse_where_it_is_repeated(go, agent):
    """The candidate fails every other time: held once that fails it; four times, two lost show nothing yet."""
    suite = "cases: [{name: moody, turns: [{say: moody}]}]"
    other = f"{agent.url}/better"
    assert [go("--baseline", other, suite=suite)[0] for _ in range(2)] == [0, 1]
    code, out = go("--baseline", other, "--repeat", "4", "--json", suite=suite)
    data = json.loads(out)
    assert (code, data["passed"], data["worse"], data["better"]) == (0, True, 2, 0)


def test_load_and_where_it_breaks(go):
    """So many users; then more and more until the agent's 12 at a time are passed."""
    suite = "kind: load\ncases: [{name: crowd, turns: [{say: crowd}]}]\n"
    code, out = go("--sessions", "20", "--users", "10", "--json", suite=suite)
    measures = json.loads(out)["runs"][0]["measures"]
    assert code == 0
    assert (measures["sessions"], measures["peak"]) == (20, 10)
    assert measures["latency_s"]["p50"] <= measures["latency_s"]["p99"]
    code, out = go("--until-it-breaks", "--users", "3", "--json", suite=suite)
    data = json.loads(out)
    assert code == 0
    assert 6 <= data["holds"] <= 12 < data["breaks"] <= 24
    assert data["rungs"][0]["users"] == 3


def test_no_more_users_than_were_allowed_and_nobody_reached_is_no_limit(go):
    """`--most` bounds the first rung as well; an agent that is not there has not broken under load."""
    suite = "kind: load\ncases: [{name: crowd, turns: [{say: crowd}]}]\n"
    code, out = go("--until-it-breaks", "--most", "4", "--json", suite=suite)
    assert (code, [rung["users"] for rung in json.loads(out)["rungs"]]) == (0, [4])
    with pytest.raises(Unavailable, match="cannot be reached"):
        go("--until-it-breaks", "--against", "http://127.0.0.1:1", suite=suite)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--baseline", "URL", "--sessions", "5"], "not under load"),
        (["--baseline", "URL", "--junit", "junit.xml"], "no JUnit XML"),
        (["--baseline", "URL", "--pass-rate", "90%"], "no pass rate"),
        (["--until-it-breaks", "--junit", "junit.xml"], "no JUnit XML"),
        (["--until-it-breaks", "--baseline", "URL"], "one version"),
    ],
)
def test_an_option_is_refused_where_it_would_do_nothing(go, agent, words, told):
    """What was asked for and not done would be read as done."""
    with pytest.raises(UsageError, match=told):
        go(*(agent.url if word == "URL" else word for word in words))
    assert not agent.asked


def test_a_dataset_is_written_where_it_can_be(tmp_path):
    """A folder that is not there is told, and is no traceback."""
    (tmp_path / "set.yaml").write_text(DATASET)
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        CliRunner().invoke(
            gate, ["import", str(tmp_path / "set.yaml"), "-o", str(tmp_path / "no" / "x.yaml")], catch_exceptions=False
        )


def test_users_arrive_over_the_ramp_and_stay_for_the_soak():
    """Ten users arrive one after the other; with a soak they go on beyond the number of sessions."""
    import asyncio

    begun = []

    async def hold(number):
        begun.append((number, asyncio.get_running_loop().time()))
        await asyncio.sleep(0.02)

    run(drive(hold, Users(10, 10, ramp_s=0.2), Tally()))
    at = [time for _, time in sorted(begun)]
    assert len(at) == 10
    assert at[-1] - at[0] >= 0.17
    tally = Tally()
    begun.clear()
    run(drive(hold, Users(5, 5, soak_s=0.2), tally))
    assert tally.peak == 5
    assert len(begun) > 5


def test_a_fault_of_the_driver_is_raised():
    """What `hold` raises ends everything and is not swallowed, however the sessions arrive."""

    async def hold(number):
        raise ZeroDivisionError(str(number))

    for arrive in (Users(3, 9), Rate(1000.0, 5)):
        with pytest.raises(ZeroDivisionError):
            run(drive(hold, arrive, Tally()))


DATASET = """
name: capitals
cases:
  - name: france
    inputs: What is the capital of France?
    expected_output: Paris
    evaluators: [EqualsExpected, {MaxDuration: {seconds: 2}}]
  - name: form
    inputs: {question: 5}
    evaluators: [{Contains: {value: PARIS, case_sensitive: false}}, {IsInstance: str}]
evaluators:
  - {LLMJudge: {rubric: "names one city"}}
"""


def test_a_dataset_of_pydantic_evals_becomes_a_suite():
    """Its evaluators as checks; what has no counterpart is said with its line."""
    text, left_out = suite_of(DATASET, "capitals.yaml")
    suite = parse_suite(text, "suite")
    first, second = suite.cases
    assert first.turns[0].say == "What is the capital of France?"
    assert [e.model_dump(exclude_none=True) for e in first.turns[0].expect] == [
        {"regex": r"\A\s*Paris\s*\Z"},
        {"max_seconds": 2.0},
        {"judge": {"rubric": "names one city", "at_least": 0.7, "by": ""}},
    ]
    assert second.turns[0].payload == {"question": 5}
    assert left_out[0].startswith("capitals.yaml:8:5: cases.1: evaluator IsInstance has no counterpart here")
    assert "the judge is" in left_out[1]
