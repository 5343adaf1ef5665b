"""Coach Companion: a health and weight coach, built on the bedrock-agentcore SDK and Strands Agents."""
