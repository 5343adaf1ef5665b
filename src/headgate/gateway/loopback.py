"""One version behind an address of this machine, for as long as a suite speaks to it: a gateway of its own in a thread.

What speaks plain HTTP (gates, load) reaches an endpoint of AgentCore by it, signed and streamed as the gateway does.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from headgate.errors import TimedOut
from headgate.gateway.server import running
from headgate.gateway.settings import GatewaySettings, Sign

_READY_S = 10.0
_POLICY = 'agents: [{{arn: "{arn}", agent: agent, baseline: {{version: "0", url: "{url}"}}}}]\n'


@dataclass
class _Running:
    """A gateway's thread, as seen from outside it."""

    ready: threading.Event = field(default_factory=threading.Event)
    stop: asyncio.Event | None = None
    loop: asyncio.AbstractEventLoop | None = None
    url: str = ""
    failure: BaseException | None = None


@contextmanager
def loopback(url: str, arn: str, sign: Sign) -> Iterator[str]:
    """A base url that answers POST BASE/invocations by the version at `url`. Raises TimedOut, or what kept it."""
    it = _Running()
    with tempfile.TemporaryDirectory(prefix="headgate-") as home:
        policy = Path(home, "policy.yaml")
        policy.write_text(_POLICY.format(arn=arn, url=url), encoding="utf-8")
        settings = GatewaySettings(
            listen=("127.0.0.1", 0), admin=("127.0.0.1", 0), home=Path(home), policy_file=policy, sign=sign, stop_s=1.0
        )
        thread = threading.Thread(target=_run, args=(it, settings), daemon=True)
        thread.start()
        try:
            if not it.ready.wait(_READY_S):
                raise TimedOut(f"no way to {url} could be opened within {_READY_S:g} s")
            if it.failure is not None:
                raise it.failure
            yield f"{it.url}/runtimes/agent"
        finally:
            if it.loop is not None and it.stop is not None:
                it.loop.call_soon_threadsafe(it.stop.set)
            thread.join(_READY_S)


def _run(it: _Running, settings: GatewaySettings) -> None:
    async def serve() -> None:
        it.loop, it.stop = asyncio.get_running_loop(), asyncio.Event()
        async with running(settings) as (_, addresses):
            it.url = addresses["url"]
            it.ready.set()
            await it.stop.wait()

    try:
        asyncio.run(serve())
    except BaseException as failure:  # noqa: BLE001 - told to the thread that waits
        it.failure = failure
    finally:
        it.loop = None
        it.ready.set()
