"""Messages by HTTP: signed JSON to any receiver, Slack's incoming webhooks, PagerDuty's events.

A webhook gets `{"event", "text", "key", "about", "severity", "links"}` as JSON with the headers `Idempotency-Key` (the
same for a repetition) and, where the environment has HEADGATE_WEBHOOK_SECRET, `X-Headgate-Signature: sha256=HEX`, the
HMAC-SHA256 of the body. PagerDuty drops repetitions by `dedup_key`; Slack drops none.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import httpx

from headgate.errors import Rejected, TimedOut, Unavailable
from headgate.ports import Link, Message

TIMEOUT_S = 5.0
SECRET = "HEADGATE_WEBHOOK_SECRET"
PAGERDUTY_URL = (
    "https://events.pagerduty.com/v2/enqueue"  # HEADGATE_PAGERDUTY_URL names another, e.g. the one in Europe
)
_NOT_TAKEN = frozenset({425, 429, 503})  # said before anything was done with the message
_UNKNOWN = frozenset({408, 500, 502, 504})  # it may have been taken before that was said
_PAGERDUTY_SEVERITY = {"P1": "critical", "P2": "error", "P3": "warning", "P4": "info"}
Lookup = Callable[[str], str | None]


class _Post:
    """One POST, with the outcome in our words. Errors name the kind of receiver: its address may be a secret."""

    kind = ""

    def __init__(self, lookup: Lookup, timeout: float = TIMEOUT_S) -> None:
        self._lookup = lookup
        self._timeout = timeout

    def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        limits = httpx.Timeout(self._timeout)
        sent = {"Content-Type": "application/json", **headers}
        try:
            answer = httpx.post(url, content=body, headers=sent, timeout=limits, trust_env=False)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise Rejected(f"{self.kind}: this is not a URL", "give one that begins with http:// or https://") from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise Unavailable(f"{self.kind}: {type(error).__name__}") from None
        except httpx.TimeoutException:
            raise TimedOut(f"{self.kind}: no answer within {self._timeout:g} s") from None
        except httpx.HTTPError as error:
            raise TimedOut(f"{self.kind}: {type(error).__name__}") from None
        if answer.is_success:
            return
        said = f"{self.kind}: it answered {answer.status_code}"
        if answer.status_code in _NOT_TAKEN:
            raise Unavailable(said)
        if answer.status_code in _UNKNOWN:
            raise TimedOut(said)
        raise Rejected(said, "check the receiver's address and its rules")


class WebhookChannel(_Post):
    """Signed JSON with an idempotency key: the receiver drops what it knows, so a repetition is safe."""

    kind = "webhook"

    def repeatable(self, _address: str) -> bool:
        return True

    def send(self, message: Message, address: str, links: Sequence[Link]) -> None:
        data: dict[str, Any] = {
            "event": message.event,
            "text": message.text,
            "key": message.key,
            "about": message.about,
            "severity": message.severity,
            "links": [{"verb": link.verb, "url": link.url} for link in links],
        }
        body, headers = json.dumps(data).encode(), {"Idempotency-Key": message.key}
        if secret := self._lookup(SECRET):
            signed = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            headers["X-Headgate-Signature"] = f"sha256={signed}"
        self._post(address, body, headers)


class SlackChannel(_Post):
    """Slack posts what it gets, as often as it gets it: a message that may have arrived is not sent again."""

    kind = "slack"

    def repeatable(self, _address: str) -> bool:
        return False

    def send(self, message: Message, address: str, links: Sequence[Link]) -> None:
        severity = f"*{message.severity}* " if message.severity else ""
        offered = " | ".join(f"<{link.url}|{link.verb}>" for link in links)
        text = severity + _escaped(message.text) + (f"\n{offered}" if offered else "")
        self._post(address, json.dumps({"text": text}).encode(), {})


class PagerDutyChannel(_Post):
    """An incident is one alert of PagerDuty, which its resolution closes; every other event is an alert of its own."""

    kind = "pagerduty"

    def repeatable(self, _address: str) -> bool:
        return True

    def send(self, message: Message, address: str, links: Sequence[Link]) -> None:
        data: dict[str, Any] = {
            "routing_key": address,
            "event_action": "resolve" if message.resolves else "trigger",
            "dedup_key": _alert(message),
            "payload": {
                "summary": message.text[:1024],
                "source": message.about or message.rollout or "headgate",
                "severity": _PAGERDUTY_SEVERITY.get(message.severity, "info"),
                "class": message.event,
            },
            "links": [{"href": link.url, "text": link.verb} for link in links],
        }
        url = self._lookup("HEADGATE_PAGERDUTY_URL") or PAGERDUTY_URL
        self._post(url, json.dumps(data).encode(), {})


def _alert(message: Message) -> str:
    """PagerDuty takes keys of up to 255 characters."""
    of_incident = message.event in {"incident", "resolved"}
    return hashlib.sha256((message.about if of_incident else message.key).encode()).hexdigest()


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
