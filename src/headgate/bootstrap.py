"""The only constructor of adapters: settings in, a wired world out. No rule lives here.

Each adapter is imported where it is made: a command that only reads the store loads no AWS SDK and no HTTP client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headgate.config.settings import Settings
    from headgate.controller.world import World
    from headgate.ports import Platform, Store, Telemetry, Traffic


def store(settings: Settings) -> Store:
    """The store of this state directory. Raises Unavailable where it cannot be opened."""
    from headgate.store.sqlite import SqliteStore

    settings.folder("")
    return SqliteStore(settings.store)


def traffic(settings: Settings) -> Traffic:
    """The gateway's admin address, with this state directory's token."""
    from headgate.traffic.embedded import EmbeddedTraffic

    return EmbeddedTraffic(settings.admin_url(), settings.admin_token())


def telemetry(settings: Settings) -> Telemetry:
    """The gateway's log of what it measured."""
    from headgate.telemetry.gateway import GatewayTelemetry

    return GatewayTelemetry(settings.admin_url(), settings.admin_token())


def platform(settings: Settings) -> Platform:
    """The AgentCore adapter; on this machine it drives the local runtime."""
    from headgate.platforms.agentcore import AgentCorePlatform, connect

    return AgentCorePlatform(connect(settings.runtime_url()))


def world(settings: Settings) -> World:
    """Everything that a controller needs."""
    import os
    import socket

    from headgate.config.clock import SystemClock
    from headgate.controller.world import World
    from headgate.gates.judges import maker_of
    from headgate.gates.runner import HttpGateRunner
    from headgate.notify.webhook import WebhookNotifier
    from headgate.store.shelf import FileShelf

    return World(
        store=store(settings),
        clock=SystemClock(),
        platform=platform(settings),
        traffic=traffic(settings),
        telemetry=telemetry(settings),
        gates=HttpGateRunner(judges=maker_of(settings.variable)),
        notifier=WebhookNotifier(settings.variable),
        shelf=FileShelf(settings.folder("reports")),
        holder=f"{socket.gethostname()}/{os.getpid()}",
    )


def salt() -> str:
    """Fresh randomness for one rollout: who was on the last candidate says nothing about the next."""
    import secrets

    return secrets.token_hex(16)
