"""CloudWatch behind the Telemetry port, against moto's logs and metrics: rows, late spans, sessions, restarts."""

import json
from dataclasses import replace

import pytest

from aws_written import Written
from headgate.config.model_prices import load_prices
from headgate.errors import PlanError, Unavailable
from headgate.stats.observations import Second, Session
from headgate.telemetry.cloudwatch import CloudWatchTelemetry, KnownSessions, Policy, Registry
from headgate.telemetry.cloudwatch.prices import Prices, Row
from headgate.telemetry.cloudwatch.spans import Turn, Usage, read
from headgate.testing.contracts_platform import plan_of

T0 = 1_795_000_020.0  # a whole minute
AGENT = "coach"


class Cloud(Written):
    """An account's logs and metrics, and the telemetry that reads them."""

    def __init__(self, runtime, home):
        super().__init__(runtime, f"arn:aws:bedrock-agentcore:eu-west-1:123456789012:runtime/{runtime}")
        self.now, self.home = T0, home
        self.policy = Policy(10.0, 1, "2", {"headgate_a": "1", "headgate_b": "2"})
        self.split_fails = None
        self.open()

    def open(self):
        """A process begins."""
        plan = replace(plan_of({}), session_idle_s=120.0, session_turns=3, usd_per_million_output=10.0)
        self.registry = Registry(self.home / "sessions.db")
        self.telemetry = CloudWatchTelemetry(self.clients, plan, self.registry, self.split, lambda: self.now)
        self.known = KnownSessions(self.registry, plan, lambda: self.now)

    def split(self, _agent):
        if self.split_fails:
            raise self.split_fails
        return self.policy, self.runtime, self.arn

    def poll(self, now, cursor=""):
        self.now = now
        return self.telemetry.poll(AGENT, cursor)


@pytest.fixture
def cloud(account, tmp_path, request):
    runtime = f"r{abs(hash(request.node.name)) % 10**8}-0123456789"
    made = Cloud(runtime, tmp_path)
    made.poll(T0)
    yield made
    made.registry.close()


def test_turns_become_seconds_and_sessions(cloud):
    """Counted by variant and version, with the weight of when the session began; a session bets once, then no more."""
    cloud.write("headgate_a", *(cloud.span("good", T0 + 10 + n) for n in range(4)))
    cloud.write("headgate_b", cloud.span("bad", T0 + 20), cloud.span("bad", T0 + 25, error="system"))
    cloud.write("headgate_b", cloud.span("slow", T0 + 30, ms=900.0), cloud.span("else", T0 + 31, error="user"))
    assert cloud.poll(T0 + 100)[0] == []  # too young to be complete
    rows, cursor = cloud.poll(T0 + 600)
    sessions = {row.closed_by: row for row in rows if isinstance(row, Session)}
    assert sessions.keys() == {"turns", "failure", "idle"}
    good, bad = sessions["turns"], sessions["failure"]
    assert (good.variant, good.version, good.turns, good.failures) == ("baseline", "1", 3, 0)
    assert (bad.variant, bad.version, bad.turns, bad.failures, bad.weight) == ("candidate", "2", 2, 1, 10.0)
    assert {row.failures for row in rows if isinstance(row, Session) and row.closed_by == "idle"} == {0}
    seconds = [row for row in rows if isinstance(row, Second)]
    assert sum(row.requests for row in seconds) == 8
    assert sum(row.sessions for row in seconds) == 4
    assert [dict(row.errors) for row in seconds if row.errors] == [{"http_5xx": 1}, {"http_4xx": 1}]
    assert cloud.poll(T0 + 700, cursor)[0] == []


def test_a_minute_waits_until_all_that_was_counted_is_there(cloud):
    """CloudWatch says two turns and one span is there: nothing of the minute is told before the other comes."""
    cloud.write("headgate_b", cloud.span("early", T0 + 5))
    cloud.count("headgate_b", T0, 2)
    assert cloud.poll(T0 + 400)[0] == []
    cloud.write("headgate_b", cloud.span("late", T0 + 8))
    rows, _ = cloud.poll(T0 + 500)
    assert sum(row.requests for row in rows if isinstance(row, Second)) == 2


def test_counts_are_read_where_the_account_has_them(cloud):
    """AgentCore's metrics have a dimension more than is usual there: they are waited for all the same."""
    cloud.write("headgate_b", cloud.span("early", T0 + 5))
    cloud.count("headgate_b", T0, 2, ComputeType="MicroVM")
    assert cloud.poll(T0 + 400)[0] == []
    cloud.write("headgate_b", cloud.span("late", T0 + 8))
    rows, _ = cloud.poll(T0 + 500)
    assert sum(row.requests for row in rows if isinstance(row, Second)) == 2


