"""A policy as text and as a value: parsed strictly, so that a gateway serves what was meant or says why not.

JSON (admin API, policy files) has the members of `ports.TrafficPolicy`; a fixed policy is the YAML of `headgate
gateway --policy FILE`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

import yaml

from headgate.core.metrics import Measure
from headgate.core.model import Version
from headgate.core.plan import SessionPolicy
from headgate.errors import UsageError
from headgate.ports import TrafficPolicy

AGENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,99}")
_NUMBER = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PATH = re.compile(r"[A-Za-z0-9\-._~/%]*")
_ARN = re.compile(r"arn:aws[a-z-]*:bedrock-agentcore:[a-z0-9-]+:[0-9]{12}:runtime/[A-Za-z0-9_-]{1,111}")
_ENDPOINT = re.compile(r"[a-zA-Z][a-zA-Z0-9_]{0,47}")
_SESSIONS = frozenset(SessionPolicy)


class BadPolicy(Exception):
    """A policy that cannot be served; the message names the member and what it should be."""


@dataclass(frozen=True, slots=True)
class Forced:
    """Somebody took the weight to 0 at the gateway itself."""

    by: str
    reason: str
    at: float


def parse(data: Any) -> TrafficPolicy:
    """Policy JSON as a value. Raises BadPolicy."""
    if not isinstance(data, dict):
        raise BadPolicy("a policy is a JSON object")
    if unknown := data.keys() - TrafficPolicy.__dataclass_fields__.keys():
        raise BadPolicy(f"unknown members: {', '.join(sorted(map(str, unknown)))}")
    if missing := {"agent", "arn", "rollout", "term", "epoch", "salt", "baseline"} - data.keys():
        raise BadPolicy(f"missing members: {', '.join(sorted(missing))}")
    retired = data.get("retired", [])
    if not isinstance(retired, list):
        raise BadPolicy("`retired` is a list of versions")
    candidate, deadline = data.get("candidate"), data.get("deadline")
    policy = TrafficPolicy(
        agent=_text(data, "agent"),
        arn=_text(data, "arn"),
        rollout=_text(data, "rollout"),
        term=_whole(data, "term"),
        epoch=_whole(data, "epoch"),
        salt=_text(data, "salt"),
        baseline=_version(data["baseline"], "baseline"),
        candidate=None if candidate is None else _version(candidate, "candidate"),
        weight=_number(data, "weight", 0.0),
        retired=tuple(_version(each, "retired") for each in retired),
        withdrawn=_text(data, "withdrawn", ""),
        sessions=_text(data, "sessions", "drain"),
        deadline=None if deadline is None else _number(data, "deadline", 0.0),
        session_idle_s=_number(data, "session_idle_s", 900.0),
        session_turns=_whole(data, "session_turns", 20),
        usd_per_million_input=_number(data, "usd_per_million_input", 0.0),
        usd_per_million_output=_number(data, "usd_per_million_output", 0.0),
        record_share=_number(data, "record_share", 0.0),
        record_consent=_yes(data, "record_consent", default=True),
        record_keep_s=_number(data, "record_keep_s", 7 * 86400.0),
        record_redact=_patterns(data, "record_redact"),
        record_failing=_number(data, "record_failing", 0.0),
        metrics=_metrics(data),
    )
    _check(policy)
    return policy


def _check(policy: TrafficPolicy) -> None:
    """The rules that span members."""
    numbers = [version.number for version in _versions(policy)]
    rules = (
        (AGENT_NAME.fullmatch(policy.agent), f"`agent` {policy.agent!r} is not a name of letters, digits, _ and -"),
        (policy.weight <= 100, f"`weight` {policy.weight:g} is not a percentage"),
        (policy.weight == 0 or policy.candidate, "`weight` above 0 without a candidate"),
        (policy.sessions in _SESSIONS, f"`sessions` is one of drain, handover, evict, not {policy.sessions!r}"),
        (policy.session_idle_s > 0, "`session_idle_s` must be above 0"),
        (policy.record_share <= 1, f"`record_share` {policy.record_share:g} is not a share from 0 to 1"),
        (policy.record_failing <= 1, f"`record_failing` {policy.record_failing:g} is not a share from 0 to 1"),
        (policy.session_turns > 0, "`session_turns` must be above 0"),
        (len(set(numbers)) == len(numbers), "one version is named twice among baseline, candidate and retired"),
        (policy.withdrawn != policy.baseline.number, "`withdrawn` names the baseline: there would be nothing to serve"),
        (
            policy.weight == 0 or policy.candidate is None or policy.withdrawn != policy.candidate.number,
            "`weight` above 0 for a candidate that is withdrawn",
        ),
    )
    for holds, complaint in rules:
        if not holds:
            raise BadPolicy(complaint)


def _versions(policy: TrafficPolicy) -> tuple[Version, ...]:
    candidate = () if policy.candidate is None else (policy.candidate,)
    return (policy.baseline, *candidate, *policy.retired)


def versions(policy: TrafficPolicy) -> dict[str, Version]:
    """All versions that the policy names, by number."""
    return {version.number: version for version in _versions(policy)}


def remembering(policy: TrafficPolicy, before: TrafficPolicy | None) -> TrafficPolicy:
    """The policy, with the address of a withdrawn version taken over from the one before where it is not named any
    more.
    """
    known = versions(before) if before else {}
    if policy.withdrawn and policy.withdrawn not in versions(policy) and policy.withdrawn in known:
        return replace(policy, retired=(*policy.retired, known[policy.withdrawn]))
    return policy


def data_of(policy: TrafficPolicy) -> dict[str, Any]:
    """The inverse of `parse`."""

    def version(each: Version) -> dict[str, str]:
        return {"version": each.number, "url": each.url}

    plain = {name: getattr(policy, name) for name in TrafficPolicy.__dataclass_fields__}
    return {
        **plain,
        "baseline": version(policy.baseline),
        "candidate": version(policy.candidate) if policy.candidate else None,
        "retired": [version(each) for each in policy.retired],
        "metrics": dict(policy.metrics),
    }


class Address(NamedTuple):
    """Where the turns of a version go: `target` is the request's target, `region` the AWS region that it is signed
    for ("": not signed).
    """

    host: str
    port: int
    target: str
    tls: bool = False
    region: str = ""
    profile: str = ""

    @property
    def origin(self) -> str:
        """As a url, without its path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = self.port == (443 if self.tls else 80)
        return f"{'https' if self.tls else 'http'}://{host}{'' if default else f':{self.port}'}"


