"""boto3 clients for AgentCore, or for what speaks its API at another address: every call with a timeout, retries
bounded.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

CONNECT_TIMEOUT_S = 5.0
CONTROL_TIMEOUT_S = 30.0  # the local runtime copies the code before it answers
LOCAL_REGION = "local"


def control_client(endpoint_url: str | None = None, region: str | None = None) -> Any:
    """A `bedrock-agentcore-control` client; three tries, as its calls are idempotent."""
    retries = {"mode": "standard", "total_max_attempts": 3}
    config = _config(CONTROL_TIMEOUT_S, retries=retries)
    return _client("bedrock-agentcore-control", endpoint_url, region, config)


def data_client(endpoint_url: str | None, region: str | None, *, timeout_s: float, connections: int = 10) -> Any:
    """A `bedrock-agentcore` client; one try, because a turn of an agent must not run twice."""
    config = _config(timeout_s, retries={"total_max_attempts": 1}, max_pool_connections=connections)
    return _client("bedrock-agentcore", endpoint_url, region, config)


def _config(timeout_s: float, **options: Any) -> Config:
    return Config(connect_timeout=CONNECT_TIMEOUT_S, read_timeout=timeout_s, **options)


def _client(service: str, url: str | None, region: str | None, config: Config) -> Any:
    options: dict[str, Any] = {"region_name": region, "endpoint_url": url}
    if url and is_loopback(url):
        # nobody checks them there, and AWS's own must not be sent to just any local process
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "aws_session_token": ""}
        options |= {**keys, "region_name": region or LOCAL_REGION}
    # a session of its own: boto3's shared one is not safe for threads
    return boto3.session.Session().client(service, config=config, **options)


def is_loopback(url: str) -> bool:
    """Whether the address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
