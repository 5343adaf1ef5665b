"""The embedded gateway's own measurements behind the Telemetry port."""

from __future__ import annotations

import httpx

from headgate.errors import Rejected, TimedOut, Unavailable
from headgate.stats.observations import Row, row_from_data

_TIMEOUT_S = 5.0
_LIMIT = 5000  # rows of one poll


class GatewayTelemetry:
    """Implements ports.Telemetry. `base_url` is the gateway's admin address, `token` its admin token."""

    def __init__(self, base_url: str, token: str) -> None:
        self._url = base_url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(timeout=_TIMEOUT_S, headers=headers, trust_env=False, follow_redirects=False)

    def poll(self, agent: str, cursor: str) -> tuple[list[Row], str]:
        """At most 5,000 rows after the cursor, oldest first, and the cursor after them.

        Missing data is an error, never [].
        """
        where = f"the gateway at {self._url}"
        try:
            answer = self._client.get(f"{self._url}/telemetry/{agent}", params={"after": cursor, "limit": _LIMIT})
        except httpx.ConnectTimeout as error:
            raise Unavailable(f"{where} cannot be reached: {error}") from error
        except httpx.TimeoutException as error:
            raise TimedOut(f"{where} did not answer within {_TIMEOUT_S:g} s") from error
        except httpx.HTTPError as error:
            raise Unavailable(f"{where} cannot be reached: {error}") from error
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise Unavailable(f"{where} said {answer.status_code}: {answer.text[:200]}")
        if answer.status_code != httpx.codes.OK:
            raise Rejected(f"{where} said {answer.status_code}: {answer.text[:200]}")
        try:
            data = answer.json()
            return [row_from_data(row) for row in data["rows"]], str(data["cursor"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Rejected(f"{where} sent telemetry that cannot be read: {error!r}") from error

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()
