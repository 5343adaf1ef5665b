"""Alarms on CloudWatch: every request against botocore's own model, the port's contract against moto's alarms.

moto stores alarms and evaluates none; of alarms over alarms and alarms on bands it knows nothing, so those requests are
answered by botocore's stubs, which check both sides.
"""

import time
from dataclasses import replace

import botocore.session
import pytest
from botocore.stub import Stubber
from botocore.validate import ParamValidator

from aws_wire import actions
from headgate.aws import Clients, Place
from headgate.aws.metrics import bound, usual
from headgate.controller.assess import assess
from headgate.core.address import arn_of
from headgate.core.alarms import NAMED
from headgate.core.clouds import CloudWatch, WatchedAlarm, cloud_name, cloud_prefix
from headgate.core.plan import AlarmSpec, CompositeSpec, MetricQuery
from headgate.core.plan import Platform as PlanPlatform
from headgate.errors import Rejected
from headgate.platforms.agentcore.permissions import policy
from headgate.platforms.agentcore.survey import AgentCoreSurvey
from headgate.ports import CloudAlarm
from headgate.telemetry.cloudwatch import alarm_requests
from headgate.telemetry.cloudwatch.alarms import CloudWatchAlarms
from headgate.testing.clock import FakeClock
from headgate.testing.contracts_alarms import AGENT, ROLLOUT, alarm, version
from headgate.testing.contracts_platform import plan_of
from headgate.testing.fake_platform import FakePlatform
from headgate.testing.fake_traffic import FakeTraffic
from headgate.testing.memory_store import MemoryStore

ERRORS = AlarmSpec("error-rate", "error_rate", ">", 0.05, 300.0, 3, 2, "notBreaching")
LATENCY = AlarmSpec("latency", "p95", ">=", 5.0, 60.0, 2, 2, "ignore", low_samples="ignore")
SILENCE = AlarmSpec("silence", "invocations", "<", 1.0, 3600.0, 1, 1, "breaching", warm_up_s=3600.0)
BAND = AlarmSpec("usage", "invocations", "above", 0.0, 300.0, 3, 2, "notBreaching", scope="agent", band=4.0)
COST = AlarmSpec("cost", "cost", ">", 10.0, 86_400.0, 1, 1)


MODEL = botocore.session.get_session().get_service_model("cloudwatch")


@pytest.fixture
def clients(account):
    """Those of the account's own region."""
    made = Clients(Place("eu-west-1"))
    yield made
    made.close()


@pytest.fixture
def keeper(clients):
    """CloudWatch of the account, in no hurry to wait."""
    return CloudWatchAlarms(clients, lambda _s: None)


def asked(spec, *, agent=False, parts=(), actions=()):
    """(method, parameters) of an alarm, which botocore's model must allow."""
    versions = (version("headgate_a", "1"), version()) if agent else (version(),)
    name = cloud_name(AGENT, ROLLOUT, "candidate", spec.name)
    method, told = alarm_requests.request(
        CloudAlarm(name, spec, versions, parts, (("headgate:agent", AGENT),), actions)
    )
    operation = {"put_metric_alarm": "PutMetricAlarm", "put_composite_alarm": "PutCompositeAlarm"}[method]
    report = ParamValidator().validate(told, MODEL.operation_model(operation).input_shape)
    assert not report.has_errors(), report.generate_report()
    return method, told


def metrics(told):
    """(metric, statistic, endpoint) of each series, and the expressions by id."""
    stats = [line["MetricStat"] for line in told["Metrics"] if "MetricStat" in line]
    rows = [(s["Metric"]["MetricName"], s["Stat"], s["Metric"]["Dimensions"][2]["Value"]) for s in stats]
    return rows, {line["Id"]: line["Expression"] for line in told["Metrics"] if "Expression" in line}


