"""What one gateway process is told when it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

# (url, region, profile, headers, body) -> headers with AWS's signature; blocks where credentials have to be renewed
Sign = Callable[[str, str, str, Mapping[str, str], bytes], Mapping[str, str]]
Address = tuple[str, int]  # host, port; port 0: any free one


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """`token_sha256`: hex digest of the admin token. `policy_file`: a fixed policy, then no controller can change it.

    `lifeline_fd`: a pipe whose end of file means that the parent died. The upstream limits are AgentCore's own 15
    minutes.
    """

    listen: Address
    admin: Address
    home: Path
    token_sha256: str = ""
    policy_file: Path | None = None
    lifeline_fd: int | None = None
    connect_s: float = 5.0  # to open a connection to a version
    first_byte_s: float = 900.0  # until the first byte of a version's answer
    idle_s: float = 900.0  # between two pieces of it
    client_s: float = 60.0  # a client that stops in the middle of its request
    sign: Sign | None = None  # for versions on AgentCore
    stop_s: float = 10.0  # for requests in flight when the gateway is told to stop
