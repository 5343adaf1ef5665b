"""The embedded gateway's own measurements behind the Telemetry port."""

from __future__ import annotations

from typing import Any

import httpx

from headgate.errors import Rejected, TimedOut, Unavailable
from headgate.ports import FailingTurn
from headgate.stats.observations import Recording, Row, row_from_data

_TIMEOUT_S = 5.0
_LIMIT = 5000  # rows of one poll


class GatewayTelemetry:
    """Implements ports.Telemetry and ports.Recordings, over the gateway's admin address `base_url` and its `token`."""

    def __init__(self, base_url: str, token: str) -> None:
        self._url = base_url.rstrip("/")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(timeout=_TIMEOUT_S, headers=headers, trust_env=False, follow_redirects=False)

    def poll(self, agent: str, cursor: str) -> tuple[list[Row], str]:
        """At most 5,000 rows after the cursor, oldest first, and the cursor after them.

        Missing data is an error, never [].
        """
        data = self._get(f"/telemetry/{agent}", {"after": cursor, "limit": _LIMIT})
        try:
            return [row_from_data(row) for row in data["rows"]], str(data["cursor"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._unreadable("telemetry", error) from error

    def after(self, agent: str, seq: int, limit: int) -> list[Recording]:
        """Recordings after this number, oldest first."""
        return self._recordings(agent, {"after": seq, "limit": limit})

    def latest(self, agent: str, version: str, limit: int) -> list[Recording]:
        """The newest recordings of a version, newest first."""
        return self._recordings(agent, {"latest": limit, "version": version})

    def failing(self, agent: str) -> list[FailingTurn]:
        """The live turns that failed of late and may be kept, oldest first."""
        data = self._get(f"/failures/{agent}", {})
        try:
            return [FailingTurn(**each) for each in data["failures"]]
        except (KeyError, TypeError) as error:
            raise self._unreadable("failing turns", error) from error

    def _recordings(self, agent: str, asked: dict[str, Any]) -> list[Recording]:
        data = self._get(f"/recordings/{agent}", asked)
        try:
            return [Recording(**{**each, "turns": tuple(each["turns"])}) for each in data["recordings"]]
        except (KeyError, TypeError, AttributeError) as error:
            raise self._unreadable("recordings", error) from error

    def _get(self, path: str, asked: dict[str, Any]) -> Any:
        where = f"the gateway at {self._url}"
        try:
            answer = self._client.get(self._url + path, params=asked)
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
            return answer.json()
        except ValueError as error:
            raise self._unreadable("an answer", error) from error

    def _unreadable(self, what: str, error: Exception) -> Rejected:
        return Rejected(f"the gateway at {self._url} sent {what} that cannot be read: {error!r}")

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()