def address(url: str) -> Address:
    """Where a version's url leads. Raises BadPolicy.

    `http://HOST:PORT[/PATH]` is an agent that answers POST PATH/invocations;
    `agentcore+https://HOST/ARN?qualifier=ENDPOINT` an endpoint of an AgentCore runtime.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise BadPolicy(f"the url {url!r} cannot be read: {error}") from None
    plain = url.isascii() and url.isprintable() and parts.username is None  # urlsplit passes over line breaks
    if plain and host and parts.scheme in {"agentcore+http", "agentcore+https"}:
        return _agentcore(parts, host, port, url)
    if not plain or parts.scheme != "http" or not host or parts.query or not _PATH.fullmatch(parts.path):
        raise BadPolicy(f"the url {url!r} is not of the form http://HOST:PORT[/PATH]")
    return Address(host, port or 80, f"{parts.path.rstrip('/')}/invocations")


def _agentcore(parts: SplitResult, host: str, port: int | None, url: str) -> Address:
    arn, query = unquote(parts.path[1:]), parse_qs(parts.query)
    endpoint = "".join(query.get("qualifier", []))
    if not _ARN.fullmatch(arn) or not _ENDPOINT.fullmatch(endpoint):
        raise BadPolicy(f"the url {url!r} is not of the form agentcore+https://HOST/ARN?qualifier=ENDPOINT")
    tls = parts.scheme == "agentcore+https"
    target = f"/runtimes/{quote(arn, safe='')}/invocations?qualifier={endpoint}"
    profile = "".join(query.get("profile", []))
    return Address(host, port or (443 if tls else 80), target, tls, arn.split(":")[3], profile)


def _version(data: Any, where: str) -> Version:
    if not isinstance(data, dict) or data.keys() != {"version", "url"}:
        raise BadPolicy(f'`{where}` is not an object {{"version", "url"}}')
    number, url = data["version"], data["url"]
    if not isinstance(number, str) or not _NUMBER.fullmatch(number):
        raise BadPolicy(f'`{where}.version` is not a version number in quotes, e.g. "2"')
    if not isinstance(url, str):
        raise BadPolicy(f"`{where}.url` is not text")
    address(url)
    return Version(number, "", url)


def _text(data: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = data.get(name, default)
    if not isinstance(value, str):
        raise BadPolicy(f"`{name}` is not text")
    return value


def _number(data: Mapping[str, Any], name: str, default: float) -> float:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise BadPolicy(f"`{name}` is not a number of at least 0")
    return float(value)


def _yes(data: Mapping[str, Any], name: str, *, default: bool) -> bool:
    value = data.get(name, default)
    if not isinstance(value, bool):
        raise BadPolicy(f"`{name}` is not true or false")
    return value


def _patterns(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = data.get(name, [])
    if not isinstance(found, list | tuple):
        raise BadPolicy(f"`{name}` is not a list of regular expressions")
    for each in found:
        try:
            re.compile(each)
        except (re.error, TypeError) as error:
            raise BadPolicy(f"`{name}` holds {each!r}, which is no regular expression: {error}") from None
    return tuple(found)


def _metrics(data: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    found = data.get("metrics", {})
    kinds = set(Measure)
    if not isinstance(found, dict) or not all(isinstance(name, str) and kind in kinds for name, kind in found.items()):
        known = ", ".join(Measure)
        raise BadPolicy(f"`metrics` is not an object of names and kinds ({known}), e.g. {{tool_calls: count}}")
    return tuple(found.items())


def _whole(data: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = data.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadPolicy(f"`{name}` is not a whole number of at least 0")
    return value


# --- fixed policy --------------------------------------------------------------------------------------------------

_MEND = 'e.g. `agents: [{arn: ..., baseline: {version: "1", url: http://127.0.0.1:9101}}]`'
_OPTIONAL = (
    "session_idle_s",
    "session_turns",
    "usd_per_million_input",
    "usd_per_million_output",
    "record_share",
    "record_consent",
    "record_keep_s",
    "record_redact",
    "record_failing",
    "metrics",
    "salt",
    "agent",
)


def names(policy: TrafficPolicy) -> tuple[str, ...]:
    """What a client may call the agent: its ARN, its runtime id, its name."""
    return tuple({policy.arn, policy.arn.rsplit("runtime/", 1)[-1], policy.agent} - {""})


def read_fixed(path: Path) -> list[TrafficPolicy]:
    """The policies of a `--policy` file. Raises UsageError naming the file and what is wrong in it."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"the policy file {path} cannot be read: {error}", _MEND) from error
    agents = data.get("agents") if isinstance(data, dict) else None
    if not isinstance(agents, list) or not agents or not isinstance(data, dict) or data.keys() != {"agents"}:
        raise UsageError(f"{path}: the file is not an object with one member, a list `agents`", _MEND)
    policies = []
    for i, each in enumerate(agents):
        try:
            policies.append(_fixed(each))
        except BadPolicy as error:
            raise UsageError(f"{path}: agents[{i}]: {error}", _MEND) from error
    known = [name for policy in policies for name in names(policy)]
    if twice := {name for name in known if known.count(name) > 1}:
        raise UsageError(f"{path}: two agents are called {sorted(twice)[0]}", "give each a name: `agent: NAME`")
    return policies


def _fixed(data: Any) -> TrafficPolicy:
    if not isinstance(data, dict):
        raise BadPolicy("not an object")
    if unknown := data.keys() - {"arn", "baseline", "candidate", *_OPTIONAL}:
        raise BadPolicy(f"unknown members: {', '.join(sorted(map(str, unknown)))}")
    arn = _text(data, "arn")
    candidate = data.get("candidate")
    weight = 0.0
    if isinstance(candidate, dict):
        weight = _number(candidate, "weight", 0.0)
        candidate = {name: value for name, value in candidate.items() if name != "weight"}
    return parse(
        {
            "agent": re.sub(r"-[A-Za-z0-9]{10}$", "", arn.rsplit("runtime/", 1)[-1]),
            "salt": sha256(arn.encode()).hexdigest()[:16],
            **{name: data[name] for name in _OPTIONAL if name in data},
            "arn": arn,
            "rollout": "fixed",
            "term": 0,
            "epoch": 0,
            "baseline": data.get("baseline"),
            "candidate": candidate,
            "weight": weight,
        }
    )
