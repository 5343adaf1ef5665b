"""The Platform port on Amazon Bedrock AgentCore.

Endpoints: `production` and `previous` are for people and for clients that call AgentCore themselves. What a gateway
sends goes to the seats `headgate_a`, `headgate_b`, `headgate_c`: one holds the baseline, one the version before, one
the candidate, and a seat is pointed at another version only when no session can be left on it. So a promotion moves
no session: the seat that the candidate had becomes the baseline's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from headgate.aws.clients import Clients, Place
from headgate.aws.faults import mapped
from headgate.core.codec import digest
from headgate.core.effects import CANDIDATE, PREVIOUS, PRODUCTION
from headgate.core.identity import LONGEST, Values, values
from headgate.core.model import Version
from headgate.core.plan import Plan
from headgate.core.plan import Platform as PlanPlatform
from headgate.errors import Rejected
from headgate.platforms.agentcore import words
from headgate.platforms.agentcore.artifacts import Source, artifact
from headgate.platforms.agentcore.runtimes import Runtimes
from headgate.ports import RuntimeState, VersionState

SEATS = ("headgate_a", "headgate_b", "headgate_c")
SEATED = "Headgate: a version that the gateway sends sessions to"
AT_REST = "Headgate: at rest, on the version that is trusted"
# for how long an answer is good: lists are limited to 25 a second for the whole account, and we are not alone in it
GOOD_S = {words.READY: 5.0, words.CREATING: 1.0, words.FAILED: 0.0, words.STOPPED: 1.0}
FOUND_S = 1.0

Data = dict[str, Any]


class AgentCorePlatform:
    """One agent's runtime, or those found by name where the plan names none. Raises only PortErrors.

    `now` is a clock in seconds.
    """

    def __init__(self, clients: Clients, *, runtime: str = "", now: Callable[[], float]) -> None:
        self._clients = clients
        self._runtimes = Runtimes(clients.control, runtime)
        self._control = clients.control
        self._now = now
        self._known: dict[tuple[str, str], tuple[float, VersionState]] = {}  # ... and until when
        self._found: dict[str, tuple[float, RuntimeState]] = {}

    def find(self, agent: str) -> RuntimeState | None:
        """What there is, or None. The candidate's seat is told as the endpoint `candidate`, too."""
        until, found = self._found.get(agent, (0.0, None))
        if found is None or self._now() >= until:
            with mapped(f"looking for agent {agent}"):
                found = self._runtimes.state(agent)
            if found is None:
                return None
            found = replace(found, endpoints=_named(found.endpoints))
            self._found[agent] = (self._now() + FOUND_S, found)
        return found

    def build(self, agent: str, plan: Plan, token: str) -> Version:
        """Make the version that the plan describes, on top of the one that production has.

        The same token, or the same configuration as the latest, gives the same version.
        """
        self._forget()
        found = self._located(agent)
        base: Data = {} if found is None else self._base(agent, found["agentRuntimeId"])
        source = source_of(plan.platform)
        made = artifact(source, agent, self._clients, base.get("agentRuntimeArtifact", {}))
        asked = {"agentRuntimeArtifact": made, **_decided(plan.platform, base)}
        unique = {"clientToken": words.client_token(f"{agent}/{token}")}
        with mapped(f"building a version of {agent}"):
            if found is None:
                return self._created(agent, asked, unique)
            id = found["agentRuntimeId"]
            request = {**words.kept(self._control, base), **asked}
            latest = self._control.get_agent_runtime(agentRuntimeId=id)
            if self._digest(latest) == self._digest(request):
                return Version(latest["agentRuntimeVersion"], self._digest(latest))
            with self._runtimes.while_it_moves(f"runtime {id}", latest["status"]):
                answer = self._control.update_agent_runtime(**request, **unique)
            number = answer["agentRuntimeVersion"]
            config = self._control.get_agent_runtime(agentRuntimeId=id, agentRuntimeVersion=number)
            return Version(number, self._digest(config))

    def version(self, agent: str, number: str) -> VersionState:
        """READY once the version is, and an endpoint is live on it; FAILED with AWS's own reason."""
        until, state = self._known.get((agent, number), (0.0, None))
        if state is None or self._now() >= until:
            with mapped(f"looking at version {number} of {agent}"):
                state = self._state(self._runtimes.need(agent), number)
            self._known[agent, number] = (self._now() + GOOD_S[state.status], state)
        return state

    def pin(self, agent: str, endpoint: str, number: str) -> None:
        """Ask for the endpoint to be on the version; `find` and `version` tell when it is."""
        self._forget()
        with mapped(f"pointing {endpoint} of {agent} at version {number}"):
            id = self._runtimes.need(agent)
            if endpoint in {CANDIDATE, PRODUCTION}:
                seat = self._seat(id, number)
                if seat:
                    self._runtimes.point(id, seat, number, SEATED)
                elif endpoint == CANDIDATE:
                    raise Rejected(
                        f"all of {', '.join(SEATS)} hold a version that sessions may be on",
                        "delete the endpoint among them that is not in use",
                    )
            if endpoint != CANDIDATE:
                self._runtimes.point(id, endpoint, number)

    def unpin(self, agent: str, endpoint: str) -> None:
        """The candidate's seat goes to the trusted version and rests; any other endpoint is removed."""
        self._forget()
        with mapped(f"taking {endpoint} of {agent} back"):
            if endpoint != CANDIDATE:
                self._runtimes.remove(agent, endpoint)
                return
            found = self._runtimes.locate(agent)
            if found is None:
                return
            id = found["agentRuntimeId"]
            endpoints = {e["name"]: e for e in self._runtimes.endpoints(id)}
            trusted = _target(endpoints, PRODUCTION)
            for name in _candidates(endpoints):
                if trusted:
                    self._runtimes.point(id, name, trusted, AT_REST)
                else:
                    self._runtimes.remove(agent, name)

    # --- helpers; called inside `mapped`

    def _forget(self) -> None:
        self._known.clear()
        self._found.clear()

    def _located(self, agent: str) -> Data | None:
        with mapped(f"looking for agent {agent}"):
            return self._runtimes.locate(agent)

    def _base(self, agent: str, id: str) -> Data:
        """The configuration that a candidate starts from: of what production serves, not of a rejected version."""
        with mapped(f"reading the configuration of {agent}"):
            production = self._runtimes.endpoint(id, PRODUCTION) or {}
            live = production.get("liveVersion")
            only = {"agentRuntimeVersion": live} if live else {}
            base: Data = self._control.get_agent_runtime(agentRuntimeId=id, **only)
        return base

    def _created(self, agent: str, asked: Data, unique: Data) -> Version:
        if "roleArn" not in asked:
            raise Rejected(
                f"there is no runtime of {agent} yet, and the plan names no role for one",
                "name an existing runtime, `runtime: ID`, or its execution role, `role: ARN`",
            )
        made = self._control.create_agent_runtime(agentRuntimeName=words.runtime_name(agent), **asked, **unique)
        config = self._control.get_agent_runtime(agentRuntimeId=made["agentRuntimeId"])
        return Version(made["agentRuntimeVersion"], self._digest(config))

    def _digest(self, config: Mapping[str, Any]) -> str:
        """All that makes a version: AgentCore tells no content digest, but code and image are named by theirs."""
        return digest(words.kept(self._control, config, without=("agentRuntimeId", "description", "clientToken")))

    def _state(self, id: str, number: str) -> VersionState:
        data = self._control.get_agent_runtime(agentRuntimeId=id, agentRuntimeVersion=number)
        version = Version(number, self._digest(data))
        status = words.status_word(data["status"])
        if status != words.READY:
            return VersionState(version, status, data.get("failureReason", ""))
        rows = [e for e in self._runtimes.endpoints(id) if e["name"] != "DEFAULT"]
        for row in rows:
            if row.get("targetVersion") == number and row["status"].endswith("FAILED"):
                failed = self._runtimes.endpoint(id, row["name"]) or {}
                reason = failed.get("failureReason") or f"endpoint {row['name']} is {row['status']}"
                return VersionState(version, words.FAILED, reason)
        moving = [e["name"] for e in rows if e.get("targetVersion") == number and e["status"] != words.READY]
        live = [e for e in rows if e.get("liveVersion") == number and e["status"] == words.READY]
        if moving or not live:
            if not moving and all(e.get("targetVersion") != number for e in rows):
                return VersionState(version, words.STOPPED, "no endpoint of Headgate's points at it")
            return VersionState(version, words.CREATING, f"{', '.join(moving) or 'an endpoint'} is on its way")
        best = min(live, key=lambda e: _preference(e["name"], e.get("description", "")))
        host, profile = self._clients.data.meta.endpoint_url, self._clients.place.profile
        url = words.address(data["agentRuntimeArn"], best["name"], host, profile)
        variables = data.get("environmentVariables") or {}
        return VersionState(
            Version(number, version.digest, url), words.READY, built=built_of(data), variables=variables
        )

    def _seat(self, id: str, number: str) -> str:
        """The seat that has the version, or one that no session can be on; "" where there is none."""
        endpoints = {e["name"]: e for e in self._runtimes.endpoints(id)}
        mine = [n for n in SEATS if _target(endpoints, n) == number and not _rests(endpoints[n])]
        if mine:
            return mine[0]
        kept = {_target(endpoints, PRODUCTION), _target(endpoints, PREVIOUS)}
        for name in SEATS:
            if name not in endpoints or _rests(endpoints[name]) or _target(endpoints, name) not in kept:
                return name
        return ""


