"""AgentCore Gateway splits, by a weighted rule that Headgate writes."""

from headgate.traffic.agentcore_gateway.traffic import AgentCoreGatewayTraffic as AgentCoreGatewayTraffic
from headgate.traffic.agentcore_gateway.traffic import Sessions as Sessions
