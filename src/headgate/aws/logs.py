"""Where CloudWatch Logs has what AgentCore's runtimes write."""

RUNTIMES = "/aws/bedrock-agentcore/runtimes/"  # what a group's name begins with; RUNTIME-ENDPOINT follows
SHARED_SPANS = "aws/spans"  # an account's one group of spans, where endpoints have none of their own
