"""AgentCore's words and ours: names, tokens, statuses."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from headgate.errors import Rejected

READY, CREATING, FAILED, STOPPED = "READY", "CREATING", "FAILED", "STOPPED"  # of ports.VersionState

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,47}")


def runtime_name(agent: str) -> str:
    """The agent runtime's name: AgentCore has no hyphen in names. Raises Rejected for a name that it cannot have."""
    name = agent.replace("-", "_")
    if not _NAME.fullmatch(name):
        raise Rejected(
            f"agent {agent!r} cannot be an AgentCore runtime",
            "start with a letter; then up to 47 letters, digits, - and _",
        )
    return name


def client_token(token: str) -> str:
    """A token of any length and letters as AgentCore wants it: 33 to 256 letters, digits and hyphens."""
    return f"headgate-{sha256(token.encode()).hexdigest()}"


def status_word(theirs: str) -> str:
    """The status of a version in our four words."""
    if theirs.endswith("FAILED"):
        return FAILED
    return theirs if theirs in {READY, STOPPED} else CREATING


def kept(control: Any, current: Mapping[str, Any], without: Collection[str] = ()) -> dict[str, Any]:
    """All of a version's configuration that an update may carry: an update replaces the whole of it, so what nobody
    changed goes along. `current` is a GetAgentRuntime; the members are those of botocore's own model.
    """
    members = control.meta.service_model.operation_model("UpdateAgentRuntime").input_shape.members
    return {key: current[key] for key in members if key in current and key not in without}


def address(arn: str, endpoint: str, host: str, profile: str = "") -> str:
    """The url of a version behind an endpoint, for gateway and gates: they sign what they send there.

    `agentcore+https://HOST/ARN?qualifier=ENDPOINT`; `host` is the data plane's own url.
    """
    more = f"&profile={quote(profile)}" if profile else ""
    return f"agentcore+{host.rstrip('/')}/{quote(arn, safe=':')}?qualifier={endpoint}{more}"
