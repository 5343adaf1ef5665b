"""Which AWS actions a plan makes Headgate call, on which resources: the least-privilege policy, and what `assess` asks
IAM about. A test compares it with the calls that a full run makes.
"""

from __future__ import annotations

from typing import Any

from headgate.aws.logs import RUNTIMES, SHARED_SPANS
from headgate.core.clouds import cloud_prefix
from headgate.core.plan import Plan
from headgate.platforms.agentcore import words
from headgate.platforms.agentcore.artifacts import ECR, LOCAL_BUCKET

SERVICE = "bedrock-agentcore"
FILL_IN = "ROLE_OF_THE_RUNTIME"

READS = ("GetAgentRuntime", "GetAgentRuntimeEndpoint", "ListAgentRuntimeEndpoints", "ListAgentRuntimeVersions")
CHANGES = (
    "CreateAgentRuntimeEndpoint",
    "UpdateAgentRuntime",
    "UpdateAgentRuntimeEndpoint",
)

GATEWAY = (
    "CreateGatewayRule",
    "CreateGatewayTarget",
    "DeleteGatewayTarget",
    "GetGatewayRule",
    "GetGatewayTarget",
    "ListGatewayRules",
    "ListGatewayTargets",
    "UpdateGatewayRule",
    "UpdateGatewayTarget",
)

COUNTS = ("cloudwatch:GetMetricData", "cloudwatch:ListMetrics")  # how many, and which dimensions they have

Statement = dict[str, Any]


def policy(plan: Plan, *, account: str = "*", assess: bool = False, drill: bool = False) -> dict[str, Any]:
    """An IAM policy document. `assess`, `drill`: also what `headgate assess` reads, what agentcore-repoint does."""
    statements = [
        *_runtime(plan, account),
        *_code(plan),
        _role(plan, account),
        *_managed(plan, account),
        *_alarms(plan, account),
        *_evaluation(plan, account),
    ]
    if assess:
        statements.append(_survey())
    if drill:
        statements += _drill(plan, account)
    return {"Version": "2012-10-17", "Statement": statements}


def actions(plan: Plan) -> list[str]:
    """All actions of the plan, sorted."""
    return sorted({action for each in policy(plan)["Statement"] for action in each["Action"]})


def _runtime(plan: Plan, account: str) -> list[Statement]:
    place = plan.platform
    name = place.get("runtime") or f"{words.runtime_name(plan.agent)}-*"
    runtime = f"arn:{partition(place.get('region'))}:{SERVICE}:{place.get('region')}:{account}:runtime/{name}"
    both = [runtime, f"{runtime}/runtime-endpoint/*"]
    made = [] if place.get("runtime") else ["CreateAgentRuntime", "ListAgentRuntimes"]
    found = [_allow("HeadgateRuntime", [*READS, *CHANGES], both)]
    if _talks(plan):
        stops = ["StopRuntimeSession"] if plan.traffic == "gateway" else []  # of clients, through the gateway
        found.append(_allow("HeadgateTurns", ["InvokeAgentRuntime", *stops], both))
    return [*found, _allow("HeadgateFirstVersion", made, ["*"])] if made else found


def _talks(plan: Plan) -> bool:
    """Whether Headgate itself calls the agent: its gateway, a gate, a test invocation of the window, or to ask what it
    is made of.
    """
    invoked = any(part.invoke for part in plan.validation.window) or plan.watched.ask
    return plan.traffic == "gateway" or bool(plan.gates) or invoked


def _code(plan: Plan) -> list[Statement]:
    place = plan.platform
    bucket, image = place.get("bucket"), ECR.fullmatch(place.get("container"))
    if bucket and bucket != LOCAL_BUCKET:
        where = f"arn:{partition(place.get('region'))}:s3:::{bucket}/{place.get('prefix')}{plan.agent}/*"
        actions = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
        return [{"Sid": "HeadgateCode", "Effect": "Allow", "Action": actions, "Resource": [where]}]
    if image and not image["digest"]:
        where = f"arn:{partition(image['region'])}:ecr:{image['region']}:{image['account']}:repository/{image['name']}"
        return [{"Sid": "HeadgateImage", "Effect": "Allow", "Action": ["ecr:DescribeImages"], "Resource": [where]}]
    return []


def _role(plan: Plan, account: str) -> Statement:
    place = plan.platform
    role = place.get("role") or f"arn:{partition(place.get('region'))}:iam::{account}:role/{FILL_IN}"
    return _passed("HeadgatePassRole", role)


def _passed(sid: str, role: str) -> Statement:
    """The right to hand a role to AgentCore, and to nothing else."""
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Action": ["iam:PassRole"],
        "Resource": [role],
        "Condition": {"StringEquals": {"iam:PassedToService": f"{SERVICE}.amazonaws.com"}},
    }


def _managed(plan: Plan, account: str) -> list[Statement]:
    """What `traffic: agentcore-gateway` takes: rule and targets, the spans, the stops of a rollback."""
    if plan.traffic != "agentcore-gateway":
        return []
    region, place = plan.platform.get("region"), plan.platform
    head = f"arn:{partition(region)}"
    gateway = f"{head}:{SERVICE}:{region}:{account}:gateway/{place.get('gateway')}"
    runtime = f"{head}:{SERVICE}:{region}:{account}:runtime/{place.get('runtime') or '*'}"
    logs = f"{head}:logs:{region}:{account}:log-group:"
    groups = [f"{logs}{RUNTIMES}{place.get('runtime') or ''}*", f"{logs}{SHARED_SPANS}:*"]
    return [
        _allow("HeadgateGateway", [*GATEWAY], [gateway, f"{gateway}/*"]),
        _allow("HeadgateStops", ["StopRuntimeSession"], [runtime, f"{runtime}/runtime-endpoint/*"]),
        {"Sid": "HeadgateSpans", "Effect": "Allow", "Action": ["logs:FilterLogEvents"], "Resource": groups},
        # CloudWatch has no resources for these actions
        {"Sid": "HeadgateCounts", "Effect": "Allow", "Action": [*COUNTS], "Resource": ["*"]},
    ]


