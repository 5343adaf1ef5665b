"""Signed links: a person's word in one click, for whom the message was sent to, until a deadline, once.

TOKEN is base64url(JSON of `Token`) + "." + base64url(HMAC-SHA256 of that text, by the key in the state directory). The
link is a page with a button: looking at it, as mail scanners do, says nothing.

What names a person needs a link that was sent to that person: `approve` and `reject` are theirs, whatever name the
holder of another link gives. What anybody may say (`abort`, `acknowledge`) is said under a claimed name.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from headgate.errors import RefusedError
from headgate.ports import Link, Message

PATH = "/act/"
PERSONAL = frozenset({"approve", "reject"})


@dataclass(frozen=True, slots=True)
class Token:
    """`id` is what works once; `until` is Unix seconds. `to`: the receiver, in words that are no secret."""

    verb: str  # approve | reject | abort | acknowledge
    about: str  # a rollout's or an incident's id
    until: float
    id: str
    to: str = ""
    person: str = ""  # who alone reads there; "": a channel of many
    step: int = -1  # the one that an approval is for


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
        links = []
        for i, verb in enumerate(message.verbs):
            if verb in PERSONAL and not message.receiver.person:
                continue  # of a message that waited since receivers had no persons
            to = f"{message.receiver.kind} {message.receiver.name}".strip()
            token = Token(
                verb, message.about, message.until, _id(message, i), to, message.receiver.person, message.step
            )
            links.append(Link(verb, base.rstrip("/") + PATH + self.token(token)))
        return tuple(links)

    def token(self, token: Token) -> str:
        text = _encoded(json.dumps(asdict(token), sort_keys=True, separators=(",", ":")).encode())
        return f"{text}.{_encoded(self._mac(text))}"

    def read(self, text: str, now: float) -> Token:
        """The token of a link. RefusedError: not one of ours, its time is over, or it approves for nobody."""
        signed, _, mac = text.partition(".")
        if not hmac.compare_digest(mac.encode(), _encoded(self._mac(signed)).encode()):
            raise RefusedError(
                "this link was not made here, or is damaged", "ask for a new one, or use the command line"
            )
        data = json.loads(base64.urlsafe_b64decode(signed + "=" * (-len(signed) % 4)))
        to, person, step = str(data.get("to", "")), str(data.get("person", "")), int(data.get("step", -1))
        token = Token(str(data["verb"]), str(data["about"]), float(data["until"]), str(data["id"]), to, person, step)
        if now >= token.until:
            raise RefusedError("the time of this link is over", "say it on the command line instead")
        if token.verb in PERSONAL and not token.person:
            raise RefusedError(
                f"this link was sent to nobody in particular, so nobody can {token.verb} by it",
                "give the receiver a `person` in the plan, or use the command line",
            )
        return token

    def _mac(self, text: str) -> bytes:
        return hmac.new(self._key(), text.encode(), hashlib.sha256).digest()


def _id(message: Message, index: int) -> str:
    return hashlib.sha256(f"{message.key}/{index}".encode()).hexdigest()[:32]


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
