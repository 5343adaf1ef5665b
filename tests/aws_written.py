"""What AgentCore writes of a runtime into an account: spans in the log group of each endpoint, counts in CloudWatch."""

import json
from datetime import UTC, datetime

from headgate.aws import Clients, Place


class Written:
    """The logs and metrics of one runtime, written as AgentCore writes them."""

    def __init__(self, runtime, arn):
        self.clients = Clients(Place("eu-west-1"))
        self.runtime, self.arn, self.spans = runtime, arn, 0
        self.logs, self.metrics = self.clients.service("logs"), self.clients.service("cloudwatch")

    def write(self, endpoint, *lines):
        self.write_to(f"/aws/bedrock-agentcore/runtimes/{self.runtime}-{endpoint}", *lines)

    def write_to(self, group, *lines):
        try:
            self.logs.create_log_group(logGroupName=group)
            self.logs.create_log_stream(logGroupName=group, logStreamName="spans")
        except self.logs.exceptions.ResourceAlreadyExistsException:
            pass
        events = [{"timestamp": int(line["endTimeUnixNano"] / 1e6), "message": json.dumps(line)} for line in lines]
        self.logs.put_log_events(logGroupName=group, logStreamName="spans", logEvents=events)

    def span(self, session, at, *, ms=200.0, error="", name="AgentCore.Runtime.InvokeAgentRuntime", **more):
        self.spans += 1
        told = {"session.id": session, "latency_ms": ms, **more} | ({"error_type": error} if error else {})
        end = int(at * 1e9)
        return {
            "spanId": f"s{self.spans}",
            "name": name,
            "startTimeUnixNano": end - int(ms * 1e6),
            "endTimeUnixNano": end,
            "attributes": told,
        }

    def count(self, endpoint, at, turns, **more):
        name = f"{self.runtime.rpartition('-')[0]}::{endpoint}"
        values = {"Resource": self.arn, "Operation": "InvokeAgentRuntime", "Name": name, **more}
        data = {
            "MetricName": "Invocations",
            "Dimensions": [{"Name": key, "Value": value} for key, value in values.items()],
            "Timestamp": datetime.fromtimestamp(at, UTC),
            "Value": turns,
        }
        self.metrics.put_metric_data(Namespace="AWS/Bedrock-AgentCore", MetricData=[data])
