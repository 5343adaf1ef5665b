"""The url of a version on AgentCore, taken apart: `agentcore+https://HOST/ARN?qualifier=ENDPOINT`."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit


def arn_of(url: str) -> str:
    """The runtime's ARN."""
    return unquote(urlsplit(url).path[1:])


def endpoint_of(url: str) -> str:
    """The name of the endpoint; "" where the url names none."""
    return "".join(parse_qs(urlsplit(url).query).get("qualifier", []))