def test_a_rate_is_metric_math():
    """AgentCore's errors over its invocations, of one endpoint; M of N, missing data, one series."""
    method, told = asked(ERRORS)
    assert method == "put_metric_alarm"
    rows, expressions = metrics(told)
    name = "coach_companion::headgate_b"
    assert rows == [(m, "Sum", name) for m in ("SystemErrors", "UserErrors", "Throttles", "Invocations")]
    assert expressions == {"errors": "errors__0 + errors__1 + errors__2", "rate": "errors / requests"}
    assert [line["Id"] for line in told["Metrics"] if line["ReturnData"]] == ["rate"]
    assert {line["MetricStat"]["Period"] for line in told["Metrics"] if "MetricStat" in line} == {300}
    kept = ("EvaluationPeriods", "DatapointsToAlarm", "TreatMissingData", "Threshold", "ComparisonOperator")
    assert [told[key] for key in kept] == [3, 2, "notBreaching", 0.05, "GreaterThanThreshold"]
    assert told["Tags"] == [{"Key": "headgate:agent", "Value": AGENT}]


def test_a_percentile_says_what_few_samples_mean():
    """No metric math, so that CloudWatch obeys it; seconds become AgentCore's milliseconds."""
    _, told = asked(LATENCY, actions=("arn:aws:sns:eu-west-1:123456789012:on-call",))
    assert (told["MetricName"], told["ExtendedStatistic"], told["Threshold"]) == ("Latency", "p95", 5000.0)
    assert (told["EvaluateLowSampleCountPercentile"], told["TreatMissingData"]) == ("ignore", "ignore")
    assert told["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
    assert told["AlarmActions"] == told["OKActions"] == ["arn:aws:sns:eu-west-1:123456789012:on-call"]
    assert told["ActionsEnabled"] is True
    assert "Statistic" not in told


def test_a_band_of_both_endpoints():
    """The sum of two series is compared with CloudWatch's own band of it."""
    _, told = asked(BAND, agent=True)
    rows, expressions = metrics(told)
    assert rows == [("Invocations", "Sum", f"coach_companion::headgate_{seat}") for seat in "ab"]
    assert expressions["requests"] == "requests__0 + requests__1"
    assert expressions[told["ThresholdMetricId"]] == "ANOMALY_DETECTION_BAND(requests, 4)"
    assert told["ComparisonOperator"] == "GreaterThanUpperThreshold"
    assert "Threshold" not in told


def test_silence_warms_up():
    """A new endpoint's silence is no ALARM for an hour."""
    _, told = asked(SILENCE)
    assert told["WarmUpConfiguration"] == {"WarmUpPeriodDurationInMinutes": 60}
    assert (told["Statistic"], told["TreatMissingData"], told["Threshold"]) == ("Sum", "breaching", 1.0)


@pytest.mark.parametrize(
    ("statistic", "threshold"), [("tm90", 3000.0), ("IQM", 3000.0), ("TM(10%:90%)", 3000.0), ("tc90", 3.0)]
)
def test_trimmed_statistics_and_the_clock(statistic, threshold):
    """As CloudWatch calls them; times in its milliseconds, counts as they are; the window of a time zone."""
    line = MetricQuery("t", "latency", statistic)
    spec = AlarmSpec("typical", "", ">", 3.0, 3600.0, 1, 1, queries=(line,), wall_clock="Europe/London")
    _, told = asked(spec)
    assert (told["ExtendedStatistic"], told["Threshold"]) == (statistic, threshold)
    assert told["EvaluationWindow"] == {"WallClockWindow": {"Timezone": "Europe/London"}}
    assert "EvaluateLowSampleCountPercentile" not in told
    assert alarm_requests.here(plan(spec)) == {}
    for narrow in ("TM(0.1:0.9)", "PR(:0.3)", "TS(95%:)"):
        kept = AlarmSpec("typical", "", ">", 3.0, 3600.0, 1, 1, queries=(MetricQuery("t", "latency", narrow),))
        assert "10% to 90%" in alarm_requests.here(plan(kept))["typical"]


def test_times_in_metric_math_are_seconds():
    """What a plan writes in seconds is compared in seconds."""
    lines = (MetricQuery("slow", "latency", "p99"), MetricQuery("twice", expression="slow * 2"))
    _, told = asked(AlarmSpec("twice", "", ">", 3.0, 60.0, 1, 1, queries=lines))
    assert metrics(told)[1] == {"slow": "(slow__0) / 1000", "twice": "slow * 2"}


def test_a_composite_names_its_parts_as_they_are_there():
    """Rule and suppressor, with their waits."""
    spec = CompositeSpec("bad", 'ALARM(a) and not AT_LEAST(1, not ok, (b, "a"))', "quiet", 90.0, 120.0)
    parts = tuple((name, cloud_name(AGENT, ROLLOUT, "candidate", name)) for name in ("a", "b", "quiet"))
    method, told = asked(spec, parts=parts)
    a, b, quiet = dict(parts).values()
    assert method == "put_composite_alarm"
    assert told["AlarmRule"] == f'ALARM("{a}") AND NOT AT_LEAST(1, NOT OK, ("{b}", "{a}"))'
    kept = ("ActionsSuppressor", "ActionsSuppressorWaitPeriod", "ActionsSuppressorExtensionPeriod")
    assert [told[key] for key in kept] == [quiet, 90, 120]


def plan(*alarms, composites=(), speed=1.0, watch=(), **settings):
    told = {"region": "eu-west-1", "runtime": "coach_companion-0ZUOP04U5z", **settings}
    base = replace(plan_of(told, AGENT), platform=PlanPlatform("agentcore", tuple(sorted(told.items()))))
    cloud = CloudWatch(True, watch=watch)
    validation = replace(base.validation, speed=speed)
    return replace(base, alarms=alarms, composites=composites, cloudwatch=cloud, validation=validation)


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (COST, "sends no cost"),
        (AlarmSpec("x", "first_token_p95", ">", 1.0, 60.0, 1, 1), "sends no first_token"),
        (replace(LATENCY, period_s=30.0), "by the minute"),
        (replace(LATENCY, scope="agent"), "two endpoints"),
        (replace(SILENCE, warm_up_s=49 * 3600.0), "two days"),
        (
            AlarmSpec("x", "", ">", 1.0, 60.0, 1, 1, queries=(MetricQuery("n", "requests", "Average"),)),
            "only the sum of requests",
        ),
        (
            replace(LATENCY, metric="", queries=(MetricQuery("p", "latency", "p95"), MetricQuery("x", expression="p"))),
            "few samples",
        ),
        (
            AlarmSpec(
                "x",
                "",
                ">",
                1.0,
                60.0,
                1,
                1,
                queries=(MetricQuery("e", "errors", "Sum"), MetricQuery("x", expression="MAX(METRICS())")),
            ),
            "METRICS()",
        ),
        (
            AlarmSpec(
                "x", "", ">", 1.0, 60.0, 1, 1, queries=tuple(MetricQuery(f"e{n}", "errors", "Sum") for n in range(4))
            ),
            "more than 10 metrics",
        ),
    ],
)
def test_what_cloudwatch_cannot_keep_stays_here_and_says_why(spec, why):
    """Of the alarm alone; others of the plan go there."""
    found = alarm_requests.here(plan(spec, ERRORS))
    assert found.keys() == {spec.name}
    assert why in found[spec.name]