def test_what_never_comes_is_not_waited_for_for_ever(cloud):
    """After a quarter of an hour the minute is judged by what is there."""
    cloud.write("headgate_b", cloud.span("early", T0 + 5))
    cloud.count("headgate_b", T0, 2)
    assert cloud.poll(T0 + 900)[0] == []
    rows, _ = cloud.poll(T0 + 1000)
    assert sum(row.requests for row in rows if isinstance(row, Second)) == 1


def test_tokens_come_from_the_models_own_spans(cloud):
    """`chat` spans alone: those around them repeat the sums."""
    usage = {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50}
    cloud.write(
        "headgate_b",
        cloud.span("talk", T0 + 5),
        cloud.span("talk", T0 + 6, name="chat model", **{"gen_ai.operation.name": "chat", **usage}),
        cloud.span("talk", T0 + 6, name="invoke_agent", **{"gen_ai.operation.name": "invoke_agent", **usage}),
    )
    rows, _ = cloud.poll(T0 + 600)
    seconds = [row for row in rows if isinstance(row, Second)]
    assert [sum(getattr(row, name) for row in seconds) for name in ("tokens_in", "tokens_out")] == [100, 50]
    assert sum(row.cost_usd for row in seconds) == pytest.approx(0.0005)


def test_a_session_has_the_weight_and_version_of_its_time(cloud):
    """The weight was raised after it began, and the seat was given to another version after it ended."""
    cloud.write("headgate_b", cloud.span("first", T0 + 5))
    cloud.poll(T0 + 60)
    cloud.policy = Policy(50.0, 2, "2", {"headgate_a": "1", "headgate_b": "2"})
    cloud.poll(T0 + 90)
    cloud.policy = Policy(0.0, 3, "", {"headgate_a": "1", "headgate_b": "1"})
    rows, _ = cloud.poll(T0 + 600)
    assert {(row.version, row.weight, row.epoch) for row in rows} == {("2", 10.0, 1)}


def test_a_restart_repeats_and_loses_nothing(cloud):
    """Rows, open sessions and the mark are one commit; a registry that was lost begins a log of its own."""
    cloud.write("headgate_b", cloud.span("talk", T0 + 5))
    rows, cursor = cloud.poll(T0 + 361)
    assert len(rows) == 1
    cloud.registry.close()
    cloud.open()
    cloud.write("headgate_b", cloud.span("talk", T0 + 65))
    more, after = cloud.poll(T0 + 800, cursor)
    assert [type(row) for row in more] == [Second, Session]
    assert (more[1].turns, cloud.poll(T0 + 900, after)[0]) == (2, [])
    assert cloud.telemetry.poll(AGENT, "anothers:99")[0] == rows + more


def test_open_sessions_are_known_by_endpoint(cloud):
    """What a rollback counts as debt, and stops: ids as AgentCore knows them, and their age."""
    cloud.write("headgate_b", cloud.span("here", T0 + 5), cloud.span("here", T0 + 30))
    cloud.write("headgate_a", cloud.span("there", T0 + 5))
    cloud.poll(T0 + 361)
    assert cloud.known.open(AGENT, "headgate_b") == [("here", 356.0)]
    cloud.now = T0 + 2000
    assert cloud.known.open(AGENT, "headgate_b") == []


def test_trouble_is_no_data_and_goes_on_afterwards(cloud):
    """What cannot be read raises; ten minutes later nothing of that time is missing."""
    cloud.write("headgate_b", cloud.span("talk", T0 + 5))
    cloud.split_fails = Unavailable("away")
    for minute in range(1, 11):
        with pytest.raises(Unavailable):
            cloud.poll(T0 + 60 * minute)
    cloud.split_fails = None
    rows, _ = cloud.poll(T0 + 700)
    assert sum(row.requests for row in rows if isinstance(row, Second)) == 1


