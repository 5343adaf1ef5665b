"""The only constructor of adapters: settings in, a wired world out. No rule lives here.

Each adapter is imported where it is made: a command that only reads the store loads no AWS SDK and no HTTP client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import cache, partial
from typing import TYPE_CHECKING

from headgate.config.clock import SystemClock

if TYPE_CHECKING:
    from headgate.aws.clients import Clients
    from headgate.aws.signing import Signer
    from headgate.config.settings import Settings
    from headgate.controller.diagnose import Scene
    from headgate.controller.world import World
    from headgate.core.plan import Plan
    from headgate.gateway.settings import Sign
    from headgate.notify.links import LinkSigner
    from headgate.platforms.agentcore.repoint import Repoint, Step
    from headgate.ports import (
        Channel,
        Clock,
        CloudAlarms,
        Evaluations,
        Platform,
        Recordings,
        Store,
        Surveyor,
        Telemetry,
        Traffic,
    )
    from headgate.reports.incidents import Incident
    from headgate.telemetry.cloudwatch import Registry

CLOCK = SystemClock()


def store(settings: Settings) -> Store:
    """The store of this state directory. Raises Unavailable where it cannot be opened."""
    from headgate.store.sqlite import SqliteStore

    settings.folder("")
    return SqliteStore(settings.store)


def embedded_traffic(settings: Settings) -> Traffic:
    """The gateway's admin address, with this state directory's token."""
    from headgate.traffic.embedded import EmbeddedTraffic

    return EmbeddedTraffic(settings.admin_url(), settings.admin_token())


def traffic(settings: Settings, store: Store | None = None, clock: Clock = CLOCK) -> Traffic:
    """Who splits each agent's sessions, by its plan; without a store it is the gateway."""
    from headgate.controller.by_plan import TrafficByPlan, plan_of

    if store is None:
        return embedded_traffic(settings)
    return TrafficByPlan(partial(plan_of, store), partial(traffic_for, settings, store, clock=clock))


def traffic_for(settings: Settings, store: Store, plan: Plan, clock: Clock = CLOCK) -> Traffic:
    """Who splits a plan's sessions: the gateway of this state directory, or an AgentCore Gateway."""
    if plan.traffic != "agentcore-gateway":
        return embedded_traffic(settings)
    from headgate.ports import Entry
    from headgate.telemetry.cloudwatch import KnownSessions
    from headgate.traffic.agentcore_gateway import AgentCoreGatewayTraffic

    def told(what: str, seconds: float) -> None:
        store.append(
            [Entry("traffic.step", {"agent": plan.agent, "step": what, "seconds": round(seconds, 3)})], clock.now()
        )

    known = KnownSessions(_registry(settings), plan, clock.now)
    return AgentCoreGatewayTraffic(aws(plan), plan.platform.get("gateway"), known, clock, told)


def telemetry(
    settings: Settings, store: Store, platform: Platform, traffic: Traffic, clock: Clock = CLOCK
) -> Telemetry:
    """What measures each agent, by its plan; the two ports tell what is measured: AWS is asked once for all."""
    from headgate.controller.by_plan import TelemetryByPlan, plan_of
    from headgate.telemetry.gateway import GatewayTelemetry

    def make(plan: Plan) -> Telemetry:
        if plan.traffic != "agentcore-gateway":
            return GatewayTelemetry(settings.admin_url(), settings.admin_token())
        from headgate.telemetry.cloudwatch import CloudWatchTelemetry, split_of

        split = split_of(plan, platform, traffic)
        return CloudWatchTelemetry(aws(plan), plan, _registry(settings), split, clock.now)

    return TelemetryByPlan(partial(plan_of, store), make)


def _registry(settings: Settings) -> Registry:
    from headgate.telemetry.cloudwatch import Registry

    return Registry(settings.folder("agentcore") / "sessions.db")


def platform(settings: Settings, store: Store, clock: Clock = CLOCK) -> Platform:
    """Where each agent runs, by its plan."""
    from headgate.controller.by_plan import PlatformByPlan, plan_of

    return PlatformByPlan(partial(plan_of, store), partial(platform_for, settings, clock=clock))


def platform_for(settings: Settings, plan: Plan, clock: Clock = CLOCK) -> Platform:
    """The platform of a plan: AgentCore in a region, or the local runtime of this machine."""
    from headgate.platforms.agentcore import AgentCorePlatform, LocalPlatform, connect

    if plan.platform.kind == "agentcore":
        return AgentCorePlatform(aws(plan), runtime=plan.platform.get("runtime"), now=clock.now)
    return LocalPlatform(connect(settings.runtime_url()))


def alarms_for(plan: Plan) -> CloudAlarms | None:
    """Who keeps alarms on AWS, for an agent that is there."""
    if plan.platform.kind != "agentcore":
        return None
    from headgate.telemetry.cloudwatch.alarms import CloudWatchAlarms

    # a clock of its own: it sleeps in a worker, and a wake of the controller's is for the controller
    return CloudWatchAlarms(aws(plan), SystemClock().sleep)


def evaluations_for(plan: Plan) -> Evaluations | None:
    """Whose evaluations score sessions, and who reads A/B tests, for an agent on AgentCore."""
    if plan.platform.kind != "agentcore":
        return None
    from headgate.telemetry.cloudwatch.evaluations import AgentCoreEvaluations

    return AgentCoreEvaluations(aws(plan))


