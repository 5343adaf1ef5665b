"""Messages to Slack and to signed webhooks. A target `env:NAME` is read when it is used, and never written anywhere.

A webhook gets `{"event", "text", "key"}` as JSON with the headers `Idempotency-Key` (the same for a repetition) and,
where the environment has HEADGATE_WEBHOOK_SECRET, `X-Headgate-Signature: sha256=HEX`, the HMAC-SHA256 of the body.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable

import httpx

from headgate.core.plan import Receiver
from headgate.errors import NotFound, Rejected, TimedOut, Unavailable

TIMEOUT_S = 5.0
SECRET = "HEADGATE_WEBHOOK_SECRET"
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})


class WebhookNotifier:
    """Implements `ports.Notifier`. `lookup` reads a variable of the environment (None where it is not set)."""

    def __init__(self, lookup: Callable[[str], str | None], timeout: float = TIMEOUT_S) -> None:
        self._lookup = lookup
        self._timeout = timeout

    def send(self, receiver: Receiver, key: str, event: str, text: str) -> None:
        """Sends one message, once. Raises Unavailable, TimedOut (try again) or NotFound, Rejected (do not)."""
        url = self._address(receiver)
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        if receiver.kind == "slack":
            body = json.dumps({"text": text}).encode()
        else:
            body = json.dumps({"event": event, "text": text, "key": key}).encode()
            if secret := self._lookup(SECRET):
                headers["X-Headgate-Signature"] = (
                    f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
                )
        self._post(receiver, url, body, headers)

    def _address(self, receiver: Receiver) -> str:
        if not receiver.target.startswith("env:"):
            return receiver.target
        name = receiver.target.removeprefix("env:")
        if url := self._lookup(name):
            return url
        raise NotFound(f"{receiver.kind}: the variable {name} is not set", f"set {name} where the controller runs")

    def _post(self, receiver: Receiver, url: str, body: bytes, headers: dict[str, str]) -> None:
        """The errors name the receiver as the plan does: its URL may be a secret."""
        told = f"{receiver.kind} {receiver.target if receiver.target.startswith('env:') else 'receiver'}"
        try:
            answer = httpx.post(url, content=body, headers=headers, timeout=self._timeout, trust_env=False)
        except httpx.TimeoutException:
            raise TimedOut(f"{told}: no answer within {self._timeout:g} s") from None
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise Rejected(f"{told}: this is not a URL", "give one that begins with http:// or https://") from None
        except httpx.HTTPError as error:
            raise Unavailable(f"{told}: {type(error).__name__}") from None
        if answer.is_success:
            return
        if answer.status_code in _BUSY:
            raise Unavailable(f"{told}: it answered {answer.status_code}")
        raise Rejected(f"{told}: it answered {answer.status_code}", "check the receiver's address and its rules")
