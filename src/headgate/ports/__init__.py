"""The shell's sockets: Protocols of 1-6 methods, named for our need, not for a vendor's API.

Every method may raise a PortError (see errors.py) that says whether to try again. Calls that change something are
idempotent.
"""

from __future__ import annotations

from headgate.ports.alarms import CloudAlarm, CloudAlarms
from headgate.ports.evaluations import Evaluated, Evaluations, Judgement
from headgate.ports.judging import (
    FailingTurn,
    GateOutcome,
    GateRunner,
    Recordings,
    Replayer,
    Scored,
    Scorer,
    Teller,
)
from headgate.ports.outside import (
    Clock,
    Platform,
    RuntimeState,
    Surveyor,
    Telemetry,
    Traffic,
    TrafficPolicy,
    TrafficState,
    VersionState,
)
from headgate.ports.people import (
    Channel,
    Link,
    Shelf,
)
from headgate.ports.store import (
    Agent,
    Change,
    Command,
    Data,
    Delivery,
    Entry,
    Inbox,
    Lease,
    Leases,
    Ledger,
    Message,
    Observations,
    Outbox,
    PendingEffect,
    Record,
    Rollouts,
    Spent,
    Store,
    Verification,
)

__all__ = [
    "Agent",
    "Change",
    "Channel",
    "Clock",
    "CloudAlarm",
    "CloudAlarms",
    "Command",
    "Data",
    "Delivery",
    "Entry",
    "Evaluated",
    "Evaluations",
    "FailingTurn",
    "GateOutcome",
    "GateRunner",
    "Inbox",
    "Judgement",
    "Lease",
    "Leases",
    "Ledger",
    "Link",
    "Message",
    "Observations",
    "Outbox",
    "PendingEffect",
    "Platform",
    "Record",
    "Recordings",
    "Replayer",
    "Rollouts",
    "RuntimeState",
    "Scored",
    "Scorer",
    "Shelf",
    "Spent",
    "Store",
    "Surveyor",
    "Telemetry",
    "Teller",
    "Traffic",
    "TrafficPolicy",
    "TrafficState",
    "Verification",
    "VersionState",
]
