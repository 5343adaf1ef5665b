"""AgentCore's online evaluations: requests against botocore's own model, results in moto's logs, A/B tests read."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import botocore.session
import pytest
from botocore.stub import Stubber
from botocore.validate import ParamValidator
from model_oracle import unknown_members

from aws_wire import actions
from headgate.aws import Clients, Place
from headgate.core.plan import Platform
from headgate.core.recorded import Evaluation, Quality
from headgate.errors import Rejected, Throttled
from headgate.platforms.agentcore.permissions import policy
from headgate.ports import Evaluated
from headgate.telemetry.cloudwatch.evaluations import RESULTS, AgentCoreEvaluations, request, result
from headgate.testing.contracts_alarms import version
from headgate.testing.contracts_platform import plan_of

ROLE = "arn:aws:iam::123456789012:role/evaluations"
ASKED = Evaluation(("Builtin.Helpfulness", "mine-0123456789"), ROLE, 0.25, 600.0)
NAME = "headgate_0123456789abcdef01234567"
WANTED = Evaluated(NAME, version(), ASKED, "coach-companion 2, candidate of coach-companion-20261125-1")
ID = f"{NAME}-AbCdEfGhIj"
ARN = f"arn:aws:bedrock-agentcore:eu-west-1:123456789012:online-evaluation-config/{ID}"
NOW = datetime.fromtimestamp(1_795_000_000, UTC)
KNOWN = {
    "onlineEvaluationConfigArn": ARN,
    "onlineEvaluationConfigId": ID,
    "onlineEvaluationConfigName": NAME,
    "status": "ACTIVE",
    "executionStatus": "ENABLED",
    "createdAt": NOW,
    "updatedAt": NOW,
}
MADE = {key: KNOWN[key] for key in KNOWN if key not in {"onlineEvaluationConfigName", "updatedAt"}}


@pytest.fixture
def clients(account):
    made = Clients(Place("eu-west-1"))
    yield made
    made.close()


def test_the_request_is_one_that_agentcore_takes():
    """Of one endpoint: its service name, its log group; share, quiet time and role as the plan has them."""
    told = request(WANTED)
    session = botocore.session.get_session()
    shape = (
        session.get_service_model("bedrock-agentcore-control")
        .operation_model("CreateOnlineEvaluationConfig")
        .input_shape
    )
    report = ParamValidator().validate(told, shape)
    assert not report.has_errors(), report.generate_report()
    unknown_members(shape, told)
    assert told["dataSourceConfig"]["cloudWatchLogs"] == {
        "logGroupNames": ["/aws/bedrock-agentcore/runtimes/coach_companion-0ZUOP04U5z-headgate_b"],
        "serviceNames": ["coach_companion.headgate_b"],
    }
    assert told["rule"] == {
        "samplingConfig": {"samplingPercentage": 25.0},
        "sessionConfig": {"sessionTimeoutMinutes": 10},
    }
    assert 33 <= len(told["clientToken"]) <= 256


def test_what_is_there_is_not_made_again(clients):
    """Found by its name on any page; the token is the same each time, so a lost answer makes none twice."""
    with Stubber(clients.control) as stub:
        stub.add_response("list_online_evaluation_configs", {"onlineEvaluationConfigs": [], "nextToken": "more"})
        stub.add_response(
            "list_online_evaluation_configs",
            {"onlineEvaluationConfigs": [KNOWN]},
            {"maxResults": 100, "nextToken": "more"},
        )
        assert AgentCoreEvaluations(clients).begin([WANTED]) == {NAME: ID}
        stub.add_response("list_online_evaluation_configs", {"onlineEvaluationConfigs": []})
        stub.add_response("create_online_evaluation_config", MADE, request(WANTED))
        assert AgentCoreEvaluations(clients).begin([WANTED]) == {NAME: ID}
        stub.assert_no_pending_responses()


def test_one_that_does_not_run_says_why(clients):
    """Its role may not read the logs, say: that is no silence."""
    broken = {**KNOWN, "status": "CREATE_FAILED", "failureReason": "the role may not read the log group"}
    with Stubber(clients.control) as stub:
        stub.add_response("list_online_evaluation_configs", {"onlineEvaluationConfigs": [broken]})
        with pytest.raises(Rejected, match="may not read the log group"):
            AgentCoreEvaluations(clients).begin([WANTED])
        stub.add_client_error("list_online_evaluation_configs", "ThrottlingException", http_status_code=429)
        with pytest.raises(Throttled):
            AgentCoreEvaluations(clients).begin([WANTED])


def test_only_ours_are_ended(clients):
    """By name; one that is going already is left to go."""
    other = {**KNOWN, "onlineEvaluationConfigName": "theirs"}
    going = {**KNOWN, "onlineEvaluationConfigName": "headgate_going", "status": "DELETING"}
    gone = {"onlineEvaluationConfigArn": ARN, "onlineEvaluationConfigId": ID, "status": "DELETING"}
    with Stubber(clients.control) as stub:
        stub.add_response("list_online_evaluation_configs", {"onlineEvaluationConfigs": [other, going, KNOWN]})
        stub.add_response("delete_online_evaluation_config", gone, {"onlineEvaluationConfigId": ID})
        assert AgentCoreEvaluations(clients).end({NAME, "headgate_going"}) == [NAME]
        stub.assert_no_pending_responses()


def line(session, value=None, *, evaluator="Builtin.Helpfulness", **more):
    """A result as AgentCore writes it: EMF, with OpenTelemetry's attributes."""
    told = {"session.id": session, "gen_ai.evaluation.name": evaluator, **more}
    if value is not None:
        told["gen_ai.evaluation.score.value"] = value
    return json.dumps({"_aws": {}, "traceId": "t", "spanId": "s", "attributes": told})


