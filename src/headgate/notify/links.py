"""Signed links: a person's word in one click, for those who got the message, until a deadline, once.

TOKEN is base64url(JSON {"verb", "about", "until", "id"}) + "." + base64url(HMAC-SHA256 of that text, by the key in the
state directory). The link is a page with a button: looking at it, as mail scanners do, says nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass

from headgate.errors import RefusedError
from headgate.ports import Link, Message

PATH = "/act/"


@dataclass(frozen=True, slots=True)
class Token:
    """`id` is what works once; `until` is Unix seconds."""

    verb: str  # approve | reject | abort | acknowledge
    about: str  # a rollout's or an incident's id
    until: float
    id: str


class LinkSigner:
    """`key`: the secret of this state directory; `base`: where the dashboard is reached, "" while nobody knows."""

    def __init__(self, key: Callable[[], bytes], base: Callable[[], str]) -> None:
        self._key = key
        self._base = base

    def __call__(self, message: Message) -> tuple[Link, ...]:
        """The links of a message, the same ones each time it is asked."""
        base = self._base() if message.verbs else ""
        if not base:
            return ()
        return tuple(
            Link(verb, base.rstrip("/") + PATH + self.token(Token(verb, message.about, message.until, _id(message, i))))
            for i, verb in enumerate(message.verbs)
        )

    def token(self, token: Token) -> str:
        data = {"verb": token.verb, "about": token.about, "until": token.until, "id": token.id}
        text = _encoded(json.dumps(data, sort_keys=True, separators=(",", ":")).encode())
        return f"{text}.{_encoded(self._mac(text))}"

    def read(self, text: str, now: float) -> Token:
        """The token of a link. RefusedError: not one of ours, or its time is over."""
        signed, _, mac = text.partition(".")
        if not hmac.compare_digest(mac.encode(), _encoded(self._mac(signed)).encode()):
            raise RefusedError(
                "this link was not made here, or is damaged", "ask for a new one, or use the command line"
            )
        data = json.loads(base64.urlsafe_b64decode(signed + "=" * (-len(signed) % 4)))
        token = Token(str(data["verb"]), str(data["about"]), float(data["until"]), str(data["id"]))
        if now >= token.until:
            raise RefusedError("the time of this link is over", "say it on the command line instead")
        return token

    def _mac(self, text: str) -> bytes:
        return hmac.new(self._key(), text.encode(), hashlib.sha256).digest()


def _id(message: Message, index: int) -> str:
    return hashlib.sha256(f"{message.key}/{index}".encode()).hexdigest()[:32]


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