def surveyor(plan: Plan) -> Surveyor | None:
    """Who reads what else an account has for the plan's agent; None where there is no account."""
    from headgate.platforms.agentcore.survey import AgentCoreSurvey

    if plan.platform.kind != "agentcore":
        return None
    return AgentCoreSurvey(aws(plan), CLOCK.now, alarms_for(plan))


def repoint(settings: Settings, plan: Plan, word: str, told: Callable[[Step], None]) -> tuple[Repoint, bool]:
    """The drill on what a plan's agent runs on, and whether that is a real account. `word` is fresh, for names."""
    from headgate.aws.clients import Clients, Place
    from headgate.platforms.agentcore.repoint import Repoint, is_real, where_of

    here = plan.platform.kind == "local"
    clients = Clients(Place(endpoint_url=settings.runtime_url())) if here else aws(plan)
    return Repoint(clients, where_of(plan, clients, word), CLOCK, told), is_real(clients)


def aws(plan: Plan) -> Clients:
    """AWS's clients for the place that a plan of platform agentcore names."""
    from headgate.aws.clients import Clients
    from headgate.platforms.agentcore.aws import place_of

    return Clients(place_of(plan.platform))


def signer() -> Sign:
    """Signs the gateway's turns for AgentCore; the AWS SDK is loaded when the first one is."""

    @cache
    def made() -> Signer:
        from headgate.aws.signing import Signer

        return Signer()

    def sign(url: str, region: str, profile: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        return made().headers(url, region, profile, headers, body)

    return sign


def way_to(url: str) -> AbstractContextManager[str]:
    """A plain url on this machine by which a version on AgentCore is reached, while it is open."""
    from headgate.core.address import arn_of
    from headgate.gateway.loopback import loopback

    return loopback(url, arn_of(url), signer())


def world(settings: Settings, clock: Clock = CLOCK) -> World:
    """Everything that a controller needs, on `clock`."""
    import os
    import socket

    from headgate.controller.by_plan import OncePerPlace
    from headgate.controller.reaching import ReachingGates
    from headgate.controller.world import World
    from headgate.gates.judges import maker_of
    from headgate.gates.replay import HttpReplayer
    from headgate.gates.runner import HttpGateRunner
    from headgate.gates.scoring import RecordingScorer
    from headgate.platforms.telling import HttpTeller
    from headgate.store.shelf import FileShelf

    kept, judges = store(settings), maker_of(settings.variable)
    kept_sessions = recordings(settings)
    runs, splits = platform(settings, kept, clock), traffic(settings, kept, clock)
    return World(
        store=kept,
        clock=clock,
        platform=runs,
        traffic=splits,
        telemetry=telemetry(settings, kept, runs, splits, clock),
        gates=ReachingGates(HttpGateRunner(judges=judges), way_to),
        channels=channels(settings),
        shelf=FileShelf(settings.folder("reports")),
        holder=f"{socket.gethostname()}/{os.getpid()}",
        lookup=settings.variable,
        links=links(settings),
        recordings=kept_sessions,
        replays=HttpReplayer(kept_sessions, judges, way_to),
        scorer=RecordingScorer(judges),
        alarms=OncePerPlace(alarms_for),
        evaluations=OncePerPlace(evaluations_for),
        teller=HttpTeller(way_to),
    )


def recordings(settings: Settings) -> Recordings:
    """The sessions, and the failing turns, that the gateway of this state directory keeps."""
    from headgate.telemetry.gateway import GatewayTelemetry

    return GatewayTelemetry(settings.admin_url(), settings.admin_token())


def scene(settings: Settings, store: Store, incident: Incident, now: float) -> Scene:
    """What the checks of a runbook look at. Raises NotFound where the incident's agent is not served here."""
    from headgate.controller.commands import served
    from headgate.controller.diagnose import Ping, Scene
    from headgate.platforms.ping import ping

    return Scene(
        store=store,
        platform=platform(settings, store),
        traffic=traffic(settings, store),
        ping=lambda url: Ping(*ping(url)),
        home_problems=settings.problems,
        agent=served(store, incident.agent),
        rollout=store.load(incident.rollout) if incident.rollout else None,
        now=now,
    )


def channels(settings: Settings) -> dict[str, Channel]:
    """Every way to people, by the kind of receiver that a plan names."""
    from headgate.notify.mail import MailChannel
    from headgate.notify.others import AppriseChannel
    from headgate.notify.sns import SnsChannel
    from headgate.notify.webhook import PagerDutyChannel, SlackChannel, WebhookChannel

    return {
        "webhook": WebhookChannel(settings.variable),
        "slack": SlackChannel(settings.variable),
        "pagerduty": PagerDutyChannel(settings.variable),
        "email": MailChannel(settings.variable),
        "sns": SnsChannel(),
        "apprise": AppriseChannel(),
    }


def links(settings: Settings) -> LinkSigner:
    """What makes and reads signed links, by the key of this state directory."""
    from headgate.notify.links import LinkSigner

    return LinkSigner(settings.link_key, settings.dashboard_url)


def salt() -> str:
    """Fresh randomness for one rollout: who was on the last candidate says nothing about the next."""
    import secrets

    return secrets.token_hex(16)