def test_a_composite_and_its_parts_are_in_one_place():
    """What needs an alarm that stays here stays here, with all that it names; so does everything of a rehearsal."""
    over = CompositeSpec("over", "ALARM(cost) AND ALARM(error-rate)")
    above = CompositeSpec("above", "ALARM(over) OR ALARM(latency)")
    found = alarm_requests.here(plan(ERRORS, LATENCY, COST, SILENCE, composites=(over, above)))
    assert found.keys() == {"cost", "over", "error-rate", "above", "latency"}
    assert found["over"] == "cost is not there"
    fine = CompositeSpec("fine", "ALARM(silence) AND ALARM(error-rate)")
    assert alarm_requests.here(plan(ERRORS, SILENCE, composites=(fine,))) == {}
    assert alarm_requests.here(plan(ERRORS, SILENCE, composites=(fine,), speed=60.0)).keys() == {
        "error-rate",
        "silence",
        "fine",
    }


def test_every_named_metric_is_made_or_stays():
    """No short name of a plan leads to a request that botocore's model forbids."""
    for metric in NAMED:
        spec = AlarmSpec("x", metric, ">", 1.0, 300.0, 1, 1)
        if not alarm_requests.here(plan(spec)):
            asked(spec)


def test_the_actions_of_an_alarm_are_switched(clients, keeper):
    """As it is made, and later; only a plan with actions may do it."""
    topic = ("arn:aws:sns:eu-west-1:123456789012:on-call",)
    quiet = replace(alarm("switched"), actions=topic, heard=False)
    keeper.put([quiet])

    def enabled():
        (row,) = clients.service("cloudwatch").describe_alarms(AlarmNames=[quiet.name])["MetricAlarms"]
        return row["ActionsEnabled"]

    assert enabled() is False
    keeper.hear([quiet.name], on=True)
    assert enabled() is True
    keeper.remove([quiet.name])
    wanted = plan(ERRORS)
    loud = replace(wanted, cloudwatch=replace(wanted.cloudwatch, actions=topic))
    switches = {"cloudwatch:DisableAlarmActions", "cloudwatch:EnableAlarmActions"}
    assert added(loud) - added(wanted) == switches