def built_of(config: Mapping[str, Any]) -> Values:
    """What GetAgentRuntime tells of a version's parts. Code and image are named by digests; AWS knows of no other."""
    artifact = config.get("agentRuntimeArtifact") or {}
    image = (artifact.get("containerConfiguration") or {}).get("containerUri", "")
    code = artifact.get("codeConfiguration") or {}
    place = (code.get("code") or {}).get("s3") or {}
    known = image or "/".join(part for part in (place.get("prefix"), place.get("versionId")) if part)
    started = code.get("entryPoint", []), code.get("runtime", ""), dict(config.get("environmentVariables") or {})
    found = {"environment": f"sha256:{digest([*started, config.get('roleArn', '')])}"}
    return values({**found, **({"code": known[-LONGEST:]} if known else {})})


def source_of(platform: PlanPlatform) -> Source:
    """The members of a plan's platform that name the code."""
    return Source(
        directory=platform.get("source"),
        entry=platform.get("entry", "main.py"),
        python=platform.get("python"),
        bucket=platform.get("bucket"),
        prefix=platform.get("prefix", "headgate/"),
        container=platform.get("container"),
    )


def place_of(platform: PlanPlatform) -> Place:
    """Where on AWS the plan's agent runs."""
    return Place(platform.get("region"), platform.get("profile"), platform.get("endpoint_url"))


