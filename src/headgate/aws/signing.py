"""AWS's signature for turns that are not sent by boto3: by botocore's own signer, with the usual credentials."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import NoCredentialsError

from headgate.aws.clients import is_loopback

SERVICE = "bedrock-agentcore"


class Signer:
    """Signs POST requests of AgentCore's data plane. Safe for threads; blocks where credentials must be renewed."""

    def __init__(self) -> None:
        self._credentials: dict[str, Any] = {}
        self._lock = threading.Lock()

    def headers(self, url: str, region: str, profile: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """`headers` and those of the signature, for a POST of `body` to `url`. Raises botocore's errors."""
        request = AWSRequest("POST", url, dict(headers), body)
        SigV4Auth(self._of(url, profile), SERVICE, region).add_auth(request)
        return {str(name): str(value) for name, value in request.headers.items()}

    def _of(self, url: str, profile: str) -> Any:
        if is_loopback(url):  # AWS's own must not be sent to just any local process
            return Credentials("local", "local")
        with self._lock:
            if profile not in self._credentials:
                found = boto3.session.Session(profile_name=profile or None).get_credentials()
                if found is None:
                    raise NoCredentialsError
                self._credentials[profile] = found
        return self._credentials[profile].get_frozen_credentials()