def test_a_state_is_told_with_its_time_and_endpoint(clients, keeper):
    """As moto has it after SetAlarmState."""
    made = alarm("told")
    keeper.put([made])
    client = clients.service("cloudwatch")
    client.set_alarm_state(AlarmName=made.name, StateValue="ALARM", StateReason="the test says so")
    (told,) = keeper.read([made.name])
    assert (told.state, told.endpoint, told.held) == ("ALARM", "headgate_b", False)
    assert told.since > 1.7e9
    (row,) = client.describe_alarms(AlarmNames=[made.name])["MetricAlarms"]
    assert client.list_tags_for_resource(ResourceARN=row["AlarmArn"])["Tags"] == [
        {"Key": "headgate:agent", "Value": AGENT},
        {"Key": "headgate:variant", "Value": "candidate"},
    ]
    keeper.remove([made.name])


def test_what_may_not_be_read_says_so_and_is_not_tried_again_at_once(clients):
    """AccessDenied is for good, throttling for a moment; neither is a state."""
    with Stubber(clients.service("cloudwatch")) as stub:
        for code, status in (("AccessDenied", 403), ("Throttling", 400)):
            stub.add_client_error("describe_alarms", code, "no", http_status_code=status)
        keeper = CloudWatchAlarms(clients, lambda _s: None)
        (denied,), (busy,) = keeper.read(["a"]), keeper.read(["a"])
    assert (denied.state, denied.retry, busy.state, busy.retry) == ("", False, "", True)
    assert "headgate iam PLAN" in denied.why


def row(name, **more):
    """An alarm as DescribeAlarms has it."""
    arn = f"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{name}"
    return {"AlarmName": name, "AlarmArn": arn, "StateValue": "OK", **more}