def _alarms(plan: Plan, account: str) -> list[Statement]:
    """What alarms on CloudWatch take: the agent's own are made and removed, any may be read."""
    cloud, region = plan.cloudwatch, plan.platform.get("region")
    if cloud is None:
        return []
    # of composites CloudWatch says: "scoped to *", or they are not shown and not made
    found = [
        {"Sid": "HeadgateAlarmStates", "Effect": "Allow", "Action": ["cloudwatch:DescribeAlarms"], "Resource": ["*"]}
    ]
    if not cloud.create:
        return found
    # CloudWatch has no resources for this action
    found.append({"Sid": "HeadgateMetrics", "Effect": "Allow", "Action": ["cloudwatch:ListMetrics"], "Resource": ["*"]})
    own = f"arn:{partition(region)}:cloudwatch:{region}:{account}:alarm:{cloud_prefix(plan.agent)}*"
    made = ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"]
    if cloud.actions:
        made = sorted([*made, "cloudwatch:DisableAlarmActions", "cloudwatch:EnableAlarmActions"])
    found.append({"Sid": "HeadgateAlarms", "Effect": "Allow", "Action": made, "Resource": [own]})
    if plan.composites:
        actions = ["cloudwatch:PutCompositeAlarm"]
        found.append({"Sid": "HeadgateComposites", "Effect": "Allow", "Action": actions, "Resource": ["*"]})
    return found


def _evaluation(plan: Plan, account: str) -> list[Statement]:
    """What AgentCore's online evaluation takes, and the reading of an A/B test."""
    place, found = plan.platform, list[Statement]()
    head = f"arn:{partition(place.get('region'))}"
    here = f"{head}:{SERVICE}:{place.get('region')}:{account}"
    if test := place.get("ab_test"):
        found.append(_allow("HeadgateTrial", ["GetABTest"], [f"{here}:ab-test/{test}"]))
    if plan.quality is None or plan.quality.evaluation is None:
        return found
    groups = f"{head}:logs:{place.get('region')}:{account}:log-group:/aws/bedrock-agentcore/evaluations/results/*"
    return [
        *found,
        _allow("HeadgateEvaluations", ["CreateOnlineEvaluationConfig", "ListOnlineEvaluationConfigs"], ["*"]),
        _allow("HeadgateOwn", ["DeleteOnlineEvaluationConfig"], [f"{here}:online-evaluation-config/headgate_*"]),
        {"Sid": "HeadgateScores", "Effect": "Allow", "Action": ["logs:FilterLogEvents"], "Resource": [groups]},
        _passed("HeadgatePassEvaluationRole", plan.quality.evaluation.role),
    ]


def _drill(plan: Plan, account: str) -> list[Statement]:
    """A runtime of the drill's own, from nothing to nothing."""
    region, place = plan.platform.get("region"), plan.platform
    own = f"arn:{partition(region)}:{SERVICE}:{region}:{account}:runtime/headgate_drill_*"
    operations = ["CreateAgentRuntimeEndpoint", "DeleteAgentRuntime", "DeleteAgentRuntimeEndpoint", "GetAgentRuntime"]
    operations += ["GetAgentRuntimeEndpoint", "InvokeAgentRuntime", "StopRuntimeSession", "UpdateAgentRuntime"]
    found = [
        _allow("HeadgateDrillMakes", ["CreateAgentRuntime"], ["*"]),  # it has no name before it is made
        _allow("HeadgateDrill", [*operations, "UpdateAgentRuntimeEndpoint"], [own]),
    ]
    bucket = place.get("bucket")
    if bucket and bucket != LOCAL_BUCKET:
        code = f"arn:{partition(region)}:s3:::{bucket}/{place.get('prefix')}headgate-drill/*"
        verbs = ["DeleteObject", "DeleteObjectVersion", "GetObject", "GetObjectVersion", "PutObject"]
        actions = [f"s3:{verb}" for verb in verbs]
        found.append({"Sid": "HeadgateDrillCode", "Effect": "Allow", "Action": actions, "Resource": [code]})
    return found


def _survey() -> Statement:
    reads = [
        "bedrock-agentcore:GetGateway",
        "bedrock-agentcore:ListGatewayRules",
        "bedrock-agentcore:ListGatewayTargets",
        "cloudwatch:DescribeAlarms",
        *COUNTS,
        "iam:SimulatePrincipalPolicy",
        "logs:DescribeLogGroups",
        "servicequotas:ListServiceQuotas",
    ]
    return {"Sid": "HeadgateAssess", "Effect": "Allow", "Action": reads, "Resource": ["*"]}


def _allow(sid: str, operations: list[str], resources: list[str]) -> Statement:
    actions = sorted(f"{SERVICE}:{name}" for name in operations)
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def partition(region: str) -> str:
    """The partition that a region is in, as its ARNs say it."""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"