def _decided(platform: PlanPlatform, base: Mapping[str, Any]) -> Data:
    """What else the plan decides of a version: variables that it names over those that are there, and the role."""
    more: Data = {}
    if env := json.loads(platform.get("env", "{}")):
        more["environmentVariables"] = {**base.get("environmentVariables", {}), **env}
    if role := platform.get("role"):
        more["roleArn"] = role
    return more


def _target(endpoints: Mapping[str, Data], name: str) -> str:
    return str(endpoints.get(name, {}).get("targetVersion", ""))


def _candidates(endpoints: Mapping[str, Data]) -> list[str]:
    """The seats that hold neither the trusted version nor the one before it."""
    others = {"", _target(endpoints, PRODUCTION), _target(endpoints, PREVIOUS)}
    return [name for name in SEATS if _target(endpoints, name) not in others]


def _named(endpoints: Mapping[str, tuple[str, str, str]]) -> dict[str, tuple[str, str, str]]:
    """The endpoints, and the candidate's seat under the name that it has in a rollout."""
    rows = {name: {"targetVersion": target} for name, (_, target, _) in endpoints.items()}
    seats = _candidates(rows)
    return {**endpoints, CANDIDATE: endpoints[seats[0]]} if seats else dict(endpoints)


def _rests(endpoint: Data) -> bool:
    return bool(endpoint.get("description") == AT_REST)


def _preference(name: str, description: str) -> int:
    """Which of the endpoints that are live on a version its sessions are sent to: the least."""
    if name in SEATS and description != AT_REST:
        return 0
    return {PRODUCTION: 1, PREVIOUS: 2}.get(name, 3)
