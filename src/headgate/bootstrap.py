"""The only constructor of adapters: settings in, a wired world out. No rule lives here."""

from __future__ import annotations

import os
import secrets
import socket

from headgate.config.clock import SystemClock
from headgate.config.settings import Settings
from headgate.controller.world import World
from headgate.gates.runner import HttpGateRunner
from headgate.notify.webhook import WebhookNotifier
from headgate.platforms.agentcore import AgentCorePlatform, connect
from headgate.ports import Platform, Store, Telemetry, Traffic
from headgate.store.shelf import FileShelf
from headgate.store.sqlite import SqliteStore
from headgate.telemetry.gateway import GatewayTelemetry
from headgate.traffic.embedded import EmbeddedTraffic


def store(settings: Settings) -> Store:
    """The store of this state directory. Raises Unavailable where it cannot be opened."""
    settings.folder("")
    return SqliteStore(settings.store)


def traffic(settings: Settings) -> Traffic:
    """The gateway's admin address, with this state directory's token."""
    return EmbeddedTraffic(settings.admin_url(), settings.admin_token())


def telemetry(settings: Settings) -> Telemetry:
    return GatewayTelemetry(settings.admin_url(), settings.admin_token())


def platform(settings: Settings) -> Platform:
    """The AgentCore adapter; on this machine it drives the local runtime."""
    return AgentCorePlatform(connect(settings.runtime_url()))


def world(settings: Settings) -> World:
    """Everything that a controller needs."""
    return World(
        store=store(settings),
        clock=SystemClock(),
        platform=platform(settings),
        traffic=traffic(settings),
        telemetry=telemetry(settings),
        gates=HttpGateRunner(),
        notifier=WebhookNotifier(settings.variable),
        shelf=FileShelf(settings.folder("reports")),
        holder=f"{socket.gethostname()}/{os.getpid()}",
    )


def salt() -> str:
    """Fresh randomness for one rollout: who was on the last candidate says nothing about the next."""
    return secrets.token_hex(16)
