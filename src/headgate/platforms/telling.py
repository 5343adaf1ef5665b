"""What a version says that it is made of: the member `identity` of its /ping, or an answer to a request for it.

    GET /ping                                    {"status": "Healthy", "identity": {"model": "...", "prompt": "..."}}
    POST /invocations {"headgate": "identity"}   {"identity": {"model": "...", "prompt": "..."}}

The second is for versions whose /ping nobody but the platform reaches, as on AgentCore, and only where the plan says
that the agent knows it: any other would take it for a turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import httpx

from headgate.core.identity import LONGEST, MOST
from headgate.core.model import Version
from headgate.errors import Unavailable

ASK = {"headgate": "identity"}
_PING_S, _ASK_S = 2.0, 15.0  # a version on AgentCore may have to start first
_SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")

Way = Callable[[str], AbstractContextManager[str]]


class HttpTeller:
    """Implements `ports.Teller`. `way` opens a plain url to a version that has none."""

    def __init__(self, way: Way) -> None:
        self._way = way

    def told(self, version: Version, *, ask: bool) -> Mapping[str, str]:
        """Parts by name; {} where it says nothing. Raises Unavailable where it does not answer."""
        try:
            if version.url.startswith("http"):
                known = _parts(httpx.get(f"{version.url.rstrip('/')}/ping", timeout=_PING_S, trust_env=False))
                return known or (self._asked(version.url) if ask else {})
            if not ask or not version.url:
                return {}
            with self._way(version.url) as url:
                return self._asked(url)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"version {version.number} does not say what it is: {type(error).__name__}") from error

    def _asked(self, url: str) -> Mapping[str, str]:
        headers = {_SESSION: "headgate-identity-".ljust(33, "0")}
        return _parts(
            httpx.post(f"{url.rstrip('/')}/invocations", json=ASK, headers=headers, timeout=_ASK_S, trust_env=False)
        )


def _parts(answer: httpx.Response) -> Mapping[str, str]:
    """What of an answer can be a part: short texts under plain names. An answer that is none of ours says nothing."""
    try:
        data: Any = answer.json() if answer.status_code == 200 else None
    except ValueError:
        return {}
    told = data.get("identity") if isinstance(data, dict) else None
    if not isinstance(told, dict):
        return {}
    fit = {name: value for name, value in told.items() if _NAME.fullmatch(str(name)) and isinstance(value, str)}
    return {name: value[:LONGEST] for name, value in sorted(fit.items())[:MOST]}