def test_lines_that_are_no_spans_are_passed_over():
    """Logs of an agent, other JSON, spans without a session."""
    for line in ("plain", "[1]", '{"attributes": 5}', '{"name": "x", "attributes": {"session.id": "s"}}'):
        assert read(line) is None
    assert read('{"name": "InvokeAgentRuntime", "attributes": {}}') is None
    base = {"spanId": "1", "endTimeUnixNano": 2e9, "startTimeUnixNano": 1e9}
    failed = {**base, "name": "InvokeAgentRuntime", "attributes": {"session.id": "s"}, "status": {"code": "ERROR"}}
    assert read(json.dumps(failed)) == Turn("1", "s", 2.0, 1000.0, "http_424")
    chat = {**base, "name": "chat", "attributes": {"session.id": "s", "gen_ai.operation.name": "chat"}}
    assert read(json.dumps(chat)) == Usage("1", "s", 2.0, 0, 0)


def test_agents_that_write_where_they_used_to_are_read(cloud):
    """`aws/spans` has all of an account: the endpoint's own are taken, by AWS's attributes or the service's name;
    what stands in both groups counts once.
    """
    mine = {"aws.endpoint.name": "headgate_b", "aws.resource.arn": f"{cloud.arn}/runtime-endpoint/headgate_b"}
    turn, other = cloud.span("s", T0 + 5, **mine), cloud.span("s", T0 + 6, **{**mine, "aws.endpoint.name": "DEFAULT"})
    tokens = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50}
    named = cloud.span("s", T0 + 5, name="chat", **tokens)
    named["resource"] = {"attributes": {"service.name": f"{cloud.runtime.rpartition('-')[0]}.headgate_b"}}
    named["resource"]["attributes"]["cloud.resource_id"] = cloud.arn
    strange = cloud.span("s", T0 + 7)
    cloud.write_to("aws/spans", turn, named, other, strange)
    cloud.write("headgate_b", turn)
    rows = [row for row in cloud.poll(T0 + 600)[0] if isinstance(row, Second)]
    assert (sum(r.requests for r in rows), sum(r.tokens_in for r in rows)) == (1, 100)
    assert {row.version for row in rows} == {"2"}


def test_tokens_cost_what_the_table_says_of_their_model(tmp_path):
    """The longest name that fits, of the region before any; else the plan's two prices; else not measured."""
    (tmp_path / "ours.yaml").write_text(
        "date: 2026-11-01\nunit: USD per million tokens\nrows:\n"
        "  - {model: claude, input: 1, output: 2, source: s}\n"
        "  - {model: claude-big, input: 10, output: 20, source: s}\n"
        "  - {model: claude-big, region: eu-west-1, input: 11, output: 22, source: s}\n"
        "  - {model: claude-big, region: us-east-1, input: 99, output: 99, source: s}\n"
    )
    told = {"region": "eu-west-1", "prices": load_prices("ours.yaml", tmp_path)}
    table = Prices.of(plan_of(told))
    assert table.cost("anthropic.claude-big-v1:0", 1_000_000, 500_000) == 22.0
    assert table.cost("anthropic.claude-small", 1_000_000, 0) == 1.0
    assert table.cost("nova", 5, 5) is None
    assert Prices.of(replace(plan_of(told), usd_per_million_input=4.0)).cost("nova", 1_000_000, 7) == 4.0
    assert Prices.of(plan_of({"prices": load_prices("shipped", tmp_path)})).cost(
        "eu.anthropic.claude-sonnet-4-6", 10, 0
    )
    (tmp_path / "wrong.yaml").write_text("date: soon\nunit: USD\nrows: []\n")
    with pytest.raises(PlanError) as caught:
        load_prices("wrong.yaml", tmp_path)
    assert len(caught.value.problems) == 3
    assert "wrong.yaml:1" in caught.value.problems[0]


def test_a_session_with_tokens_that_nobody_prices_has_no_cost(cloud):
    """Half a sum would look cheap: one model without a price, and neither the session nor the second is measured."""
    chat = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 1_000_000, "gen_ai.usage.output_tokens": 0}
    prices = Prices((Row("known", "*", 3.0, 15.0),), None)
    cloud.telemetry._rules = replace(cloud.telemetry._rules, prices=prices)
    for at, session, models in ((5, "a", ["known-1"]), (25, "b", ["known-1", "new"])):
        cloud.write("headgate_b", cloud.span(session, T0 + at))
        for model in models:
            cloud.write(
                "headgate_b", cloud.span(session, T0 + at, name="chat", **chat, **{"gen_ai.request.model": model})
            )
    rows = [row for row in cloud.poll(T0 + 1200)[0] if isinstance(row, Second)]
    assert [row.cost_usd for row in rows] == [3.0, 0.0]
    assert [row.tokens_in for row in rows] == [1_000_000, 2_000_000]
