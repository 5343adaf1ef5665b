"""The blocks of a plan that say who is told of what, and who is told when nobody answers."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from headgate.config.block import Block
from headgate.config.plan_types import Addresses, Duration, Event, Severity, Target, Variable, optional


class Told(Block):
    """What every receiver has."""

    name: str = optional("", description="Name of the receiver, for `incidents.escalate`")
    person: str = optional("", description="Who alone reads there: links that approve or reject are theirs")
    on: list[Event] = Field(min_length=1, description="What to tell")


class Slack(Told):
    """Messages to a Slack webhook."""

    slack: Target = Field(description="env:NAME of the variable that holds its URL")


class Webhook(Told):
    """Signed JSON to any receiver."""

    webhook: Target = Field(description="Its URL, or env:NAME of the variable that holds it")


class Email(Told):
    """Mail, by the server of HEADGATE_SMTP_URL."""

    email: Addresses = Field(description="An address, or a list of them")


class PagerDuty(Told):
    """Events of PagerDuty's API, version 2."""

    pagerduty: Variable = Field(description="env:NAME of the variable that holds the routing key")


class Sns(Told):
    """A topic of Amazon SNS."""

    sns: str = Field(pattern=r"^arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w.-]+$", description="ARN of the topic")


class Apprise(Told):
    """Any of Apprise's services; needs `pip install 'headgate[notify]'` where the controller runs."""

    apprise: Variable = Field(description="env:NAME of the variable that holds the Apprise URL")


class Escalation(Block):
    """Who is told of an incident that nobody has acknowledged."""

    severity: Severity = optional("P4", description="Incidents of this severity, or a worse one")
    after: Duration = Field(description="Time since it was opened")
    to: list[str] = Field(min_length=1, description="Names of receivers of `notify`")


class Incidents(Block):
    """What happens to incidents."""

    escalate: list[Escalation] = optional([], description="Steps of escalation")


RECEIVERS = (Slack, Webhook, Email, PagerDuty, Sns, Apprise)


def _receiver_kind(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    return next((kind.__name__ for kind in RECEIVERS if kind.__name__.lower() in value), None)


Receiver = Annotated[
    Annotated[Slack, Tag("Slack")]
    | Annotated[Webhook, Tag("Webhook")]
    | Annotated[Email, Tag("Email")]
    | Annotated[PagerDuty, Tag("PagerDuty")]
    | Annotated[Sns, Tag("Sns")]
    | Annotated[Apprise, Tag("Apprise")],
    Discriminator(_receiver_kind),
]
