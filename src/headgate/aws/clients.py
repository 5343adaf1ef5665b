"""boto3 clients for AgentCore and the services around it, or for what speaks their API at another address: every call
with a timeout, retries bounded.

Regions, profiles, roles and endpoints come from the usual AWS configuration; a plan's region wins over it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config

CONNECT_TIMEOUT_S = 5.0
CONTROL_TIMEOUT_S = 30.0  # the local runtime copies the code before it answers
UPLOAD_TIMEOUT_S = 120.0  # of one piece of an upload
LOCAL_REGION = "local"
CONTROL_RETRIES = {"mode": "standard", "total_max_attempts": 3}  # control calls are idempotent: by token, or by reading
ONE_TRY = {"mode": "standard", "total_max_attempts": 1}  # a turn of an agent must not run twice


@dataclass(frozen=True, slots=True)
class Place:
    """Where on AWS: a region, a profile of the AWS configuration ("": the default), and another address of both planes
    of AgentCore ("": AWS's own, or what AWS_ENDPOINT_URL_... names).
    """

    region: str = ""
    profile: str = ""
    endpoint_url: str = ""


class Clients:
    """boto3 clients of one place, each made when it is first asked for."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._made: dict[str, Any] = {}
        self._others: dict[str, Clients] = {}

    @property
    def control(self) -> Any:
        return self._client("bedrock-agentcore-control", lambda: _config(CONTROL_TIMEOUT_S, retries=CONTROL_RETRIES))

    @property
    def data(self) -> Any:
        """For stops and reads of the data plane, which may be repeated; turns go through `data_client`."""
        return self._client("bedrock-agentcore", lambda: _config(CONTROL_TIMEOUT_S, retries=CONTROL_RETRIES))

    def service(self, name: str) -> Any:
        """Another service of the same place: s3, ecr, cloudwatch, logs, iam, sts, ce, budgets."""
        return self._client(name, lambda: _config(UPLOAD_TIMEOUT_S, retries=CONTROL_RETRIES))

    def of(self, region: str) -> Clients:
        """The same for another region."""
        if region == self.place.region:
            return self
        if region not in self._others:
            self._others[region] = Clients(replace(self.place, region=region))
        return self._others[region]

    def close(self) -> None:
        for client in self._made.values():
            client.close()
        for other in self._others.values():
            other.close()
        self._made.clear()

    def _client(self, service: str, config: Callable[[], Config]) -> Any:
        if service not in self._made:
            place = self.place
            url = place.endpoint_url if service.startswith("bedrock-agentcore") else ""
            self._made[service] = _client(service, url or None, place.region or None, config(), place.profile or None)
        return self._made[service]


def control_client(endpoint_url: str | None = None, region: str | None = None) -> Any:
    """A `bedrock-agentcore-control` client; three tries, as its calls are idempotent."""
    config = _config(CONTROL_TIMEOUT_S, retries=CONTROL_RETRIES)
    return _client("bedrock-agentcore-control", endpoint_url, region, config)


def data_client(endpoint_url: str | None, region: str | None, *, timeout_s: float, connections: int = 10) -> Any:
    """A `bedrock-agentcore` client; one try, because a turn of an agent must not run twice."""
    config = _config(timeout_s, retries=ONE_TRY, max_pool_connections=connections)
    return _client("bedrock-agentcore", endpoint_url, region, config)


def _config(timeout_s: float, **options: Any) -> Config:
    return Config(connect_timeout=CONNECT_TIMEOUT_S, read_timeout=timeout_s, **options)


def _client(service: str, url: str | None, region: str | None, config: Config, profile: str | None = None) -> Any:
    options: dict[str, Any] = {"region_name": region, "endpoint_url": url}
    if url and is_loopback(url):
        # nobody checks them there, and AWS's own must not be sent to just any local process
        keys = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "aws_session_token": ""}
        options |= {**keys, "region_name": region or LOCAL_REGION}
        profile = None
    # a session of its own: boto3's shared one is not safe for threads
    return boto3.session.Session(profile_name=profile).client(service, config=config, **options)


def is_loopback(url: str) -> bool:
    """Whether the address is this machine's own."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
