"""Everything the core can ask of the shell: a closed union.

Each has a key that is the same whenever the same thing is asked. An effect is asked for again until a fact verifies it;
doing one twice must equal doing it once.
"""

from __future__ import annotations

from dataclasses import dataclass

PRODUCTION = "production"  # the endpoint that clients name
CANDIDATE = "candidate"  # the endpoint of the version on trial
PREVIOUS = "previous"  # the version before, kept warm: a rollback after the end needs no build


@dataclass(frozen=True, slots=True)
class DeployCandidate:
    """Make the candidate's version, point the candidate endpoint at it and wait until it is healthy."""

    key: str


@dataclass(frozen=True, slots=True)
class RunGate:
    key: str
    gate: str


@dataclass(frozen=True, slots=True)
class SetTraffic:
    """`weight` percent of new sessions to the candidate; epoch counts these askings, the gateway refuses an older one.

    `withdraw`: the candidate is taken back, its sessions follow the plan's rollback policy until `deadline` (Unix s).
    `promote`: the candidate becomes the baseline and the old one drains.
    """

    key: str
    weight: float
    epoch: int
    withdraw: bool = False
    promote: bool = False
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class PinEndpoint:
    """Point a named endpoint at a version and wait until it is live there."""

    key: str
    endpoint: str
    version: str


@dataclass(frozen=True, slots=True)
class RetireCandidate:
    """Remove the candidate endpoint, so that the platform may stop the version."""

    key: str


@dataclass(frozen=True, slots=True)
class OpenIncident:
    key: str
    severity: str  # P1 .. P4
    title: str


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell the receivers that the plan names for `event`; nothing waits for it."""

    key: str
    event: str  # started | advanced | approval | hold | rollback | incident | drift | completed
    text: str


@dataclass(frozen=True, slots=True)
class WriteHandoff:
    key: str


Effect = DeployCandidate | RunGate | SetTraffic | PinEndpoint | RetireCandidate | OpenIncident | Notify | WriteHandoff
