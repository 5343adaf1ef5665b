"""Amazon Bedrock AgentCore through boto3, and the local runtime through the same calls and another address."""

from headgate.platforms.agentcore.aws import AgentCorePlatform as AgentCorePlatform
from headgate.platforms.agentcore.platform import Connection as Connection
from headgate.platforms.agentcore.platform import LocalPlatform as LocalPlatform
from headgate.platforms.agentcore.platform import connect as connect
