"""Messages by Apprise, to any of its services: an extra, `pip install 'headgate[notify]'`.

What became of a message Apprise tells as yes or no, so a no may have arrived: nothing is sent twice.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from headgate.errors import NotFound, Rejected, TimedOut
from headgate.ports import Link, Message


class AppriseChannel:
    """`address` is an Apprise URL."""

    def repeatable(self, _address: str) -> bool:
        return False

    def send(self, message: Message, address: str, links: Sequence[Link]) -> None:
        try:
            import apprise
        except ImportError:
            raise NotFound("apprise: it is not installed", "pip install 'headgate[notify]'") from None
        logging.getLogger("apprise").disabled = True  # it may log addresses, which are secrets
        sender = apprise.Apprise()
        if not sender.add(address):
            raise Rejected("apprise: the variable holds no Apprise URL")
        offered = "".join(f"\n{link.verb}: {link.url}" for link in links)
        title = f"headgate {message.severity} {message.event}".replace("  ", " ")
        if not sender.notify(body=message.text + offered, title=title):
            raise TimedOut("apprise: the service did not say that it took the message")
