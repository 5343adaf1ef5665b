"""The two questions that only the local runtime can answer: a version's digest and process, and the digest that code
would get.
"""

from __future__ import annotations

from typing import Any

import httpx

from headgate.aws.clients import CONNECT_TIMEOUT_S, CONTROL_TIMEOUT_S


class Extension:
    """GET and POST under /headgate of a local runtime. Raises httpx errors, which `faults.mapped` knows."""

    def __init__(self, url: str) -> None:
        timeout = httpx.Timeout(CONTROL_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
        # no connection is kept: the questions are rare, and nobody has to close this
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(base_url=url, timeout=timeout, limits=limits, trust_env=False)

    def version(self, runtime: str, number: str) -> dict[str, Any]:
        """{"version", "digest", "status", "reason", "url", "pid", "restarts", "built": by part, "variables"}."""
        return self._json(self._client.get(f"/headgate/runtimes/{runtime}/versions/{number}"))

    def digest(self, request: dict[str, Any]) -> str:
        """The digest of the version that a Create/UpdateAgentRuntime request would make."""
        return str(self._json(self._client.post("/headgate/digest", json=request))["digest"])

    def _json(self, response: httpx.Response) -> dict[str, Any]:
        response.raise_for_status()
        data: dict[str, Any] = response.json()
        return data
