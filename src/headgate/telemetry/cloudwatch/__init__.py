"""CloudWatch measures: spans of AgentCore per endpoint, and Headgate's own registry of sessions."""

from headgate.telemetry.cloudwatch.registry import Policy as Policy
from headgate.telemetry.cloudwatch.registry import Registry as Registry
from headgate.telemetry.cloudwatch.telemetry import CloudWatchTelemetry as CloudWatchTelemetry
from headgate.telemetry.cloudwatch.telemetry import KnownSessions as KnownSessions
from headgate.telemetry.cloudwatch.telemetry import split_of as split_of