def test_results_are_read_from_the_log_group_of_each_configuration(clients):
    """Since a time; a configuration that has written nothing has no group, and that is no error."""
    logs = clients.service("logs")
    logs.create_log_group(logGroupName=f"{RESULTS}{ID}")
    logs.create_log_stream(logGroupName=f"{RESULTS}{ID}", logStreamName="x")
    at = int(datetime.now(UTC).timestamp() * 1000)
    events = [{"timestamp": at + n, "message": line(f"s{n}", 0.5)} for n in range(3)]
    logs.put_log_events(logGroupName=f"{RESULTS}{ID}", logStreamName="x", logEvents=events)
    found = AgentCoreEvaluations(clients).results([ID, "nothing-0123456789"], (at + 1) / 1000)
    assert [(each.session, each.value) for each in found] == [("s1", 0.5), ("s2", 0.5)]
    assert len({each.id for each in found}) == 2
    assert found[0].at == pytest.approx(at / 1000 + 0.001)


def test_what_is_no_score_from_0_to_1_is_not_used():
    """Text is a number where it is one; failures of evaluators and other scales say what they are."""
    assert result(line("s", "0.25"), "1", 1.0).value == 0.25
    for text, why in (
        (line("s", 4), "only 0 to 1"),
        (line("s", "nan"), "only 0 to 1"),
        (line("s"), "no score"),
        (line("s", "very good"), "no score"),
        (line("s", 0.5, **{"error.type": "LambdaThrottled"}), "LambdaThrottled"),
    ):
        found = result(text, "1", 1.0)
        assert found.value is None
        assert why in found.error
    for text in ("plain", "[]", "5", json.dumps({"attributes": None}), line("", 0.5), line("s", 0.5, evaluator="")):
        assert result(text, "1", 1.0) is None


def test_an_ab_test_is_read_as_it_says(clients):
    """Both variants' means, sizes and AgentCore's own test; one without results yet has none."""
    arn = "arn:aws:bedrock-agentcore:eu-west-1:123456789012"
    split = [{"name": name, "weight": 50, "variantConfiguration": {"target": {"name": name}}} for name in ("C", "T1")]
    told = {
        "abTestId": "coach_ab-0123456789",
        "abTestArn": f"{arn}:ab-test/coach_ab-0123456789",
        "name": "coach_ab",
        "status": "ACTIVE",
        "executionStatus": "RUNNING",
        "gatewayArn": f"{arn}:gateway/coach-0123456789",
        "variants": split,
        "evaluationConfig": {"onlineEvaluationConfigArn": ARN},
        "createdAt": NOW,
        "updatedAt": NOW,
    }
    treated = {"variantName": "T1", "sampleSize": 38, "mean": 0.6, "absoluteChange": -0.2, "pValue": 0.001}
    treated |= {"confidenceInterval": {"lower": -0.3, "upper": -0.1}, "isSignificant": True}
    control = {"variantName": "C", "sampleSize": 40, "mean": 0.8}
    metrics = [{"evaluatorArn": f"{arn}:evaluator/Builtin.Helpfulness", "controlStats": control}]
    found = {"analysisTimestamp": NOW, "evaluatorMetrics": [{**metrics[0], "variantResults": [treated]}]}
    with Stubber(clients.data) as stub:
        stub.add_response("get_ab_test", told, {"abTestId": "coach_ab-0123456789"})
        stub.add_response("get_ab_test", {**told, "results": found})
        first, second = (AgentCoreEvaluations(clients).trial("coach_ab-0123456789") for _ in range(2))
    assert (first["results"], first["at"], first["running"]) == ([], None, "RUNNING")
    (row,) = second["results"]
    assert (row["evaluator"], row["control_n"], row["n"], row["change"]) == ("Builtin.Helpfulness", 40, 38, -0.2)
    assert (row["lower"], row["upper"], row["p"], row["significant"]) == (-0.3, -0.1, 0.001, True)
    assert second["at"] == NOW.timestamp()


def test_the_policy_has_exactly_what_they_take(clients):
    """Begun, read, ended; the role is passed to AgentCore alone; an A/B test is one action, on that test."""
    settings = {"region": "eu-west-1", "runtime": "coach_companion-0ZUOP04U5z"}
    plain = replace(plan_of(settings, "coach"), platform=Platform("agentcore", tuple(sorted(settings.items()))))
    wanted = replace(plain, quality=Quality("", "", "d", evaluation=ASKED))
    used = set()
    for client, head in ((clients.control, "bedrock-agentcore"), (clients.service("logs"), "logs")):
        client.meta.events.register("provide-client-params", lambda model, h=head, **_: used.add(f"{h}:{model.name}"))
    test_what_is_there_is_not_made_again(clients)
    test_only_ours_are_ended(clients)
    AgentCoreEvaluations(clients).results(["nothing-0123456789"], 0.0)
    used |= {"iam:PassRole"}  # never called: AgentCore asks for it when a configuration is made
    assert used == (actions(policy(wanted)) - actions(policy(plain))) | {"iam:PassRole"}
    by_name = {each["Sid"]: each for each in policy(wanted, account="123456789012")["Statement"]}
    assert by_name["HeadgatePassEvaluationRole"]["Resource"] == [ROLE]
    trial = replace(
        plain, platform=Platform("agentcore", tuple(sorted({**settings, "ab_test": "a-0123456789"}.items())))
    )
    assert actions(policy(trial)) - actions(policy(plain)) == {"bedrock-agentcore:GetABTest"}