def test_an_alarm_of_another_account_or_that_is_not_evaluated_is_not_believed(clients):
    """The name is here, the ARN is another's; CloudWatch says itself that it cannot evaluate one."""
    theirs = "arn:aws:cloudwatch:eu-west-1:999999999999:alarm:mine"
    with Stubber(clients.service("cloudwatch")) as stub:
        rows = [
            row("mine"),
            row("broken", EvaluationState="EVALUATION_ERROR"),
            row("part", EvaluationState="PARTIAL_DATA"),
        ]
        over = row("over", AlarmRule="TRUE", StateValue="ALARM", ActionsSuppressedBy="WaitPeriod")
        told = {"AlarmNames": ["mine", "broken", "part", "over"], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
        stub.add_response("describe_alarms", {"MetricAlarms": rows, "CompositeAlarms": [over]}, told)
        found = CloudWatchAlarms(clients, lambda _s: None).read([theirs, "broken", "part", "over"])
    assert [each.state for each in found] == ["", "", "OK", "ALARM"]
    assert "another account's" in found[0].why
    assert "EVALUATION_ERROR" in found[1].why
    assert found[3].held


def test_composites_go_first_and_one_at_a_time(clients):
    """CloudWatch deletes no two of them in one call, nor one that another is about."""
    waited = []
    with Stubber(clients.service("cloudwatch")) as stub:
        told = {"AlarmNames": ["a", "b", "inner", "outer"], "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]}
        composites = [row("inner", AlarmRule='ALARM("a")'), row("outer", AlarmRule='ALARM("inner")')]
        stub.add_response(
            "describe_alarms", {"MetricAlarms": [row("a"), row("b")], "CompositeAlarms": composites}, told
        )
        for names in (["outer"], ["inner"], ["a", "b"]):
            stub.add_response("delete_alarms", {}, {"AlarmNames": names})
        CloudWatchAlarms(clients, waited.append).remove(["b", "a", "outer", "inner"])
        stub.assert_no_pending_responses()
    assert waited == [0.5] * 2


def test_an_alarm_on_the_bill_is_read_where_it_is(clients, keeper):
    """An ARN says its region."""
    bill = clients.of("us-east-1").service("cloudwatch")
    method, told = alarm_requests.request(replace(alarm(), name="the bill"))
    getattr(bill, method)(**told)
    (arn,) = [each["AlarmArn"] for each in bill.describe_alarms(AlarmNames=["the bill"])["MetricAlarms"]]
    there, gone = keeper.read([arn, "the bill"])
    assert (bool(there.state), gone.state) == (True, "")
    assert "eu-west-1" in gone.why


def test_the_policy_has_exactly_what_alarms_take(clients, keeper):
    """Made, read, removed: each action is used, none else; changes are allowed on the agent's own alarms alone."""
    used = set()
    events = clients.service("cloudwatch").meta.events
    events.register("before-call", lambda model, **_: used.add(f"cloudwatch:{model.name}"))
    wanted = plan(ERRORS, LATENCY, composites=(CompositeSpec("fine", "ALARM(error-rate)"),))
    keeper.put([alarm()])
    with pytest.raises(Exception, match=r"."):  # moto has none; the call was made
        keeper.put([CloudAlarm("headgate/x/y/z/fine", wanted.composites[0], (version(),), (("error-rate", "e"),))])
    keeper.read([alarm().name])
    keeper.remove(keeper.names(cloud_prefix(AGENT)))
    used |= {"cloudwatch:TagResource"}  # asked for by CloudWatch itself where an alarm is made with tags
    assert used == added(wanted)
    by_name = {each["Sid"]: each for each in policy(wanted, account="123456789012")["Statement"]}
    own = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:headgate/coach-companion/*"
    assert by_name["HeadgateAlarms"]["Resource"] == [own]
    reading = replace(wanted, cloudwatch=CloudWatch(watch=(WatchedAlarm("a", "a"),)))
    assert added(reading) == {"cloudwatch:DescribeAlarms"}


def added(wanted):
    """What the plan may do because of its alarms on AWS."""
    return actions(policy(wanted)) - actions(policy(replace(wanted, cloudwatch=None)))


ARN, RUNTIME = "arn:aws:x:runtime/coach_companion-0ZUOP04U5z", "coach_companion"


def of(**dimensions):
    """A metric as ListMetrics has it."""
    return {"Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()]}


def test_alarms_watch_the_dimensions_that_metrics_really_have():
    """The usual ones where they are there, or nothing is; others as other endpoints have them; none by endpoint: no."""
    plain = of(Resource=ARN, Operation="InvokeAgentRuntime", Name=f"{RUNTIME}::DEFAULT")
    wide = of(Resource=ARN, Operation="InvokeAgentRuntime", Name=f"{RUNTIME}::DEFAULT", ComputeType="MicroVM")
    for found in ([], [plain], [wide, plain]):
        assert bound(found, ARN)("headgate_b") == usual(ARN)("headgate_b")
    other = bound([wide, of(Resource=ARN, Service="x")], ARN)("headgate_b")
    assert {each["Name"]: each["Value"] for each in other} == {
        "Resource": ARN,
        "Operation": "InvokeAgentRuntime",
        "Name": f"{RUNTIME}::headgate_b",
        "ComputeType": "MicroVM",
    }
    with pytest.raises(ValueError, match="none by endpoint: their dimensions are Resource, Service"):
        bound([of(Resource=ARN, Service="x")], ARN)


def test_what_the_account_has_decides_where_an_alarm_looks(clients, keeper):
    """A runtime whose metrics have one dimension more: the alarm has it too."""
    values = {each["Name"]: each["Value"] for each in usual(arn_of(version().url))("DEFAULT")}
    told = [{"Name": key, "Value": value} for key, value in {**values, "ComputeType": "MicroVM"}.items()]
    data = [{"MetricName": "Invocations", "Dimensions": told, "Value": 1.0}]
    client = clients.service("cloudwatch")
    client.put_metric_data(Namespace="AWS/Bedrock-AgentCore", MetricData=data)
    keeper.put([alarm("wide")])
    (row,) = client.describe_alarms(AlarmNames=[alarm("wide").name])["MetricAlarms"]
    seen = {d["Name"]: d["Value"] for d in row["Metrics"][0]["MetricStat"]["Metric"]["Dimensions"]}
    assert seen == {**values, "ComputeType": "MicroVM", "Name": "coach_companion::headgate_b"}
    keeper.remove([alarm("wide").name])


def test_a_refusal_is_an_error_of_ours(clients):
    """What CloudWatch does not take is Rejected, with the alarm's name."""
    with Stubber(clients.service("cloudwatch")) as stub:
        stub.add_response("list_metrics", {"Metrics": []})
        stub.add_client_error("put_metric_alarm", "AccessDenied", "no", http_status_code=403)
        with pytest.raises(Rejected, match="making alarm headgate/coach-companion"):
            CloudWatchAlarms(clients, lambda _s: None).put([alarm()])


def test_assess_reads_the_alarms_that_a_plan_names(clients, keeper):
    """Each with its state, or with why it has none; the notes say what a rollout would make of it."""
    keeper.put([replace(alarm(), name="tools")])
    clients.service("cloudwatch").set_alarm_state(AlarmName="tools", StateValue="ALARM", StateReason="the test says so")
    asked = plan(watch=(WatchedAlarm("tools", "tools"), WatchedAlarm("gone", "gone")))
    rows = AgentCoreSurvey(clients, time.time, keeper).survey(asked, None)["watched alarms"]
    assert [(row["name"], row["state"]) for row in rows] == [("tools", "ALARM"), ("gone", None)]
    body = assess(asked, FakePlatform(), FakeTraffic(FakeClock()), MemoryStore(), Surveyed({"watched alarms": rows}))
    notes = "\n".join(body["notes"])
    assert "watched alarm tools is in ALARM now" in notes
    assert "watched alarm gone cannot be read (CloudWatch has no such alarm in eu-west-1)" in notes
    keeper.remove(["tools"])


class Surveyed:
    """Implements ports.Surveyor."""

    def __init__(self, parts):
        self.parts = parts

    def survey(self, _plan, _found):
        return self.parts
